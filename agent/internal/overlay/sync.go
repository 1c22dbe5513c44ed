package overlay

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Sync writes the workspace back to its disk.
func (w *Workspace) Sync() error {
	if err := unix.Syncfs(w.disk); err != nil {
		return fmt.Errorf("sync the workspace: %w", err)
	}
	return nil
}

// SyncRoot writes the file system that holds a directory back to its disk.
func SyncRoot(root string) error {
	fd, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
		err = unix.Syncfs(fd)
	}
	if err != nil {
		return fmt.Errorf("sync the root file system: %w", err)
	}
	return nil
}
