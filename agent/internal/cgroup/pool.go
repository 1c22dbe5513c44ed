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

	mu        sync.Mutex
	nextID    uint64
	populated []*Group
}

// Groups left with running background processes are looked at again as commands come in.
// Looking at all of them each time would make every command pay for each service.
const sweepLimit = 4

// NewParent creates the parent group, on a cgroup v2 file system.
func NewParent(path string) (*Parent, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	// The memory controller counts OOM kills. It can be absent or claimed by another hierarchy.
	for _, directory := range []string{filepath.Dir(path), path} {
		_ = os.WriteFile(filepath.Join(directory, "cgroup.subtree_control"), []byte("+memory"), 0)
	}
	return &Parent{path: path}, nil
}

// New makes an empty group.
func (p *Parent) New() (*Group, error) {
	p.mu.Lock()
	p.nextID++
	id := p.nextID
	p.sweep()
	p.mu.Unlock()
	return makeGroup(filepath.Join(p.path, fmt.Sprintf("exec-%d", id)))
}

// Release removes the group, or remembers to do so when its last process is gone.
func (p *Parent) Release(g *Group) {
	if g.remove() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.populated = append(p.populated, g)
}

func (p *Parent) sweep() {
	for range min(sweepLimit, len(p.populated)) {
		oldest := p.populated[0]
		p.populated = p.populated[1:]
		if !oldest.remove() {
			p.populated = append(p.populated, oldest)
		}
	}
}
