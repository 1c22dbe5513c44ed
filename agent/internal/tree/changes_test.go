package tree_test

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/overlay/overlaytest"
	"pyro.agent/internal/tree"
)

// baseOf returns a path that leads to the base.
func baseOf(layers *tree.Layers) string {
	return fmt.Sprintf("/proc/self/fd/%d/.", layers.Baseline.Tree)
}

// expectedChanges compares two full walks.
func expectedChanges(before, after map[string]node) map[string]string {
	expected := make(map[string]string)
	for path, old := range before {
		now, ok := after[path]
		switch {
		case !ok:
			expected[path] = "deleted " + old.content
		case old.format != now.format:
			expected[path] = "type_changed " + old.content + "/" + now.content
		case old.content != now.content || old.target != now.target:
			expected[path] = "modified " + old.content + "/" + now.content
		case old.mode != now.mode:
			expected[path] = fmt.Sprintf("modified %o/%o", old.mode, now.mode)
		}
	}
	for path, now := range after {
		if _, ok := before[path]; !ok {
			expected[path] = "added " + now.content
		}
	}
	return expected
}

func summarize(t *testing.T, items []*item) map[string]string {
	t.Helper()
	got := make(map[string]string)
	last := ""
	for _, i := range items {
		path := i.path()
		if _, twice := got[path]; twice {
			t.Errorf("%q is reported twice", path)
		}
		if compareDepthFirst(last, path) >= 0 && last != "" {
			t.Errorf("%q comes after %q", path, last)
		}
		last = path
		text := string(i.Status) + " "
		switch {
		case !i.ContentChanged:
			text += fmt.Sprintf("%o/%o", i.Old.Mode, i.New.Mode)
		case i.Old == nil:
			text += string(i.content)
		case i.New == nil:
			text += string(i.oldContent)
		default:
			text += string(i.oldContent) + "/" + string(i.content)
		}
		isFile := i.Old != nil && i.Old.Type == tree.File || i.New != nil && i.New.Type == tree.File
		if i.HasContent != (isFile && i.ContentChanged) {
			t.Errorf("%q: content is %v", path, i.HasContent)
		}
		got[path] = text
	}
	return got
}

// compareDepthFirst orders paths as a walk meets them.
func compareDepthFirst(a, b string) int {
	return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
}

func checkChanges(t *testing.T, layers *tree.Layers, merged string) {
	t.Helper()
	checkRead(t, layers, merged)
	items, last := changes(t, layers, -1)
	got := summarize(t, items)
	want := expectedChanges(walk(t, baseOf(layers)), walk(t, merged))
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if got[path] != want[path] {
			t.Errorf("%q: got %.100q, want %.100q", path, got[path], want[path])
		}
	}
	for path, text := range got {
		if _, ok := want[path]; !ok {
			t.Errorf("%q is no change: %.100q", path, text)
		}
	}
	if last["change_count"] != len(items) || last["skipped_count"] != 0 {
		t.Errorf("the end says %v of %d changes", last, len(items))
	}
}

func TestChangesAreThoseOfAFullComparison(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(seed), 1))
			disk := overlaytest.NewDisk(t, func(base string) {
				edit := &editor{Rand: random, root: base}
				for range 60 {
					edit.make()
				}
				for range 200 {
					edit.link()
				}
			})
			workspace, at := disk.Mount(t)
			edit := &editor{Rand: random, root: at}
			for step := range 40 {
				edit.step()
				if step%13 == 0 {
					checkChanges(t, &workspace.Layers, at)
				}
				if t.Failed() {
					t.Fatalf("after\n%s", strings.Join(edit.done, "\n"))
				}
				if step == 20 {
					must(t, workspace.Release())
					workspace, at = disk.Mount(t)
				}
			}
			checkChanges(t, &workspace.Layers, at)
			if t.Failed() {
				t.Fatalf("after\n%s", strings.Join(edit.done, "\n"))
			}
		})
	}
}

// editor changes a tree at random. Steps that the kernel refuses do not matter.
type editor struct {
	*rand.Rand
	root string
	done []string
}

func (e *editor) path() string {
	names := []string{"a", "b", "c", "d", "\xff\xfe", strings.Repeat("n", 255)}
	path := e.root
	for range 1 + e.IntN(3) {
		path += "/" + names[e.IntN(len(names))]
	}
	return path
}

func (e *editor) content() []byte {
	return []byte(strings.Repeat(string(rune('a'+e.IntN(3))), e.IntN(3)))
}

func (e *editor) make() {
	path := e.path()
	_ = os.MkdirAll(filepath.Dir(path), 0o755)
	switch e.IntN(5) {
	case 0:
		_ = os.Symlink(string("xyz"[e.IntN(3)]), path)
	case 1:
		_ = os.Mkdir(path, 0o755)
	default:
		e.write(path, e.content())
	}
}

// write replaces the content of a file; nil stands for the content that it has. It does not wait
// for a fifo.
func (e *editor) write(path string, content []byte) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return
	}
	defer file.Close()
	if stat, err := file.Stat(); err != nil || !stat.Mode().IsRegular() {
		return
	}
	if content == nil {
		content, _ = io.ReadAll(file)
	}
	_ = file.Truncate(0)
	_, _ = file.WriteAt(content, 0)
}

func (e *editor) link() {
	from, to := e.path(), e.path()
	e.done = append(e.done, fmt.Sprintf("link %q %q", from, to))
	_ = os.Link(from, to)
}

