package command

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/cgroup"
	"pyro.agent/internal/process"
)

// Command is a started command.
type Command struct {
	PID int
	// nil when the command has none
	Stdin          *os.File
	Stdout, Stderr *Output
	// receives one value when the main process ends
	Exited <-chan process.Exit

	startedAt time.Time
	group     *cgroup.Group
	groups    *cgroup.Parent
}

// Kill kills the command and everything it started. Root can move itself out of its control
// group; the main process and its session are ended all the same.
func (c *Command) Kill() error {
	unix.Kill(-c.PID, unix.SIGKILL)
	return c.group.Kill()
}

// Result describes the end of the command.
func (c *Command) Result(exit process.Exit) Result {
	result := Result{DurationMs: float64(exit.At.Sub(c.startedAt).Microseconds()) / 1000}
	if exit.Status.Signaled() {
		name := signalName(exit.Status.Signal())
		result.Signal = &name
	} else {
		code := exit.Status.ExitStatus()
		result.ExitCode = &code
	}
	// A command that succeeded has nothing to blame on the memory.
	if failed := result.Signal != nil || *result.ExitCode != 0; failed {
		result.OOMKilled = c.group.HadOOMKill()
	}
	return result
}

// Release gives up the command's control group. What runs on in the background can't be killed
// through the command any more.
func (c *Command) Release() {
	c.groups.Release(c.group)
}

// signalName returns the name of a signal, `SIG34` for one that has none.
func signalName(signal unix.Signal) string {
	if name := unix.SignalName(signal); name != "" {
		return name
	}
	return fmt.Sprintf("SIG%d", int(signal))
}
