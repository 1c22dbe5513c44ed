package network

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"pyro.agent/internal/frame"
)

const patience = 10 * time.Second

// tcpPair returns both ends of a connection: the agent's and a process's.
func tcpPair(t *testing.T) (agent, process *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialled, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close(); accepted.Close() })
	for _, end := range []net.Conn{dialled, accepted} {
		end.SetDeadline(time.Now().Add(patience))
	}
	return accepted.(*net.TCPConn), dialled.(*net.TCPConn)
}

// fakeHost is the host's end of a pipe.
type fakeHost struct {
	toGuest *io.PipeWriter
	// ends the stream, as its reset does
	reset func()

	mu       sync.Mutex
	received bytes.Buffer
	ended    chan struct{}
	// taken is given back as credit at once unless the host stalls.
	stalled bool
	credits int
}

func startPipe(t *testing.T, stalled bool) (host *fakeHost, process *net.TCPConn, done chan error) {
	t.Helper()
	agent, process := tcpPair(t)
	fromHost, toGuest := io.Pipe()
	host = &fakeHost{toGuest: toGuest, ended: make(chan struct{}), stalled: stalled}
	done = make(chan error, 1)
	ctx, reset := context.WithCancel(context.Background())
	host.reset = reset
	go func() { done <- Pipe(ctx, agent, fromHost, host.hear) }()
	t.Cleanup(reset)
	t.Cleanup(func() { toGuest.CloseWithError(io.ErrClosedPipe) })
	return host, process, done
}

func (h *fakeHost) hear(complete []byte) error {
	kind, payload, err := frame.NewReader(bytes.NewReader(complete)).Next()
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch kind {
	case frame.Data:
		h.received.Write(payload)
		if !h.stalled {
			size := uint32(len(payload))
			go h.say(frame.Credit, binary.BigEndian.AppendUint32(nil, size))
		}
	case frame.DataEnd:
		close(h.ended)
	case frame.Credit:
		h.credits += int(binary.BigEndian.Uint32(payload))
	}
	return nil
}

func (h *fakeHost) say(kind frame.Type, payload []byte) error {
	complete := make([]byte, frame.HeaderSize, frame.HeaderSize+len(payload))
	frame.PutHeader(complete, kind, len(payload))
	_, err := h.toGuest.Write(append(complete, payload...))
	return err
}

func (h *fakeHost) length() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.received.Len()
}

func await[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case value := <-c:
		return value
	case <-time.After(patience):
		t.Fatalf("timed out: %s", what)
		panic("unreachable")
	}
}

func TestPipeCarriesBothDirectionsWhole(t *testing.T) {
	host, process, done := startPipe(t, false)
	sent := make([]byte, 3<<20)
	rand.Read(sent)
	go func() {
		process.Write(sent)
		process.CloseWrite()
	}()
	answered := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(process)
		answered <- all
	}()
	await(t, "the process's end", host.ended)
	// The host answers after the process has ended its direction.
	if err := host.say(frame.Data, []byte("answer")); err != nil {
		t.Fatal(err)
	}
	if err := host.say(frame.DataEnd, nil); err != nil {
		t.Fatal(err)
	}
	host.toGuest.Close()
	if got := await(t, "the answer", answered); string(got) != "answer" {
		t.Errorf("got %q", got)
	}
	if err := await(t, "the end of the pipe", done); err != nil {
		t.Errorf("got %v", err)
	}
	if !bytes.Equal(host.received.Bytes(), sent) {
		t.Errorf("got %d bytes of %d", host.length(), len(sent))
	}
}

func TestPipeSendsNoMoreThanItsCredit(t *testing.T) {
	host, process, _ := startPipe(t, true)
	go process.Write(make([]byte, 4*firstCredit))
	deadline := time.Now().Add(patience)
	for host.length() < firstCredit {
		if time.Now().After(deadline) {
			t.Fatalf("only %d bytes came", host.length())
		}
		time.Sleep(time.Millisecond)
	}
	if err := host.say(frame.Credit, binary.BigEndian.AppendUint32(nil, 1000)); err != nil {
		t.Fatal(err)
	}
	for host.length() < firstCredit+1000 {
		if time.Now().After(deadline) {
			t.Fatal("credit is of no use")
		}
		time.Sleep(time.Millisecond)
	}
	if got := host.length(); got != firstCredit+1000 {
		t.Errorf("got %d bytes for a credit of %d", got, firstCredit+1000)
	}
}

func TestPipeTakesFramesThatNoProcessReads(t *testing.T) {
	host, process, done := startPipe(t, false)
	// The process's buffers take some of it, and the pipe the rest: the wire is never held up.
	sent := 0
	piece := make([]byte, 64<<10)
	for sent < 64<<20 {
		host.mu.Lock()
		credit := firstCredit + host.credits - sent
		host.mu.Unlock()
		if credit < len(piece) {
			break
		}
		if err := host.say(frame.Data, piece); err != nil {
			t.Fatal(err)
		}
		sent += len(piece)
	}
	if err := host.say(frame.Data, make([]byte, firstCredit+1)); err != nil {
		t.Fatal(err)
	}
	if err := await(t, "the refusal", done); !errors.Is(err, errOverCredit) {
		t.Errorf("got %v", err)
	}
	if _, err := io.Copy(io.Discard, process); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the process got %v", err)
	}
}

func TestPipeResetsItsOtherEnd(t *testing.T) {
	t.Run("when the host is gone", func(t *testing.T) {
		host, process, done := startPipe(t, false)
		host.toGuest.CloseWithError(errors.New("reset"))
		if err := await(t, "the end", done); err == nil {
			t.Error("no error")
		}
		if _, err := process.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("when the process is gone", func(t *testing.T) {
		_, process, done := startPipe(t, false)
		process.SetLinger(0)
		process.Close()
		if err := await(t, "the end", done); err == nil {
			t.Error("no error")
		}
	})
	t.Run("when the host resets after it has ended its direction", func(t *testing.T) {
		host, process, done := startPipe(t, true)
		if err := host.say(frame.DataEnd, nil); err != nil {
			t.Fatal(err)
		}
		host.toGuest.Close()
		go process.Write(make([]byte, 4*firstCredit))
		deadline := time.Now().Add(patience)
		for host.length() < firstCredit {
			if time.Now().After(deadline) {
				t.Fatal("the process's bytes do not come")
			}
			time.Sleep(time.Millisecond)
		}
		host.reset()
		if err := await(t, "the end", done); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("when the host ends its stream too early", func(t *testing.T) {
		host, _, done := startPipe(t, false)
		host.toGuest.Close()
		if err := await(t, "the end", done); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v", err)
		}
	})
}
