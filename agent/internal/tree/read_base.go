package tree

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// view says how a directory is read. Below one to which the overlay adds nothing, the base is read
// itself, because everything that is looked up through an overlay is looked up twice.
type view struct {
	// guide to the directory; nil where only the overlay knows what is in it
	guide *guide
	// isBase is whether the directory is the base's own.
	isBase bool
}

// viewOf returns the view of a requested path, which the caller closes.
func (r *reader) viewOf(path string) view {
	if r.Depth >= 0 || r.Follow || !r.canReadBase() {
		return view{}
	}
	upper, err := lookUp(r.layers.Upper, "", toList)
	if err != nil {
		return view{}
	}
	g := &guide{upper: upper}
	if path != "" {
		for name := range strings.SplitSeq(path, "/") {
			next := g.below(name)
			g.close()
			g = next
		}
	}
	return view{guide: g}
}

// canReadBase reports whether the base's directories hold what the overlay shows of them. A mount
// in the workspace, and a file changed under another of its names, leave no trace there.
func (r *reader) canReadBase() bool {
	links, err := r.layers.index()
	return err == nil && len(links) == 0 && !hasMountsInside(r.layers.Merged)
}

// hasMountsInside reports whether something may be mounted below the root of a mount.
func hasMountsInside(root int) bool {
	var stat unix.Statx_t
	if err := unix.Statx(root, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &stat); err != nil {
		return true
	}
	if stat.Mask&unix.STATX_MNT_ID == 0 {
		return true
	}
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return true
	}
	defer file.Close()
	id := strconv.FormatUint(stat.Mnt_id, 10)
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		// The second field is the mount in which it is.
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[1] == id {
			return true
		}
	}
	return lines.Err() != nil
}

// below returns the view of a directory in one that has this view. The caller closes it.
func (v view) below(name string) view {
	if v.isBase {
		return v
	}
	return view{guide: v.guide.below(name)}
}

func (v view) close() { v.guide.close() }

// enter opens a directory to be listed, and says through which view; see status for the name.
func (r *reader) enter(v view, path string, parent int, name string) (int, view, error) {
	if g := v.guide; g != nil && g.upper == noFile {
		if directory, err := lookUp(r.layers.Baseline.Tree, path, toList); err == nil {
			return directory, view{isBase: true}, nil
		}
	}
	directory, err := lookUp(parent, name, toList)
	return directory, v, err
}
