// Package cgroup gives every command a control group of its own. A process tree cannot leave its
// group, so one kill reaches all of it.
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
	// idle groups are empty and can be used again. Making a group costs more than starting a
	// process.
	idle []*Group
	// busy groups still have processes after their command ended.
	busy []*Group

	// labels has the label of the last command of each group, by the group's id.
	labels map[uint64]string
}

const (
	// More commands at once are rare, so their groups are made anew.
	maxIdle = 8

	// Each new command looks at only a few groups with background processes. Looking at all of them
	// would make every command pay for each service.
	sweepLimit = 4
)

// controllers are what the groups need. The memory controller counts OOM kills and sets limits, and
// pids sets limits. With cpu all commands together get as large a share of a busy processor as the
// agent. Each command gets the same share, however many processes it has.
var controllers = []string{"memory", "pids", "cpu"}

// NewParent creates the parent group, on a cgroup v2 file system.
func NewParent(path string) (*Parent, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	for _, directory := range []string{filepath.Dir(path), path} {
		for _, controller := range controllers {
			// A controller can be absent, or another hierarchy can have claimed it.
			_ = os.WriteFile(filepath.Join(directory, "cgroup.subtree_control"), []byte("+"+controller), 0)
		}
	}
	return &Parent{path: path, labels: make(map[uint64]string)}, nil
}

// Acquire returns an empty group, which LabelOf then finds under the label.
func (p *Parent) Acquire(label string) (*Group, error) {
	return p.acquire(label, p.emptyGroup)
}

// AcquireNew returns a group as Acquire does, whose counters begin at zero.
func (p *Parent) AcquireNew(label string) (*Group, error) {
	return p.acquire(label, p.newGroup)
}

func (p *Parent) acquire(label string, get func() (*Group, error)) (*Group, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep()
	group, err := get()
	if err == nil {
		p.labels[group.id] = label
	}
	return group, err
}

// LabelOf returns the label of the last command in a group; empty if there is none.
func (p *Parent) LabelOf(groupID uint64) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.labels[groupID]
}

func (p *Parent) emptyGroup() (*Group, error) {
	if last := len(p.idle) - 1; last >= 0 {
		group := p.idle[last]
		p.idle = p.idle[:last]
		return group, nil
	}
	return p.newGroup()
}

func (p *Parent) newGroup() (*Group, error) {
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

// retire reports whether the group is out of use. A group with processes is still in use.
func (p *Parent) retire(g *Group) bool {
	if g.IsPopulated() {
		return false
	}
	// The counters of a group never go back, so after one OOM kill the next one would go unnoticed.
	if len(p.idle) < maxIdle && !g.HadOOMKill() && !g.killed.Load() {
		p.idle = append(p.idle, g)
		return true
	}
	if !g.remove() {
		return false
	}
	delete(p.labels, g.id)
	return true
}
