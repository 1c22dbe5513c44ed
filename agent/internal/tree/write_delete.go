package tree

import (
	"golang.org/x/sys/unix"
)

// delete moves what is at a path into the staging directory. A directory must be empty.
func (c *commit) delete(path, staged string, parent int, name string, present Kind) error {
	if present == Missing {
		return failf(Conflict, "cannot delete %q: it does not exist", path)
	}
	if present == Directory {
		if err := requireEmpty(path, parent, name); err != nil {
			return err
		}
	}
	takeAway := func(parent int, name string) error {
		return unix.Renameat2(parent, name, c.fd, staged, unix.RENAME_NOREPLACE)
	}
	if err := c.move(parent, name, takeAway); err != nil {
		return err
	}
	c.undo.add(func() error {
		return c.at(path, func(parent int, name string) error {
			return unix.Renameat2(c.fd, staged, parent, name, unix.RENAME_NOREPLACE)
		})
	})
	if present == Directory {
		// A command may have put something into the directory meanwhile.
		return requireEmpty(path, c.fd, staged)
	}
	return nil
}

func requireEmpty(path string, parent int, name string) error {
	empty, err := isEmpty(parent, name)
	if err == nil && !empty {
		return failf(FailedPrecondition, "cannot delete %q: the directory is not empty", path)
	}
	return err
}

func isEmpty(parent int, name string) (bool, error) {
	directory, err := lookUp(parent, name, toList)
	if err != nil {
		return false, err
	}
	defer unix.Close(directory)
	children, err := names(directory)
	return len(children) == 0, err
}

// removeEmptyParents removes the directories that deletions left empty, except those that the
// stream names. It runs after all entries, so a directory with new content stays.
func (c *commit) removeEmptyParents() error {
	named := make(map[string]bool)
	for _, op := range c.operations {
		if op.kind == Directory {
			named[op.path] = true
		}
	}
	for _, op := range c.operations {
		if op.kind != Delete {
			continue
		}
		for parent, _ := split(op.path); parent != "" && !named[parent]; parent, _ = split(parent) {
			removed, err := c.removeIfEmpty(join(c.into, parent))
			if err != nil {
				return explain("delete", parent, err)
			}
			if !removed {
				break
			}
		}
	}
	return nil
}

// removeIfEmpty reports whether a directory is gone.
func (c *commit) removeIfEmpty(path string) (gone bool, err error) {
	err = c.at(path, func(parent int, name string) error {
		empty, err := isEmpty(parent, name)
		if err != nil || !empty {
			return err
		}
		gone = true
		staged, err := c.newName()
		if err != nil {
			return err
		}
		return c.delete(path, staged, parent, name, Directory)
	})
	if isMissing(err) {
		return true, nil
	}
	return gone, err
}

// makeRoom removes a directory where an entry expects nothing, if deletions left only directories
// in it. Patches do not know empty directories, so they cannot delete them.
func (c *commit) makeRoom(op *operation) error {
	isFree := op.expect != nil && op.expect.Type == Missing && op.kind != Delete
	if !isFree || !c.RemoveEmptyParents || !c.emptied[op.path] {
		return nil
	}
	path := join(c.into, op.path)
	isEmpty, err := c.hasOnlyDirectories(path)
	if isMissing(err) || (err == nil && !isEmpty) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.removeDirectories(path)
}

// hasOnlyDirectories reports whether nothing but directories is below a path.
func (c *commit) hasOnlyDirectories(path string) (bool, error) {
	children, err := c.childrenOf(path)
	for _, child := range children {
		only := false
		if err == nil {
			only, err = c.hasOnlyDirectories(join(path, child))
		}
		if err == unix.ENOTDIR || (err == nil && !only) {
			return false, nil
		}
	}
	return err == nil, err
}

func (c *commit) removeDirectories(path string) error {
	children, err := c.childrenOf(path)
	if err != nil {
		return err
	}
	for _, child := range children {
		if err := c.removeDirectories(join(path, child)); err != nil {
			return err
		}
	}
	return c.at(path, func(parent int, name string) error {
		staged, err := c.newName()
		if err != nil {
			return err
		}
		return c.delete(path, staged, parent, name, Directory)
	})
}

func (c *commit) childrenOf(path string) ([]string, error) {
	directory, err := lookUp(c.root, path, toList)
	if err != nil {
		return nil, err
	}
	defer unix.Close(directory)
	return names(directory)
}
