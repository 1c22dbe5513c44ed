package port

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Device is the Stream over a virtio-serial port.
type Device struct {
	*os.File
	raw syscall.RawConn

	// heard tells whether the present host has sent anything.
	heard bool
}

// OpenDevice opens the virtio-serial port of the given name, waiting for it to appear.
func OpenDevice(name string, wait time.Duration) (*Device, error) {
	deadline := time.Now().Add(wait)
	for {
		if node := findDevice(name); node != "" {
			return openNode(node)
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("no virtio-serial port is named %q after %s", name, wait)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func findDevice(name string) (node string) {
	files, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(text)) == name {
			return filepath.Join("/dev", filepath.Base(filepath.Dir(file)))
		}
	}
	return ""
}

func openNode(node string) (*Device, error) {
	// A blocking write would sleep in the kernel until the next host arrives, and then reach that
	// host.
	fd, err := unix.Open(node, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", node, err)
	}
	file := os.NewFile(uintptr(fd), node)
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &Device{File: file, raw: raw}, nil
}

// Read implements Stream. The kernel returns 0 bytes if no host is attached.
func (d *Device) Read(p []byte) (n int, err error) {
	waitErr := d.raw.Read(func(fd uintptr) (done bool) {
		n, err = unix.Read(int(fd), p)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
			return false
		case err != nil:
			n = 0
			return true
		case n > 0:
			d.heard = true
			return true
		case d.heard:
			d.heard = false
			err = io.EOF
			return true
		default:
			return false
		}
	})
	if waitErr != nil {
		return 0, waitErr
	}
	return n, err
}
