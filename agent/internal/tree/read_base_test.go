package tree_test

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/frame"
	"pyro.agent/internal/overlay/overlaytest"
	"pyro.agent/internal/tree"
)

// checkRead compares a read of a workspace with a read of the same files that can't look below the
// overlay.
func checkRead(t *testing.T, layers *tree.Layers, merged string) {
	t.Helper()
	fd, err := unix.Open(merged, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	got, want := sentBy(t, layers), sentBy(t, &tree.Layers{Merged: fd, Baseline: tree.NoBaseline, Upper: fd, Index: -1})
	if !bytes.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func sentBy(t *testing.T, layers *tree.Layers) []byte {
	t.Helper()
	var sent bytes.Buffer
	request := &tree.ReadRequest{Depth: -1, ContentLimit: -1}
	must(t, layers.Read(t.Context(), request, []string{""}, frame.NewWriter(&sent)))
	return sent.Bytes()
}

func checkReadsBase(t *testing.T, layers *tree.Layers, want map[string]bool) {
	t.Helper()
	for path, isBase := range want {
		if got := layers.ReadsBaseForTest(path); got != isBase {
			t.Errorf("%q: read in the base: %v", path, got)
		}
	}
}

func TestOnlyDirectoriesThatTheOverlayLeavesAloneAreReadInTheBase(t *testing.T) {
	workspace, at := overlaytest.New(t, func(base string) {
		for _, directory := range []string{"same/deep", "edited/deep", "emptied", "moved", "replaced", "linked", "chmod"} {
			put(t, base+"/"+directory+"/file", directory)
		}
		must(t, os.Link(base+"/linked/file", base+"/same/deep/link"))
	})
	must(t,
		os.WriteFile(at+"/edited/file", []byte("new"), 0o644),
		os.Remove(at+"/emptied/file"),
		os.Rename(at+"/moved", at+"/to"),
		os.RemoveAll(at+"/replaced"),
		os.Mkdir(at+"/replaced", 0o755),
		os.Chmod(at+"/chmod", 0o700),
	)
	layers := &workspace.Layers
	checkRead(t, layers, at)
	checkReadsBase(t, layers, map[string]bool{
		"": false, "same": true, "same/deep": true, "edited": false, "edited/deep": true, "emptied": false,
		"to": false, "replaced": false, "chmod": false, "linked": true,
	})

	must(t, os.WriteFile(at+"/linked/file", []byte("changed under one of two names"), 0o644))
	checkRead(t, layers, at)
	checkReadsBase(t, layers, map[string]bool{"same": false, "same/deep": false})
}

func TestNothingIsReadBelowAMount(t *testing.T) {
	workspace, at := overlaytest.New(t, func(base string) { put(t, base+"/dir/deep/file", "hidden") })
	checkReadsBase(t, &workspace.Layers, map[string]bool{"dir": true})
	must(t, unix.Mount("tmpfs", at+"/dir/deep", "tmpfs", 0, ""))
	checkReadsBase(t, &workspace.Layers, map[string]bool{"dir": false})
	mustRead(t, &workspace.Layers, tree.ReadRequest{Depth: -1, ContentLimit: -1}, "dir", "directory dir", "other dir/deep")
	must(t, unix.Unmount(at+"/dir/deep", 0))
	checkReadsBase(t, &workspace.Layers, map[string]bool{"dir": true})
}
