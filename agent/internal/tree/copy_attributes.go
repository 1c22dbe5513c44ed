package tree

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"
)

// slot is a name in an open directory, or with an empty name an open file or directory itself.
type slot struct {
	fd   int
	name string
}

// path is for calls that take no descriptor and name.
func (s slot) path() string { return fmt.Sprintf("/proc/self/fd/%d/%s", s.fd, s.name) }

// copyAttributes gives a new entry the owner, extended attributes, permissions and times of its
// source. A change of the owner takes away permissions and capabilities, so it comes first.
func copyAttributes(from, to slot, stat *unix.Stat_t, buffer []byte) error {
	if err := to.chown(int(stat.Uid), int(stat.Gid)); err != nil {
		return err
	}
	if err := copyExtended(from, to, buffer); err != nil {
		return err
	}
	if kindOf(stat.Mode) != Symlink {
		if err := to.chmod(stat.Mode & permissions); err != nil {
			return err
		}
	}
	return to.setTimes(stat.Atim, stat.Mtim)
}

func (s slot) chown(uid, gid int) error {
	if uid == 0 && gid == 0 {
		return nil // what the agent makes is root's
	}
	return unix.Fchownat(s.fd, s.name, uid, gid, unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH)
}

func (s slot) chmod(mode uint32) error {
	if s.name == "" {
		return unix.Fchmod(s.fd, mode)
	}
	return unix.Fchmodat(s.fd, s.name, mode, 0)
}

func (s slot) setTimes(accessed, modified unix.Timespec) error {
	times := []unix.Timespec{accessed, modified}
	return unix.UtimesNanoAt(s.fd, s.name, times, unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH)
}

func copyExtended(from, to slot, buffer []byte) error {
	size, err := from.listExtended(buffer)
	if err == unix.ENOTSUP || err == nil && size == 0 {
		return nil
	}
	if err != nil {
		return errUnreadable
	}
	names := bytes.Split(bytes.TrimSuffix(bytes.Clone(buffer[:size]), []byte{0}), []byte{0})
	for _, name := range names {
		size, err := from.extended(string(name), buffer)
		if err != nil {
			return errUnreadable
		}
		if err := to.setExtended(string(name), buffer[:size]); err != nil {
			return fmt.Errorf("set its attribute %q: %w", name, err)
		}
	}
	return nil
}

func (s slot) listExtended(buffer []byte) (int, error) {
	if s.name == "" {
		return unix.Flistxattr(s.fd, buffer)
	}
	return unix.Llistxattr(s.path(), buffer)
}

func (s slot) extended(name string, buffer []byte) (int, error) {
	if s.name == "" {
		return unix.Fgetxattr(s.fd, name, buffer)
	}
	return unix.Lgetxattr(s.path(), name, buffer)
}

func (s slot) setExtended(name string, value []byte) error {
	if s.name == "" {
		return unix.Fsetxattr(s.fd, name, value, 0)
	}
	return unix.Lsetxattr(s.path(), name, value, 0)
}
