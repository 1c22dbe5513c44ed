package tree

import "pyro.agent/internal/frame"

// Status says how a path differs.
type Status string

// A path that differs has one of these statuses.
const (
	Added       Status = "added"
	Modified    Status = "modified"
	Deleted     Status = "deleted"
	TypeChanged Status = "type_changed"

	// modeOnly is Modified with the same content.
	modeOnly Status = "mode"
)

// Change describes how one path differs.
type Change struct {
	PathFields
	Status Status `json:"status"`
	// null if this side has nothing at the path
	Old *Side `json:"old"`
	New *Side `json:"new"`
	// false if only the mode differs
	ContentChanged bool `json:"content_changed"`
	// whether the content of each side that is a file follows
	Content bool `json:"content,omitempty"`
}

// Side is what one tree has at a path.
type Side struct {
	Type Kind `json:"type"`
	// permission bits
	Mode uint32 `json:"mode"`
	// of a file, in bytes
	Size *int64 `json:"size,omitempty"`
	TargetFields
}

func (s *side) describe() *Side {
	if s.kind == Missing {
		return nil
	}
	described := &Side{Type: s.kind, Mode: s.stat.Mode & permissions}
	switch s.kind {
	case File:
		described.Size = &s.stat.Size
	case Symlink:
		described.TargetFields = targetFields(s.target)
	}
	return described
}

// report sends a change, with its content unless that is above the limit.
func (d *differ) report(p place, status Status, before, after side) error {
	d.changes++
	change := Change{PathFields: pathFields(p.path), Status: status, ContentChanged: status != modeOnly}
	if status == modeOnly {
		change.Status = Modified
	}
	var oldFile, newFile *file
	if change.ContentChanged && d.limit != 0 {
		oldFile, newFile = d.open(p, &before, &after)
		defer oldFile.close()
		defer newFile.close()
	}
	change.Content = oldFile != nil || newFile != nil
	change.Old, change.New = before.describe(), after.describe()
	if err := writeJSON(d.out, frame.Change, change); err != nil {
		return err
	}
	if oldFile != nil {
		if err := d.send(oldFile, wholeFile, frame.OldContent, frame.OldContentEnd); err != nil {
			return err
		}
	}
	if newFile != nil {
		return d.send(newFile, wholeFile, frame.Content, frame.ContentEnd)
	}
	return nil
}

// open opens the sides that are files, all of them or none, and updates their sizes.
func (d *differ) open(p place, before, after *side) (oldFile, newFile *file) {
	oldFile, isFine := d.openSide(p.base, p.name, before)
	if !isFine {
		return nil, nil
	}
	if newFile, isFine = d.openSide(p.merged, p.name, after); !isFine {
		oldFile.close()
		return nil, nil
	}
	return oldFile, newFile
}

// openSide returns nil for a side that is no file, and false for a file that must not be sent.
func (d *differ) openSide(directory int, name string, s *side) (f *file, isFine bool) {
	if s.kind != File {
		return nil, true
	}
	if d.isTooLarge(s.stat.Size) {
		return nil, false
	}
	f, err := openFile(directory, name)
	if err != nil {
		return nil, false
	}
	if d.isTooLarge(f.stat.Size) {
		f.close()
		return nil, false
	}
	s.stat.Size = f.stat.Size
	return f, true
}

func (d *differ) isTooLarge(size int64) bool { return d.limit >= 0 && size > d.limit }
