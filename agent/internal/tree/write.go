package tree

import (
	"errors"
	"fmt"
	"io"
	"log"

	"pyro.agent/internal/frame"
)

// WriteHeader has the options of a write.
type WriteHeader struct {
	// directory of the workspace that the entries' paths start at, made if missing
	Dest       *string `json:"dest,omitempty"`
	DestBase64 []byte  `json:"dest_base64,omitempty"`
	// whether to make missing directories that entries need
	MakeParents bool `json:"make_parents"`
	// whether to remove directories that deletions leave empty
	RemoveEmptyParents bool `json:"remove_empty_parents"`
}

func (h *WriteHeader) dest() (string, error) {
	if h.Dest == nil && h.DestBase64 == nil {
		return "", nil
	}
	return decodePath(Text{h.Dest, h.DestBase64}, "dest")
}

// Written is the result of a write.
type Written struct {
	EntryCount int `json:"entry_count"`
	// bytes of all files, holes included
	BytesWritten int64 `json:"bytes_written"`
}

// Write commits a tree as a whole or not at all. It first lays the tree out in a staging directory,
// so a stream that breaks off changes nothing.
func (l *Layers) Write(body io.Reader) (Written, error) {
	staged, err := l.Stage(body)
	if err != nil {
		return Written{}, err
	}
	return l.Commit(staged)
}

// Staged is a tree that is laid out, and changes nothing until its commit.
type Staged struct {
	*staging
	header *WriteHeader
}

// Discard removes the tree instead of a commit.
func (s *Staged) Discard() {
	s.remove()
	s.close()
}

// Stage lays a tree out. The caller commits or discards it.
func (l *Layers) Stage(body io.Reader) (*Staged, error) {
	frames := frame.NewReader(body)
	header, err := readHeader(frames)
	if err != nil {
		return nil, err
	}
	s, err := newStaging(l.Merged)
	if err != nil {
		return nil, err
	}
	staged := &Staged{s, header}
	err = s.receive(frames)
	if err == nil {
		err = s.settle(l.Upper)
	}
	if err != nil {
		staged.Discard()
		return nil, err
	}
	return staged, nil
}

// Commit moves a staged tree to its place.
func (l *Layers) Commit(s *Staged) (Written, error) {
	defer s.close()
	l.committing.Lock()
	err := (&commit{staging: s.staging, WriteHeader: s.header}).run()
	l.committing.Unlock()
	var broken *brokenUndo
	if errors.As(err, &broken) {
		log.Printf("write of a tree: %v", err)
		return Written{}, fmt.Errorf("%w; what was replaced is in %s", err, s.name)
	}
	s.remove()
	if err != nil {
		return Written{}, err
	}
	return Written{EntryCount: len(s.operations), BytesWritten: s.bytesWritten}, nil
}

func readHeader(frames *frame.Reader) (*WriteHeader, error) {
	kind, payload, err := frames.Next()
	if err != nil {
		return nil, cutOff(err)
	}
	if kind != frame.TreeHeader {
		return nil, failf(InvalidArgument, "the first frame must be %#02x, not %#02x", frame.TreeHeader, kind)
	}
	header := &WriteHeader{}
	if err := decodeJSON(payload, header); err != nil {
		return nil, err
	}
	dest, err := header.dest()
	if err == nil && isStaging(dest) {
		err = failf(InvalidArgument, "cannot write to %q: the name is reserved", dest)
	}
	return header, err
}

// cutOff explains a stream that breaks off before its end.
func cutOff(err error) error {
	if errors.Is(err, frame.ErrTooLarge) {
		return failf(InvalidArgument, "%v", err)
	}
	return failf(InvalidArgument, "the tree ended before its end frame: %v", err)
}
