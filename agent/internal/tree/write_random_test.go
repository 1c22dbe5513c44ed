package tree_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/overlay/overlaytest"
	"pyro.agent/internal/tree"
	"pyro.agent/internal/tree/treetest"
)

// A write that fails changes nothing, and after each write Changes agrees with a full comparison.
func TestRandomWritesAreWholeOrNothing(t *testing.T) {
	rounds := 8
	if testing.Short() {
		rounds = 4
	}
	for seed := range rounds {
		random := rand.New(rand.NewPCG(uint64(seed), 2))
		workspace, at := overlaytest.New(t, func(base string) {
			edit := &editor{Rand: random, root: base}
			for range 40 {
				edit.make()
			}
			for range 20 {
				edit.link()
			}
		})
		edit := &editor{Rand: random, root: at}
		failed := 0
		for range 30 {
			before := walk(t, at)
			body := newStream(fmt.Sprintf(`{"make_parents":%v,"remove_empty_parents":%v}`, random.IntN(2) == 0, random.IntN(2) == 0))
			for range 1 + random.IntN(5) {
				edit.entry(body)
			}
			_, err := workspace.Layers.Write(body.end())
			var failure *tree.Failure
			switch {
			case err == nil:
			case errors.As(err, &failure):
				failed++
				if after := walk(t, at); !maps.Equal(before, after) {
					t.Fatalf("seed %d: %v: the tree is\n%v\nand was\n%v", seed, err, after, before)
				}
			default:
				t.Fatalf("seed %d: %v", seed, err)
			}
			if random.IntN(3) == 0 {
				edit.step()
			}
		}
		checkChanges(t, &workspace.Layers, at)
		if leftovers, _ := filepath.Glob(at + "/.pyro-incoming-*"); leftovers != nil {
			t.Errorf("left behind: %q", leftovers)
		}
		if failed == 0 || failed == 30 {
			t.Errorf("seed %d: %d writes failed, which tests little", seed, failed)
		}
		must(t, workspace.Release())
	}
}

func (e *editor) entry(body *stream) {
	path := strings.TrimPrefix(e.path(), e.root+"/")
	path = strings.ReplaceAll(path, "\xff\xfe", "e")
	switch e.IntN(6) {
	case 0:
		body.entry(fmt.Sprintf(`{"path":"%s","type":"symlink","target":"x"}`, path))
	case 1:
		body.entry(fmt.Sprintf(`{"path":"%s","type":"directory","mode":%d}`, path, 0o700|e.IntN(0o100)))
	case 2, 3:
		body.entry(fmt.Sprintf(`{"path":"%s","type":"delete"}`, path))
	default:
		body.entry(fmt.Sprintf(`{"path":"%s","type":"file"}`, path), string(e.content()))
	}
}

func TestWritesAtTheSameTimeDoNotMix(t *testing.T) {
	at := t.TempDir()
	layers := treetest.LayersOf(t, at)
	var group sync.WaitGroup
	for n := range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			content := strings.Repeat(fmt.Sprint(n), 1000)
			for range 10 {
				body := newStream(`{"make_parents":true}`).entry(`{"path":"a/one","type":"file"}`, content).
					entry(`{"path":"a/two","type":"file"}`, content).end()
				if _, err := layers.Write(body); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	group.Wait()
	if got := walk(t, at); got["a/one"].content != got["a/two"].content || len(got) != 3 {
		t.Errorf("got %d paths", len(got))
	}
}

// A command that changes the same paths can make a write fail, but not crash or hang.
func TestWriteAmongCommandsEnds(t *testing.T) {
	at := t.TempDir()
	layers := treetest.LayersOf(t, at)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.RemoveAll(at + "/a")
			switch n % 3 {
			case 0:
				_ = os.Symlink("/", at+"/a")
			case 1:
				_ = os.MkdirAll(at+"/a/b", 0o755)
			}
		}
	}()
	for range 300 {
		_, _ = layers.Write(newStream(`{"make_parents":true}`).entry(`{"path":"a/b","type":"file"}`, "x").
			entry(`{"path":"a/c/d","type":"file"}`, "x").end())
	}
	close(stop)
	<-done
	if _, err := os.Lstat("/c/d"); err == nil {
		t.Error("it was written through a link")
	}
}

func TestPathsThatAreTooLongAreLeftOut(t *testing.T) {
	workspace, at := overlaytest.New(t, nil)
	name := strings.Repeat("n", 250)
	fd, err := unix.Open(at, unix.O_PATH|unix.O_CLOEXEC, 0)
	must(t, err)
	for range 20 {
		must(t, unix.Mkdirat(fd, name, 0o755))
		next, err := unix.Openat(fd, name, unix.O_PATH|unix.O_CLOEXEC, 0)
		must(t, err)
		must(t, unix.Close(fd))
		fd = next
	}
	must(t, unix.Close(fd))
	items, last := read(t, &workspace.Layers, tree.ReadRequest{Depth: -1}, "")
	if len(items) != 17 || last["skipped_count"] != 1 {
		t.Errorf("got %d entries, %v", len(items), last)
	}
	items, last = changes(t, &workspace.Layers, 0)
	if len(items) != 16 || last["skipped_count"] != 1 {
		t.Errorf("got %d changes, %v", len(items), last)
	}
	must(t, os.Rename(at+"/"+name, at+"/.pyro-incoming-deep"), workspace.Layers.RemoveLeftovers())
	if left, err := os.ReadDir(at); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
