package frame_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"pyro.agent/internal/frame"
)

type countingSink struct {
	bytes.Buffer
	writes int
	err    error
}

func (c *countingSink) Write(p []byte) (int, error) {
	c.writes++
	if c.err != nil {
		return 0, c.err
	}
	return c.Buffer.Write(p)
}

func TestWriterGathersFrames(t *testing.T) {
	sink := &countingSink{}
	w := frame.NewWriter(sink)
	large := bytes.Repeat([]byte("l"), 300_000)
	for range 100 {
		if err := w.Write(frame.Entry, []byte("small")); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{w.Write(frame.Content, large), w.Write(frame.ContentEnd, nil), w.Flush(), w.Flush()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if sink.writes > 3 {
		t.Errorf("%d writes", sink.writes)
	}
	r := frame.NewReader(&sink.Buffer)
	for range 100 {
		if kind, payload, err := r.Next(); err != nil || kind != frame.Entry || string(payload) != "small" {
			t.Fatalf("got %#x, %q, %v", kind, payload, err)
		}
	}
	if kind, payload, err := r.Next(); err != nil || kind != frame.Content || !bytes.Equal(payload, large) {
		t.Errorf("got %#x, %d bytes, %v", kind, len(payload), err)
	}
	if kind, _, err := r.Next(); err != nil || kind != frame.ContentEnd {
		t.Errorf("got %#x, %v", kind, err)
	}
	if _, _, err := r.Next(); err != io.EOF {
		t.Errorf("got %v", err)
	}
}

func TestWriterReportsThatItsReaderIsGone(t *testing.T) {
	gone := errors.New("gone")
	w := frame.NewWriter(&countingSink{err: gone})
	if err := errors.Join(w.Write(frame.Entry, []byte("x")), w.Flush()); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}
