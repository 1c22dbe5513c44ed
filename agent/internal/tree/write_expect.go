package tree

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// checkEarly checks expectations before anything changes, for paths that no earlier entry touches.
// apply checks each of them again.
func (c *commit) checkEarly() error {
	touched := make(map[string]bool)
	c.emptied = make(map[string]bool)
	for _, op := range c.operations {
		if op.expect != nil && !isTouched(touched, op.path) && !c.emptied[op.path] {
			if err := c.check(op, join(c.into, op.path)); err != nil {
				return err
			}
		}
		touched[op.path] = true
		if op.kind == Delete {
			for dir, _ := split(op.path); dir != "" && !c.emptied[dir]; dir, _ = split(dir) {
				c.emptied[dir] = true
			}
		}
	}
	return nil
}

func isTouched(touched map[string]bool, path string) bool {
	for path != "" {
		if touched[path] {
			return true
		}
		path, _ = split(path)
	}
	return false
}

// check compares what is at a path with the entry's expectation. It skips a path through a symbolic
// link, which fails when its directory is opened.
func (c *commit) check(op *operation, path string) error {
	if op.expect == nil {
		return nil
	}
	held, err := lookUp(c.root, path, toLookUp)
	if isMissing(err) {
		if op.expect.Type == Missing || op.expect.Type == NotSymlink {
			return nil
		}
		return failf(Conflict, "cannot %s %q: it does not exist any more", op.verb(), path)
	}
	if err != nil {
		return nil
	}
	defer unix.Close(held)
	if op.expect.Type == NotSymlink {
		return refuseLink(op, path, held)
	}
	found, err := op.expect.isMet(held)
	if err == nil && !found {
		return failf(Conflict, "cannot %s %q: it is not what it is expected to be", op.verb(), path)
	}
	return explain("check", path, err)
}

func refuseLink(op *operation, path string, held int) error {
	stat, err := status(held, "")
	if err != nil || kindOf(stat.Mode) != Symlink {
		return explain("check", path, err)
	}
	target, err := readLink(held, "")
	if err != nil {
		return explain("check", path, err)
	}
	return &Failure{
		Code:         Conflict,
		Message:      fmt.Sprintf("cannot %s %q: it is a symbolic link to %q", op.verb(), path, target),
		TargetFields: targetFields(target),
	}
}

func (e *Expectation) isMet(held int) (bool, error) {
	stat, err := status(held, "")
	if err != nil || kindOf(stat.Mode) != e.Type {
		return false, err
	}
	switch e.Type {
	case File:
		if e.SHA256 == "" {
			return true, nil
		}
		f, err := openFile(held, "")
		if err != nil {
			return false, err
		}
		defer f.close()
		digest, err := newSender(context.Background(), nil).digest(f)
		return digest == e.SHA256, err
	case Symlink:
		wanted, ok := e.target()
		if !ok {
			return true, nil
		}
		target, err := readLink(held, "")
		return target == wanted, err
	default:
		return true, nil
	}
}
