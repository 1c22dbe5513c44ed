package port

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const patience = 10 * time.Second

// guest serves HTTP/2 over a wire: POST /echo returns its body, POST /freeze freezes, and GET
// /stuck prints until the host stops reading.
type guest struct {
	*wire
	listener *Listener
	released chan struct{}
}

func newGuest(t *testing.T) *guest {
	g := &guest{wire: newWire(), released: make(chan struct{}, 1)}
	g.listener = NewListener(g.wire)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	mux.HandleFunc("POST /freeze", func(w http.ResponseWriter, r *http.Request) {
		g.listener.Freeze()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /stuck", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.Write(bytes.Repeat([]byte("stale"), 1000))
		}
		g.released <- struct{}{}
	})
	server := &http.Server{Handler: mux, Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	go server.Serve(g.listener)
	return g
}

// connect attaches a host that says noise before its preface.
func (g *guest) connect(t *testing.T, noise string) *http.Client {
	conn := g.attach(t)
	if noise != "" {
		if _, err := io.WriteString(conn, noise); err != nil {
			t.Fatal(err)
		}
	}
	transport := &http.Transport{
		Protocols:   new(http.Protocols),
		DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func mustEcho(t *testing.T, client *http.Client, text string) {
	t.Helper()
	response, err := client.Post("http://guest/echo", "", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got, err := io.ReadAll(response.Body); err != nil || string(got) != text {
		t.Fatalf("echo gave %d of %d bytes, %v", len(got), len(text), err)
	}
}

func mustFreeze(t *testing.T, client *http.Client) {
	t.Helper()
	response, err := client.Post("http://guest/freeze", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		t.Fatalf("freeze gave %s", response.Status)
	}
}

func TestFirstSessionBeginsAtThePreface(t *testing.T) {
	g := newGuest(t)
	mustEcho(t, g.connect(t, "boot noise PRI * HTTP/2.0\r\n\r\nPRI * PRI"), "hello")
}

func TestPrefaceInsideALiveSessionIsData(t *testing.T) {
	g := newGuest(t)
	client := g.connect(t, "")
	for range 3 {
		mustEcho(t, client, strings.Repeat(preface, 50_000))
	}
}

func TestFrozenGuestServesANewHostThatItDidNotSeeCome(t *testing.T) {
	g := newGuest(t)
	template := g.connect(t, "")
	mustEcho(t, template, "warm up")
	mustFreeze(t, template)

	g.vanish()
	mustEcho(t, g.connect(t, ""), "first clone")
}

func TestFrozenGuestDiscardsWhatComesBeforeThePreface(t *testing.T) {
	g := newGuest(t)
	mustFreeze(t, g.connect(t, ""))
	g.vanish()
	mustEcho(t, g.connect(t, "\x00\x00\x04\x08\x00\x00\x00\x00\x00 late window update"), "clone")
}

func TestCloneCanBeFrozenAgain(t *testing.T) {
	g := newGuest(t)
	for range 3 {
		client := g.connect(t, "")
		mustEcho(t, client, "generation")
		mustFreeze(t, client)
		g.vanish()
	}
	mustEcho(t, g.connect(t, ""), "last")
}

func TestHostMayComeBackAfterItLeft(t *testing.T) {
	g := newGuest(t)
	for range 3 {
		mustEcho(t, g.connect(t, ""), "hello")
		g.leave()
	}
	mustEcho(t, g.connect(t, ""), "hello again")
}

func TestHalfAPrefaceIsNotCompletedByTheNextHost(t *testing.T) {
	g := newGuest(t)
	io.WriteString(g.attach(t), preface[:10])
	g.leave()
	io.WriteString(g.attach(t), preface[10:])
	g.leave()
	mustEcho(t, g.connect(t, ""), "hello")
}

func TestHostReplacedUnnoticedAtAFrameBoundaryIsServed(t *testing.T) {
	g := newGuest(t)
	mustEcho(t, g.connect(t, ""), "hello")
	g.vanish()
	mustEcho(t, g.connect(t, ""), "hello from another host")
}

func TestOutputOfAnOldSessionNeverReachesTheNextHost(t *testing.T) {
	g := newGuest(t)
	response, err := g.connect(t, "").Get("http://guest/stuck")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	g.leave()
	select {
	case <-g.released:
	case <-time.After(patience):
		t.Fatal("the handler of a session that is over is still writing")
	}
	mustEcho(t, g.connect(t, ""), "hello")
}

func TestPrefaceScannerFindsThePrefaceHoweverItIsCut(t *testing.T) {
	stream := "noise " + preface[:20] + preface + "rest"
	for size := 1; size <= len(stream); size++ {
		var scanner prefaceScanner
		var rest string
		for at := 0; at < len(stream); at += size {
			piece := stream[at:min(at+size, len(stream))]
			if after, found := scanner.feed([]byte(piece)); found {
				rest = string(after) + stream[at+len(piece):]
				break
			}
		}
		if rest != "rest" {
			t.Fatalf("in pieces of %d bytes the rest is %q", size, rest)
		}
	}
}
