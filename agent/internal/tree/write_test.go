package tree_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/frame"
	"pyro.agent/internal/overlay/overlaytest"
	"pyro.agent/internal/tree"
	"pyro.agent/internal/tree/treetest"
)

// onEach runs a test on an ordinary directory and on a workspace with the same content.
func onEach(t *testing.T, fill func(at string), test func(t *testing.T, layers *tree.Layers, at string)) {
	t.Run("directory", func(t *testing.T) {
		at := t.TempDir()
		fill(at)
		test(t, treetest.LayersOf(t, at), at)
	})
	t.Run("overlay", func(t *testing.T) {
		workspace, at := overlaytest.New(t, fill)
		test(t, &workspace.Layers, at)
	})
}

func mustWrite(t *testing.T, layers *tree.Layers, body io.Reader) tree.Written {
	t.Helper()
	written, err := layers.Write(body)
	must(t, err)
	return written
}

// mustFail checks that a write fails with this code and changes nothing.
func mustFail(t *testing.T, layers *tree.Layers, at string, body io.Reader, code tree.FailureCode, words string) {
	t.Helper()
	before := walk(t, at)
	_, err := layers.Write(body)
	var failure *tree.Failure
	if !errors.As(err, &failure) || failure.Code != code || !strings.Contains(failure.Message, words) {
		t.Errorf("got %v, want %s with %q", err, code, words)
	}
	if after := walk(t, at); !maps.Equal(before, after) {
		t.Errorf("the tree is\n%v\nand was\n%v", after, before)
	}
}

func TestWritePutsEverythingInItsPlace(t *testing.T) {
	onEach(t, func(at string) {
		put(t, at+"/old", "old")
		put(t, at+"/kept/file", "kept")
		put(t, at+"/gone", "gone")
		put(t, at+"/dir-gone/x", "")
		must(t, os.Chmod(at+"/old", 0o750), os.Chmod(at+"/kept", 0o700))
	}, func(t *testing.T, layers *tree.Layers, at string) {
		body := newStream(`{"make_parents":true}`).
			entry(`{"path":"old","type":"file"}`, "n", "ew").
			entry(`{"path":"a/b/c","type":"file","mode":384,"mtime_ns":"1000000005"}`, "deep").
			entry(`{"path":"a","type":"directory","mtime_ns":"-1"}`).
			entry(`{"path":"kept","type":"directory","mode":1023}`).
			entry(`{"path":"kept/link","type":"symlink","target":"../old"}`).
			entry(`{"path":"kept/hard","type":"hard_link","target":"a/b/c"}`).
			entry(`{"path_base64":"/w==","type":"file"}`, "").
			entry(`{"path":"gone","type":"delete","expect":{"type":"file"}}`).
			entry(`{"path":"dir-gone/x","type":"delete"}`).
			entry(`{"path":"dir-gone","type":"delete"}`).
			entry(`{"path":"dir-gone","type":"file","expect":{"type":"missing"}}`, "now a file").end()
		written := mustWrite(t, layers, body)
		if written.EntryCount != 11 || written.BytesWritten != 3+4+10 {
			t.Errorf("got %+v", written)
		}
		got := walk(t, at)
		file, directory := uint32(unix.S_IFREG), uint32(unix.S_IFDIR)
		want := map[string]node{
			"old": {file, 0o750, "new", ""}, "a": {directory, 0o755, "", ""}, "a/b": {directory, 0o755, "", ""},
			"a/b/c": {file, 0o600, "deep", ""}, "kept": {directory, 0o1777, "", ""}, "kept/file": {file, 0o644, "kept", ""},
			"kept/link": {unix.S_IFLNK, 0o777, "", "../old"}, "kept/hard": {file, 0o600, "deep", ""},
			"\xff": {file, 0o644, "", ""}, "dir-gone": {file, 0o644, "now a file", ""},
		}
		if !maps.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
		var one, other, parent unix.Stat_t
		must(t, unix.Lstat(at+"/a/b/c", &one), unix.Lstat(at+"/kept/hard", &other), unix.Lstat(at+"/a", &parent))
		if one.Ino != other.Ino || one.Mtim.Nano() != 1000000005 || parent.Mtim.Nano() != -1 {
			t.Errorf("got %+v, %+v, %+v", one, other, parent)
		}
	})
}

