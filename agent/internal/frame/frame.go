// Package frame is the codec of the frames inside the streams of exec and of trees:
// type (1 byte), payload length (4 bytes, big endian), payload.
package frame

import (
	"encoding/binary"
	"errors"
	"io"
)

// Type says what a frame's payload is.
type Type uint8

// These frames are of an exec stream. The host sends the first four, the guest the others.
const (
	Spec     Type = 0x01
	Stdin    Type = 0x02
	StdinEnd Type = 0x03
	Signal   Type = 0x04
	Started  Type = 0x10
	Stdout   Type = 0x11
	Stderr   Type = 0x12
	MainExit Type = 0x13
	Exit     Type = 0x1f
)

// These frames are of a tree's stream. Either side sends them.
const (
	TreeHeader    Type = 0x30
	Entry         Type = 0x31
	Content       Type = 0x32
	ContentEnd    Type = 0x33
	Hole          Type = 0x34
	Change        Type = 0x35
	OldContent    Type = 0x36
	OldContentEnd Type = 0x37
	TreeEnd       Type = 0x3f
)

// These frames are of the network. The guest announces connections and questions, and the host
// answers.
const (
	Question   Type = 0x40
	Connection Type = 0x41
	Answer     Type = 0x42
	Refusal    Type = 0x43
)

// These frames are of the stream of one connection. Either side sends them.
const (
	Data    Type = 0x48
	DataEnd Type = 0x49
	Credit  Type = 0x4a
)

// These frames are of a copy. The guest sends them.
const (
	CopyProgress Type = 0x60
	CopyEnd      Type = 0x6f
)

const (
	// HeaderSize is the number of bytes before a payload.
	HeaderSize = 5
	// MaxPayload is the largest payload that either side may send.
	MaxPayload = 1 << 20
)

// ErrTooLarge reports a frame whose payload is larger than MaxPayload.
var ErrTooLarge = errors.New("frame payload is larger than 1 MiB")

// PutHeader writes the header of a frame into the first HeaderSize bytes of b.
func PutHeader(b []byte, t Type, payloadSize int) {
	b[0] = byte(t)
	binary.BigEndian.PutUint32(b[1:HeaderSize], uint32(payloadSize))
}

// Encode returns a whole frame.
func Encode(t Type, payload []byte) []byte {
	complete := make([]byte, HeaderSize, HeaderSize+len(payload))
	PutHeader(complete, t, len(payload))
	return append(complete, payload...)
}

// Reader reads frames.
type Reader struct {
	source  io.Reader
	header  [HeaderSize]byte
	payload []byte
}

// NewReader returns a Reader of the frames in source.
func NewReader(source io.Reader) *Reader {
	return &Reader{source: source}
}

// Next returns the next frame. The payload is valid until the next call.
// At the end between two frames the error is io.EOF, inside one io.ErrUnexpectedEOF.
func (r *Reader) Next() (Type, []byte, error) {
	if _, err := io.ReadFull(r.source, r.header[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(r.header[1:])
	if size > MaxPayload {
		return 0, nil, ErrTooLarge
	}
	if int(size) > cap(r.payload) {
		r.payload = make([]byte, size)
	}
	r.payload = r.payload[:size]
	if _, err := io.ReadFull(r.source, r.payload); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return Type(r.header[0]), r.payload, nil
}
