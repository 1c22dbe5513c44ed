package tree

import (
	"encoding/json"
	"strconv"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/frame"
)

// Kind is the type of what is at a path, or of what a write puts there.
type Kind string

// Only a read has Missing, and only a write has Delete.
const (
	File      Kind = "file"
	Directory Kind = "directory"
	Symlink   Kind = "symlink"
	HardLink  Kind = "hard_link"
	Other     Kind = "other"
	Missing   Kind = "missing"
	Delete    Kind = "delete"
)

func kindOf(mode uint32) Kind {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return File
	case unix.S_IFDIR:
		return Directory
	case unix.S_IFLNK:
		return Symlink
	default:
		return Other
	}
}

// permissions are the bits of a mode that are not the type.
const permissions = 0o7777

// Entry describes one path.
type Entry struct {
	PathFields
	Type Kind `json:"type"`
	// permission bits
	Mode *uint32 `json:"mode,omitempty"`
	// of a file, in bytes
	Size *int64 `json:"size,omitempty"`
	// nanoseconds, decimal because they do not fit a JSON number
	MtimeNs string `json:"mtime_ns,omitempty"`
	TargetFields
	// SHA-256 of a file's content, 64 hexadecimal digits
	SHA256 string `json:"sha256,omitempty"`
	// reason why a path that may exist is missing
	Reason Reason `json:"reason,omitempty"`
	// state of the path that the write requires
	Expect *Expectation `json:"expect,omitempty"`
}

// Reason says why a path that may exist is missing.
type Reason string

// These are the reasons not to look at a path.
const (
	// BehindLink is a path with a symbolic link among its directories.
	BehindLink Reason = "symbolic_link"
	// Outside is a path that leads out of the workspace, or to another file system.
	Outside Reason = "outside"
)

// NotSymlink is a Kind only of expectations. It accepts nothing, or anything but a symbolic link.
const NotSymlink Kind = "not_symlink"

// Expectation is what must be at a path.
type Expectation struct {
	Type   Kind   `json:"type"`
	SHA256 string `json:"sha256,omitempty"`
	TargetFields
}

func describe(path string, stat *unix.Stat_t) Entry {
	mode := stat.Mode & permissions
	entry := Entry{
		PathFields: pathFields(path),
		Type:       kindOf(stat.Mode),
		Mode:       &mode,
		MtimeNs:    strconv.FormatInt(stat.Mtim.Nano(), 10),
	}
	if entry.Type == File {
		entry.Size = &stat.Size
	}
	return entry
}

func (e *Entry) announcedSize() int64 {
	if e.Size == nil {
		return 0
	}
	return *e.Size
}

func writeJSON(out *frame.Writer, kind frame.Type, value any) error {
	payload, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return out.Write(kind, payload)
}
