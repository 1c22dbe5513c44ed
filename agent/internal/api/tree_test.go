package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pyro.agent/internal/cgroup"
	"pyro.agent/internal/cgroup/cgrouptest"
	"pyro.agent/internal/command"
	"pyro.agent/internal/frame"
	"pyro.agent/internal/overlay"
	"pyro.agent/internal/overlay/overlaytest"
)

// newTreeGuest starts a forked guest with a workspace. groups may be nil.
func newTreeGuest(t *testing.T, groups *cgroup.Parent) (g *guest, at string) {
	t.Helper()
	disk := overlaytest.NewDisk(t, func(base string) {
		if err := os.WriteFile(filepath.Join(base, "file"), []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
	})
	workspace, at := disk.Mount(t)
	g = newGuest(t, groups)
	g.mount = func() (*overlay.Workspace, error) { return workspace, nil }
	if status, _, body := g.call(t, g.fork(t, validFork(), "")); status != http.StatusOK {
		t.Fatalf("got %d %s", status, body)
	}
	return g, at
}

func treeStream(frames ...[]byte) []byte {
	whole := frame.Encode(frame.TreeHeader, []byte("{}"))
	for _, one := range frames {
		whole = append(whole, one...)
	}
	return append(whole, frame.Encode(frame.TreeEnd, nil)...)
}

func (g *guest) post(t *testing.T, path string, body io.Reader) (int, code, string) {
	t.Helper()
	status, code, answer := g.call(t, request(t, http.MethodPost, path, testToken, body))
	return status, code, string(answer)
}

func TestTreesAreReadWrittenAndCompared(t *testing.T) {
	g, at := newTreeGuest(t, nil)
	body := treeStream(
		frame.Encode(frame.Entry, []byte(`{"path":"file","type":"file"}`)), frame.Encode(frame.Content, []byte("new")), frame.Encode(frame.ContentEnd, nil),
	)
	status, _, answer := g.post(t, "/v1/tree/write", bytes.NewReader(body))
	if status != http.StatusOK || answer != `{"entry_count":1,"bytes_written":3}` {
		t.Fatalf("got %d %s", status, answer)
	}
	if content, err := os.ReadFile(at + "/file"); err != nil || string(content) != "new" {
		t.Errorf("got %q, %v", content, err)
	}
	for path, want := range map[string]string{
		"/v1/tree/read":    "new",
		"/v1/tree/changes": `"status":"modified"`,
	} {
		body := jsonBody(t, map[string]any{"paths": []any{map[string]any{"path": "file"}}, "content_limit": -1})
		status, _, answer := g.post(t, path, body)
		end := frame.Encode(frame.TreeEnd, nil)[:1]
		if status != http.StatusOK || !strings.Contains(answer, want) || !strings.Contains(answer, string(end)) {
			t.Errorf("%s: got %d %q", path, status, answer)
		}
	}
}

func TestTreesRefuseWhatTheyCanNotDo(t *testing.T) {
	g, at := newTreeGuest(t, nil)
	link := frame.Encode(frame.Entry, []byte(`{"path":"l","type":"symlink","target":"x"}`))
	for _, test := range []struct {
		path   string
		body   []byte
		status int
		code   code
	}{
		{"/v1/tree/read", []byte(`{`), http.StatusBadRequest, invalidArgument},
		{"/v1/tree/read", []byte(`{"paths":[]}`), http.StatusBadRequest, invalidArgument},
		{"/v1/tree/read", []byte(`{"paths":[{"path":"../x"}]}`), http.StatusBadRequest, invalidArgument},
		{"/v1/tree/read", bytes.Repeat([]byte(" "), maxTreeRequest+1), http.StatusBadRequest, invalidArgument},
		{"/v1/tree/changes", []byte(`{"content_limit":-2}`), http.StatusBadRequest, invalidArgument},
		{"/v1/tree/write", nil, http.StatusBadRequest, invalidArgument},
		{"/v1/tree/write", []byte{0x30, 0xff, 0xff, 0xff, 0xff}, http.StatusBadRequest, invalidArgument},
		{"/v1/tree/write", frame.Encode(frame.TreeHeader, []byte(`{}`)), http.StatusBadRequest, invalidArgument},
		{"/v1/tree/write", treeStream(frame.Encode(frame.Entry, []byte(`{"path":"x","type":"delete"}`))), http.StatusConflict, conflict},
		{"/v1/tree/write", treeStream(link, frame.Encode(frame.Entry, []byte(`{"path":"l/x","type":"directory"}`))), http.StatusConflict, failedPrecondition},
	} {
		if status, code, answer := g.post(t, test.path, bytes.NewReader(test.body)); status != test.status || code != test.code {
			t.Errorf("%s %.60q: got %d %s", test.path, test.body, status, answer)
		}
	}
	if names, err := os.ReadDir(at); err != nil || len(names) > 2 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

func TestAWriteThatTheHostGivesUpLeavesNothing(t *testing.T) {
	g, at := newTreeGuest(t, nil)
	reader, writer := io.Pipe()
	body := treeStream(frame.Encode(frame.Entry, []byte(`{"path":"file","type":"file"}`)), frame.Encode(frame.Content, []byte("half")))
	go func() {
		_, _ = writer.Write(body[:len(body)-frame.HeaderSize])
		writer.CloseWithError(errors.New("given up"))
	}()
	if response, err := g.Do(request(t, http.MethodPost, "/v1/tree/write", testToken, reader)); err == nil {
		response.Body.Close()
		t.Errorf("got %s", response.Status)
	}
	deadline := time.Now().Add(patience)
	for {
		leftovers, _ := filepath.Glob(at + "/.pyro-incoming-*")
		if leftovers == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %q", leftovers)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if content, err := os.ReadFile(at + "/file"); err != nil || string(content) != "old" {
		t.Errorf("got %q, %v", content, err)
	}
}

func TestWorkspaceRoutesNeedAWorkspace(t *testing.T) {
	g := newGuest(t, nil)
	for _, path := range []string{"/v1/tree/write", "/v1/tree/changes", "/v1/workspace/freeze", "/v1/workspace/thaw"} {
		g.mustFail(t, request(t, http.MethodPost, path, "", strings.NewReader("{}")), http.StatusConflict, failedPrecondition)
	}
}

func TestTheWorkspaceIsFrozenAndThawed(t *testing.T) {
	g, at := newTreeGuest(t, nil)
	for _, step := range []struct {
		route  string
		status int
	}{
		{"thaw", http.StatusConflict}, {"freeze", http.StatusNoContent}, {"freeze", http.StatusConflict},
		{"thaw", http.StatusNoContent}, {"thaw", http.StatusConflict},
	} {
		if status, _, answer := g.post(t, "/v1/workspace/"+step.route, nil); status != step.status {
			t.Errorf("%s: got %d %s", step.route, status, answer)
		}
	}
	// The template's freeze takes the workspace away.
	if status, _, answer := g.post(t, "/v1/freeze", nil); status != http.StatusNoContent {
		t.Fatalf("got %d %s", status, answer)
	}
	if names, err := os.ReadDir(at); err != nil || len(names) > 0 {
		t.Errorf("the workspace is still mounted: %v, %v", names, err)
	}
}

func TestAWriteWaitsUntilTheWorkspaceHasThawed(t *testing.T) {
	g, _ := newTreeGuest(t, nil)
	if status, _, answer := g.post(t, "/v1/workspace/freeze", nil); status != http.StatusNoContent {
		t.Fatalf("got %d %s", status, answer)
	}
	written := make(chan int, 1)
	go func() {
		response, err := g.Do(request(t, http.MethodPost, "/v1/tree/write", testToken, bytes.NewReader(treeStream())))
		if err != nil {
			written <- 0
			return
		}
		response.Body.Close()
		written <- response.StatusCode
	}()
	select {
	case status := <-written:
		t.Errorf("a frozen workspace was written: %d", status)
	case <-time.After(100 * time.Millisecond):
	}
	if status, _, answer := g.post(t, "/v1/workspace/thaw", nil); status != http.StatusNoContent {
		t.Fatalf("got %d %s", status, answer)
	}
	if status := <-written; status != http.StatusOK {
		t.Errorf("got %d", status)
	}
}

func TestExecSyncsTheDisks(t *testing.T) {
	g, at := newTreeGuest(t, cgrouptest.NewParent(t))
	text := "echo written > file"
	body := specFrame(t, command.Spec{Shell: &text, Cwd: at, Sync: true})
	response, err := g.Do(request(t, http.MethodPost, "/v1/exec", testToken, bytes.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got := readOutcome(t, response.Body)
	got.mustExit(t, 0)
	if got.SyncError != "" {
		t.Errorf("got %q", got.SyncError)
	}
}
