package frame

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestReaderReturnsFramesInOrder(t *testing.T) {
	largest := bytes.Repeat([]byte{7}, MaxPayload)
	stream := append(Encode(Stdin, []byte("first")), Encode(StdinEnd, nil)...)
	stream = append(stream, Encode(Stdout, largest)...)
	reader := NewReader(iotest.HalfReader(bytes.NewReader(stream)))
	for _, want := range []struct {
		kind    Type
		payload []byte
	}{{Stdin, []byte("first")}, {StdinEnd, nil}, {Stdout, largest}} {
		kind, payload, err := reader.Next()
		if err != nil || kind != want.kind || !bytes.Equal(payload, want.payload) {
			t.Fatalf("got frame %#x of %d bytes, %v; want %#x of %d", kind, len(payload), err, want.kind, len(want.payload))
		}
	}
	if _, _, err := reader.Next(); err != io.EOF {
		t.Fatalf("got %v at the end, want EOF", err)
	}
}

func TestReaderRefusesBadStreams(t *testing.T) {
	for name, test := range map[string]struct {
		stream []byte
		want   error
	}{
		"truncated header":  {[]byte{2, 0, 0}, io.ErrUnexpectedEOF},
		"missing payload":   {[]byte{2, 0, 0, 0, 4}, io.ErrUnexpectedEOF},
		"truncated payload": {[]byte{2, 0, 0, 0, 4, 1}, io.ErrUnexpectedEOF},
		"one byte too many": {[]byte{2, 0, 0x10, 0, 1}, ErrTooLarge},
		"largest length":    {[]byte{2, 0xff, 0xff, 0xff, 0xff}, ErrTooLarge},
	} {
		if _, _, err := NewReader(bytes.NewReader(test.stream)).Next(); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

// Writing what was read must give the same bytes.
func FuzzReader(f *testing.F) {
	f.Add(Encode(Spec, []byte(`{"argv":["true"]}`)))
	f.Add(append(Encode(Stdin, []byte("x")), Encode(StdinEnd, nil)...))
	f.Add([]byte{2, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, stream []byte) {
		reader := NewReader(bytes.NewReader(stream))
		var again []byte
		for {
			kind, payload, err := reader.Next()
			if err != nil {
				break
			}
			if len(payload) > MaxPayload {
				t.Fatalf("payload of %d bytes", len(payload))
			}
			again = append(again, Encode(kind, payload)...)
		}
		if !bytes.HasPrefix(stream, again) {
			t.Fatalf("read %x from %x", again, stream)
		}
	})
}
