package overlay

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// releasePatience is the time that killed processes may take to go.
const releasePatience = 2 * time.Second

// Release writes everything back and unmounts the workspace. After an error, such as a mount that
// is in use, the workspace is still mounted.
func (w *Workspace) Release() error {
	_ = w.Thaw()
	if err := w.Sync(); err != nil {
		return err
	}
	// The agent's own descriptors keep the mount busy.
	unix.Close(w.Layers.Merged)
	if err := w.unmount(); err != nil {
		w.Layers.Merged, _ = unix.Open(w.mountPoint, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return fmt.Errorf("unmount %s: %w", w.mountPoint, err)
	}
	w.Layers.Merged = noFile
	// Closing the last descriptor of the disk unmounts its file system.
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

// Abandon stops all writes to a disk that can't be unmounted, so that it needs no repair. It is for
// a machine that is about to be switched off.
func (w *Workspace) Abandon() error {
	_ = unix.Unmount(w.mountPoint, unix.MNT_DETACH)
	return freeze(w.disk)
}
