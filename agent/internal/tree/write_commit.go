package tree

import (
	"strings"

	"golang.org/x/sys/unix"
)

// commit moves the staged entries to their paths, one by one. It keeps what it replaces in the
// staging directory, and moves it back if a later entry fails.
type commit struct {
	*staging
	*WriteHeader
	// into is the path that the entries' paths start at.
	into string
	undo undoLog
	// emptied are the directories that deletions may empty.
	emptied map[string]bool
}

// run applies all operations or none.
func (c *commit) run() error {
	err := c.attempt()
	if err == nil {
		return nil
	}
	return c.undo.run(err)
}

func (c *commit) attempt() error {
	var err error
	if c.into, err = c.dest(); err != nil {
		return err
	}
	if err := c.checkEarly(); err != nil {
		return err
	}
	if err := c.makeDirectories(c.into); err != nil {
		return explain("write to", c.into, err)
	}
	for _, op := range c.operations {
		if err := c.makeRoom(op); err != nil {
			return explain(op.verb(), op.path, err)
		}
		if err := c.apply(op); err != nil {
			return explain(op.verb(), op.path, err)
		}
	}
	if c.RemoveEmptyParents {
		if err := c.removeEmptyParents(); err != nil {
			return err
		}
	}
	return c.setDirectoryTimes()
}

func (op *operation) verb() string {
	if op.kind == Delete {
		return "delete"
	}
	return "write"
}

func (c *commit) apply(op *operation) error {
	path := join(c.into, op.path)
	if err := c.check(op, path); err != nil {
		return err
	}
	if path == "" {
		return c.setRootMode(op)
	}
	parent, err := c.parentOf(path)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	_, name := split(path)
	present := Missing
	stat, err := status(parent, name)
	switch {
	case err == nil:
		present = kindOf(stat.Mode)
	case err != unix.ENOENT:
		return err
	}
	switch op.kind {
	case Directory:
		return c.putDirectory(op, path, parent, name, present, &stat)
	case Delete:
		return c.delete(path, op.staged, parent, name, present)
	default:
		return c.put(op, path, parent, name, present, &stat)
	}
}

// parentOf opens the directory of a path.
func (c *commit) parentOf(path string) (int, error) {
	directory, _ := split(path)
	fd, err := lookUp(c.root, directory, toLookUp|unix.O_DIRECTORY)
	if err == unix.ENOENT && c.MakeParents {
		if err := c.makeDirectories(directory); err != nil {
			return noFile, err
		}
		fd, err = lookUp(c.root, directory, toLookUp|unix.O_DIRECTORY)
	}
	if err != nil {
		return noFile, c.diagnose(path, directory, err)
	}
	return fd, nil
}

// makeDirectories makes a directory and those above it, if they are missing.
func (c *commit) makeDirectories(path string) error {
	fd, err := lookUp(c.root, path, toLookUp|unix.O_DIRECTORY)
	if err == nil {
		return unix.Close(fd)
	}
	if err != unix.ENOENT {
		return c.diagnose(path, path, err)
	}
	directory, name := split(path)
	if err := c.makeDirectories(directory); err != nil {
		return err
	}
	parent, err := lookUp(c.root, directory, toLookUp|unix.O_DIRECTORY)
	if err != nil {
		return c.diagnose(path, directory, err)
	}
	defer unix.Close(parent)
	return c.makeDirectory(path, parent, name, defaultDirectoryMode)
}

func (c *commit) makeDirectory(path string, parent int, name string, mode uint32) error {
	if err := unix.Mkdirat(parent, name, 0o700); err != nil {
		return err
	}
	c.undo.add(func() error { return c.at(path, removeDirectory) })
	return changeMode(parent, name, mode)
}

func removeDirectory(parent int, name string) error {
	return unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)
}

// changeMode changes the mode of a directory.
func changeMode(parent int, name string, mode uint32) error {
	fd, err := lookUp(parent, name, toList)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fchmod(fd, mode)
}

// at calls do with the directory of a path and the path's name there.
func (c *commit) at(path string, do func(parent int, name string) error) error {
	directory, name := split(path)
	parent, err := lookUp(c.root, directory, toLookUp|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	return do(parent, name)
}

// diagnose says which part of a directory's path prevents a write.
func (c *commit) diagnose(path, directory string, err error) error {
	for end := 0; end < len(directory); {
		next := strings.IndexByte(directory[end+1:], '/')
		if next < 0 {
			end = len(directory)
		} else {
			end += 1 + next
		}
		part := directory[:end]
		held, lookUpErr := lookUp(c.root, part, toLookUp)
		if lookUpErr == unix.ENOENT {
			return failf(FailedPrecondition, "cannot write %q: there is no directory %q", path, part)
		}
		if lookUpErr == unix.EXDEV {
			return failf(FailedPrecondition, "cannot write %q: %q is on another file system", path, part)
		}
		if lookUpErr != nil {
			break
		}
		stat, statErr := status(held, "")
		unix.Close(held)
		switch {
		case statErr != nil:
		case kindOf(stat.Mode) == Symlink:
			return failf(FailedPrecondition, "cannot write %q: it would be written through the symbolic link %q", path, part)
		case kindOf(stat.Mode) != Directory:
			return failf(FailedPrecondition, "cannot write %q: %q is not a directory", path, part)
		}
	}
	return err
}
