package tree

import "golang.org/x/sys/unix"

const (
	// maxAhead is the number of files that are open at once, so that their content comes from the
	// disk together. One by one each waits for the disk, which costs more than all else of a small
	// file.
	maxAhead = 64
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
}

// readAhead has the disk read a file that is sent later.
func readAhead(f *file) {
	if f.stat.Size > 0 {
		// A failure shows when the file is read.
		_ = unix.Fadvise(f.fd, 0, min(f.stat.Size, aheadBytes), unix.FADV_WILLNEED)
	}
}

// add takes a part, and closes its file after sending it. If there are too many it sends the first
// half of them, so that the disk always has something to do.
func (q *queue) add(part waiting) error {
	q.parts = append(q.parts, part)
	if part.file != nil {
		q.files++
	}
	if q.files < maxAhead && len(q.parts) < maxWaiting {
		return nil
	}
	return q.drain(maxAhead/2, maxWaiting/2)
}

// drain sends parts until no more than the given numbers of files and of parts are left.
func (q *queue) drain(files, parts int) error {
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
