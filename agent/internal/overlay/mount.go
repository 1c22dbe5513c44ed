// Package overlay mounts a workspace: a disk with an immutable tree and a layer of changes, joined
// into the one directory that commands see.
package overlay

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/tree"
)

// privatePlace is the disk's mount point while Mount joins its directories.
const privatePlace = "/run/pyro/workspace"

// Workspace is a mounted workspace. Its disk has no mount point, so the agent reaches what is below
// the overlay through descriptors.
type Workspace struct {
	// Layers are the workspace's trees.
	Layers tree.Layers

	device, private, mountPoint string
	// pushing is held while something is pushed into the baseline.
	pushing sync.Mutex
	layout  layout
	// disk is an open descriptor of the disk's root, for sync and freeze.
	disk int

	ice ice
}

// MountPoint is the directory that commands see.
func (w *Workspace) MountPoint() string { return w.mountPoint }

// Mount mounts a workspace disk. With discard it begins with the baseline, and without the changes
// that the disk has.
func Mount(device, mountPoint string, discard bool) (*Workspace, error) {
	return MountVia(privatePlace, device, mountPoint, discard)
}

// MountVia is Mount with another temporary mount point for the disk.
func MountVia(private, device, mountPoint string, discard bool) (*Workspace, error) {
	if err := os.MkdirAll(private, 0o700); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(mountPoint, 0o755); err != nil {
		return nil, err
	}
	if err := dropCache(device); err != nil {
		return nil, fmt.Errorf("drop cache of %s: %w", device, err)
	}
	w := &Workspace{device: device, private: private, mountPoint: mountPoint}
	if err := w.mountDisk(); err != nil {
		return nil, err
	}
	// Commands see only the overlay, so that they can't change what is below it by mistake.
	defer unix.Unmount(private, unix.MNT_DETACH)
	var err error
	if w.layout, err = readLayout(private); err == nil && discard {
		err = w.layout.discard(private)
	}
	if err != nil {
		return nil, fmt.Errorf("read the layers of %s: %w", device, err)
	}
	if err := join(private, w.layout, mountPoint); err != nil {
		return nil, fmt.Errorf("mount overlay at %s: %w", mountPoint, err)
	}
	err = w.open(private)
	if err == nil {
		err = w.Layers.RemoveLeftovers()
	}
	if err == nil && discard {
		// Without it a power cut brings back the changes that the host was told are gone.
		err = w.Sync()
	}
	if err != nil {
		w.close()
		_ = unix.Unmount(mountPoint, unix.MNT_DETACH)
		return nil, err
	}
	return w, nil
}

// dropCache makes the kernel forget what it has read from a disk. At the freeze of the template
// another disk may have been in its place.
func dropCache(device string) error {
	fd, err := unix.Open(device, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.IoctlSetInt(fd, unix.BLKFLSBUF, 0)
}

func (w *Workspace) mountDisk() error {
	if err := unix.Mount(w.device, w.private, "ext4", unix.MS_NOATIME, "noinit_itable"); err != nil {
		return fmt.Errorf("mount %s: %w", w.device, err)
	}
	return nil
}

// join relies on these options. redirect_dir lets commands rename directories of the base. metacopy
// keeps a chmod or a rename from copying content, and index keeps hard links together.
func join(disk string, l layout, mountPoint string) error {
	options := lowerOption(disk, l.below) + ",upperdir=" + disk + "/" + l.upper() + ",workdir=" + disk + "/" + l.work() +
		",redirect_dir=on,metacopy=on,index=on"
	return unix.Mount("overlay", mountPoint, "overlay", unix.MS_NOATIME, options)
}

// noFile is a descriptor that is not open.
const noFile = -1

func (w *Workspace) open(disk string) (err error) {
	w.disk = noFile
	l := &w.Layers
	l.Merged, l.Upper, l.Index = noFile, noFile, noFile
	l.Baseline = tree.NoBaseline
	const toRead = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	const toLookUp = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	for _, file := range []struct {
		fd    *int
		path  string
		flags int
	}{
		{&w.disk, disk, toRead},
		{&l.Merged, w.mountPoint, toLookUp},
		{&l.Upper, disk + "/" + w.layout.upper(), toLookUp},
		{&l.Index, disk + "/" + w.layout.work() + "/index", toLookUp},
	} {
		if *file.fd, err = unix.Open(file.path, file.flags, 0); err != nil {
			return &os.PathError{Op: "open", Path: file.path, Err: err}
		}
	}
	baseline, err := w.openBaseline(disk, w.layout)
	if err == nil {
		l.SetBaseline(baseline)
	}
	return err
}

func (w *Workspace) close() {
	w.Layers.SetBaseline(tree.NoBaseline)
	for _, fd := range []*int{&w.disk, &w.Layers.Merged, &w.Layers.Upper, &w.Layers.Index} {
		if *fd != noFile {
			unix.Close(*fd)
			*fd = noFile
		}
	}
}
