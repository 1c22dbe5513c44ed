// Package terminal gives commands a pseudoterminal, and finds out what they wait for at it.
package terminal

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Size is the size of a terminal's window, in characters.
type Size struct {
	Cols uint16 `json:"cols"`
	Rows uint16 `json:"rows"`
}

// Validate returns an error for a size that programs cannot work with.
func (s Size) Validate() error {
	const most = 1000
	if s.Cols < 1 || s.Cols > most || s.Rows < 1 || s.Rows > most {
		return fmt.Errorf("a terminal has 1 to %d columns and rows, not %d and %d", most, s.Cols, s.Rows)
	}
	return nil
}

// Terminal is the agent's end of a pseudoterminal.
type Terminal struct {
	// Received counts the bytes that the host has sent to the terminal's programs, and Sent those
	// that the host was sent.
	Received, Sent atomic.Int64

	master *os.File
	// number of the other end below /dev/pts
	number int
	device device
}

// Open returns a new terminal, and the other end of it, which the caller must close.
func Open(size Size) (*Terminal, *os.File, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, &os.PathError{Op: "open", Path: "/dev/ptmx", Err: err}
	}
	t := &Terminal{master: os.NewFile(uintptr(fd), "terminal")}
	slave, err := t.prepare(size)
	if err != nil {
		t.master.Close()
		return nil, nil, fmt.Errorf("make a terminal: %w", err)
	}
	return t, slave, nil
}

func (t *Terminal) prepare(size Size) (*os.File, error) {
	err := t.control(func(fd int) (err error) {
		if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		t.number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := t.Resize(size); err != nil {
		return nil, err
	}
	slave, err := openTerminal(t.number)
	if err != nil {
		return nil, err
	}
	if t.device, err = deviceOf(slave.Name()); err != nil {
		slave.Close()
		return nil, err
	}
	return slave, nil
}

// openTerminal opens the programs' end of a terminal, which does not become the agent's own.
func openTerminal(number int) (*os.File, error) {
	path := "/dev/pts/" + strconv.Itoa(number)
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Output returns the end from which the agent reads what programs print.
func (t *Terminal) Output() *os.File { return t.master }

// Input returns another descriptor of the same end, which may be closed for itself.
func (t *Terminal) Input() (*os.File, error) {
	input := -1
	err := t.control(func(fd int) (err error) {
		input, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(input), "terminal"), nil
}

// Resize changes the size of the window, which its programs are told by SIGWINCH.
func (t *Terminal) Resize(size Size) error {
	return t.control(func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: size.Rows, Col: size.Cols})
	})
}

// size returns the present size of the window, which programs can change too.
func (t *Terminal) size() (size Size) {
	_ = t.control(func(fd int) error {
		window, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		if err == nil {
			size = Size{Cols: window.Col, Rows: window.Row}
		}
		return err
	})
	return size
}

// Foreground returns the process group that has the keyboard; 0 if there is none.
func (t *Terminal) Foreground() int {
	group := 0
	_ = t.control(func(fd int) (err error) {
		group, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		return err
	})
	return max(group, 0)
}

// printed returns how much programs have printed, also what the host was not sent yet.
func (t *Terminal) printed() (count int64) {
	_ = t.control(func(fd int) error {
		for range maxLooks {
			sent := t.Sent.Load()
			count = sent + int64(waiting(fd))
			// What is read meanwhile may be counted neither here nor there.
			if sent == t.Sent.Load() {
				break
			}
		}
		return nil
	})
	return count
}

// waiting returns how many bytes can be read from an end of a terminal. The kernel passes them on
// in the background, unless it is asked for them.
func waiting(fd int) int {
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	count, _ := unix.IoctlGetInt(fd, unix.TIOCINQ)
	return count
}

// control does something with the descriptor, which can't be closed meanwhile.
func (t *Terminal) control(do func(fd int) error) error {
	raw, err := t.master.SyscallConn()
	if err != nil {
		return err
	}
	if controlErr := raw.Control(func(fd uintptr) { err = do(int(fd)) }); controlErr != nil {
		return controlErr
	}
	return err
}
