package tree

import (
	"context"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/frame"
)

// ChangesRequest says how much of each change to send.
type ChangesRequest struct {
	// bytes of content that each side of a change may have to be sent; 0 for none, -1 for all
	ContentLimit int64 `json:"content_limit"`
}

// Validate checks the request.
func (r *ChangesRequest) Validate() error {
	if r.ContentLimit < -1 {
		return failf(InvalidArgument, "content_limit must be at least -1, not %d", r.ContentLimit)
	}
	return nil
}

// Changes sends what differs between the base and the merged tree. It skips directories of the base
// for which the overlay has nothing of its own, so its cost depends on the number of changes. An
// error means that the host is gone.
func (l *Layers) Changes(host context.Context, request *ChangesRequest, out *frame.Writer) error {
	l.comparing.RLock()
	defer l.comparing.RUnlock()
	stat, err := status(l.Merged, "")
	if err != nil {
		return err
	}
	d := &differ{
		sender:  newSender(host, out),
		limit:   request.ContentLimit,
		device:  stat.Dev,
		compare: make([]byte, chunkSize),
	}
	links, err := l.changedLinks()
	if err != nil {
		return err
	}
	if err := d.children("", l.Baseline.Tree, l.Merged, &guide{upper: l.Upper, links: links, added: l.Baseline.Added}); err != nil {
		return err
	}
	if err := writeJSON(out, frame.TreeEnd, ChangesEnd{d.changes, d.skipped}); err != nil {
		return err
	}
	return out.Flush()
}

// ChangesEnd ends the stream of changes.
type ChangesEnd struct {
	ChangeCount int `json:"change_count"`
	// paths that vanished during the comparison or can't be compared
	SkippedCount int `json:"skipped_count"`
}

type differ struct {
	*sender
	limit int64
	// device is the number of the workspace's file system.
	device uint64
	// compare is a second buffer beside the sender's.
	compare []byte

	changes, skipped int
}

// guide names what can have changed in a directory that both trees have. Without a guide everything
// is compared.
type guide struct {
	// upper is the overlay's own directory, noFile if there is none.
	upper int
	links linkTree
	// added are the directories of the layers that the overlay does not lie over.
	added []int
}

// children compares what two directories hold. Either may be noFile.
func (d *differ) children(path string, base, merged int, g *guide) error {
	if err := d.host.Err(); err != nil {
		return err
	}
	candidates, err := g.candidates(base, merged)
	if err != nil {
		d.skipped++
		return nil
	}
	for _, name := range candidates {
		childPath := join(path, name)
		if isStaging(childPath) {
			continue
		}
		if len(childPath) > maxPath {
			d.skipped++
			continue
		}
		if err := d.node(place{childPath, name, base, merged}, g); err != nil {
			return err
		}
	}
	return nil
}

// candidates returns the names to compare, sorted.
func (g *guide) candidates(base, merged int) ([]string, error) {
	if g == nil {
		return union(base, merged)
	}
	return g.names()
}

// place is a path in both trees, and its name in the directories that hold it there.
type place struct {
	path, name   string
	base, merged int
}

// node compares what is at a place, and below it.
func (d *differ) node(p place, g *guide) error {
	before, err := d.look(p.base, p.name)
	if err != nil {
		d.skipped++
		return nil
	}
	after, err := d.look(p.merged, p.name)
	// A mount in the workspace hides what would have to be compared.
	if err != nil || after.kind != Missing && after.stat.Dev != d.device {
		d.skipped++
		return nil
	}
	switch {
	case before.kind == Missing && after.kind == Missing:
		return nil
	case before.kind == Missing:
		err = d.report(p, Added, before, after)
	case after.kind == Missing:
		err = d.report(p, Deleted, before, after)
	case !before.isLike(after):
		err = d.report(p, TypeChanged, before, after)
	default:
		err = d.modified(p, before, after, g)
	}
	if err != nil || before.kind != Directory && after.kind != Directory {
		return err
	}
	return d.descend(p, before, after, g)
}

func (d *differ) modified(p place, before, after side, g *guide) error {
	content := false
	switch after.kind {
	case Symlink:
		content = before.target != after.target
	case File:
		if !g.sharesContent(p.name, before, after) {
			content = d.differ(p)
		}
	}
	sameMode := before.stat.Mode&permissions == after.stat.Mode&permissions
	switch {
	case content:
		return d.report(p, Modified, before, after)
	case sameMode || after.kind == Symlink:
		return nil
	default:
		return d.report(p, modeOnly, before, after)
	}
}

// descend compares what is below a place that is a directory in either tree.
func (d *differ) descend(p place, before, after side, g *guide) error {
	base, merged := noFile, noFile
	if before.kind == Directory {
		fd, err := lookUp(p.base, p.name, toList)
		if err != nil {
			d.skipped++
			return nil
		}
		defer unix.Close(fd)
		base = fd
	}
	if after.kind == Directory {
		fd, err := lookUp(p.merged, p.name, toList)
		if err != nil {
			d.skipped++
			return nil
		}
		defer unix.Close(fd)
		merged = fd
	}
	if base == noFile || merged == noFile {
		return d.children(p.path, base, merged, nil)
	}
	below := g.below(p.name)
	defer below.close()
	return d.children(p.path, base, merged, below)
}