func TestWriteGoesWhereItIsTold(t *testing.T) {
	at := t.TempDir()
	layers := treetest.LayersOf(t, at)
	mustWrite(t, layers, newStream(`{"dest":"x/y"}`).
		entry(`{"path":"","type":"directory","mode":448}`).
		entry(`{"path":"f","type":"file"}`, "1").end())
	mustWrite(t, layers, newStream(`{"dest":"x/y"}`).entry(`{"path":"f","type":"symlink","target":"2"}`).end())
	mustWrite(t, layers, newStream(`{"dest_base64":"/w=="}`).end())
	got := walk(t, at)
	if got["x/y"].mode != 0o700 || got["x/y/f"].target != "2" || got["x"].mode != 0o755 || len(got) != 4 {
		t.Errorf("got %v", got)
	}
}

func TestWriteFailsAsAWhole(t *testing.T) {
	fill := func(at string) {
		put(t, at+"/file", "file")
		put(t, at+"/dir/sub/file", "in dir")
		must(t, os.Symlink("dir", at+"/link"), os.Symlink("file", at+"/file-link"), os.Mkdir(at+"/empty", 0o705))
	}
	// The entry that fails comes after these.
	begin := func() *stream {
		return newStream(`{"dest":"","make_parents":true,"remove_empty_parents":true}`).
			entry(`{"path":"file","type":"file","mode":511}`, "replaced").
			entry(`{"path":"file-link","type":"symlink","target":"x"}`).
			entry(`{"path":"new/a/b","type":"file"}`, "new").
			entry(`{"path":"new/a/c","type":"hard_link","target":"new/a/b"}`).
			entry(`{"path":"empty","type":"delete"}`).
			entry(`{"path":"dir/sub","type":"directory","mode":511}`).
			entry(`{"path":"dir/sub/file","type":"delete"}`)
	}
	onEach(t, fill, func(t *testing.T, layers *tree.Layers, at string) {
		for _, test := range []struct {
			entry string
			code  tree.FailureCode
			words string
		}{
			{`{"path":"dir","type":"file"}`, tree.FailedPrecondition, `cannot write "dir": it is a directory`},
			{`{"path":"file","type":"directory"}`, tree.FailedPrecondition, `cannot write "file": it is there and not a directory`},
			{`{"path":"dir","type":"delete"}`, tree.FailedPrecondition, `cannot delete "dir": the directory is not empty`},
			{`{"path":"nothing","type":"delete"}`, tree.Conflict, `cannot delete "nothing": it does not exist`},
			{`{"path":"link/x","type":"file"}`, tree.FailedPrecondition, `would be written through the symbolic link "link"`},
			{`{"path":"link/x/y","type":"file"}`, tree.FailedPrecondition, `would be written through the symbolic link "link"`},
			{`{"path":"file/x","type":"file"}`, tree.FailedPrecondition, `"file" is not a directory`},
			{`{"path":"dir/sub/file","type":"delete","expect":{"type":"file"}}`, tree.Conflict, "does not exist any more"},
			{`{"path":"new","type":"directory","expect":{"type":"missing"}}`, tree.Conflict, "not what it is expected"},
			{`{"path":"other","type":"file","expect":{"type":"file"}}`, tree.Conflict, "does not exist any more"},
			{`{"path":"link","type":"delete","expect":{"type":"symlink","target":"nowhere"}}`, tree.Conflict, "not what it is expected"},
			{`{"path":"dir/sub","type":"file","expect":{"type":"file","sha256":"00"}}`, tree.Conflict, "not what it is expected"},
			{`{"path":"../x","type":"file"}`, tree.InvalidArgument, "not relative to the workspace"},
			{`{"path":"/x","type":"file"}`, tree.InvalidArgument, "not relative to the workspace"},
			{`{"path":".pyro-incoming-1","type":"file"}`, tree.InvalidArgument, "reserved"},
			{`{"path":"","type":"file"}`, tree.InvalidArgument, "needs a path"},
			{`{"path":"x","type":"missing"}`, tree.InvalidArgument, "no type"},
			{`{"path":"x","type":"symlink"}`, tree.InvalidArgument, "no valid target"},
			{`{"path":"x","type":"hard_link","target":"nowhere"}`, tree.InvalidArgument, "no file earlier"},
			{`{"path":"x","type":"file","mode":65536}`, tree.InvalidArgument, "permission bits"},
			{`{"path":"x","type":"file","mtime_ns":"now"}`, tree.InvalidArgument, "decimal"},
			{`{"path":"x","type":"file","expect":{"type":"pipe"}}`, tree.InvalidArgument, "expect.type"},
			{`{"path":"` + strings.Repeat("n", 256) + `","type":"file"}`, tree.InvalidArgument, "at most 255"},
			{`{"type":"file"}`, tree.InvalidArgument, "must be one of"},
			{`{`, tree.InvalidArgument, "invalid JSON"},
		} {
			body := begin()
			body.add(frame.Entry, []byte(test.entry))
			if strings.Contains(test.entry, `"type":"file"`) && !strings.Contains(test.entry, `"type":"delete"`) {
				body.add(frame.ContentEnd, nil)
			}
			mustFail(t, layers, at, body.end(), test.code, test.words)
		}
		// Without the last entry it works.
		mustWrite(t, layers, begin().end())
	})
}

