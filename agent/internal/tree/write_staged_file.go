package tree

import "golang.org/x/sys/unix"

// stagedFile is a file whose content is arriving.
type stagedFile struct {
	*operation
	fd int
	// size is the offset of the next content. After a hole the file itself is shorter for a while.
	size, written int64
	// gathered is content that is not in the file yet; nil if the content goes through the page
	// cache.
	gathered *directBuffer
}

// These modes are for entries without one.
const (
	defaultFileMode      = 0o644
	defaultDirectoryMode = 0o755
)

// create makes a file. The size that is announced for it only decides how its content is written.
func (s *staging) create(op *operation, size int64) (*stagedFile, error) {
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(s.fd, op.staged, flags, 0o600)
	if err != nil {
		return nil, err
	}
	file := &stagedFile{operation: op, fd: fd}
	if size >= directSize {
		file.gathered = s.directBuffer(fd)
	}
	return file, nil
}

// directBuffer returns the one buffer, empty, or nil if the memory or the file system is unable.
func (s *staging) directBuffer(fd int) *directBuffer {
	if s.direct == nil {
		s.direct, _ = newDirectBuffer()
	}
	if s.direct == nil || setDirect(fd, true) != nil {
		return nil
	}
	s.direct.used = 0
	return s.direct
}

func (f *stagedFile) write(data []byte) error {
	for f.gathered != nil && len(data) > 0 {
		rest := f.gathered.add(data)
		f.size += int64(len(data) - len(rest))
		data = rest
		if f.gathered.isFull() {
			if err := f.flush(); err != nil {
				return err
			}
		}
	}
	start := f.size
	f.size += int64(len(data))
	return f.writeAt(data, start)
}

// skip leaves a hole.
func (f *stagedFile) skip(length int64) error {
	if err := f.flush(); err != nil {
		return err
	}
	f.size += length
	if f.size%directAlignment != 0 {
		return f.leaveDirect()
	}
	return nil
}

// flush writes what has been gathered. If that is no whole number of blocks, the rest of the file
// goes through the page cache.
func (f *stagedFile) flush() error {
	if f.gathered == nil {
		return nil
	}
	data := f.gathered.memory[:f.gathered.used]
	start := f.size - int64(len(data))
	f.gathered.used = 0
	whole := len(data) / directAlignment * directAlignment
	if err := f.writeAt(data[:whole], start); err != nil {
		return err
	}
	if whole == len(data) {
		return nil
	}
	rest := data[whole:]
	if err := f.leaveDirect(); err != nil {
		return err
	}
	return f.writeAt(rest, start+int64(whole))
}

func (f *stagedFile) leaveDirect() error {
	if f.gathered == nil {
		return nil
	}
	f.gathered = nil
	return setDirect(f.fd, false)
}

func (f *stagedFile) writeAt(data []byte, offset int64) error {
	for len(data) > 0 {
		n, err := unix.Pwrite(f.fd, data, offset)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n < len(data) && f.gathered != nil {
			// The rest may begin inside a block, which the page cache takes.
			_ = setDirect(f.fd, false)
		}
		data = data[n:]
		offset += int64(n)
		f.written = offset
	}
	return nil
}

func (f *stagedFile) finish() error {
	defer f.close()
	if err := f.flush(); err != nil {
		return err
	}
	if f.size > f.written {
		if err := unix.Ftruncate(f.fd, f.size); err != nil {
			return err
		}
	}
	mode := uint32(defaultFileMode)
	if f.mode != nil {
		mode = *f.mode
	}
	if err := unix.Fchmod(f.fd, mode); err != nil || f.mtime == nil {
		return err
	}
	return setTime(f.fd, "", *f.mtime)
}

func (f *stagedFile) close() {
	if f != nil {
		unix.Close(f.fd)
	}
}
