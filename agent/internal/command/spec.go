// Package command runs the host's commands as guest processes.
package command

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"pyro.agent/internal/terminal"
)

// Spec says what to run.
type Spec struct {
	// program and its arguments
	Argv []string `json:"argv,omitempty"`
	// text for the shell, in place of a program
	Shell *string `json:"shell,omitempty"`
	// working directory, absolute
	Cwd string `json:"cwd"`
	// changes to the default environment; null removes a variable
	Env map[string]*string `json:"env"`
	// milliseconds until the whole process tree is killed, 0 for no limit
	TimeoutMs int64 `json:"timeout_ms"`
	// whether standard input comes from the host; otherwise it is `/dev/null`
	Stdin bool `json:"stdin"`
	// whether the command's writes are on the disks before the host gets the outcome
	Sync bool `json:"sync"`
	// the host's name for the command, under which its connections are announced
	Label string `json:"label,omitempty"`
	// whether the command ends with the last of its processes, not with the first
	WholeGroup bool `json:"whole_group,omitempty"`
	// the size of a terminal to run it at, in place of pipes; without a program it is a user's
	// shell
	Terminal *terminal.Size `json:"terminal,omitempty"`
}

// Timeout returns TimeoutMs as a duration.
func (s Spec) Timeout() time.Duration {
	return time.Duration(s.TimeoutMs) * time.Millisecond
}

// Validate returns an error for a specification that no process can be given.
func (s Spec) Validate() error {
	if s.Shell == nil && len(s.Argv) == 0 && !s.isUsersShell() {
		return errors.New("argv must have at least one element, or shell must be given")
	}
	if s.Shell != nil && s.Argv != nil {
		return errors.New("there must be only one of argv and shell")
	}
	if s.Shell != nil && strings.ContainsRune(*s.Shell, 0) {
		return errors.New("shell must not contain a NUL byte")
	}
	for i, argument := range s.Argv {
		if strings.ContainsRune(argument, 0) {
			return fmt.Errorf("argv[%d] must not contain a NUL byte", i)
		}
	}
	if s.Cwd != "" && !strings.HasPrefix(s.Cwd, "/") {
		return fmt.Errorf("cwd must be absolute, not %q", s.Cwd)
	}
	if strings.ContainsRune(s.Cwd, 0) {
		return errors.New("cwd must not contain a NUL byte")
	}
	if s.TimeoutMs < 0 || s.TimeoutMs > math.MaxInt64/int64(time.Millisecond) {
		return fmt.Errorf("timeout_ms is out of range: %d", s.TimeoutMs)
	}
	if s.Terminal != nil {
		if err := s.Terminal.Validate(); err != nil {
			return err
		}
	}
	return validateEnv(s.Env)
}

// isUsersShell reports whether the command is a shell for a user at a terminal.
func (s Spec) isUsersShell() bool {
	return s.Terminal != nil && s.Shell == nil && len(s.Argv) == 0
}

// argv returns the program and its arguments.
func (s Spec) argv(shell string) []string {
	switch {
	case s.Shell != nil:
		return []string{shell, "-c", *s.Shell}
	case s.isUsersShell():
		return terminal.ShellArgv(shell)
	}
	return s.Argv
}

func validateEnv(env map[string]*string) error {
	for name, value := range env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return fmt.Errorf("env has an invalid name %q", name)
		}
		if value != nil && strings.ContainsRune(*value, 0) {
			return fmt.Errorf("env[%q] must not contain a NUL byte", name)
		}
	}
	return nil
}