func TestWriteThatBreaksOffLeavesNothing(t *testing.T) {
	at := t.TempDir()
	put(t, at+"/file", "old")
	layers := treetest.LayersOf(t, at)
	whole := newStream(`{"make_parents":true}`).
		entry(`{"path":"file","type":"file"}`, "new content").
		entry(`{"path":"a/b","type":"file"}`, "more").end().Bytes()
	for length := range len(whole) {
		mustFail(t, layers, at, bytes.NewReader(whole[:length]), tree.InvalidArgument, "ended before")
	}
	for _, body := range []*stream{
		newStream(`{}`).add(frame.Content, []byte("x")),
		newStream(`{}`).add(frame.ContentEnd, nil),
		newStream(`{}`).add(frame.Hole, make([]byte, 8)),
		newStream(`{}`).add(frame.Entry, []byte(`{"path":"x","type":"file"}`)),
		newStream(`{}`).add(frame.Entry, []byte(`{"path":"x","type":"file"}`)).add(frame.Hole, bytes.Repeat([]byte{0xff}, 8)),
		newStream(`{}`).add(frame.Entry, []byte(`{"path":"x","type":"file"}`)).add(frame.Entry, []byte(`{"path":"y","type":"file"}`)),
		newStream(`{"dest":"../x"}`),
		newStream(`{"dest":".pyro-incoming-x"}`),
		newStream(`[]`),
		new(stream).add(frame.Entry, []byte(`{"path":"x","type":"file"}`)),
	} {
		mustFail(t, layers, at, body.end(), tree.InvalidArgument, "")
	}
	mustWrite(t, layers, bytes.NewReader(whole))
}

func TestWriteKeepsExpectations(t *testing.T) {
	onEach(t, func(at string) {
		put(t, at+"/file", "content")
		must(t, os.Symlink("\xff", at+"/link"))
	}, func(t *testing.T, layers *tree.Layers, at string) {
		const digest = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
		mustWrite(t, layers, newStream(`{}`).
			entry(`{"path":"file","type":"file","expect":{"type":"file","sha256":"`+digest+`"}}`, "new").
			entry(`{"path":"link","type":"symlink","target":"y","expect":{"type":"symlink","target_base64":"/w=="}}`).
			entry(`{"path":"dir","type":"directory","expect":{"type":"missing"}}`).end())
		mustFail(t, layers, at, newStream(`{}`).
			entry(`{"path":"a","type":"file"}`, "new").
			entry(`{"path":"file","type":"file","expect":{"type":"file","sha256":"`+digest+`"}}`, "newer").end(),
			tree.Conflict, `"file": it is not what it is expected to be`)
	})
}

