package tree

import (
	"golang.org/x/sys/unix"
)

// side is what one of two trees has at a path.
type side struct {
	kind   Kind
	stat   unix.Stat_t
	target string
}

// look describes a name of a directory, which may be noFile.
func (d *differ) look(directory int, name string) (side, error) {
	if directory == noFile {
		return side{kind: Missing}, nil
	}
	stat, err := status(directory, name)
	switch {
	case err == unix.ENOENT:
		return side{kind: Missing}, nil
	case err != nil:
		return side{}, err
	case isWhiteout(&stat):
		return side{kind: Missing}, nil
	}
	s := side{kind: kindOf(stat.Mode), stat: stat}
	if s.kind == Symlink {
		s.target, err = readLink(directory, name)
	}
	return s, err
}

// isWhiteout reports whether a file marks for the overlay that nothing is at its path.
func isWhiteout(stat *unix.Stat_t) bool {
	return stat.Mode&unix.S_IFMT == unix.S_IFCHR && stat.Rdev == 0
}

// isLike reports whether two sides have the same type, so that more can be compared.
func (s *side) isLike(other side) bool {
	return s.stat.Mode&unix.S_IFMT == other.stat.Mode&unix.S_IFMT && (s.kind != Other || s.stat.Rdev == other.stat.Rdev)
}

// differ reports whether the content of a file differs between the trees. A file that can't be read
// counts as the same.
func (d *differ) differ(p place) bool {
	before, err := openFile(p.base, p.name)
	if err != nil {
		d.skipped++
		return false
	}
	defer before.close()
	after, err := openFile(p.merged, p.name)
	if err != nil {
		d.skipped++
		return false
	}
	defer after.close()
	return !d.same(before, after)
}

func (d *differ) same(before, after *file) bool {
	size := after.stat.Size
	if before.stat.Size != size {
		return false
	}
	for offset := int64(0); offset < size; {
		// Two holes are equal.
		if next := min(before.nextData(offset, size), after.nextData(offset, size)); next > offset {
			offset = next
			continue
		}
		if d.host.Err() != nil {
			return true
		}
		n := min(chunkSize, size-offset)
		oldCount, _ := before.ReadAt(d.buffer[:n], offset)
		newCount, _ := after.ReadAt(d.compare[:n], offset)
		if string(d.buffer[:oldCount]) != string(d.compare[:newCount]) {
			return false
		}
		if newCount == 0 {
			return true
		}
		offset += int64(newCount)
	}
	return true
}
