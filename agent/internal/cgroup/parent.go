// Package cgroup gives every command a control group of its own: the one thing a process
// tree cannot leave, so that all of it can be killed at once.
package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Parent is the group under which the groups of the commands are made.
type Parent struct {
	path string

	mu sync.Mutex
	// tasksPerCommand is 0 for no limit.
	tasksPerCommand int

	nextID uint64
	// idle groups are empty and as good as new: making one costs more than starting a process in it.
	idle []*Group
	// busy groups were left by their command with processes in them.
	busy []*Group
}

const (
	// More commands at once than this are rare enough to make their groups anew.
	maxIdle = 8

	// Groups left with running background processes are looked at again as commands come in.
	// Looking at all of them each time would make every command pay for each service.
	sweepLimit = 4
)

// controllers are what the groups need: memory counts OOM kills and limits, pids limits, and cpu
// shares: all commands together get as much of a busy processor as the agent, and each as much as
// another, however many processes it has.
var controllers = []string{"memory", "pids", "cpu"}

// NewParent creates the parent group, on a cgroup v2 file system.
func NewParent(path string) (*Parent, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	for _, directory := range []string{filepath.Dir(path), path} {
		for _, controller := range controllers {
			// It can be absent or claimed by another hierarchy.
			_ = os.WriteFile(filepath.Join(directory, "cgroup.subtree_control"), []byte("+"+controller), 0)
		}
	}
	return &Parent{path: path}, nil
}

// Acquire returns an empty group.
func (p *Parent) Acquire() (*Group, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep()
	if last := len(p.idle) - 1; last >= 0 {
		group := p.idle[last]
		p.idle = p.idle[:last]
		return group, nil
	}
	p.nextID++
	group, err := makeGroup(filepath.Join(p.path, fmt.Sprintf("exec-%d", p.nextID)))
	if err == nil && p.tasksPerCommand > 0 {
		group.limitTasks(p.tasksPerCommand)
	}
	return group, err
}

// Release takes back a group whose command has ended, with or without processes left in it.
func (p *Parent) Release(g *Group) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.retire(g) {
		p.busy = append(p.busy, g)
	}
}

func (p *Parent) sweep() {
	for range min(sweepLimit, len(p.busy)) {
		oldest := p.busy[0]
		p.busy = p.busy[1:]
		if !p.retire(oldest) {
			p.busy = append(p.busy, oldest)
		}
	}
}

// retire reports whether the group is out of use; it is not while it has processes.
func (p *Parent) retire(g *Group) bool {
	if g.isPopulated() {
		return false
	}
	// A group's counters never go back, so one with an OOM kill cannot tell the next one's.
	if len(p.idle) < maxIdle && !g.HadOOMKill() && !g.killed.Load() {
		p.idle = append(p.idle, g)
		return true
	}
	return g.remove()
}
