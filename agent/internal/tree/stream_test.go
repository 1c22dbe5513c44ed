package tree_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/frame"
	"pyro.agent/internal/tree"
)

// item is an entry or a change, with the content that followed it.
type item struct {
	tree.Entry
	Status         tree.Status `json:"status"`
	Old            *tree.Side  `json:"old"`
	New            *tree.Side  `json:"new"`
	ContentChanged bool        `json:"content_changed"`
	HasContent     bool        `json:"content"`

	// nil when there was none
	content, oldContent []byte
	holes               int
}

func (i *item) path() string {
	if i.Path != nil {
		return *i.Path
	}
	return string(i.PathBase64)
}

func (i *item) target() string {
	if i.Target != nil {
		return *i.Target
	}
	return string(i.TargetBase64)
}

// decode reads a whole stream.
func decode(t *testing.T, stream []byte) (items []*item, last map[string]int) {
	t.Helper()
	frames := frame.NewReader(bytes.NewReader(stream))
	var current *item
	var sink *[]byte
	for {
		kind, payload, err := frames.Next()
		if err != nil {
			t.Fatalf("the stream has no end: %v", err)
		}
		switch kind {
		case frame.Entry, frame.Change:
			current = &item{}
			if err := json.Unmarshal(payload, current); err != nil {
				t.Fatal(err)
			}
			items = append(items, current)
			sink = nil
		case frame.Content, frame.OldContent:
			sink = current.sink(kind == frame.OldContent)
			*sink = append(*sink, payload...)
		case frame.Hole:
			if sink == nil {
				sink = current.sink(current.Old != nil && current.oldContent == nil)
			}
			current.holes++
			*sink = append(*sink, make([]byte, binary.BigEndian.Uint64(payload))...)
		case frame.ContentEnd:
			current.sink(false)
			sink = nil
		case frame.OldContentEnd:
			current.sink(true)
			sink = nil
		case frame.TreeEnd:
			if err := json.Unmarshal(payload, &last); err != nil {
				t.Fatal(err)
			}
			if _, _, err := frames.Next(); err != io.EOF {
				t.Fatalf("something follows the end: %v", err)
			}
			return items, last
		default:
			t.Fatalf("unknown frame %#x", kind)
		}
	}
}

func (i *item) sink(old bool) *[]byte {
	sink := &i.content
	if old {
		sink = &i.oldContent
	}
	if *sink == nil {
		*sink = []byte{}
	}
	return sink
}

func read(t *testing.T, layers *tree.Layers, request tree.ReadRequest, paths ...string) ([]*item, map[string]int) {
	t.Helper()
	var stream bytes.Buffer
	if err := layers.Read(t.Context(), &request, paths, frame.NewWriter(&stream)); err != nil {
		t.Fatal(err)
	}
	return decode(t, stream.Bytes())
}

func changes(t *testing.T, layers *tree.Layers, limit int64) ([]*item, map[string]int) {
	t.Helper()
	var stream bytes.Buffer
	request := &tree.ChangesRequest{ContentLimit: limit}
	if err := layers.Changes(t.Context(), request, frame.NewWriter(&stream)); err != nil {
		t.Fatal(err)
	}
	return decode(t, stream.Bytes())
}

// stream is a body of a write.
type stream struct{ bytes.Buffer }

func (s *stream) add(kind frame.Type, payload []byte) *stream {
	var header [frame.HeaderSize]byte
	frame.PutHeader(header[:], kind, len(payload))
	s.Buffer.Write(header[:])
	s.Buffer.Write(payload)
	return s
}

func newStream(header string) *stream {
	return new(stream).add(frame.TreeHeader, []byte(header))
}

// entry adds an entry and, to a file, its content.
func (s *stream) entry(text string, content ...string) *stream {
	s.add(frame.Entry, []byte(text))
	for _, piece := range content {
		s.add(frame.Content, []byte(piece))
	}
	if strings.Contains(text, `"type":"file"`) && !strings.HasSuffix(text, `"type":"file"}}`) || len(content) > 0 {
		s.add(frame.ContentEnd, nil)
	}
	return s
}

// noLinkFile adds a file that may replace anything but a symbolic link.
func (s *stream) noLinkFile(path string) *stream {
	return s.entry(`{`+path+`,"type":"file","expect":{"type":"not_symlink"}}`, "new")
}

func (s *stream) end() *bytes.Buffer {
	s.add(frame.TreeEnd, nil)
	return &s.Buffer
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// node is all that is compared of a path.
type node struct {
	format, mode    uint32
	content, target string
}

// walk describes everything below a directory with package os alone.
func walk(t *testing.T, root string) map[string]node {
	t.Helper()
	found := make(map[string]node)
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		var stat unix.Stat_t
		if err := unix.Lstat(path, &stat); err != nil {
			return err
		}
		n := node{format: stat.Mode & unix.S_IFMT, mode: stat.Mode & 0o7777}
		switch n.format {
		case unix.S_IFREG:
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			n.content = string(content)
		case unix.S_IFLNK:
			if n.target, err = os.Readlink(path); err != nil {
				return err
			}
		}
		relative, err := filepath.Rel(root, path)
		found[relative] = n
		return err
	})
	must(t, err)
	return found
}
