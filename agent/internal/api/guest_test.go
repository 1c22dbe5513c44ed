package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"pyro.agent/internal/cgroup"
	"pyro.agent/internal/command"
	"pyro.agent/internal/identity"
	"pyro.agent/internal/overlay"
	"pyro.agent/internal/process"
)

const patience = 20 * time.Second

// theReaper is shared, because it takes every child of the test process.
var theReaper = sync.OnceValue(process.NewReaper)

// guest is a Server behind a real HTTP/2 connection.
type guest struct {
	*http.Client
	system *fakeSystem
	root   string
	// mount stands in for the mount of a workspace, unless it is nil.
	mount func() (*overlay.Workspace, error)

	froze, poweredOff chan struct{}
}

// newGuest starts a Server. groups may be nil for tests that run no command.
func newGuest(t *testing.T, groups *cgroup.Parent) *guest {
	t.Helper()
	g := &guest{
		system:     &fakeSystem{},
		root:       t.TempDir(),
		froze:      make(chan struct{}, 1),
		poweredOff: make(chan struct{}, 1),
	}
	if err := os.Mkdir(filepath.Join(g.root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	commands, err := command.NewRunner(theReaper(), groups)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		Handler: NewServer(Config{
			AgentVersion: "test",
			RootDevice:   "/dev/vda",
			Root:         g.root,
			Commands:     commands,
			System:       g.system,
			MountWorkspace: func(device, mountPoint string, discard bool) (*overlay.Workspace, error) {
				if g.mount != nil {
					return g.mount()
				}
				return nil, g.system.record("mount " + device + " at " + mountPoint)
			},
			Freeze:   func() { g.froze <- struct{}{} },
			PowerOff: func() { g.poweredOff <- struct{}{} },
		}),
		HTTP2:     HTTP2(),
		Protocols: new(http.Protocols),
	}
	server.Protocols.SetUnencryptedHTTP2(true)
	listener, err := net.Listen("unix", t.TempDir()+"/port")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })

	transport := &http.Transport{
		Protocols: new(http.Protocols),
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", listener.Addr().String())
		},
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	g.Client = &http.Client{Transport: transport}
	return g
}

// request makes a request with the right protocol header and, if token is not empty, that token.
func request(t *testing.T, method, path, token string, body io.Reader) *http.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, "http://guest"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(protocolHeader, ProtocolVersion)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// call returns the status, the error code if there is one, and the body of a response.
func (g *guest) call(t *testing.T, r *http.Request) (int, code, []byte) {
	t.Helper()
	response, err := g.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var failed struct{ Error requestError }
	if response.StatusCode >= 400 {
		if err := json.Unmarshal(body, &failed); err != nil || failed.Error.Message == "" {
			t.Fatalf("%s is no error object: %v", body, err)
		}
	}
	return response.StatusCode, failed.Error.Code, body
}

func (g *guest) mustFail(t *testing.T, r *http.Request, status int, want code) {
	t.Helper()
	if got, gotCode, body := g.call(t, r); got != status || gotCode != want {
		t.Errorf("%s %s gave %d %s; want %d %s", r.Method, r.URL.Path, got, body, status, want)
	}
}

func jsonBody(t *testing.T, value any) io.Reader {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(text)
}

// fakeSystem records what it is asked to change, and fails in the step named in failIn.
type fakeSystem struct {
	calls  []string
	failIn string
}

var _ identity.System = (*fakeSystem)(nil)

func (f *fakeSystem) record(call string) error {
	f.calls = append(f.calls, call)
	if call == f.failIn {
		return io.ErrClosedPipe
	}
	return nil
}

func (f *fakeSystem) AddEntropy([]byte) error  { return f.record("entropy") }
func (f *fakeSystem) SetClock(time.Time) error { return f.record("clock") }
func (f *fakeSystem) SetHostname(string) error { return f.record("hostname") }
