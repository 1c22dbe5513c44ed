package command

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/cgroup"
	"pyro.agent/internal/crash"
	"pyro.agent/internal/process"
	"pyro.agent/internal/terminal"
)

// Command is a started command.
type Command struct {
	PID int
	// nil if the command has no standard input
	Stdin *os.File
	// Stderr is nil at a terminal, which has one stream
	Stdout, Stderr *Output
	// nil without one
	Terminal *terminal.Terminal
	// one value at the end of the main process
	Exited <-chan process.Exit

	label     string
	mainEnded atomic.Bool
	hungUp    atomic.Bool
	startedAt time.Time
	group     *cgroup.Group
}

// Kill kills the command and everything it started. Root can move itself out of its control group,
// so Kill also ends the main process and its session.
func (c *Command) Kill() error {
	// The group is first, because it may be another command's once this one has ended.
	err := c.group.Kill()
	// The number of a session that has ended may be another's.
	if !c.mainEnded.Load() {
		unix.Kill(-c.PID, unix.SIGKILL)
	}
	return err
}

// NoteMainEnd says that the main process has been collected.
func (c *Command) NoteMainEnd() { c.mainEnded.Store(true) }

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

// SignalForeground sends a signal to the process group that has the keyboard of the command's
// terminal, and returns its number; 0 if there is none.
func (c *Command) SignalForeground(signal unix.Signal) (group int, err error) {
	group = c.Terminal.Foreground()
	if group == 0 {
		return 0, nil
	}
	return group, unix.Kill(-group, signal)
}

// Signal sends a signal to every process of the command. SIGKILL reaches them in one step, so that
// none can start another one meanwhile.
func (c *Command) Signal(signal unix.Signal) error {
	if signal == unix.SIGKILL {
		return c.Kill()
	}
	if signal == unix.SIGHUP && c.Terminal != nil {
		c.hungUp.Store(true)
	}
	c.group.Signal(signal)
	return nil
}

// WasHungUp reports whether the command's terminal is to go, with all that runs there.
func (c *Command) WasHungUp() bool { return c.hungUp.Load() }

// Processes returns the numbers of the command's processes.
func (c *Command) Processes() []int { return c.group.Processes() }

// Usage returns what the command's processes use.
func (c *Command) Usage() cgroup.Usage { return c.group.Usage() }

// HasProcesses reports whether any process of the command is left.
func (c *Command) HasProcesses() bool { return c.group.IsPopulated() }

// groupPause is the time between two looks at whether a group has processes.
const groupPause = 200 * time.Millisecond

// GroupEnded returns a channel that is closed when the command has no process any more.
func (c *Command) GroupEnded() <-chan struct{} {
	ended := make(chan struct{})
	crash.Go(func() {
		defer close(ended)
		for c.group.IsPopulated() {
			time.Sleep(groupPause)
		}
	})
	return ended
}

// signalName returns the name of a signal, or a name such as `SIG34` for one without a name.
func signalName(signal unix.Signal) string {
	if name := unix.SignalName(signal); name != "" {
		return name
	}
	return fmt.Sprintf("SIG%d", int(signal))
}
