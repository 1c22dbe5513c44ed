package boot

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

type mount struct {
	target  string
	fsType  string
	flags   uintptr
	options string
}

const noDevices = unix.MS_NOSUID | unix.MS_NODEV

func mountInitramfs() error {
	return mountAll([]mount{
		{"/proc", "proc", noDevices | unix.MS_NOEXEC, ""},
		{"/sys", "sysfs", noDevices | unix.MS_NOEXEC, ""},
		{"/dev", "devtmpfs", unix.MS_NOSUID, "mode=0755"},
	})
}

// mountFileSystems mounts what a root file system expects beyond the mounts that moved with it.
func mountFileSystems() error {
	err := mountAll([]mount{
		{"/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"},
		{"/dev/shm", "tmpfs", noDevices, "mode=1777"},
		{"/run", "tmpfs", noDevices, "mode=0755"},
	})
	if err != nil {
		return err
	}
	return mountCgroups()
}

// mountCgroups asks for favordynmods, which makes forking into a group cheaper. The option needs
// Linux 6.0.
func mountCgroups() error {
	cgroups := mount{"/sys/fs/cgroup", "cgroup2", noDevices | unix.MS_NOEXEC, "favordynmods"}
	if cgroups.do() == nil {
		return nil
	}
	cgroups.options = ""
	return cgroups.do()
}

func mountAll(mounts []mount) error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return err
		}
		if err := m.do(); err != nil {
			return err
		}
	}
	return nil
}

// do mounts. A kernel with CONFIG_DEVTMPFS_MOUNT may have mounted the same before.
func (m mount) do() error {
	err := unix.Mount(m.fsType, m.target, m.fsType, m.flags, m.options)
	if err != nil && err != unix.EBUSY {
		return fmt.Errorf("mount %s: %w", m.target, err)
	}
	return nil
}

func linkDevices() error {
	links := [][2]string{
		{"/proc/self/fd", "/dev/fd"},
		{"/proc/self/fd/0", "/dev/stdin"},
		{"/proc/self/fd/1", "/dev/stdout"},
		{"/proc/self/fd/2", "/dev/stderr"},
		{"pts/ptmx", "/dev/ptmx"},
	}
	for _, link := range links {
		if err := os.Symlink(link[0], link[1]); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}
