package tree

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// RemoveLeftovers removes the staging directories of writes that the death of their machine ended.
func (l *Layers) RemoveLeftovers() error {
	// Everything that was written is in the upper directory, which is smaller than the merged one.
	top, err := names(l.Upper)
	if err != nil {
		return err
	}
	for _, name := range top {
		if !strings.HasPrefix(name, StagingPrefix) {
			continue
		}
		if err := removeAll(l.Merged, name); err != nil && !isMissing(err) {
			return explain("remove", name, err)
		}
	}
	return nil
}

// removeAll removes name from a directory, with everything below it.
func removeAll(directory int, name string) error {
	err := unix.Unlinkat(directory, name, 0)
	if err != unix.EISDIR {
		return err
	}
	if err := removeChildren(directory, name); err != nil {
		return err
	}
	return unix.Unlinkat(directory, name, unix.AT_REMOVEDIR)
}

func removeChildren(parent int, name string) error {
	directory, err := lookUp(parent, name, toList)
	if err != nil {
		return err
	}
	defer unix.Close(directory)
	children, err := names(directory)
	if err != nil {
		return err
	}
	for _, child := range children {
		err = errors.Join(err, removeAll(directory, child))
	}
	return err
}
