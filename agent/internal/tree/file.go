package tree

import (
	"errors"
	"io"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// file is a regular file that is open for reading. Package os would register it with the runtime's
// poller, which costs more than reading a small file.
type file struct {
	fd   int
	stat unix.Stat_t
}

var errNotRegular = errors.New("not a regular file")

// openFile opens a regular file and nothing else; see status for the name. It checks the type
// first, on a descriptor that stays with the same file.
func openFile(directory int, name string) (*file, error) {
	held := directory
	if name != "" {
		var err error
		if held, err = lookUp(directory, name, toLookUp); err != nil {
			return nil, err
		}
		defer unix.Close(held)
	}
	stat, err := regularStatus(held)
	if err != nil {
		return nil, err
	}
	descriptors, err := ownDescriptors()
	if err != nil {
		return nil, err
	}
	fd, err := unix.Openat(descriptors, strconv.Itoa(held), toRead, 0)
	if err != nil {
		return nil, err
	}
	return &file{fd: fd, stat: stat}, nil
}

// regularStatus describes a descriptor of a regular file, and refuses any other.
func regularStatus(fd int) (unix.Stat_t, error) {
	stat, err := status(fd, "")
	if err == nil && kindOf(stat.Mode) != File {
		err = errNotRegular
	}
	return stat, err
}

// open opens a regular file, in the shortest way if its directory says that it is one. A device or
// a pipe that takes its place at this moment is opened without waiting, and closed again.
func (c child) open(directory int) (*file, error) {
	switch c.kind {
	case "":
		return openFile(directory, c.name)
	case File:
		fd, err := lookUp(directory, c.name, toRead|unix.O_NOFOLLOW)
		if err != nil {
			return nil, err
		}
		stat, err := regularStatus(fd)
		if err != nil {
			unix.Close(fd)
			return nil, err
		}
		return &file{fd: fd, stat: stat}, nil
	default:
		return nil, errNotRegular
	}
}

// ownDescriptors is the directory through which a held descriptor can be opened for reading.
var ownDescriptors = sync.OnceValues(func() (int, error) {
	return unix.Open("/proc/self/fd", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
})

// close does nothing to a file that is nil.
func (f *file) close() {
	if f != nil {
		unix.Close(f.fd)
	}
}

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, offset int64) (int, error) {
	for read := 0; ; {
		n, err := unix.Pread(f.fd, p[read:], offset+int64(read))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return read, err
		case n == 0 && len(p) > read:
			return read, io.EOF
		}
		if read += n; read == len(p) {
			return read, nil
		}
	}
}

// mayHaveHoles reports whether it is worth asking where a file has holes. A large one may have all
// its blocks and still be one hole, because nothing was ever written to them (fallocate).
func (f *file) mayHaveHoles() bool {
	const blockSize, large = 512, 1 << 20
	return f.stat.Size >= large || f.stat.Blocks*blockSize < f.stat.Size
}

// nextData returns the start of the first data at or after an offset, or end if there is none
// before it. It returns the offset if there are no holes or the file system can't tell.
func (f *file) nextData(offset, end int64) int64 {
	if !f.mayHaveHoles() {
		return offset
	}
	start, err := unix.Seek(f.fd, offset, unix.SEEK_DATA)
	switch {
	case err == unix.ENXIO:
		return f.endOfHole(offset, end)
	case err != nil:
		return offset
	}
	return min(start, end)
}

// endOfHole returns where a hole that nothing follows ends. A file that a command has cut off ends
// earlier than it did.
func (f *file) endOfHole(offset, end int64) int64 {
	stat, err := status(f.fd, "")
	if err != nil {
		return end
	}
	return min(max(stat.Size, offset), end)
}

// nextHole returns where the data at an offset ends, at the latest at end.
func (f *file) nextHole(offset, end int64) int64 {
	if !f.mayHaveHoles() {
		return end
	}
	start, err := unix.Seek(f.fd, offset, unix.SEEK_HOLE)
	if err != nil || start <= offset {
		return end
	}
	return min(start, end)
}
