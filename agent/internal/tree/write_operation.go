package tree

import (
	"encoding/json"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// operation is a checked entry of a write.
type operation struct {
	path string
	kind Kind
	// nil if the entry has no mode
	mode  *uint32
	mtime *unix.Timespec
	// nil if the write accepts anything at the path
	expect *Expectation
	// staged is a name in the staging directory. It first holds the new content of the path, and
	// after the commit the old one.
	staged string
}

func decodeJSON(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return failf(InvalidArgument, "invalid JSON: %v", err)
	}
	return nil
}

// newOperation checks an entry as far as that needs no look at the tree.
func newOperation(entry *Entry) (*operation, error) {
	path, err := entry.path()
	if err != nil {
		return nil, err
	}
	if err := checkWritable(path, entry.Type); err != nil {
		return nil, err
	}
	op := &operation{path: path, kind: entry.Type, mode: entry.Mode, expect: entry.Expect}
	if op.mode != nil && *op.mode&^permissions != 0 {
		return nil, failf(InvalidArgument, "mode of %q has more than permission bits: %#o", path, *op.mode)
	}
	if entry.MtimeNs != "" {
		nanoseconds, err := strconv.ParseInt(entry.MtimeNs, 10, 64)
		if err != nil {
			return nil, failf(InvalidArgument, "mtime_ns of %q is no decimal number: %q", path, entry.MtimeNs)
		}
		mtime := unix.NsecToTimespec(nanoseconds)
		op.mtime = &mtime
	}
	return op, op.expect.validate(path)
}

func checkWritable(path string, kind Kind) error {
	switch kind {
	case File, Directory, Symlink, HardLink, Delete:
	default:
		return failf(InvalidArgument, "cannot write %q: there is no type %q to be written", path, kind)
	}
	if path == "" && kind != Directory {
		return failf(InvalidArgument, "a %s needs a path", kind)
	}
	if isStaging(path) {
		return failf(InvalidArgument, "cannot write %q: the name is reserved", path)
	}
	for name := range strings.SplitSeq(path, "/") {
		if len(name) > unix.NAME_MAX {
			return failf(InvalidArgument, "cannot write %q: a name has at most %d bytes", path, unix.NAME_MAX)
		}
	}
	return nil
}

func (e *Expectation) validate(path string) error {
	if e == nil {
		return nil
	}
	switch e.Type {
	case Missing, File, Directory, Symlink, NotSymlink:
		return nil
	default:
		return failf(InvalidArgument, "expect.type of %q is not valid: %q", path, e.Type)
	}
}
