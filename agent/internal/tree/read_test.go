package tree_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/frame"
	"pyro.agent/internal/overlay/overlaytest"
	"pyro.agent/internal/tree"
	"pyro.agent/internal/tree/treetest"
)

func kinds(items []*item) []string {
	var list []string
	for _, i := range items {
		text := string(i.Type) + " " + i.path()
		if i.Type == tree.Symlink || i.Type == tree.HardLink {
			text += " -> " + i.target()
		}
		list = append(list, text)
	}
	return list
}

func mustRead(t *testing.T, layers *tree.Layers, request tree.ReadRequest, path string, want ...string) {
	t.Helper()
	items, last := read(t, layers, request, path)
	if got := kinds(items); !slices.Equal(got, want) {
		t.Errorf("%q: got %q, want %q", path, got, want)
	}
	if last["entry_count"] != len(items) {
		t.Errorf("%q: the end says %v", path, last)
	}
}

func TestReadDescribesATree(t *testing.T) {
	at := t.TempDir()
	put(t, at+"/dir/b", "content")
	put(t, at+"/dir/a/deep", "")
	put(t, at+"/.pyro-incoming-1/x", "")
	put(t, at+"/dir/.pyro-incoming-1", "")
	must(t,
		os.Symlink("/etc/passwd", at+"/dir/link"),
		os.Link(at+"/dir/b", at+"/dir/zz"),
		os.Chmod(at+"/dir/b", 0o751),
		unix.Mkfifo(at+"/dir/fifo", 0o600),
		os.Chtimes(at+"/dir/b", time.Time{}, time.Unix(-5, 123456789)),
	)
	layers := treetest.LayersOf(t, at)
	all := tree.ReadRequest{Depth: -1, ContentLimit: -1, Digest: true}
	mustRead(t, layers, tree.ReadRequest{}, "", "directory ")
	mustRead(t, layers, tree.ReadRequest{Depth: 1}, "", "directory ", "directory dir")
	mustRead(t, layers, tree.ReadRequest{}, ".pyro-incoming-1/x", "missing .pyro-incoming-1/x")
	mustRead(t, layers, all, "dir",
		"directory dir", "file dir/.pyro-incoming-1", "directory dir/a", "file dir/a/deep", "file dir/b",
		"other dir/fifo", "symlink dir/link -> /etc/passwd", "hard_link dir/zz -> dir/b")
	items, _ := read(t, layers, all, "dir/b", "dir/b", "nothing", "dir/b/below")
	for _, i := range items[:2] {
		digest := sha256.Sum256([]byte("content"))
		if *i.Mode != 0o751 || *i.Size != 7 || i.MtimeNs != "-4876543211" || string(i.content) != "content" ||
			i.SHA256 != hex.EncodeToString(digest[:]) {
			t.Errorf("got %+v", i)
		}
	}
	if items[2].Type != tree.Missing || items[3].Type != tree.Missing || items[2].Reason != "" {
		t.Errorf("got %+v, %+v", items[2], items[3])
	}
}

func TestReadSendsAsMuchContentAsIsWanted(t *testing.T) {
	at := t.TempDir()
	long := strings.Repeat("0123456789", 100_000)
	put(t, at+"/long", long)
	put(t, at+"/empty", "")
	layers := treetest.LayersOf(t, at)
	for limit, want := range map[int64]string{1: "0", 15: "012345678901234", -1: long, 1 << 40: long} {
		items, _ := read(t, layers, tree.ReadRequest{ContentLimit: limit}, "long", "empty")
		if string(items[0].content) != want || items[1].content == nil || len(items[1].content) > 0 {
			t.Errorf("limit %d: got %d and %d bytes", limit, len(items[0].content), len(items[1].content))
		}
	}
	for _, part := range []struct {
		offset, limit int64
		want          string
	}{
		{3, 4, "3456"}, {999_998, 10, "89"}, {999_998, -1, "89"}, {1_000_000, -1, ""}, {1 << 62, 1 << 62, ""},
		{131_070, 5, "01234"},
	} {
		request := tree.ReadRequest{ContentOffset: part.offset, ContentLimit: part.limit}
		items, _ := read(t, layers, request, "long", "empty")
		if got := string(items[0].content); got != part.want || *items[0].Size != 1_000_000 || len(items[1].content) > 0 {
			t.Errorf("%+v: got %q", part, got)
		}
	}
	items, _ := read(t, layers, tree.ReadRequest{}, "long")
	if items[0].content != nil {
		t.Error("content was sent that the request left out")
	}
}

