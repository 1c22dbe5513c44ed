package tree

import "golang.org/x/sys/unix"

// stagedFile is a file whose content is arriving.
type stagedFile struct {
	*operation
	fd int
	// size is the offset of the next content. After a hole the file itself is shorter for a while.
	size, written int64
}

// These modes are for entries without one.
const (
	defaultFileMode      = 0o644
	defaultDirectoryMode = 0o755
)

func (s *staging) create(op *operation) (*stagedFile, error) {
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(s.fd, op.staged, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return &stagedFile{operation: op, fd: fd}, nil
}

func (f *stagedFile) write(data []byte) error {
	for len(data) > 0 {
		n, err := unix.Pwrite(f.fd, data, f.size)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		data = data[n:]
		f.size += int64(n)
		f.written = f.size
	}
	return nil
}

func (f *stagedFile) finish() error {
	defer f.close()
	if f.size > f.written {
		if err := unix.Ftruncate(f.fd, f.size); err != nil {
			return err
		}
	}
	mode := uint32(defaultFileMode)
	if f.mode != nil {
		mode = *f.mode
	}
	return unix.Fchmod(f.fd, mode)
}

func (f *stagedFile) close() {
	if f != nil {
		unix.Close(f.fd)
	}
}
