package terminal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxWaited bounds how many descriptors of one call are looked at.
const maxWaited = 1024

// waitsFor returns the descriptors from which a process waits to read. The second result is false
// if a thread waits in a way that does not show them.
func (p *process) waitsFor() (descriptors []int, known bool) {
	known = true
	threads, _ := os.ReadDir(p.path("task"))
	for _, thread := range threads {
		text, err := os.ReadFile(p.path("task", thread.Name(), "syscall"))
		if err != nil {
			continue
		}
		call, err := parseCall(string(text))
		if err != nil {
			continue
		}
		waited, shown := p.descriptorsOf(call)
		descriptors = append(descriptors, waited...)
		known = known && shown
	}
	return descriptors, known
}

// call is the system call in which a thread is blocked.
type call struct {
	number    uint64
	arguments [6]uint64
}

// parseCall reads a line of /proc/PID/syscall (proc_pid_syscall(5)). That of a thread that runs is
// an error.
func parseCall(line string) (call, error) {
	var c call
	words := strings.Fields(line)
	if len(words) < 1+len(c.arguments) {
		return c, fmt.Errorf("no system call: %q", line)
	}
	var err error
	if c.number, err = strconv.ParseUint(words[0], 10, 64); err != nil {
		return c, err
	}
	for i := range c.arguments {
		if c.arguments[i], err = strconv.ParseUint(words[i+1], 0, 64); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (p *process) descriptorsOf(c call) (descriptors []int, known bool) {
	first, second := c.arguments[0], c.arguments[1]
	switch {
	case slices.Contains(readCalls, c.number):
		return []int{int(first)}, true
	case slices.Contains(pollCalls, c.number):
		return p.polled(first, second), true
	case slices.Contains(selectCalls, c.number):
		return p.selected(first, second), true
	case slices.Contains(epollCalls, c.number):
		return p.watched(int(first)), true
	case c.number == unix.SYS_IO_URING_ENTER:
		return nil, false
	}
	return nil, true
}

// polled reads the structs pollfd of poll(2).
func (p *process) polled(address, count uint64) (descriptors []int) {
	const size = 8
	memory := p.memory(address, int(min(count, maxWaited))*size)
	for each := range slices.Chunk(memory, size) {
		if len(each) == size && binary.NativeEndian.Uint16(each[4:])&unix.POLLIN != 0 {
			descriptors = append(descriptors, int(int32(binary.NativeEndian.Uint32(each))))
		}
	}
	return descriptors
}

// selected reads the set of select(2) that is to be read from.
func (p *process) selected(count, address uint64) (descriptors []int) {
	if address == 0 {
		return nil
	}
	count = min(count, maxWaited)
	memory := p.memory(address, int(count+63)/64*8)
	for fd := range int(count) {
		// Linux has the bits in words of 64.
		word := fd / 64 * 8
		if word+8 <= len(memory) && binary.NativeEndian.Uint64(memory[word:])>>(fd%64)&1 == 1 {
			descriptors = append(descriptors, fd)
		}
	}
	return descriptors
}

// watched reads which descriptors an epoll(7) has.
func (p *process) watched(epoll int) (descriptors []int) {
	text, _ := os.ReadFile(p.path("fdinfo", strconv.Itoa(epoll)))
	for line := range bytes.Lines(text) {
		var fd, events int
		if _, err := fmt.Sscanf(string(line), "tfd: %d events: %x", &fd, &events); err == nil && events&unix.EPOLLIN != 0 {
			descriptors = append(descriptors, fd)
		}
		if len(descriptors) == maxWaited {
			break
		}
	}
	return descriptors
}

// memory reads from a process; less than length bytes if it has no more.
func (p *process) memory(address uint64, length int) []byte {
	file, err := os.Open(p.path("mem"))
	if err != nil {
		return nil
	}
	defer file.Close()
	content := make([]byte, length)
	n, _ := file.ReadAt(content, int64(address))
	return content[:n]
}
