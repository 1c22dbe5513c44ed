package tree

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"log"
	"math"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/frame"
)

// staging is a directory at the top of a tree in which a write is laid out before its commit.
type staging struct {
	root int
	name string
	// fd is the staging directory's.
	fd int

	operations []*operation
	// byPath has the latest operation for each path that can be linked to.
	byPath map[string]*operation
	// used counts the names given in the directory.
	used int
	// content is the file that content frames belong to.
	content *stagedFile
	// direct is for the content of large files, one at a time; nil before the first.
	direct *directBuffer

	bytesWritten int64
}

func newStaging(root int) (*staging, error) {
	var random [8]byte
	rand.Read(random[:])
	s := &staging{root: root, name: StagingPrefix + hex.EncodeToString(random[:]), byPath: make(map[string]*operation)}
	if err := unix.Mkdirat(root, s.name, 0o700); err != nil {
		return nil, explain("write into", "/workspace", err)
	}
	var err error
	if s.fd, err = lookUp(root, s.name, toList); err != nil {
		return nil, explain("open", s.name, err)
	}
	return s, nil
}

func (s *staging) close() {
	s.content.close()
	s.direct.close()
	unix.Close(s.fd)
}

// remove removes the directory. The next mount removes what remove can't.
func (s *staging) remove() {
	if err := removeAll(s.root, s.name); err != nil {
		log.Printf("remove %s: %v", s.name, err)
	}
}

// shelfSize is the number of names in one directory. A directory is searched from its start.
const shelfSize = 64

// newName returns a new name in the staging directory, on a shelf that has room for it.
func (s *staging) newName() (string, error) {
	shelf := strconv.Itoa(s.used / shelfSize)
	if s.used%shelfSize == 0 {
		if err := unix.Mkdirat(s.fd, shelf, 0o700); err != nil {
			return "", explain("write into", "/workspace", err)
		}
	}
	s.used++
	return shelf + "/" + strconv.Itoa(s.used), nil
}

// receive lays out a stream of entries, up to its end.
func (s *staging) receive(frames *frame.Reader) error {
	for {
		kind, payload, err := frames.Next()
		if err != nil {
			return cutOff(err)
		}
		switch kind {
		case frame.Entry:
			err = s.add(payload)
		case frame.Content:
			err = s.write(payload)
		case frame.Hole:
			err = s.skip(payload)
		case frame.ContentEnd:
			err = s.endContent()
		case frame.TreeEnd:
			if s.content != nil {
				return errUnfinished(s.content.path)
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func errUnfinished(path string) error {
	return failf(InvalidArgument, "the content of %q has no end", path)
}

func (s *staging) add(payload []byte) error {
	if s.content != nil {
		return errUnfinished(s.content.path)
	}
	var entry Entry
	if err := decodeJSON(payload, &entry); err != nil {
		return err
	}
	op, err := newOperation(&entry)
	if err != nil {
		return err
	}
	if op.staged, err = s.newName(); err != nil {
		return err
	}
	if err := s.lay(op, entry.announcedSize(), entry.TargetFields); err != nil {
		return explain("write", op.path, err)
	}
	s.operations = append(s.operations, op)
	return nil
}

// lay makes the staged form of an operation. Directories have none: the commit makes them.
func (s *staging) lay(op *operation, size int64, fields TargetFields) (err error) {
	switch op.kind {
	case File:
		s.byPath[op.path] = op
		s.content, err = s.create(op, size)
		return err
	case Symlink:
		s.byPath[op.path] = op
		return s.link(op, fields)
	case HardLink:
		return s.linkAgain(op, fields)
	default:
		return nil
	}
}

func (s *staging) link(op *operation, fields TargetFields) error {
	target, ok := fields.target()
	if !ok || target == "" || len(target) > maxPath || strings.IndexByte(target, 0) >= 0 {
		return failf(InvalidArgument, "symbolic link %q has no valid target", op.path)
	}
	if err := unix.Symlinkat(target, s.fd, op.staged); err != nil {
		return err
	}
	return s.setTime(op)
}

func (s *staging) linkAgain(op *operation, fields TargetFields) error {
	target, err := decodePath(Text{fields.Target, fields.TargetBase64}, "target")
	if err != nil {
		return err
	}
	earlier, ok := s.byPath[target]
	if !ok {
		return failf(InvalidArgument, "hard link %q: %q is no file earlier in the same stream", op.path, target)
	}
	s.byPath[op.path] = earlier
	return unix.Linkat(s.fd, earlier.staged, s.fd, op.staged, 0)
}

func (s *staging) setTime(op *operation) error {
	if op.mtime == nil {
		return nil
	}
	return setTime(s.fd, op.staged, *op.mtime)
}

// setTime changes the time of name in a directory; see status for the name.
func setTime(directory int, name string, mtime unix.Timespec) error {
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, mtime}
	flags := unix.AT_SYMLINK_NOFOLLOW
	if name == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	return unix.UtimesNanoAt(directory, name, times, flags)
}

var errNoContent = errors.New("the frame belongs to no file")

func (s *staging) write(data []byte) error {
	if s.content == nil {
		return failf(InvalidArgument, "content: %v", errNoContent)
	}
	s.bytesWritten += int64(len(data))
	return explain("write", s.content.path, s.content.write(data))
}

func (s *staging) skip(payload []byte) error {
	const lengthSize = 8
	if s.content == nil || len(payload) != lengthSize {
		return failf(InvalidArgument, "hole: %v, or is not valid", errNoContent)
	}
	length := binary.BigEndian.Uint64(payload)
	if length > uint64(math.MaxInt64-s.content.size) {
		return failf(InvalidArgument, "the content of %q is too large", s.content.path)
	}
	s.bytesWritten += int64(length)
	return explain("write", s.content.path, s.content.skip(int64(length)))
}

func (s *staging) endContent() error {
	if s.content == nil {
		return failf(InvalidArgument, "end of content: %v", errNoContent)
	}
	op := s.content.operation
	err := s.content.finish()
	s.content = nil
	return explain("write", op.path, err)
}