func TestWriteThatWantsNoLinkReplacesWhateverElseIsThere(t *testing.T) {
	onEach(t, func(at string) {
		put(t, at+"/file", "old")
		must(t, os.Mkdir(at+"/dir", 0o755))
	}, func(t *testing.T, layers *tree.Layers, at string) {
		mustWrite(t, layers, newStream(`{"make_parents":true}`).
			noLinkFile(`"path":"file"`).
			noLinkFile(`"path":"new/file"`).
			noLinkFile(`"path_base64":"/w=="`).
			entry(`{"path":"dir","type":"directory","mode":448,"expect":{"type":"not_symlink"}}`).end())
		got := walk(t, at)
		for _, path := range []string{"file", "new/file", "\xff"} {
			if got[path].content != "new" {
				t.Errorf("%q: got %v", path, got[path])
			}
		}
		if got["dir"].mode != 0o700 {
			t.Errorf("got %v", got["dir"])
		}
	})
}

func TestWriteThatWantsNoLinkNamesTheTargetOfOne(t *testing.T) {
	onEach(t, func(at string) {
		put(t, at+"/dir/file", "old")
		must(t,
			os.Symlink("dir/file", at+"/to-file"), os.Symlink("dir", at+"/to-dir"),
			os.Symlink("no\xfewhere", at+"/\xff"), os.Symlink("/outside", at+"/dangling"))
	}, func(t *testing.T, layers *tree.Layers, at string) {
		for _, test := range []struct{ path, words, target string }{
			{`"path":"to-file"`, `cannot write "to-file": it is a symbolic link to "dir/file"`, "dir/file"},
			{`"path":"to-dir"`, `cannot write "to-dir": it is a symbolic link to "dir"`, "dir"},
			{`"path":"dangling"`, `cannot write "dangling": it is a symbolic link to "/outside"`, "/outside"},
			{`"path_base64":"/w=="`, `cannot write "\xff": it is a symbolic link to "no\xfewhere"`, "no\xfewhere"},
		} {
			body := func() io.Reader {
				return newStream(`{}`).entry(`{"path":"a","type":"file"}`, "new").noLinkFile(test.path).end()
			}
			mustFail(t, layers, at, body(), tree.Conflict, test.words)
			_, err := layers.Write(body())
			var failure *tree.Failure
			if !errors.As(err, &failure) || (&item{Entry: tree.Entry{TargetFields: failure.TargetFields}}).target() != test.target {
				t.Errorf("%s: got %v", test.path, err)
			}
		}
		// An entry before it in the same stream counts too.
		mustFail(t, layers, at, newStream(`{}`).
			entry(`{"path":"made","type":"symlink","target":"x"}`).noLinkFile(`"path":"made"`).end(),
			tree.Conflict, `cannot write "made": it is a symbolic link to "x"`)
		mustFail(t, layers, at, newStream(`{}`).noLinkFile(`"path":"to-dir/file"`).end(),
			tree.FailedPrecondition, `would be written through the symbolic link "to-dir"`)
	})
}

