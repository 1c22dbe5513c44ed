package tree

import (
	"context"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/frame"
)

// ReadRequest says what to read of a tree.
type ReadRequest struct {
	Paths []PathFields `json:"paths"`
	// 0 for the paths themselves, 1 with their children, -1 with everything below them
	Depth int `json:"depth"`
	// bytes of each file to send; 0 for none, -1 for all
	ContentLimit int64 `json:"content_limit"`
	// byte of each file to begin with
	ContentOffset int64 `json:"content_offset"`
	// whether files come with the digest of their content
	Digest bool `json:"digest"`
	// whether symbolic links on the way to a path, and at its end, are followed
	Follow bool `json:"follow"`
	// whether the paths are of the inspected root, not of the workspace
	Inspected bool `json:"inspected"`
}

// PathList returns the paths of a valid request.
func (r *ReadRequest) PathList() ([]string, error) {
	if len(r.Paths) == 0 {
		return nil, failf(InvalidArgument, "paths must have at least one element")
	}
	if r.Depth < -1 || r.Depth > 1 {
		return nil, failf(InvalidArgument, "depth must be 0, 1 or -1, not %d", r.Depth)
	}
	if r.ContentLimit < -1 {
		return nil, failf(InvalidArgument, "content_limit must be at least -1, not %d", r.ContentLimit)
	}
	if r.ContentOffset < 0 {
		return nil, failf(InvalidArgument, "content_offset must be at least 0, not %d", r.ContentOffset)
	}
	paths := make([]string, len(r.Paths))
	for i, fields := range r.Paths {
		path, err := fields.path()
		if err != nil {
			return nil, err
		}
		paths[i] = path
	}
	return paths, nil
}

// Read sends what is at the paths, and says which of it can't be read. An error means that the host
// is gone.
func (l *Layers) Read(host context.Context, request *ReadRequest, paths []string, out *frame.Writer) error {
	l.comparing.RLock()
	defer l.comparing.RUnlock()
	stat, err := status(l.Merged, "")
	if err != nil {
		return err
	}
	r := &reader{
		ReadRequest: request,
		sender:      newSender(host, out),
		layers:      l,
		device:      stat.Dev,
		sent:        make(map[uint64]string),
	}
	defer r.queue.close()
	for _, path := range paths {
		if err := r.requested(path); err != nil {
			return err
		}
	}
	if err := r.queue.drain(0, 0); err != nil {
		return err
	}
	if err := writeJSON(out, frame.TreeEnd, ReadEnd{r.entries, r.skipped}); err != nil {
		return err
	}
	return out.Flush()
}

// ReadEnd ends the stream of a tree that is read.
type ReadEnd struct {
	EntryCount int `json:"entry_count"`
	// paths that vanished meanwhile or can't be read
	SkippedCount int `json:"skipped_count"`
}

type reader struct {
	*ReadRequest
	*sender
	layers *Layers
	// device is the number of the workspace's file system.
	device uint64
	// sent has the path of each file with several names.
	sent  map[uint64]string
	queue queue
	// encoded is the entry that was sent last.
	encoded []byte

	entries, skipped int
}

func (r *reader) requested(path string) error {
	held, reason := r.find(path)
	if held == noFile {
		return r.later(Entry{PathFields: pathFields(path), Type: Missing, Reason: reason})
	}
	defer unix.Close(held)
	v := r.viewOf(path)
	defer v.close()
	return r.node(path, held, child{}, r.Depth, v)
}

// node has what is at a path and below it sent; see status for the directory and the name. The view
// is that of what the name is in, or of what the descriptor itself is.
func (r *reader) node(path string, directory int, at child, depth int, v view) error {
	name := at.name
	if r.needsContent() {
		// Most of what is read are files, of which the descriptor says all.
		if f, err := at.open(directory); err == nil {
			return r.file(path, f)
		}
	}
	stat, err := status(directory, name)
	if err != nil {
		r.skipped++
		return nil
	}
	entry := describe(path, &stat)
	switch {
	case stat.Dev != r.device && !v.isBase:
		// A mount and what is in it are no part of the workspace.
		entry = Entry{PathFields: entry.PathFields, Type: Other, Mode: entry.Mode, MtimeNs: entry.MtimeNs}
	case entry.Type == Directory:
		return r.directory(entry, path, directory, name, depth, v)
	case entry.Type == Symlink:
		target, err := readLink(directory, name)
		if err != nil {
			r.skipped++
			return nil
		}
		entry.TargetFields = targetFields(target)
	case entry.Type == File && r.needsContent():
		// It could not be opened.
		r.skipped++
		return nil
	case entry.Type == File:
		return r.queue.add(waiting{send: func() error { return r.described(path, &stat) }})
	}
	return r.later(entry)
}

