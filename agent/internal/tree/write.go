package tree

import (
	"errors"
	"fmt"
	"io"
	"log"

	"pyro.agent/internal/frame"
)

// WriteHeader says how the entries of a write are meant.
type WriteHeader struct {
	// directory of the workspace that the entries' paths are relative to, made if it is missing
	Dest       *string `json:"dest,omitempty"`
	DestBase64 []byte  `json:"dest_base64,omitempty"`
	// whether directories are made that entries need and do not name
	MakeParents bool `json:"make_parents"`
	// whether directories are removed that deletions leave empty
	RemoveEmptyParents bool `json:"remove_empty_parents"`
}

func (h *WriteHeader) dest() (string, error) {
	if h.Dest == nil && h.DestBase64 == nil {
		return "", nil
	}
	return decodePath(Text{h.Dest, h.DestBase64}, "dest")
}

// Written is what a write has done.
type Written struct {
	EntryCount int `json:"entry_count"`
	// content of the files
	BytesWritten int64 `json:"bytes_written"`
}

// Write puts a tree in its place, all of it or nothing. It is first laid out in a directory of its
// own, so that a stream that breaks off changes nothing.
func (l *Layers) Write(body io.Reader) (Written, error) {
	frames := frame.NewReader(body)
	header, err := readHeader(frames)
	if err != nil {
		return Written{}, err
	}
	s, err := newStaging(l.Merged)
	if err != nil {
		return Written{}, err
	}
	defer s.close()
	if err := s.receive(frames); err != nil {
		s.remove()
		return Written{}, err
	}
	l.committing.Lock()
	err = (&commit{staging: s, WriteHeader: header}).run()
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

// cutOff says that a stream did not come to its end.
func cutOff(err error) error {
	if errors.Is(err, frame.ErrTooLarge) {
		return failf(InvalidArgument, "%v", err)
	}
	return failf(InvalidArgument, "the tree ended before its end frame: %v", err)
}