func (e *editor) step() {
	path, other := e.path(), e.path()
	steps := []func(){
		func() { e.write(path, e.content()) },
		func() { _ = os.Remove(path) },
		func() { _ = os.RemoveAll(path) },
		func() { _ = os.Rename(path, other) },
		func() { _ = os.Rename(path, other) },
		func() { _ = os.Chmod(path, os.FileMode(0o600|e.IntN(0o200))) },
		func() { _ = os.Mkdir(path, 0o755) },
		func() { _ = os.RemoveAll(path); _ = os.Mkdir(path, 0o755) },
		func() { _ = os.RemoveAll(path); _ = os.Symlink("x", path) },
		func() { _ = os.Link(path, other) },
		// Much in package os would wait for a fifo.
		func() { _ = unix.Mknod(path, unix.S_IFSOCK|0o600, 0) },
		func() { _ = unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE) },
		func() { e.write(path, nil) },
		func() { e.make() },
	}
	n := e.IntN(len(steps))
	e.done = append(e.done, fmt.Sprintf("%d %q %q", n, path, other))
	steps[n]()
}

func TestChangesOfEachKind(t *testing.T) {
	workspace, at := overlaytest.New(t, func(base string) {
		for _, name := range []string{"same", "mode", "rewritten", "edited", "gone", "to-link", "dir/one", "dir/two", "moved/x/y", "replaced/z", "one"} {
			put(t, base+"/"+name, "content of "+name)
		}
		must(t, os.Symlink("same", base+"/link"), os.Mkdir(base+"/empty", 0o755), os.Link(base+"/one", base+"/two"))
	})
	checkChanges(t, &workspace.Layers, at)
	content, err := os.ReadFile(at + "/rewritten")
	must(t, err,
		os.WriteFile(at+"/rewritten", content, 0o644),
		os.Chmod(at+"/mode", 0o700),
		os.WriteFile(at+"/edited", []byte("new"), 0o644),
		os.Remove(at+"/gone"),
		os.Remove(at+"/to-link"), os.Symlink("same", at+"/to-link"),
		os.Remove(at+"/link"), os.Symlink("edited", at+"/link"),
		os.Rename(at+"/moved", at+"/elsewhere"),
		os.RemoveAll(at+"/replaced"), os.Symlink("dir", at+"/replaced"),
		os.Chmod(at+"/empty", 0o700),
		os.RemoveAll(at+"/dir"), os.Mkdir(at+"/dir", 0o755),
		os.WriteFile(at+"/dir/one", []byte("content of dir/one"), 0o644),
		os.WriteFile(at+"/one", []byte("by its other name"), 0o644),
		unix.Mkfifo(at+"/fifo", 0o600),
		os.WriteFile(at+"/\xff", nil, 0o644),
		os.Mkdir(at+"/.pyro-incoming-1", 0o700),
	)
	must(t, os.RemoveAll(at+"/.pyro-incoming-1"))
	checkChanges(t, &workspace.Layers, at)
	items, _ := changes(t, &workspace.Layers, 0)
	var got []string
	for _, i := range items {
		if i.HasContent || i.content != nil || i.oldContent != nil {
			t.Errorf("%q has content that the request left out", i.path())
		}
		got = append(got, string(i.Status)+" "+i.path())
	}
	want := []string{
		"deleted dir/two", "modified edited", "added elsewhere", "added elsewhere/x", "added elsewhere/x/y",
		"modified empty", "added fifo", "deleted gone", "modified link", "modified mode", "deleted moved",
		"deleted moved/x", "deleted moved/x/y", "modified one", "type_changed replaced", "deleted replaced/z",
		"type_changed to-link", "modified two", "added \xff",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestAFileThatTookTheNameOfAnotherHasChanged(t *testing.T) {
	workspace, at := overlaytest.New(t, func(base string) {
		put(t, base+"/one", "one")
		put(t, base+"/two", "two")
	})
	must(t, os.Rename(at+"/one", at+"/two"))
	checkChanges(t, &workspace.Layers, at)
}

func TestChangesKeepToTheContentLimit(t *testing.T) {
	workspace, at := overlaytest.New(t, func(base string) {
		put(t, base+"/shrunk", "0123456789")
		put(t, base+"/small", "01234")
	})
	put(t, at+"/shrunk", "0")
	put(t, at+"/small", "0")
	put(t, at+"/grown", strings.Repeat("x", 6))
	items, _ := changes(t, &workspace.Layers, 5)
	for _, i := range items {
		if want := i.path() == "small"; i.HasContent != want {
			t.Errorf("%q: content is %v", i.path(), i.HasContent)
		}
	}
}

func TestChangesOfSparseFilesReadNoHoles(t *testing.T) {
	const size = 1 << 40
	makeSparse := func(path, content string, offset int64) {
		file, err := os.Create(path)
		must(t, err)
		_, err = file.WriteAt([]byte(content), offset)
		must(t, err, file.Truncate(size), file.Close())
	}
	workspace, at := overlaytest.New(t, func(base string) { makeSparse(base+"/changed", "one", 1<<30) })
	makeSparse(at+"/changed", "two", 1<<30)
	makeSparse(at+"/new", "new", 1<<35)
	items, _ := changes(t, &workspace.Layers, 0)
	if len(items) != 2 || items[0].Status != tree.Modified || *items[1].New.Size != size {
		t.Errorf("got %d changes", len(items))
	}
}

func TestWhatIsMountedInTheWorkspaceIsNotCompared(t *testing.T) {
	workspace, at := overlaytest.New(t, func(base string) { put(t, base+"/dir/file", "x") })
	must(t, os.Chmod(at+"/dir", 0o700), unix.Mount("tmpfs", at+"/dir", "tmpfs", 0, ""))
	defer unix.Unmount(at+"/dir", unix.MNT_DETACH)
	items, last := changes(t, &workspace.Layers, 0)
	if len(items) != 0 || last["skipped_count"] != 1 {
		t.Errorf("got %d changes, %v", len(items), last)
	}
}
