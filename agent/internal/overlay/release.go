package overlay

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// releasePatience is for processes that were killed and are not quite gone.
const releasePatience = 2 * time.Second

// Release writes everything back and unmounts the workspace, which is of no use then. After an
// error, because it is in use for example, it still is.
func (w *Workspace) Release() error {
	_ = w.Thaw()
	if err := w.Sync(); err != nil {
		return err
	}
	// The mount is busy as long as the agent looks at it itself.
	unix.Close(w.Layers.Merged)
	if err := w.unmount(); err != nil {
		w.Layers.Merged, _ = unix.Open(w.mountPoint, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return fmt.Errorf("unmount %s: %w", w.mountPoint, err)
	}
	w.Layers.Merged = noFile
	// The last descriptor of the disk takes its file system along.
	w.close()
	return nil
}

func (w *Workspace) unmount() error {
	deadline := time.Now().Add(releasePatience)
	for {
		err := unix.Unmount(w.mountPoint, 0)
		if err != unix.EBUSY || time.Now().After(deadline) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Abandon leaves a disk that can't be unmounted in a state that needs no repair: nothing will be
// written to it any more. It is for a machine that is about to be switched off.
func (w *Workspace) Abandon() error {
	_ = unix.Unmount(w.mountPoint, unix.MNT_DETACH)
	return freeze(w.disk)
}
