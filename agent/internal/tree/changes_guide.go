package tree

import (
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// An overlay marks with these extended attributes what does not simply lie over the base.
const (
	// opaqueMark, if it is "y", is on a directory that hides the base's.
	opaqueMark = "trusted.overlay.opaque"
	// redirectMark is on something that was moved and has its other part elsewhere in the base.
	redirectMark = "trusted.overlay.redirect"
	// metacopyMark is on a file that still has its content in the base.
	metacopyMark = "trusted.overlay.metacopy"
)

// below returns the guide to a directory that both trees have. It returns nil if the two parts have
// different paths and must be compared in full.
func (g *guide) below(name string) *guide {
	if g == nil {
		return nil
	}
	next := &guide{upper: noFile, links: g.links[name]}
	for _, directory := range g.added {
		if fd, err := lookUp(directory, name, toList); err == nil {
			next.added = append(next.added, fd)
		}
	}
	if g.upper == noFile {
		return next
	}
	upper, err := lookUp(g.upper, name, toList)
	switch {
	case err == unix.ENOENT:
		return next
	case err != nil:
		next.close()
		return nil
	}
	next.upper = upper
	if mark, ok := attribute(upper, opaqueMark); ok && mark == "y" || hasAttribute(upper, redirectMark) {
		next.close()
		return nil
	}
	return next
}

func (g *guide) close() {
	if g == nil {
		return
	}
	for _, fd := range append([]int{g.upper}, g.added...) {
		if fd != noFile {
			unix.Close(fd)
		}
	}
}

// sharesContent reports whether the overlay has only the metadata of a file, whose content is at
// the same path of the base.
func (g *guide) sharesContent(name string, before, after side) bool {
	if g == nil || g.upper == noFile || before.stat.Size != after.stat.Size {
		return false
	}
	f, err := openFile(g.upper, name)
	if err != nil {
		return false
	}
	defer f.close()
	return hasAttribute(f.fd, metacopyMark) && !hasAttribute(f.fd, redirectMark)
}

func hasAttribute(fd int, name string) bool {
	_, ok := attribute(fd, name)
	return ok
}

// attribute returns the beginning of an extended attribute.
func attribute(fd int, name string) (string, bool) {
	var value [16]byte
	n, err := unix.Fgetxattr(fd, name, value[:])
	if err == unix.ERANGE {
		return "", true
	}
	if err != nil {
		return "", false
	}
	return string(value[:n]), true
}

// union returns the names that either directory has, sorted.
func union(one, other int) ([]string, error) {
	if one == noFile {
		return names(other)
	}
	list, err := names(one)
	if err != nil || other == noFile {
		return list, err
	}
	more, err := names(other)
	return distinct(append(list, more...)), err
}

// names returns the names that a guide knows, sorted.
func (g *guide) names() ([]string, error) {
	list := slices.Collect(maps.Keys(g.links))
	for _, directory := range append([]int{g.upper}, g.added...) {
		if directory == noFile {
			continue
		}
		more, err := names(directory)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return distinct(list), nil
}

func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