func TestReadNeverLeavesTheTree(t *testing.T) {
	outside := t.TempDir()
	put(t, outside+"/secret", "secret")
	at := t.TempDir()
	put(t, at+"/dir/file", "inside")
	for name, target := range map[string]string{
		"up": "../..", "out": outside, "file": outside + "/secret", "in": "dir", "abs": at + "/dir", "self": "self", "dangling": "nothing",
		"proc": "/proc/self/cwd",
	} {
		must(t, os.Symlink(target, at+"/"+name))
	}
	layers := treetest.LayersOf(t, at)
	mustRead(t, layers, tree.ReadRequest{Depth: -1}, "in", "symlink in -> dir")
	mustRead(t, layers, tree.ReadRequest{}, "in/file", "missing in/file")
	mustRead(t, layers, tree.ReadRequest{}, "out/secret", "missing out/secret")
	mustRead(t, layers, tree.ReadRequest{Follow: true, Depth: -1}, "in", "directory in", "file in/file")
	mustRead(t, layers, tree.ReadRequest{Follow: true}, "in/file", "file in/file")
	mustRead(t, layers, tree.ReadRequest{Follow: true}, "abs/file", "file abs/file")
	mustRead(t, layers, tree.ReadRequest{Follow: true}, "dir/file", "file dir/file")
	for _, path := range []string{"self", "dangling", "proc"} {
		mustRead(t, layers, tree.ReadRequest{Follow: true}, path, "missing "+path)
	}
	items, _ := read(t, layers, tree.ReadRequest{}, "in/file")
	if items[0].Reason != tree.BehindLink {
		t.Errorf("got %+v", items[0])
	}
}

// Only a file system of its own tells such a mount apart.
func TestReadFollowsLinksOnlyWithinTheWorkspace(t *testing.T) {
	workspace, at := overlaytest.New(t, nil)
	outside := t.TempDir()
	put(t, outside+"/secret", "secret")
	put(t, at+"/dir/file", "inside")
	must(t, os.Symlink(outside, at+"/out"), os.Symlink(at+"/dir", at+"/abs"), os.Mkdir(at+"/mounted", 0o755),
		unix.Mount(outside, at+"/mounted", "", unix.MS_BIND, ""))
	defer unix.Unmount(at+"/mounted", unix.MNT_DETACH)
	layers := &workspace.Layers
	for _, path := range []string{"out", "out/secret", "mounted", "mounted/secret"} {
		items, _ := read(t, layers, tree.ReadRequest{Follow: path != "mounted" && path != "mounted/secret", ContentLimit: -1}, path)
		if len(items) != 1 || items[0].Type != tree.Missing || items[0].Reason != tree.Outside {
			t.Errorf("%q gives %q", path, kinds(items))
		}
	}
	mustRead(t, layers, tree.ReadRequest{Follow: true}, "abs/file", "file abs/file")
	mustRead(t, layers, tree.ReadRequest{Depth: -1}, "", "directory ", "symlink abs -> "+at+"/dir", "directory dir",
		"file dir/file", "other mounted", "symlink out -> "+outside)
}

