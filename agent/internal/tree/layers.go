// Package tree reads, writes and compares trees of files through descriptors. Commands in the guest
// can change the meaning of a path at any moment, and no path may lead out of the tree.
package tree

import (
	"errors"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Layers are the descriptors of a workspace's trees. The agent writes only to Merged.
type Layers struct {
	// tree that commands see
	Merged int
	// tree that the workspace is compared with
	Baseline Baseline
	// overlay's own directory of changes
	Upper int
	// further ways in which links may not lead away when they are followed
	Within uint64
	// overlay's directory with an entry for each changed file that has several names in the base
	Index int

	// comparing is held for reading while the baseline is in use.
	comparing sync.RWMutex

	// committing is held while a write is being committed.
	committing sync.Mutex
}

// Baseline is the tree that a workspace began as, with what was pushed into it since.
type Baseline struct {
	// whole tree
	Tree int
	// layers of it that the overlay's own directory of changes does not lie over
	Added []int
}

// NoBaseline has nothing open.
var NoBaseline = Baseline{Tree: noFile}

// Close closes the descriptors.
func (b Baseline) Close() {
	for _, fd := range append([]int{b.Tree}, b.Added...) {
		if fd != noFile {
			unix.Close(fd)
		}
	}
}

// Plain returns the Layers of a tree that is no overlay, which can only be read. They own the
// descriptor.
func Plain(root int) *Layers {
	// An absolute link begins at this tree's root, as it does in the machine that the tree is of.
	return &Layers{Merged: root, Within: unix.RESOLVE_IN_ROOT, Upper: noFile, Index: noFile, Baseline: NoBaseline}
}

// SetBaseline closes the old baseline and puts another in its place, when no comparison is running.
func (l *Layers) SetBaseline(baseline Baseline) {
	l.comparing.Lock()
	defer l.comparing.Unlock()
	l.Baseline.Close()
	l.Baseline = baseline
}

// Close closes all descriptors.
func (l *Layers) Close() {
	l.SetBaseline(NoBaseline)
	for _, fd := range []*int{&l.Merged, &l.Upper, &l.Index} {
		if *fd != noFile {
			unix.Close(*fd)
			*fd = noFile
		}
	}
}

// HoldCommits waits for the commit that is running and keeps further ones from starting.
func (l *Layers) HoldCommits() { l.committing.Lock() }

// ResumeCommits lets commits start again.
func (l *Layers) ResumeCommits() { l.committing.Unlock() }

// inside resolves a path without leaving its directory, following a symbolic link or entering
// another file system.
const inside = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

// These are flags to open with. toRead never waits for a fifo and never takes a terminal.
const (
	toLookUp = unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC
	toList   = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	toRead   = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
)

const noFile = -1

// lookUp opens a path below a directory. "" is the directory itself.
func lookUp(directory int, path string, flags uint64) (int, error) {
	if path == "" {
		path = "."
	}
	return resolve(directory, path, flags, inside)
}

// A command with a lease on a file is asked to give it up, and makes who opens it wait until then.
const (
	leaseTries = 100
	leasePause = 10 * time.Millisecond
)

func resolve(directory int, path string, flags, how uint64) (int, error) {
	for tries := 1; ; {
		fd, err := unix.Openat2(directory, path, &unix.OpenHow{Flags: flags, Resolve: how})
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN && tries < leaseTries:
			tries++
			time.Sleep(leasePause)
		default:
			return fd, err
		}
	}
}

// status describes name in a directory. With an empty name it describes the descriptor itself.
func status(directory int, name string) (stat unix.Stat_t, err error) {
	flags := unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT
	if name == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	err = unix.Fstatat(directory, name, &stat, flags)
	return stat, err
}

// readLink returns the text of a symbolic link; see status for the name.
func readLink(directory int, name string) (string, error) {
	var buffer [maxPath + 1]byte
	n, err := unix.Readlinkat(directory, name, buffer[:])
	if err != nil {
		return "", err
	}
	return string(buffer[:n]), nil
}

func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENAMETOOLONG)
}
