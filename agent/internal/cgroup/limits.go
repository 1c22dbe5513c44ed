package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Limits are what all commands together may use. The rest is for the agent: the kernel never kills
// init, but without memory and threads init can do nothing.
type Limits struct {
	// processes and threads of all commands
	Tasks int
	// processes and threads of one command, low enough that another command can start and end it
	TasksPerCommand int
	MemoryBytes     uint64
}

const (
	mib = 1 << 20

	// The agent and the kernel need more on a larger machine, up to a point.
	minReserve = 32 * mib
	maxReserve = 128 * mib
)

// LimitsFor returns the limits for a machine with this much memory and this many possible tasks. A
// group's memory here leaves out the kernel's part of a task. Half of the possible tasks take about
// half of the memory.
func LimitsFor(memoryBytes uint64, possibleTasks int) Limits {
	tasks := possibleTasks / 2
	reserve := min(max(memoryBytes/8, minReserve), maxReserve)
	return Limits{
		Tasks:           tasks,
		TasksPerCommand: tasks * 3 / 4,
		MemoryBytes:     memoryBytes - min(reserve, memoryBytes/2),
	}
}

// MachineLimits returns the limits for this machine.
func MachineLimits() (Limits, error) {
	var memory unix.Sysinfo_t
	if err := unix.Sysinfo(&memory); err != nil {
		return Limits{}, err
	}
	threads, err := readNumber("/proc/sys/kernel/threads-max")
	if err != nil {
		return Limits{}, err
	}
	pids, err := readNumber("/proc/sys/kernel/pid_max")
	if err != nil {
		return Limits{}, err
	}
	return LimitsFor(uint64(memory.Totalram)*uint64(memory.Unit), min(threads, pids)), nil
}

// Limit sets the limits of all groups that are made from now on. After an error some of them are
// not in force.
func (p *Parent) Limit(limits Limits) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tasksPerCommand = limits.TasksPerCommand
	return errors.Join(
		p.write("pids.max", limits.Tasks),
		p.write("memory.max", limits.MemoryBytes),
	)
}

func (p *Parent) write(file string, value any) error {
	return os.WriteFile(filepath.Join(p.path, file), fmt.Append(nil, value), 0)
}

func readNumber(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}
