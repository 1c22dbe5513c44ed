package tree

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// linkTree has the paths of the base whose file may have changed without a trace in the upper
// directory. An overlay with an index changes a file under all of its names, but records only the
// name that was used.
type linkTree map[string]linkTree

// changedLinks finds the paths of such files. It walks the base only if there are any.
func (l *Layers) changedLinks() (linkTree, error) {
	index, err := l.index()
	if err != nil || len(index) == 0 {
		return nil, err
	}
	return findLinks(l.Baseline.Tree, indexedFiles(index))
}

// index returns the names in the overlay's index.
func (l *Layers) index() ([]string, error) {
	if l.Index == noFile {
		return nil, nil
	}
	list, err := names(l.Index)
	// The overlay keeps its own temporary files there too.
	isTemporary := func(name string) bool { return strings.HasPrefix(name, "#") }
	return slices.DeleteFunc(list, isTemporary), err
}

// indexedFiles returns the inode numbers in the base that an index is about. The index's names are
// file handles in hexadecimal digits. The result is nil if one can't be understood.
func indexedFiles(index []string) map[uint64]bool {
	const (
		offsetType         = 4
		inodeAndGeneration = 1
		offsetInode        = 21
		size               = 29
	)
	inodes := make(map[uint64]bool, len(index))
	for _, name := range index {
		handle, err := hex.DecodeString(name)
		if err != nil || len(handle) < size || handle[offsetType] != inodeAndGeneration {
			return nil
		}
		inodes[uint64(binary.NativeEndian.Uint32(handle[offsetInode:]))] = true
	}
	return inodes
}

// findLinks returns the files below a directory that have several names and one of the inode
// numbers. With nil it takes every inode number.
func findLinks(directory int, inodes map[uint64]bool) (linkTree, error) {
	children, err := names(directory)
	if err != nil {
		return nil, err
	}
	var found linkTree
	for _, name := range children {
		stat, err := status(directory, name)
		if err != nil {
			return nil, err
		}
		below := linkTree(nil)
		switch kindOf(stat.Mode) {
		case Directory:
			if below, err = findLinksBelow(directory, name, inodes); err != nil {
				return nil, err
			}
			if below == nil {
				continue
			}
		case File:
			if stat.Nlink < 2 || inodes != nil && !inodes[stat.Ino] {
				continue
			}
		default:
			continue
		}
		if found == nil {
			found = make(linkTree)
		}
		found[name] = below
	}
	return found, nil
}

func findLinksBelow(parent int, name string, inodes map[uint64]bool) (linkTree, error) {
	directory, err := lookUp(parent, name, toList)
	if err != nil {
		return nil, err
	}
	defer unix.Close(directory)
	return findLinks(directory, inodes)
}
