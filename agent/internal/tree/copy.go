package tree

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Copied says how far a copy is.
type Copied struct {
	EntryCount int `json:"entry_count"`
	// length of all files without their holes
	ContentBytes int64 `json:"content_bytes"`
	// entries that can't be read, such as those of a damaged file system
	SkippedCount int `json:"skipped_count"`
}

// reportInterval is the time between two reports of a copy.
const reportInterval = time.Second

// Copier copies trees into a file system in which nothing else happens, with all that Linux keeps
// of an entry but its inode number and its flags. It follows no symbolic link.
type Copier struct {
	host context.Context
	// target is the root of the file system that is written.
	target int
	// report is called now and then.
	report     func(Copied) error
	lastReport time.Time
	done       Copied
	buffer     []byte

	// These are of the tree that is being copied.

	// leaveOut tells of a path in the target whether it is left out, with everything below it.
	leaveOut func(path string) bool
	// device is the number of the file system that holds the tree.
	device uint64
	// names has the path in the target of each file with several names.
	names map[uint64]string
}

// copyBuffer is the most that is read of a file at once, and room for any extended attribute.
const copyBuffer = 1 << 20

// copyAhead is how many files of a directory the disk reads at once.
const copyAhead = 64

// NewCopier returns a Copier into an open directory. It stops when the host is gone.
func NewCopier(host context.Context, target int, report func(Copied) error) *Copier {
	return &Copier{host: host, target: target, report: report, lastReport: time.Now(), buffer: make([]byte, copyBuffer)}
}

// Copied says what has been copied so far.
func (c *Copier) Copied() Copied { return c.done }

// Tree copies a directory, with everything below it, to a path of the target, whose parent exists.
// The empty path is the target itself. What another file system holds is no part of the tree. An
// entry that can't be read is skipped and counted. Every other failure ends the copy.
func (c *Copier) Tree(source int, to string, leaveOut func(path string) bool) error {
	stat, err := status(source, "")
	if err != nil {
		return err
	}
	c.leaveOut, c.device, c.names = leaveOut, stat.Dev, make(map[uint64]string)
	directory, err := lookUp(source, "", toList)
	if err != nil {
		return err
	}
	defer unix.Close(directory)
	parent, name := c.target, "."
	if to != "" {
		path, last := split(to)
		if parent, err = lookUp(c.target, path, toList); err != nil {
			return err
		}
		defer unix.Close(parent)
		name = last
	}
	return c.directory(directory, &stat, parent, name, to)
}

// directory copies an open directory to a name in another one.
func (c *Copier) directory(source int, stat *unix.Stat_t, parent int, name, path string) error {
	if err := unix.Mkdirat(parent, name, 0o700); err != nil && err != unix.EEXIST {
		return explain("make", path, err)
	}
	target, err := lookUp(parent, name, toList)
	if err != nil {
		return explain("open", path, err)
	}
	defer unix.Close(target)
	c.done.EntryCount++
	list, err := children(source)
	if err != nil {
		c.done.SkippedCount++
	}
	for children := range slices.Chunk(list, copyAhead) {
		if err := c.children(source, target, children, path); err != nil {
			return err
		}
	}
	// Last, because each entry changes the times, and inherits a default access control list.
	return explain("complete", path, copyAttributes(slot{source, ""}, slot{target, ""}, stat, c.buffer))
}

// children copies a part of a directory, whose files the disk reads together.
func (c *Copier) children(source, target int, list []child, path string) error {
	files := make([]*file, len(list))
	var ahead []*file
	defer func() {
		for _, f := range ahead {
			f.close()
		}
	}()
	for i, child := range list {
		// What is no file, or can't be opened, is looked at in its turn.
		if f, err := child.open(source); err == nil {
			files[i] = f
			ahead = append(ahead, f)
		}
	}
	readAhead(ahead)
	for i, child := range list {
		if err := c.tell(); err != nil {
			return err
		}
		childPath := join(path, child.name)
		if c.leaveOut(childPath) {
			continue
		}
		if err := c.entry(source, target, child.name, childPath, files[i]); err != nil {
			return err
		}
	}
	return nil
}

