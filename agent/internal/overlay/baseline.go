package overlay

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/crash"
	"pyro.agent/internal/tree"
)

// maxPushed limits the layers over base, because each one makes look-ups slower, and an overlay's
// options must fit into a page.
const maxPushed = 64

// These errors say why nothing can be pushed into the baseline now.
var (
	ErrTooManyPushes = fmt.Errorf("%d pushes are the limit", maxPushed)
	ErrPushing       = errors.New("another push is under way")
)

// openBaseline opens the tree that a workspace is compared with.
func (w *Workspace) openBaseline(disk string, l layout) (tree.Baseline, error) {
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	baseline := tree.NoBaseline
	var err error
	if l.pushed == 0 {
		baseline.Tree, err = unix.Open(filepath.Join(disk, baseName), flags, 0)
		return baseline, err
	}
	at := w.private + "-baseline"
	err = withOverlay(at, unix.MS_RDONLY, lowerOption(disk, l.pushed), func() error {
		baseline.Tree, err = unix.Open(at, flags, 0)
		return err
	})
	for number := l.below + 1; err == nil && number <= l.pushed; number++ {
		var fd int
		if fd, err = unix.Open(filepath.Join(disk, pushedName, strconv.Itoa(number)), flags, 0); err == nil {
			baseline.Added = append(baseline.Added, fd)
		}
	}
	if err != nil {
		baseline.Close()
		return tree.NoBaseline, err
	}
	return baseline, nil
}

// withOverlay mounts an overlay while a function runs. What that opens stays open.
func withOverlay(at string, flags uintptr, options string, use func() error) error {
	if err := os.MkdirAll(at, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("overlay", at, "overlay", flags|unix.MS_NOATIME, options); err != nil {
		return fmt.Errorf("mount overlay at %s: %w", at, err)
	}
	err := use()
	return errors.Join(err, unix.Unmount(at, unix.MNT_DETACH))
}

// WriteBaseline writes a tree, as tree.Layers.Write does, and makes it part of the baseline: of the
// tree that changes are compared with, and that a discarding mount begins with. It writes the tree
// twice. The changes of the workspace go on over what they are over, because a mounted overlay's
// lower directories must not change, and the tree as a new layer is for the next mount.
func (w *Workspace) WriteBaseline(body io.Reader) (written tree.Written, err error) {
	// The other push ends when its host sends no more, which can be never.
	if !w.pushing.TryLock() {
		return written, ErrPushing
	}
	defer w.pushing.Unlock()
	next := w.layout
	next.pushed++
	if next.pushed > maxPushed {
		return written, ErrTooManyPushes
	}
	if err := w.mountDisk(); err != nil {
		return written, err
	}
	defer unix.Unmount(w.private, unix.MNT_DETACH)
	layer := filepath.Join(w.private, pushedName, strconv.Itoa(next.pushed))
	if written, err = w.writeLayer(layer+unfinished, body); err != nil {
		return tree.Written{}, errors.Join(err, os.RemoveAll(layer+unfinished))
	}
	if err := os.Rename(layer+unfinished, layer); err != nil {
		return tree.Written{}, err
	}
	baseline, err := w.openBaseline(w.private, next)
	if err != nil {
		return tree.Written{}, err
	}
	w.layout = next
	w.Layers.SetBaseline(baseline)
	return written, nil
}

// writeLayer writes a tree into a new layer and into the workspace. A failure leaves the workspace
// as it was.
func (w *Workspace) writeLayer(layer string, body io.Reader) (written tree.Written, err error) {
	top := filepath.Join(w.private, baseName)
	if w.layout.pushed > 0 {
		top = filepath.Join(w.private, pushedName, strconv.Itoa(w.layout.pushed))
	}
	like, err := os.Stat(top)
	if err != nil {
		return written, err
	}
	work := layer + "-work" + unfinished
	for _, path := range []string{work, layer} {
		if err := os.RemoveAll(path); err != nil {
			return written, err
		}
		if err := makeLike(path, like); err != nil {
			return written, err
		}
	}
	defer os.RemoveAll(work)
	at := w.private + "-layer"
	// The layer must have nothing that refers to other paths of the layers below it.
	options := lowerOption(w.private, w.layout.pushed) + ",upperdir=" + layer + ",workdir=" + work +
		",redirect_dir=off,metacopy=off,index=off"
	err = withOverlay(at, 0, options, func() error {
		pristine, err := openPristine(at, layer)
		if err != nil {
			return err
		}
		defer pristine.Close()
		written, err = writeBoth(pristine, &w.Layers, body)
		return err
	})
	return written, err
}

func openPristine(merged, upper string) (*tree.Layers, error) {
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	l := &tree.Layers{Merged: noFile, Upper: noFile, Index: noFile, Baseline: tree.NoBaseline}
	var err error
	if l.Merged, err = unix.Open(merged, flags, 0); err == nil {
		l.Upper, err = unix.Open(upper, flags, 0)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// writeBoth writes one stream into two trees, first into the one that can be thrown away.
func writeBoth(first, second *tree.Layers, body io.Reader) (tree.Written, error) {
	reader, writer := io.Pipe()
	type outcome struct {
		staged *tree.Staged
		err    error
	}
	done := make(chan outcome, 1)
	crash.Go(func() {
		staged, err := second.Stage(reader)
		if err == nil {
			// The other side may read on to the end of the body.
			_, err = io.Copy(io.Discard, reader)
		}
		reader.CloseWithError(err)
		done <- outcome{staged, err}
	})
	written, err := first.Write(io.TeeReader(body, writer))
	writer.CloseWithError(err)
	laid := <-done
	if err == nil {
		err = laid.err
	}
	if err != nil {
		if laid.staged != nil {
			laid.staged.Discard()
		}
		return tree.Written{}, err
	}
	if _, err := second.Commit(laid.staged); err != nil {
		return tree.Written{}, err
	}
	return written, nil
}
