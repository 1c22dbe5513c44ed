package overlay

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// FIFREEZE and FITHAW are _IOWR('X', 119, int) and _IOWR('X', 120, int); golang.org/x/sys/unix
// does not have them.
const (
	fiFreeze = 0xc0045877
	fiThaw   = 0xc0045878
)

// thawAfter ends a freeze that the host does not end: commands that write are stuck meanwhile.
var thawAfter = 10 * time.Second

// Errors that say what state the workspace is in.
var (
	ErrFrozen    = errors.New("the workspace is frozen already")
	ErrNotFrozen = errors.New("the workspace is not frozen: it may have thawed by itself")
)

// ice is the frozen state of a workspace's disk.
type ice struct {
	mu     sync.Mutex
	frozen bool
	// freezes counts them, so that an old timer can't end a new one.
	freezes int
	// melting thaws a disk that nobody else does.
	melting *time.Timer
}

// Freeze writes the workspace back and holds back all further writes, so that its disk can be
// copied. It waits for a tree that is just being put in its place, and keeps others from that.
func (w *Workspace) Freeze() error {
	w.ice.mu.Lock()
	defer w.ice.mu.Unlock()
	if w.ice.frozen {
		return ErrFrozen
	}
	// What is written back before the freeze blocks nobody.
	if err := w.Sync(); err != nil {
		return err
	}
	w.Layers.HoldCommits()
	if err := freeze(w.disk); err != nil {
		w.Layers.ResumeCommits()
		return fmt.Errorf("freeze the workspace: %w", err)
	}
	w.ice.frozen = true
	w.ice.freezes++
	this := w.ice.freezes
	w.ice.melting = time.AfterFunc(thawAfter, func() { w.melt(this) })
	return nil
}

func (w *Workspace) melt(which int) {
	w.ice.mu.Lock()
	defer w.ice.mu.Unlock()
	if which == w.ice.freezes && w.ice.frozen {
		_ = w.thaw()
	}
}

// Thaw ends a freeze. The error is ErrNotFrozen when the disk may have been written since.
func (w *Workspace) Thaw() error {
	w.ice.mu.Lock()
	defer w.ice.mu.Unlock()
	if !w.ice.frozen {
		return ErrNotFrozen
	}
	return w.thaw()
}

func (w *Workspace) thaw() error {
	w.ice.melting.Stop()
	w.ice.frozen = false
	defer w.Layers.ResumeCommits()
	err := thaw(w.disk)
	if err == unix.EINVAL {
		// A command thawed it, through a mount of its own.
		return ErrNotFrozen
	}
	return err
}

func freeze(disk int) error { return unix.IoctlSetInt(disk, fiFreeze, 0) }

func thaw(disk int) error { return unix.IoctlSetInt(disk, fiThaw, 0) }
