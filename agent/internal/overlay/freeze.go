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

// thawAfter limits a freeze that the host does not end, because commands that write are stuck until
// then.
var thawAfter = 10 * time.Second

// These errors name the state of the workspace.
var (
	ErrFrozen    = errors.New("the workspace is frozen already")
	ErrNotFrozen = errors.New("the workspace is not frozen: it may have thawed by itself")
)

// ice is the frozen state of a workspace's disk.
type ice struct {
	mu     sync.Mutex
	frozen bool
	// freezes is the number of freezes, so that an old timer can't end a new one.
	freezes int
	// melting thaws the disk after thawAfter.
	melting *time.Timer
}

// Freeze writes the workspace back and holds back all further writes, so that the host can copy its
// disk. A tree that is being committed is finished first, and the others wait.
func (w *Workspace) Freeze() error {
	w.ice.mu.Lock()
	defer w.ice.mu.Unlock()
	if w.ice.frozen {
		return ErrFrozen
	}
	// Data that is written back before the freeze keeps no command waiting.
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

// Thaw ends a freeze. The error is ErrNotFrozen if the disk may have been written meanwhile.
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
		// A command can thaw the disk through a mount of its own.
		return ErrNotFrozen
	}
	return err
}

func freeze(disk int) error { return unix.IoctlSetInt(disk, fiFreeze, 0) }

func thaw(disk int) error { return unix.IoctlSetInt(disk, fiThaw, 0) }