func TestReadKeepsStrangeNamesAndHoles(t *testing.T) {
	at := t.TempDir()
	strange := []string{"\n", "\xff\x80", strings.Repeat("n", 255), "snow ☃", `"\`}
	for _, name := range strange {
		put(t, filepath.Join(at, name), name)
	}
	must(t, os.Symlink("\xff", at+"/z"))
	file, err := os.Create(at + "/sparse")
	must(t, err)
	_, err = file.WriteAt([]byte("end"), 1<<24)
	must(t, err, file.Truncate(1<<25), file.Close())

	items, _ := read(t, treetest.LayersOf(t, at), tree.ReadRequest{Depth: -1, ContentLimit: -1}, "")
	found := make(map[string]*item)
	for _, i := range items {
		found[i.path()] = i
	}
	for _, name := range strange {
		if i := found[name]; i == nil || string(i.content) != name {
			t.Errorf("%q is missing", name)
		}
	}
	if found["z"].target() != "\xff" {
		t.Errorf("got %q", found["z"].target())
	}
	sparse := found["sparse"]
	if len(sparse.content) != 1<<25 || string(sparse.content[1<<24:1<<24+3]) != "end" || sparse.holes == 0 {
		t.Errorf("got %d bytes with %d holes", len(sparse.content), sparse.holes)
	}
	items, _ = read(t, treetest.LayersOf(t, at), tree.ReadRequest{ContentOffset: 1<<24 - 8192, ContentLimit: 8195}, "sparse")
	if got := items[0]; len(got.content) != 8195 || string(got.content[8192:]) != "end" || got.holes == 0 {
		t.Errorf("from the middle of a hole: got %d bytes with %d holes", len(got.content), got.holes)
	}
}

func TestReadSendsAsAHoleWhatWasNeverWritten(t *testing.T) {
	workspace, at := overlaytest.New(t, nil)
	file, err := os.Create(at + "/allocated")
	must(t, err)
	must(t, unix.Fallocate(int(file.Fd()), 0, 0, 20<<20))
	_, err = file.WriteAt([]byte("x"), 10<<20)
	must(t, err, file.Close())
	items, _ := read(t, &workspace.Layers, tree.ReadRequest{Depth: 0, ContentLimit: -1}, "allocated")
	if one := items[0]; one.holes != 2 || len(one.content) != 20<<20 || one.content[10<<20] != 'x' {
		t.Errorf("got %d holes in %d bytes", one.holes, len(one.content))
	}
}

func TestAFileThatIsCutOffWhileItIsSentEndsThere(t *testing.T) {
	const mib = 1 << 20
	at := t.TempDir()
	put(t, at+"/log", strings.Repeat("x", mib))
	must(t, os.Truncate(at+"/log", 8*mib))
	layers := treetest.LayersOf(t, at)
	var stream bytes.Buffer
	sink := sinkFunc(func(p []byte) {
		must(t, os.Truncate(at+"/log", 2*mib))
		stream.Write(p)
	})
	request := tree.ReadRequest{ContentLimit: -1}
	must(t, layers.Read(t.Context(), &request, []string{"log"}, frame.NewWriter(sink)))
	items, _ := decode(t, stream.Bytes())
	if got := len(items[0].content); got != 2*mib {
		t.Errorf("got %d bytes", got)
	}
}

// A command keeps a lease as long as it likes, up to 45 s. Then the kernel takes it away, and the
// file would be read.
func TestReadWaitsForALeaseButNotForLong(t *testing.T) {
	at := t.TempDir()
	put(t, at+"/leased", "content")
	file, err := os.OpenFile(at+"/leased", os.O_RDWR, 0)
	must(t, err)
	defer file.Close()
	lease := func(kind int) error {
		_, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, kind)
		return err
	}
	layers := treetest.LayersOf(t, at)
	for isGivenUp, want := range map[bool]int{true: 0, false: 1} {
		must(t, lease(unix.F_WRLCK))
		if isGivenUp {
			time.AfterFunc(50*time.Millisecond, func() { _ = lease(unix.F_UNLCK) })
		}
		_, last := read(t, layers, tree.ReadRequest{Depth: -1, ContentLimit: -1}, "")
		if last["skipped_count"] != want {
			t.Errorf("given up: %v; the end says %v", isGivenUp, last)
		}
		_ = lease(unix.F_UNLCK)
	}
}

func TestReadGoesOnWhileTheTreeChanges(t *testing.T) {
	at := t.TempDir()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			path := fmt.Sprintf("%s/%d", at, n%20)
			_ = os.MkdirAll(path+"/sub", 0o755)
			_ = os.WriteFile(path+"/sub/file", []byte(strings.Repeat("x", n%5000)), 0o644)
			_ = os.RemoveAll(fmt.Sprintf("%s/%d", at, (n+7)%20))
			_ = os.Symlink("/", fmt.Sprintf("%s/%d", at, (n+7)%20))
			_ = os.Remove(fmt.Sprintf("%s/%d", at, (n+9)%20))
		}
	}()
	layers := treetest.LayersOf(t, at)
	for range 200 {
		items, _ := read(t, layers, tree.ReadRequest{Depth: -1, ContentLimit: -1, Digest: true}, "")
		if len(items) > 100 {
			t.Fatalf("%d entries are more than there ever were", len(items))
		}
	}
	close(stop)
	<-done
}

func TestReadRefusesPathsThatAreNone(t *testing.T) {
	for _, path := range []string{"/", "/etc", "a//b", "a/", ".", "..", "../x", "a/../b", "a/./b", "a\x00b"} {
		request := tree.ReadRequest{Paths: []tree.PathFields{{Path: &path}}}
		if _, err := request.PathList(); err == nil {
			t.Errorf("%q is taken for a path", path)
		}
	}
	path := "a"
	for _, request := range []tree.ReadRequest{
		{},
		{Paths: []tree.PathFields{{}}},
		{Paths: []tree.PathFields{{Path: &path, PathBase64: []byte("a")}}},
		{Paths: []tree.PathFields{{Path: &path}}, Depth: 2},
		{Paths: []tree.PathFields{{Path: &path}}, ContentLimit: -2},
		{Paths: []tree.PathFields{{Path: &path}}, ContentOffset: -1},
	} {
		if _, err := request.PathList(); err == nil {
			t.Errorf("%+v is taken for a request", request)
		}
	}
}

// manyFiles makes a tree with more files than are open at once: small, empty and large ones, links
// among them and directories between them.
func manyFiles(t *testing.T, at string) (want []string, content map[string]string) {
	t.Helper()
	content = make(map[string]string)
	want = []string{"directory "}
	for i := range 3 {
		directory := fmt.Sprintf("d%d", i)
		want = append(want, "directory "+directory)
		for j := range 150 {
			path := fmt.Sprintf("%s/f%03d", directory, j)
			switch {
			case j == 40:
				put(t, at+"/"+path+"/below", "deep")
				content[path+"/below"] = "deep"
				want = append(want, "directory "+path, "file "+path+"/below")
				continue
			case j == 41:
				must(t, os.Symlink("f000", at+"/"+path))
				want = append(want, "symlink "+path+" -> f000")
				continue
			case j%10 == 9:
				earlier := fmt.Sprintf("%s/f%03d", directory, j-2)
				must(t, os.Link(at+"/"+earlier, at+"/"+path))
				want = append(want, "hard_link "+path+" -> "+earlier)
				continue
			case j == 70:
				content[path] = strings.Repeat(path, 200_000)
			case j%5 == 0:
				content[path] = ""
			default:
				content[path] = path
			}
			put(t, at+"/"+path, content[path])
			want = append(want, "file "+path)
		}
	}
	return want, content
}

func TestReadKeepsTheOrderOfFilesThatItOpensAhead(t *testing.T) {
	at := t.TempDir()
	want, content := manyFiles(t, at)
	must(t, os.Chmod(at+"/d0/f001", 0), os.Chmod(at+"/d1", 0o500))
	layers := treetest.LayersOf(t, at)
	before := openDescriptors(t)
	for _, digest := range []bool{false, true} {
		request := tree.ReadRequest{Depth: -1, ContentLimit: -1, Digest: digest}
		mustRead(t, layers, request, "", want...)
		items, _ := read(t, layers, request, "")
		for _, i := range items {
			if i.Type == tree.File && string(i.content) != content[i.path()] {
				t.Errorf("%q: got %d bytes", i.path(), len(i.content))
			}
		}
	}
	mustRead(t, layers, tree.ReadRequest{Depth: -1}, "", want...)
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors are open, %d before", after, before)
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(list)
}

// limitedSink fails after some bytes, as the stream of a host that has gone.
type limitedSink struct {
	left   int
	opened int
	t      *testing.T
}

func (s *limitedSink) Write(p []byte) (int, error) {
	s.opened = max(s.opened, openDescriptors(s.t))
	if s.left -= len(p); s.left < 0 {
		return 0, os.ErrClosed
	}
	return len(p), nil
}

func TestReadThatIsCutOffClosesWhatItHasOpened(t *testing.T) {
	at := t.TempDir()
	manyFiles(t, at)
	layers := treetest.LayersOf(t, at)
	before := openDescriptors(t)
	for _, left := range []int{0, 100_000, 1_500_000} {
		sink := &limitedSink{left: left, t: t}
		request := tree.ReadRequest{Depth: -1, ContentLimit: -1}
		err := layers.Read(t.Context(), &request, []string{""}, frame.NewWriter(sink))
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("after %d bytes: %v", left, err)
		}
		if after := openDescriptors(t); after != before {
			t.Errorf("after %d bytes: %d descriptors are open, %d before", left, after, before)
		}
		if most := sink.opened - before; most > 160 {
			t.Errorf("%d descriptors were open at once", most)
		}
	}
}

// sinkFunc is called with each write.
type sinkFunc func(p []byte)

func (f sinkFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

func TestReadDescribesAFileThatChangesWhileItWaits(t *testing.T) {
	at := t.TempDir()
	put(t, at+"/a", strings.Repeat("large", 100_000))
	put(t, at+"/b", "longer")
	layers := treetest.LayersOf(t, at)
	var stream bytes.Buffer
	sink := sinkFunc(func(p []byte) {
		must(t, os.Truncate(at+"/b", 4))
		stream.Write(p)
	})
	request := tree.ReadRequest{Depth: -1, ContentLimit: -1}
	must(t, layers.Read(t.Context(), &request, []string{""}, frame.NewWriter(sink)))
	items, _ := decode(t, stream.Bytes())
	if last := items[2]; string(last.content) != "long" || *last.Size != 4 {
		t.Errorf("got %q, described as %d bytes", last.content, *last.Size)
	}
}
