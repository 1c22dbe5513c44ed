package tree_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"pyro.agent/internal/overlay/overlaytest"
)

// TestWhatIsPushedIntoTheBaselineIsNoChange pushes between random edits. Nothing that is pushed may
// show as a change, and no edit may be missed.
func TestWhatIsPushedIntoTheBaselineIsNoChange(t *testing.T) {
	rounds := 15
	if testing.Short() {
		rounds = 4
	}
	done, failed := 0, 0
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(seed), 2))
			disk := overlaytest.NewDisk(t, func(base string) {
				edit := &editor{Rand: random, root: base}
				for range 60 {
					edit.make()
				}
				for range 100 {
					edit.link()
				}
			})
			workspace, at := disk.Mount(t)
			edit := &editor{Rand: random, root: at}
			pushed := 0
			for step := range 60 {
				if edit.IntN(4) > 0 {
					edit.step()
					continue
				}
				baseline, before := walk(t, baseOf(&workspace.Layers)), walk(t, at)
				body := newStream(`{"make_parents":true}`)
				for range 1 + edit.IntN(2) {
					path := strings.ReplaceAll(strings.TrimPrefix(edit.path(), at+"/"), "\xff\xfe", "e")
					if edit.IntN(5) == 0 {
						body.entry(fmt.Sprintf(`{"path":%q,"type":"symlink","target":"x"}`, path))
					} else {
						body.entry(fmt.Sprintf(`{"path":%q,"type":"file"}`, path), string(edit.content()))
					}
				}
				edit.done = append(edit.done, "push "+body.String())
				if _, err := workspace.WriteBaseline(body.end()); err != nil {
					failed++
					if after := walk(t, at); !maps.Equal(before, after) {
						t.Errorf("a push failed (%v) and changed the workspace", err)
					}
					if after := walk(t, baseOf(&workspace.Layers)); !maps.Equal(baseline, after) {
						t.Errorf("a push failed (%v) and changed the baseline", err)
					}
				} else {
					pushed++
					done++
				}
				checkChanges(t, &workspace.Layers, at)
				if t.Failed() {
					t.Fatalf("after\n%s", strings.Join(edit.done, "\n"))
				}
				switch {
				case step > 20 && edit.IntN(3) == 0:
					must(t, workspace.Release())
					workspace, at = disk.Mount(t)
				case step > 40 && pushed > 0 && edit.IntN(3) == 0:
					baseline := walk(t, baseOf(&workspace.Layers))
					must(t, workspace.Release())
					workspace, at = disk.MountBaseline(t)
					pushed = 0
					if got := walk(t, at); !maps.Equal(baseline, got) {
						t.Errorf("the baseline is %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(baseline)))
					}
					edit.done = append(edit.done, "discard")
				}
				checkChanges(t, &workspace.Layers, at)
			}
			checkChanges(t, &workspace.Layers, at)
			if t.Failed() {
				t.Fatalf("after\n%s", strings.Join(edit.done, "\n"))
			}
		})
	}
	if done < failed/2 || failed == 0 {
		t.Errorf("%d pushes were done and %d failed, which tests little", done, failed)
	}
}

func TestAPushIntoTheBaselineOverridesWhatWasChanged(t *testing.T) {
	disk := overlaytest.NewDisk(t, func(base string) {
		for _, name := range []string{"edited", "gone", "dir/one", "moved/x", "mode"} {
			put(t, base+"/"+name, "of the base")
		}
	})
	workspace, at := disk.Mount(t)
	must(t,
		os.WriteFile(at+"/edited", []byte("edited"), 0o644),
		os.Remove(at+"/gone"),
		os.RemoveAll(at+"/dir"), os.Mkdir(at+"/dir", 0o755),
		os.Rename(at+"/moved", at+"/elsewhere"),
		os.Chmod(at+"/mode", 0o700),
	)
	put(t, at+"/own", "own")
	body := newStream(`{"make_parents":true}`)
	for _, path := range []string{"edited", "gone", "dir/two", "moved/y", "mode", "new/file"} {
		body.entry(fmt.Sprintf(`{"path":%q,"type":"file"}`, path), "pushed")
	}
	if _, err := workspace.WriteBaseline(body.end()); err != nil {
		t.Fatal(err)
	}
	checkChanges(t, &workspace.Layers, at)
	items, _ := changes(t, &workspace.Layers, 0)
	var got []string
	for _, i := range items {
		got = append(got, string(i.Status)+" "+i.path())
	}
	want := []string{
		"deleted dir/one", "added elsewhere", "added elsewhere/x", "modified mode", "deleted moved/x", "added own",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	must(t, os.RemoveAll(at+"/new"))
	checkChanges(t, &workspace.Layers, at)
	must(t, workspace.Release())
	workspace, at = disk.MountBaseline(t)
	checkChanges(t, &workspace.Layers, at)
	for path, want := range map[string]string{
		"edited": "pushed", "gone": "pushed", "dir/one": "of the base", "dir/two": "pushed", "moved/x": "of the base", "new/file": "pushed",
	} {
		if content, err := os.ReadFile(at + "/" + path); err != nil || string(content) != want {
			t.Errorf("%s: got %q, %v", path, content, err)
		}
	}
	if _, err := os.Lstat(at + "/own"); err == nil {
		t.Error("a change is in the baseline")
	}
}

func TestAPushThatBreaksOffLeavesNothing(t *testing.T) {
	disk := overlaytest.NewDisk(t, func(base string) { put(t, base+"/file", "old") })
	workspace, at := disk.Mount(t)
	whole := newStream(`{}`).entry(`{"path":"file","type":"file"}`, "new").end().Bytes()
	for length := range whole {
		if _, err := workspace.WriteBaseline(strings.NewReader(string(whole[:length]))); err == nil {
			t.Fatalf("%d bytes were taken for the whole", length)
		}
	}
	checkChanges(t, &workspace.Layers, at)
	if items, _ := changes(t, &workspace.Layers, 0); len(items) != 0 {
		t.Errorf("got %d changes", len(items))
	}
	// The workspace refuses what the baseline would take.
	must(t, os.Remove(at+"/file"), os.Mkdir(at+"/file", 0o755))
	if _, err := workspace.WriteBaseline(strings.NewReader(string(whole))); err == nil {
		t.Error("a file took the place of a directory")
	}
	must(t, workspace.Release())
	_, at = disk.Mount(t)
	if stat, err := os.Stat(at + "/file"); err != nil || !stat.IsDir() {
		t.Errorf("got %v, %v", stat, err)
	}
}
