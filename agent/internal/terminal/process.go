package terminal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// process is what /proc/PID/stat says of a process, as in proc_pid_stat(5).
type process struct {
	pid, group int
	// number of its controlling terminal
	terminal uint64
	// process group that has the keyboard of that terminal
	foreground int
}

func readProcess(pid int) (*process, error) {
	p := &process{pid: pid}
	text, err := os.ReadFile(p.path("stat"))
	if err != nil {
		return nil, err
	}
	// The name before the last parenthesis may have spaces and parentheses.
	end := bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[end+1:]))
	const groupField, terminalField, foregroundField = 2, 4, 5
	if len(fields) <= foregroundField {
		return nil, fmt.Errorf("cannot read what process %d is: %q", pid, text)
	}
	numbers := make([]int, len(fields))
	for _, i := range []int{groupField, terminalField, foregroundField} {
		if numbers[i], err = strconv.Atoi(fields[i]); err != nil {
			return nil, err
		}
	}
	p.group, p.foreground = numbers[groupField], numbers[foregroundField]
	// The kernel puts the minor number's upper bits behind the major number.
	packed := uint32(numbers[terminalField])
	p.terminal = unix.Mkdev(packed>>8&0xfff, packed&0xff|packed>>12&0xfff00)
	return p, nil
}

func (p *process) path(parts ...string) string {
	return filepath.Join("/proc", strconv.Itoa(p.pid), filepath.Join(parts...))
}

// maxCommand bounds a command line, in bytes.
const maxCommand = 256

// command returns the command line, or the name if there is none.
func (p *process) command() string {
	text := make([]byte, maxCommand)
	file, err := os.Open(p.path("cmdline"))
	if err != nil {
		return ""
	}
	defer file.Close()
	n, _ := file.Read(text)
	words := bytes.ReplaceAll(bytes.TrimRight(text[:n], "\x00"), []byte{0}, []byte{' '})
	if len(words) == 0 {
		words, _ = os.ReadFile(p.path("comm"))
	}
	return strings.ToValidUTF8(strings.TrimSpace(string(words)), "\uFFFD")
}