// errUnreadable is an entry whose source can't be read. The copy goes on.
var errUnreadable = errors.New("it can't be read")

// entry copies what a name is of, which may be open.
func (c *Copier) entry(source, target int, name, path string, open *file) error {
	err := c.oneEntry(source, target, name, path, open)
	if errors.Is(err, errUnreadable) {
		c.done.SkippedCount++
		return nil
	}
	return explain("copy", path, err)
}

func (c *Copier) oneEntry(source, target int, name, path string, open *file) error {
	stat, err := statusOf(open, source, name)
	if err != nil {
		return errUnreadable
	}
	isDirectory := kindOf(stat.Mode) == Directory
	if stat.Dev != c.device && isDirectory {
		// A mount point. What it hides can't be seen.
		return nil
	}
	if isDirectory {
		directory, err := lookUp(source, name, toList)
		if err != nil {
			return errUnreadable
		}
		defer unix.Close(directory)
		return c.directory(directory, &stat, target, name, path)
	}
	if earlier, ok := c.names[stat.Ino]; ok {
		c.done.EntryCount++
		return unix.Linkat(c.target, earlier, target, name, 0)
	}
	if open != nil {
		err = c.file(open, target, name)
	} else {
		err = c.leaf(source, target, name, &stat)
	}
	if err != nil {
		if errors.Is(err, errUnreadable) {
			_ = unix.Unlinkat(target, name, 0)
		}
		return err
	}
	c.done.EntryCount++
	if stat.Nlink > 1 && len(path) <= maxPath {
		c.names[stat.Ino] = path
	}
	return nil
}

func statusOf(open *file, directory int, name string) (unix.Stat_t, error) {
	if open != nil {
		return open.stat, nil
	}
	return status(directory, name)
}

// leaf copies anything but a directory and a file that is open.
func (c *Copier) leaf(source, target int, name string, stat *unix.Stat_t) (err error) {
	switch kindOf(stat.Mode) {
	case File:
		return errUnreadable // it could not be opened
	case Symlink:
		var text string
		if text, err = readLink(source, name); err != nil {
			return errUnreadable
		}
		err = unix.Symlinkat(text, target, name)
	default:
		err = unix.Mknodat(target, name, stat.Mode&unix.S_IFMT|0o600, int(stat.Rdev))
	}
	if err != nil {
		return err
	}
	return copyAttributes(slot{source, name}, slot{target, name}, stat, c.buffer)
}

func (c *Copier) file(from *file, target int, name string) error {
	const toCreate = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	to, err := unix.Openat(target, name, toCreate, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(to)
	if err := c.content(from, to); err != nil {
		return err
	}
	return copyAttributes(slot{from.fd, ""}, slot{to, ""}, &from.stat, c.buffer)
}

// content copies what is no hole.
func (c *Copier) content(from *file, to int) error {
	size := from.stat.Size
	for offset := from.nextData(0, size); offset < size; {
		end := from.nextHole(offset, size)
		for offset < end {
			if err := c.tell(); err != nil {
				return err
			}
			n, err := from.ReadAt(c.buffer[:min(copyBuffer, end-offset)], offset)
			if n == 0 || err != nil {
				return errUnreadable
			}
			if err := writeAt(to, c.buffer[:n], offset); err != nil {
				return err
			}
			offset += int64(n)
			c.done.ContentBytes += int64(n)
		}
		offset = from.nextData(offset, size)
	}
	if !from.mayHaveHoles() {
		return nil
	}
	return unix.Ftruncate(to, size)
}

func writeAt(fd int, data []byte, offset int64) error {
	for len(data) > 0 {
		n, err := unix.Pwrite(fd, data, offset)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		data, offset = data[n:], offset+int64(n)
	}
	return nil
}

// tell reports now and then, and ends the copy once the host is gone.
func (c *Copier) tell() error {
	if err := c.host.Err(); err != nil {
		return err
	}
	now := time.Now()
	if now.Sub(c.lastReport) < reportInterval {
		return nil
	}
	c.lastReport = now
	return c.report(c.done)
}
