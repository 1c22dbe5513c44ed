package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Group is the control group of one command.
type Group struct {
	path string
	fd   int
	// id is the kernel's number of the group, 0 if that is unknown.
	id     uint64
	events *statistics
	memory *statistics
	// killed is true once Kill was called. Linux 6.18 then kills every process that starts in it.
	killed atomic.Bool
}

func makeGroup(path string) (*Group, error) {
	if err := unix.Mkdir(path, 0o755); err != nil {
		return nil, &os.PathError{Op: "mkdir", Path: path, Err: err}
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Rmdir(path)
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var about unix.Stat_t
	// On cgroup v2 the id is the directory's inode.
	_ = unix.Fstat(fd, &about)
	return &Group{path: path, fd: fd, id: about.Ino, events: openStatistics(fd, "cgroup.events"), memory: openStatistics(fd, "memory.events")}, nil
}

// FD is the descriptor to start a process in the group with.
func (g *Group) FD() int { return g.fd }

// Kill sends SIGKILL to every process of the group, however it was forked.
func (g *Group) Kill() error {
	g.killed.Store(true)
	return os.WriteFile(filepath.Join(g.path, "cgroup.kill"), []byte("1"), 0)
}

// limitTasks limits the group's processes and threads. Without the controller only the machine's
// limit holds.
func (g *Group) limitTasks(limit int) {
	fd, err := unix.Openat(g.fd, "pids.max", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_, _ = unix.Write(fd, strconv.AppendInt(nil, int64(limit), 10))
}

// HadOOMKill reports whether the kernel killed a process of the group to free memory.
func (g *Group) HadOOMKill() bool { return g.memory.read("oom_kill") > 0 }

// Signal sends a signal to every process of the group. A process that starts meanwhile may miss it.
func (g *Group) Signal(signal unix.Signal) {
	for _, pid := range g.Processes() {
		_ = unix.Kill(pid, signal)
	}
}

// Processes returns the numbers of the group's processes, and of those in groups below it, such as
// a container's.
func (g *Group) Processes() []int {
	var pids []int
	_ = filepath.WalkDir(g.path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			// A group can go while it is listed.
			return nil
		}
		text, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for line := range strings.Lines(string(text)) {
			// 0 stands for a process of another namespace.
			if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && pid > 1 {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids
}

// Usage is what the processes of a group use.
type Usage struct {
	// bytes; null without a memory controller
	MemoryBytes *int64 `json:"memory_bytes"`
	// milliseconds of processor time since the group was made
	CPUMs int64 `json:"cpu_ms"`
}

// Usage returns what the processes of the group use now.
func (g *Group) Usage() Usage {
	// By its path, because the descriptor may be closed meanwhile.
	stat, _ := os.ReadFile(filepath.Join(g.path, "cpu.stat"))
	usage := Usage{CPUMs: int64(numberOf(stat, "usage_usec")) / 1000}
	text, err := os.ReadFile(filepath.Join(g.path, "memory.current"))
	if err != nil {
		return usage
	}
	if bytes, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
		usage.MemoryBytes = &bytes
	}
	return usage
}

// IsPopulated reports whether the group has processes. Without the file the answer is no, and a
// later remove finds out.
func (g *Group) IsPopulated() bool { return g.events.read("populated") > 0 }

// remove reports whether the group is gone. A group with processes stays.
func (g *Group) remove() bool {
	if err := unix.Rmdir(g.path); errors.Is(err, unix.EBUSY) {
		return false
	}
	unix.Close(g.fd)
	g.events.close()
	g.memory.close()
	return true
}
