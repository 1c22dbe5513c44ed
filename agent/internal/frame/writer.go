package frame

import "io"

// flushSize is the number of bytes that a Writer gathers. A message on the wire costs more than
// several descriptions of files.
const flushSize = 64 << 10

// Writer writes frames, several at a time. It is for one goroutine.
type Writer struct {
	sink   io.Writer
	buffer []byte
}

// NewWriter returns a Writer to sink.
func NewWriter(sink io.Writer) *Writer {
	return &Writer{sink: sink, buffer: make([]byte, 0, flushSize)}
}

// Write adds a frame and copies the payload.
func (w *Writer) Write(t Type, payload []byte) error {
	if len(w.buffer)+HeaderSize+len(payload) > cap(w.buffer) {
		if err := w.Flush(); err != nil {
			return err
		}
	}
	var header [HeaderSize]byte
	PutHeader(header[:], t, len(payload))
	w.buffer = append(w.buffer, header[:]...)
	w.buffer = append(w.buffer, payload...)
	return nil
}

// Flush sends what has been gathered.
func (w *Writer) Flush() error {
	if len(w.buffer) == 0 {
		return nil
	}
	_, err := w.sink.Write(w.buffer)
	w.buffer = w.buffer[:0]
	return err
}