func TestWriteRemovesDirectoriesThatItEmptied(t *testing.T) {
	onEach(t, func(at string) {
		for _, path := range []string{"a/b/c/one", "a/b/c/two", "a/b/d/e/f", "kept/x", "kept/y", "named/x", "again/x"} {
			put(t, at+"/"+path, "")
		}
		must(t, os.Chmod(at+"/again", 0o700))
	}, func(t *testing.T, layers *tree.Layers, at string) {
		mustWrite(t, layers, newStream(`{"remove_empty_parents":true,"make_parents":true}`).
			entry(`{"path":"a/b/c/one","type":"delete"}`).entry(`{"path":"a/b/c/two","type":"delete"}`).
			entry(`{"path":"a/b/d/e/f","type":"delete"}`).entry(`{"path":"kept/x","type":"delete"}`).
			entry(`{"path":"named/x","type":"delete"}`).entry(`{"path":"named","type":"directory"}`).
			entry(`{"path":"again/x","type":"delete"}`).entry(`{"path":"again/y","type":"file"}`, "").end())
		got := walk(t, at)
		if len(got) != 5 || got["again"].mode != 0o700 || got["named"].format != unix.S_IFDIR {
			t.Errorf("got %v", got)
		}
	})
}

func TestWriteKeepsHolesSparse(t *testing.T) {
	at := t.TempDir()
	hole := binary.BigEndian.AppendUint64(nil, 1<<32)
	body := newStream(`{}`).add(frame.Entry, []byte(`{"path":"sparse","type":"file"}`)).
		add(frame.Hole, hole).add(frame.Content, []byte("middle")).add(frame.Hole, hole).add(frame.ContentEnd, nil)
	mustWrite(t, treetest.LayersOf(t, at), body.end())
	var stat unix.Stat_t
	must(t, unix.Stat(at+"/sparse", &stat))
	if stat.Size != 2<<32+6 || stat.Blocks > 100 {
		t.Errorf("got %d bytes in %d blocks", stat.Size, stat.Blocks)
	}
}

func TestWriteWithoutSpaceLeavesNothing(t *testing.T) {
	workspace, at := overlaytest.New(t, func(base string) { put(t, base+"/file", "old") })
	body := newStream(`{}`).entry(`{"path":"file","type":"file"}`, "new").
		entry(`{"path":"big","type":"file"}`, slicesOf(strings.Repeat("x", 1<<20), 100)...).end()
	mustFail(t, &workspace.Layers, at, body, tree.NoSpace, `"big"`)
}

func slicesOf(piece string, count int) []string {
	pieces := make([]string, count)
	for i := range pieces {
		pieces[i] = piece
	}
	return pieces
}

// An overlay can't record a path in its base that is too long.
func TestWriteReplacesFilesOfTheBaseAtLongPaths(t *testing.T) {
	deep := strings.Repeat(strings.Repeat("d", 200)+"/", 6)
	workspace, at := overlaytest.New(t, func(base string) {
		put(t, base+"/"+deep+"one", "old")
		put(t, base+"/"+deep+"two", "old")
	})
	mustWrite(t, &workspace.Layers, newStream(`{"dest":"`+strings.TrimSuffix(deep, "/")+`"}`).
		entry(`{"path":"one","type":"file"}`, "new").
		entry(`{"path":"two","type":"delete"}`).end())
	content, err := os.ReadFile(at + "/" + deep + "one")
	if err != nil || string(content) != "new" {
		t.Errorf("got %q, %v", content, err)
	}
}

func TestATreeSurvivesBeingReadAndWritten(t *testing.T) {
	workspace, at := overlaytest.New(t, func(base string) {
		put(t, base+"/a/b", "content")
		put(t, base+"/\xff/"+strings.Repeat("n", 255), "")
		must(t, os.Link(base+"/a/b", base+"/a/c"), os.Symlink("\xfe", base+"/link"), os.Chmod(base+"/a", 0o2711))
	})
	to := t.TempDir()
	var sent bytes.Buffer
	header := newStream(`{}`)
	sent.Write(header.Bytes())
	request := &tree.ReadRequest{Depth: -1, ContentLimit: -1}
	must(t, workspace.Layers.Read(t.Context(), request, []string{""}, frame.NewWriter(&sent)))
	mustWrite(t, treetest.LayersOf(t, to), &sent)
	want, got := walk(t, at), walk(t, to)
	delete(want, "lost+found")
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if leftovers, _ := filepath.Glob(to + "/.pyro-incoming-*"); leftovers != nil {
		t.Errorf("left behind: %q", leftovers)
	}
}
