package tree

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"

	"pyro.agent/internal/frame"
)

// chunkSize is the number of bytes of a file that one read takes.
const chunkSize = 128 << 10

// errVanished is a file that can't be read to its end. The stream goes on.
var errVanished = errors.New("the file can't be read")

// sender sends the content of files.
type sender struct {
	host   context.Context
	out    *frame.Writer
	buffer []byte
}

func newSender(host context.Context, out *frame.Writer) *sender {
	return &sender{host: host, out: out, buffer: make([]byte, chunkSize)}
}

// span is a part of a file, in bytes. A limit of -1 takes everything after the offset.
type span struct{ offset, limit int64 }

var wholeFile = span{0, -1}

// send sends a part of a file and the frame that ends it. It leaves out what is appended meanwhile,
// because a file that grows would have no end.
func (s *sender) send(f *file, part span, data, end frame.Type) error {
	offset, size := part.offset, f.stat.Size
	if part.limit >= 0 && part.limit < size-offset {
		size = offset + part.limit
	}
	for offset < size {
		if start := f.nextData(offset, size); start > offset {
			if err := s.sendHole(start - offset); err != nil {
				return err
			}
			offset = start
			continue
		}
		next, err := s.sendData(f, offset, f.nextHole(offset, size), data)
		if errors.Is(err, errVanished) {
			break
		}
		if err != nil {
			return err
		}
		offset = next
	}
	return s.out.Write(end, nil)
}

func (s *sender) sendHole(length int64) error {
	return s.out.Write(frame.Hole, binary.BigEndian.AppendUint64(nil, uint64(length)))
}

// sendData sends the bytes between two offsets and returns the offset that it reached.
func (s *sender) sendData(f *file, offset, end int64, data frame.Type) (int64, error) {
	for offset < end {
		if err := s.host.Err(); err != nil {
			return offset, err
		}
		n, err := f.ReadAt(s.buffer[:min(chunkSize, end-offset)], offset)
		if n > 0 {
			if err := s.out.Write(data, s.buffer[:n]); err != nil {
				return offset, err
			}
			offset += int64(n)
		}
		if err != nil {
			return offset, errVanished
		}
	}
	return offset, nil
}

// digest returns the SHA-256 of a file's content.
func (s *sender) digest(f *file) (string, error) {
	hash := sha256.New()
	for offset := int64(0); ; {
		if err := s.host.Err(); err != nil {
			return "", err
		}
		n, err := f.ReadAt(s.buffer, offset)
		hash.Write(s.buffer[:n])
		offset += int64(n)
		if err == io.EOF {
			return hex.EncodeToString(hash.Sum(nil)), nil
		}
		if err != nil {
			return "", errVanished
		}
	}
}
