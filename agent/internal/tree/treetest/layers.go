// Package treetest makes trees for tests.
package treetest

import (
	"testing"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/tree"
)

// LayersOf makes a tree of an ordinary directory, for tests that need no overlay.
func LayersOf(t *testing.T, directory string) *tree.Layers {
	t.Helper()
	fd, err := unix.Open(directory, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &tree.Layers{Merged: fd, Baseline: tree.NoBaseline, Upper: fd, Index: -1}
}
