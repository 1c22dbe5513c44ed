package boot

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A loaded host can take seconds before an emulated guest finds its disk.
const rootDeviceWait = 30 * time.Second

func mountRoot(device string) error {
	if err := awaitBlockDevice(device); err != nil {
		return err
	}
	if err := os.MkdirAll(newRoot, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(device, newRoot, "ext4", unix.MS_NOATIME, ""); err != nil {
		return fmt.Errorf("mount %s as ext4: %w", device, err)
	}
	return nil
}

func awaitBlockDevice(device string) error {
	deadline := time.Now().Add(rootDeviceWait)
	for {
		var stat unix.Stat_t
		err := unix.Stat(device, &stat)
		if err == nil && stat.Mode&unix.S_IFMT == unix.S_IFBLK {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no block device %s after %s", device, rootDeviceWait)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// switchRoot makes newRoot the root, as switch_root(8) does, because pivot_root refuses rootfs.
func switchRoot() error {
	if err := freeInitramfs(); err != nil {
		return err
	}
	for _, directory := range []string{"/dev", "/proc", "/sys"} {
		target := newRoot + directory
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(directory, target, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", directory, err)
		}
	}
	if err := unix.Chdir(newRoot); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move %s: %w", newRoot, err)
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	return unix.Chdir("/")
}

// freeInitramfs gives back the memory of files that the boot no longer needs.
func freeInitramfs() error {
	var stat unix.Statfs_t
	if err := unix.Statfs("/", &stat); err != nil {
		return err
	}
	if stat.Type != unix.RAMFS_MAGIC && stat.Type != unix.TMPFS_MAGIC {
		return fmt.Errorf("the root is no initramfs (file system type %#x)", stat.Type)
	}
	if err := os.RemoveAll(modulesDirectory); err != nil {
		return err
	}
	if err := os.Remove("/init"); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}