// needsContent reports whether files have to be read, not only described.
func (r *reader) needsContent() bool { return r.ContentLimit != 0 || r.Digest }

// later has an entry sent after all that came before it.
func (r *reader) later(entry Entry) error {
	return r.queue.add(waiting{send: func() error { return r.entry(entry) }})
}

func (r *reader) entry(entry Entry) error {
	r.entries++
	r.encoded = entry.appendJSON(r.encoded[:0])
	return r.out.Write(frame.Entry, r.encoded)
}

func (r *reader) directory(entry Entry, path string, parent int, name string, depth int, v view) error {
	if err := r.host.Err(); err != nil {
		return err
	}
	if err := r.later(entry); err != nil || depth == 0 {
		return err
	}
	if name != "" {
		v = v.below(name)
		defer v.close()
	}
	directory, v, err := r.enter(v, path, parent, name)
	if err != nil {
		r.skipped++
		return nil
	}
	defer unix.Close(directory)
	list, err := children(directory)
	if err != nil {
		r.skipped++
		return nil
	}
	for _, child := range list {
		childPath := join(path, child.name)
		if isStaging(childPath) {
			continue
		}
		if len(childPath) > maxPath {
			r.skipped++
			continue
		}
		if err := r.node(childPath, directory, child, max(depth-1, -1), v); err != nil {
			return err
		}
	}
	return nil
}

// file has an open file read from the disk, and sent in its turn.
func (r *reader) file(path string, f *file) error {
	return r.queue.add(waiting{file: f, send: func() error { return r.content(path, f) }})
}

// content sends a file that is open.
func (r *reader) content(path string, f *file) (err error) {
	// A command may have changed the file since it was opened.
	if f.stat, err = status(f.fd, ""); err != nil {
		r.skipped++
		return nil
	}
	entry := describe(path, &f.stat)
	if earlier, ok := r.earlier(&f.stat, path); ok {
		return r.entry(hardLink(path, earlier))
	}
	if r.Digest {
		entry.SHA256, err = r.digest(f)
		if hostErr := r.host.Err(); hostErr != nil {
			return hostErr
		}
		if err != nil {
			r.skipped++
			return nil
		}
	}
	r.remember(&f.stat, path)
	if err := r.entry(entry); err != nil || r.ContentLimit == 0 {
		return err
	}
	return r.send(f, span{r.ContentOffset, r.ContentLimit}, frame.Content, frame.ContentEnd)
}

// described sends a file without its content.
func (r *reader) described(path string, stat *unix.Stat_t) error {
	if earlier, ok := r.earlier(stat, path); ok {
		return r.entry(hardLink(path, earlier))
	}
	r.remember(stat, path)
	return r.entry(describe(path, stat))
}

func hardLink(path, earlier string) Entry {
	return Entry{PathFields: pathFields(path), Type: HardLink, TargetFields: targetFields(earlier)}
}

// earlier returns the path under which a file with several names was sent.
func (r *reader) earlier(stat *unix.Stat_t, path string) (earlier string, ok bool) {
	if r.Depth >= 0 || stat.Nlink < 2 {
		return "", false
	}
	earlier, ok = r.sent[stat.Ino]
	return earlier, ok && earlier != path
}

// remember keeps the path of a file with several names, for when the walk meets another of them.
func (r *reader) remember(stat *unix.Stat_t, path string) {
	if r.Depth < 0 && stat.Nlink > 1 {
		r.sent[stat.Ino] = path
	}
}
