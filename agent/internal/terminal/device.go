package terminal

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// device is a terminal as descriptors of processes have it. Containers have file systems of
// terminals of their own, whose numbers begin at 0 again.
type device struct {
	fileSystem uint64
	number     uint64
}

func deviceOf(path string) (device, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return device{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return device{fileSystem: stat.Dev, number: stat.Rdev}, nil
}

// Numbers of devices that stand for others, as in admin-guide/devices.txt of Linux
var (
	ownTerminal = unix.Mkdev(5, 0)
	multiplexer = unix.Mkdev(5, 2)
)

// isOpenAs reports whether a descriptor of a process is this terminal. For /dev/tty that is the
// terminal of the process.
func (d device) isOpenAs(process *process, fd int) bool {
	opened, err := deviceOf(process.path("fd", strconv.Itoa(fd)))
	if err != nil {
		return false
	}
	if opened.number == ownTerminal {
		return process.terminal == d.number
	}
	return opened == d
}

// innerTerminal returns the number of the terminal whose other end the descriptor is. Programs such
// as sudo, ssh and script have that open for the programs that they start.
func innerTerminal(process *process, fd int) (number int, ok bool) {
	opened, err := deviceOf(process.path("fd", strconv.Itoa(fd)))
	if err != nil || opened.number != multiplexer {
		return 0, false
	}
	text, _ := os.ReadFile(process.path("fdinfo", strconv.Itoa(fd)))
	for line := range strings.Lines(string(text)) {
		if index, found := strings.CutPrefix(line, "tty-index:"); found {
			number, err := strconv.Atoi(strings.TrimSpace(index))
			return number, err == nil
		}
	}
	return 0, false
}
