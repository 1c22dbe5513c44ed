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
	// nil if the command has no standard input
	Stdin          *os.File
	Stdout, Stderr *Output
	// one value at the end of the main process
	Exited <-chan process.Exit

	startedAt time.Time
	group     *cgroup.Group
	groups    *cgroup.Parent
}

// Kill kills the command and everything it started. Root can move itself out of its control group,
// so Kill also ends the main process and its session.
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
	// A command that succeeded did not fail for want of memory.
	if failed := result.Signal != nil || *result.ExitCode != 0; failed {
		result.OOMKilled = c.group.HadOOMKill()
	}
	return result
}

// Release gives up the command's control group. From then on Kill does not reach processes that run
// in the background.
func (c *Command) Release() {
	c.groups.Release(c.group)
}

// signalName returns the name of a signal, or a name such as `SIG34` for one without a name.
func signalName(signal unix.Signal) string {
	if name := unix.SignalName(signal); name != "" {
		return name
	}
	return fmt.Sprintf("SIG%d", int(signal))
}
