// Package inspect looks into the disks of a machine that is stopped, in a machine that runs nothing
// of it.
package inspect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/tree"
)

const (
	privatePlace = "/run/pyro/inspected"
	deviceWait   = 10 * time.Second
)

// Root is the root disk of the stopped machine.
type Root struct {
	// Tree is what the disk holds.
	Tree *tree.Layers
	// private is the directory of the mount points.
	private string
}

// FindDisks makes the kernel look for disks that it had not when it was frozen.
func FindDisks() error {
	return os.WriteFile("/sys/bus/pci/rescan", []byte("1"), 0)
}

// MountRoot mounts the root disk of the stopped machine to be read.
func MountRoot(device string) (*Root, error) {
	return MountRootVia(privatePlace, device)
}

// MountRootVia is MountRoot with another directory for mount points.
func MountRootVia(private, device string) (*Root, error) {
	if err := awaitDevice(device); err != nil {
		return nil, err
	}
	r := &Root{private: private}
	place := filepath.Join(private, "root")
	if err := os.MkdirAll(place, 0o700); err != nil {
		return nil, err
	}
	// The kernel replays the journal of a disk that was in use, also for a mount to be read. The
	// disk's own wish to end the machine at an error does not count.
	const flags = unix.MS_RDONLY | unix.MS_NOATIME | unix.MS_NODEV | unix.MS_NOSUID | unix.MS_NOEXEC
	if err := unix.Mount(device, place, "ext4", flags, "errors=continue"); err != nil {
		return nil, fmt.Errorf("mount %s: %w", device, err)
	}
	fd, err := unix.Open(place, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(err, unix.Unmount(place, unix.MNT_DETACH))
	}
	r.Tree = tree.Plain(fd)
	return r, nil
}

// Close unmounts the disk.
func (r *Root) Close() error {
	r.Tree.Close()
	return unix.Unmount(filepath.Join(r.private, "root"), unix.MNT_DETACH)
}

func awaitDevice(device string) error {
	deadline := time.Now().Add(deviceWait)
	for {
		var stat unix.Stat_t
		if err := unix.Stat(device, &stat); err == nil && stat.Mode&unix.S_IFMT == unix.S_IFBLK {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no block device %s after %s", device, deviceWait)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Target is where an export goes.
type Target struct {
	// Device has an empty ext4 file system.
	Device string
	// MountPoint is the workspace's directory in the root.
	MountPoint string
	// Report is called now and then.
	Report func(tree.Copied) error
}

// Export copies the root, with the workspace in its place, into a file system, and leaves that
// unmounted. It leaves out what pyro has put into the root. It stops when the host is gone.
func (r *Root) Export(host context.Context, workspace *tree.Layers, to Target) (copied tree.Copied, err error) {
	if err := awaitDevice(to.Device); err != nil {
		return copied, err
	}
	place := filepath.Join(r.private, "target")
	if err := os.MkdirAll(place, 0o700); err != nil {
		return copied, err
	}
	// Without noinit_itable the kernel would write tables of inodes that nothing uses.
	if err := unix.Mount(to.Device, place, "ext4", unix.MS_NOATIME|unix.MS_NODEV, "noinit_itable"); err != nil {
		return copied, fmt.Errorf("mount %s: %w", to.Device, err)
	}
	copied, err = r.copyTo(host, workspace, place, to)
	if err == nil {
		// What can't be written to the disk shows here.
		err = syncTree(place)
	}
	return copied, errors.Join(err, unix.Unmount(place, 0))
}

func (r *Root) copyTo(
	host context.Context, workspace *tree.Layers, place string, to Target,
) (copied tree.Copied, err error) {
	target, err := unix.Open(place, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return copied, err
	}
	defer unix.Close(target)
	copier := tree.NewCopier(host, target, to.Report)
	inRoot := strings.TrimPrefix(to.MountPoint, "/")
	// The root comes second, because a new name in it changes its times.
	err = copier.Tree(workspace.Merged, inRoot, tree.IsStagingIn(inRoot))
	if err == nil {
		err = copier.Tree(r.Tree.Merged, "", func(path string) bool { return path == inRoot || isOwn(path) })
	}
	if err == nil {
		err = scrub(target)
	}
	return copier.Copied(), err
}

func syncTree(place string) error {
	fd, err := unix.Open(place, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Syncfs(fd)
}
