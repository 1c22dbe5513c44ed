package command

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// FailureCode says what went wrong with a command beside its exit status.
type FailureCode string

// These reasons lie in the command or its input. All but the last keep the command from starting.
const (
	NotFound      FailureCode = "command_not_found"
	NotExecutable FailureCode = "command_not_executable"
	CwdNotFound   FailureCode = "cwd_not_found"
	TooLong       FailureCode = "argument_too_long"
	InvalidInput  FailureCode = "invalid_argument"
)

// Failure explains why a command could not start or take its input.
type Failure struct {
	Code    FailureCode `json:"code"`
	Message string      `json:"message"`
}

func (e *Failure) Error() string { return e.Message }

// ExitCode returns the exit code that a shell would give.
func (e *Failure) ExitCode() int {
	if e.Code == NotFound {
		return 127
	}
	return 126
}

func notFound(name string) *Failure {
	return &Failure{NotFound, fmt.Sprintf("cannot run '%s': command not found", name)}
}

func notExecutable(name string, reason error) *Failure {
	return &Failure{NotExecutable, fmt.Sprintf("cannot run '%s': %v", name, reason)}
}

func cwdNotFound(cwd string) *Failure {
	return &Failure{CwdNotFound, fmt.Sprintf("cannot run in '%s': no such directory", cwd)}
}

// explainExec says why a program that findProgram accepted did not start. It returns an error
// unchanged if the command is not to blame.
func explainExec(name, path string, err error) error {
	switch {
	case errors.Is(err, unix.E2BIG):
		return &Failure{TooLong, fmt.Sprintf("cannot run '%s': argument list too long", name)}
	case errors.Is(err, unix.ENOENT):
		return notExecutable(name, missingInterpreter(path))
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return fmt.Errorf("start '%s': %w", name, err)
	default:
		return notExecutable(name, err)
	}
}

// missingInterpreter names the file that the kernel missed in its execution of path.
func missingInterpreter(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	// The kernel reads at most this much of a first line.
	line, _ := bufio.NewReader(io.LimitReader(file, 256)).ReadBytes('\n')
	script, isScript := bytes.CutPrefix(line, []byte("#!"))
	fields := bytes.Fields(script)
	if !isScript || len(fields) == 0 {
		return errors.New("bad interpreter: its dynamic loader is missing")
	}
	return fmt.Errorf("bad interpreter '%s': no such file", fields[0])
}
