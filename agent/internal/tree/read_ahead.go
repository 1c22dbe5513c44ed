package tree

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// maxAhead is the number of files that are open at once. The disk reads the later half of them
	// while the earlier half is sent.
	maxAhead = 128
	// maxWaiting bounds the memory of the entries that wait for the content of earlier ones.
	maxWaiting = 1024
	// aheadBytes is the part of each file that the disk is asked for. The kernel itself reads ahead
	// in a long file.
	aheadBytes = chunkSize
)

// waiting is a part of the stream that is sent when those before it have been.
type waiting struct {
	// file is open, or nil.
	file *file
	send func() error
}

// queue holds the parts of a stream between the walk that finds them and their sending. The walk is
// ahead, and the disk works for it meanwhile.
type queue struct {
	parts []waiting
	// files counts those that are open.
	files int
	// unread are the last of them, which the disk has not been asked for.
	unread []*file
}

// add takes a part, and closes its file after sending it. If there are too many it sends the first
// half of them, so that the disk always has something to do.
func (q *queue) add(part waiting) error {
	q.parts = append(q.parts, part)
	if part.file != nil {
		q.files++
		q.unread = append(q.unread, part.file)
	}
	if q.files < maxAhead && len(q.parts) < maxWaiting {
		return nil
	}
	return q.drain(maxAhead/2, maxWaiting/2)
}

// drain sends parts until no more than the given numbers of files and of parts are left.
func (q *queue) drain(files, parts int) error {
	readAhead(q.unread)
	q.unread = q.unread[:0]
	for q.files > files || len(q.parts) > parts {
		part := q.parts[0]
		q.parts = q.parts[1:]
		err := part.send()
		q.closeFile(part)
		if err != nil {
			return err
		}
	}
	return nil
}

// close drops what is left.
func (q *queue) close() {
	for _, part := range q.parts {
		q.closeFile(part)
	}
	q.parts = nil
}

func (q *queue) closeFile(part waiting) {
	if part.file != nil {
		part.file.close()
		q.files--
	}
}

// readAhead has the disk read files that are sent later. The kernel merges the requests of one
// system call where the files are neighbours on the disk, as they are in a seed: each request costs
// more than all else of a small file. The only call that takes several files is madvise, for
// neighbours in memory. A failure shows when the files are read.
func readAhead(files []*file) {
	room := uintptr(len(files)) * aheadBytes
	if room == 0 {
		return
	}
	flags := unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_NORESERVE
	start, err := unix.MmapPtr(-1, 0, nil, room, unix.PROT_NONE, flags)
	if err != nil {
		return
	}
	var used uintptr
	for _, f := range files {
		if f.stat.Size == 0 {
			continue
		}
		size := uintptr(min(f.stat.Size, aheadBytes))
		at := unsafe.Add(start, used)
		if _, err := unix.MmapPtr(f.fd, 0, at, size, unix.PROT_NONE, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
			// The kernel may have given these addresses to another thread.
			unmap(unsafe.Add(at, aheadBytes), room-used-aheadBytes)
			room = used
			break
		}
		used += roundUp(size, uintptr(unix.Getpagesize()))
	}
	if used > 0 {
		_ = unix.Madvise(unsafe.Slice((*byte)(start), used), unix.MADV_WILLNEED)
	}
	unmap(start, room)
}

func unmap(start unsafe.Pointer, size uintptr) {
	if size > 0 {
		_ = unix.MunmapPtr(start, size)
	}
}

func roundUp(n, to uintptr) uintptr { return (n + to - 1) / to * to }
