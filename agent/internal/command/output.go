package command

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/crash"
)

// Output is what a command prints on one of its streams. It ends when the last process that could
// write to it is gone. Background processes may hold the stream open for ever, so after Settle it
// ends with what is in the pipe at that moment.
type Output struct {
	file    *os.File
	settled bool
	left    int
	atEnd   bool
}

// Settle makes the output end with what the command has printed so far. The caller must call it
// once.
func (o *Output) Settle() {
	o.file.SetReadDeadline(time.Unix(1, 0))
}

// Read implements io.Reader.
func (o *Output) Read(p []byte) (int, error) {
	if !o.settled {
		n, err := o.file.Read(p)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			o.atEnd = err != nil
			return n, err
		}
		if err := o.measure(); err != nil {
			return 0, err
		}
	}
	if o.left == 0 {
		return 0, io.EOF
	}
	n, err := o.file.Read(p[:min(len(p), o.left)])
	o.left -= n
	return n, err
}

func (o *Output) measure() error {
	o.settled = true
	o.file.SetReadDeadline(time.Time{})
	raw, err := o.file.SyscallConn()
	if err != nil {
		return err
	}
	controlErr := raw.Control(func(fd uintptr) {
		o.left, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ)
	})
	return errors.Join(controlErr, err)
}

// Abandon discards what background processes still print, so that they neither block nor get
// SIGPIPE.
func (o *Output) Abandon() {
	if o.atEnd {
		o.file.Close()
		return
	}
	crash.Go(func() {
		defer o.file.Close()
		buffer := make([]byte, 4096)
		for {
			if _, err := o.file.Read(buffer); err != nil {
				return
			}
		}
	})
}
