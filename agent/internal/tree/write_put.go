package tree

import (
	"errors"

	"golang.org/x/sys/unix"
)

// put commits a file or a link.
func (c *commit) put(op *operation, path string, parent int, name string, present Kind, stat *unix.Stat_t) error {
	switch present {
	case Missing:
		return c.putNew(op, path, parent, name)
	case File, Symlink:
		return c.replace(op, path, parent, name, present, stat)
	case Directory:
		return failf(FailedPrecondition, "cannot write %q: it is a directory", path)
	default:
		return failf(FailedPrecondition, "cannot write %q: neither a file, a directory nor a symbolic link is there", path)
	}
}

func (c *commit) putNew(op *operation, path string, parent int, name string) error {
	err := unix.Renameat2(c.fd, op.staged, parent, name, unix.RENAME_NOREPLACE)
	if err == unix.EEXIST {
		return failf(Conflict, "cannot write %q: it was made at this moment", path)
	}
	if err != nil {
		return err
	}
	c.undo.add(func() error {
		return c.at(path, func(parent int, name string) error {
			return unix.Renameat2(parent, name, c.fd, op.staged, unix.RENAME_NOREPLACE)
		})
	})
	return nil
}

// replace exchanges the old with the new in one step, so the path is never missing.
func (c *commit) replace(op *operation, path string, parent int, name string, present Kind, stat *unix.Stat_t) error {
	if op.kind == File && op.mode == nil && present == File {
		if err := unix.Fchmodat(c.fd, op.staged, stat.Mode&permissions, 0); err != nil {
			return err
		}
	}
	exchange := func(parent int, name string) error {
		return unix.Renameat2(c.fd, op.staged, parent, name, unix.RENAME_EXCHANGE)
	}
	if err := c.move(parent, name, exchange); err != nil {
		return err
	}
	c.undo.add(func() error { return c.at(path, exchange) })
	replaced, err := status(c.fd, op.staged)
	if err != nil || !op.mayReplace(kindOf(replaced.Mode)) {
		return failf(Conflict, "cannot write %q: it was changed at this moment", path)
	}
	return nil
}

// mayReplace reports whether a file or link may take the place of what the exchange has removed. A
// command can have changed the path after the checks.
func (op *operation) mayReplace(kind Kind) bool {
	isRefusedLink := kind == Symlink && op.expect != nil && op.expect.Type == NotSymlink
	return kind != Directory && !isRefusedLink
}

// move calls rename, which takes something away from name. An overlay records the path in the base
// that has a file's content. If that path is too long, the content has to move along.
func (c *commit) move(parent int, name string, rename func(parent int, name string) error) error {
	err := rename(parent, name)
	if !errors.Is(err, unix.EXDEV) {
		return err
	}
	if copyErr := copyUp(parent, name); copyErr != nil {
		return errors.Join(err, copyErr)
	}
	return rename(parent, name)
}

// copyUp makes an overlay copy a file's content from its base.
func copyUp(parent int, name string) error {
	stat, err := status(parent, name)
	if err != nil || kindOf(stat.Mode) != File {
		return err
	}
	fd, err := lookUp(parent, name, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func (c *commit) putDirectory(op *operation, path string, parent int, name string, present Kind, stat *unix.Stat_t) error {
	switch present {
	case Missing:
		mode := uint32(defaultDirectoryMode)
		if op.mode != nil {
			mode = *op.mode
		}
		return c.makeDirectory(path, parent, name, mode)
	case Directory:
		return c.setMode(op, path, parent, name, stat.Mode&permissions)
	default:
		return failf(FailedPrecondition, "cannot write %q: it is there and not a directory", path)
	}
}

func (c *commit) setMode(op *operation, path string, parent int, name string, old uint32) error {
	if op.mode == nil || *op.mode == old {
		return nil
	}
	if err := changeMode(parent, name, *op.mode); err != nil {
		return err
	}
	c.undo.add(func() error {
		return c.at(path, func(parent int, name string) error { return changeMode(parent, name, old) })
	})
	return nil
}

// setRootMode is putDirectory for the workspace itself, which has no parent.
func (c *commit) setRootMode(op *operation) error {
	stat, err := status(c.root, "")
	if err != nil {
		return err
	}
	return c.setMode(op, "", c.root, "", stat.Mode&permissions)
}

// setDirectoryTimes comes last, because new names in a directory change its time.
func (c *commit) setDirectoryTimes() error {
	for _, op := range c.operations {
		if op.kind != Directory || op.mtime == nil {
			continue
		}
		path := join(c.into, op.path)
		fd, err := lookUp(c.root, path, toList)
		if isMissing(err) {
			continue // a later entry, or a command, has removed it
		}
		if err == nil {
			err = setTime(fd, "", *op.mtime)
			unix.Close(fd)
		}
		if err != nil {
			return explain("set the time of", path, err)
		}
	}
	return nil
}
