package port

import (
	"errors"
	"io"
	"net"
	"sync"
)

// Listener is a net.Listener whose connections are the successive sessions on a Stream.
// There is never more than one live session.
type Listener struct {
	stream Stream

	// reading is held by the reader of the stream: the live session, or Accept between two
	// sessions.
	reading sync.Mutex
	writing sync.Mutex

	// unread holds bytes that were read from the stream and belong to the next reader.
	unread []byte

	mu      sync.Mutex
	current *session
}

// NewListener returns a listener over stream. Nothing is read before the first Accept.
func NewListener(stream Stream) *Listener {
	return &Listener{stream: stream}
}

// Accept waits until the present session is over, discards input up to and including the
// next client preface, and returns the session that begins with that preface.
func (l *Listener) Accept() (net.Conn, error) {
	previous := l.session()
	if previous != nil {
		<-previous.released
	}
	if err := l.awaitPreface(); err != nil {
		return nil, err
	}
	if previous != nil {
		previous.cut()
	}
	next := newSession(l)
	l.mu.Lock()
	l.current = next
	l.mu.Unlock()
	return next, nil
}

// Freeze takes the input away from the live session. The session may write until the next preface
// arrives, so that its last answer reaches the host.
func (l *Listener) Freeze() {
	if s := l.session(); s != nil {
		s.release()
	}
}

// Close does nothing: the stream lives as long as the machine.
func (l *Listener) Close() error { return nil }

// Addr names the port.
func (l *Listener) Addr() net.Addr { return address{} }

func (l *Listener) session() *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

func (l *Listener) awaitPreface() error {
	l.reading.Lock()
	defer l.reading.Unlock()

	var scanner prefaceScanner
	buffer := make([]byte, 4096)
	for {
		n, err := l.read(buffer)
		switch {
		case errors.Is(err, io.EOF):
			// The next host must not complete half a preface from a host that left.
			scanner.reset()
		case err != nil:
			return err
		}
		if rest, found := scanner.feed(buffer[:n]); found {
			l.putBack(rest)
			return nil
		}
	}
}

// errReleased says that the input belongs to another session.
var errReleased = errors.New("session has lost its input")

// readFor reads on behalf of a session while that session owns the input.
func (l *Listener) readFor(s *session, p []byte) (int, error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	if s.isReleased() {
		return 0, errReleased
	}
	n, err := l.read(p)
	if s.isReleased() {
		l.putBack(p[:n])
		return 0, errReleased
	}
	if used, newClient := s.frames.next(p[:n]); newClient {
		l.putBack(p[used:n])
		l.putBack([]byte(preface[:http2HeaderSize]))
		return 0, io.EOF
	}
	return n, err
}

func (l *Listener) read(p []byte) (int, error) {
	if len(l.unread) == 0 {
		return l.stream.Read(p)
	}
	n := copy(p, l.unread)
	l.unread = l.unread[n:]
	return n, nil
}

// putBack makes p the result of the next read.
func (l *Listener) putBack(p []byte) {
	l.unread = append(append([]byte(nil), p...), l.unread...)
}

type address struct{}

func (address) Network() string { return "virtio" }
func (address) String() string  { return "host" }
