package port

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// readBufferSize holds a few HTTP/2 frames, so that a frame header costs no system call.
const readBufferSize = 64 << 10

// session is one HTTP/2 connection, which loses its two directions at different times. After
// release its input belongs to the next session. After cut its output is dropped too.
type session struct {
	listener *Listener
	input    *bufio.Reader
	frames   frameWalk

	released    chan struct{}
	releaseOnce sync.Once
	isCut       chan struct{}
	cutOnce     sync.Once
}

// newSession returns the session whose preface has just been read.
func newSession(l *Listener) *session {
	s := &session{
		listener: l,
		released: make(chan struct{}),
		isCut:    make(chan struct{}),
	}
	s.input = bufio.NewReaderSize(io.MultiReader(strings.NewReader(preface), streamReader{s}), readBufferSize)
	return s
}

func (s *session) Read(p []byte) (int, error) {
	return s.input.Read(p)
}

// streamReader reads the stream on behalf of a session while that session owns the input.
type streamReader struct{ *session }

func (r streamReader) Read(p []byte) (int, error) {
	n, err := r.listener.readFor(r.session, p)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, errReleased):
		// An EOF at this point would make the server close the connection before its last answer is
		// sent.
		<-r.isCut
		return 0, io.EOF
	default:
		r.Close()
		return 0, err
	}
}

func (s *session) Write(p []byte) (int, error) {
	s.listener.writing.Lock()
	defer s.listener.writing.Unlock()
	select {
	case <-s.isCut:
		return 0, net.ErrClosed
	default:
		return s.listener.stream.Write(p)
	}
}

// Close ends the session; the stream below stays open for the next one.
func (s *session) Close() error {
	s.cut()
	s.release()
	return nil
}

func (s *session) release() {
	s.releaseOnce.Do(func() { close(s.released) })
}

func (s *session) isReleased() bool {
	select {
	case <-s.released:
		return true
	default:
		return false
	}
}

// cut returns once no write of this session can reach the stream.
func (s *session) cut() {
	s.cutOnce.Do(func() {
		close(s.isCut)
		stream := s.listener.stream
		// A write that waits for a host that left would come out in the next session.
		stream.SetWriteDeadline(time.Unix(1, 0))
		s.listener.writing.Lock()
		defer s.listener.writing.Unlock()
		stream.SetWriteDeadline(time.Time{})
	})
}

func (s *session) LocalAddr() net.Addr  { return address{} }
func (s *session) RemoteAddr() net.Addr { return address{} }

// The HTTP server sets deadlines only for timeouts, and none is configured.
func (s *session) SetDeadline(time.Time) error      { return nil }
func (s *session) SetReadDeadline(time.Time) error  { return nil }
func (s *session) SetWriteDeadline(time.Time) error { return nil }
