package port

import (
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// wire is a Stream whose far end a test can exchange, visibly for the guest or not.
type wire struct {
	mu      sync.Mutex
	changed *sync.Cond
	input   []byte
	eof     bool
	expired bool
	guest   net.Conn
}

func newWire() *wire {
	w := &wire{}
	w.changed = sync.NewCond(&w.mu)
	return w
}

// attach puts a new host on the wire and returns its end.
func (w *wire) attach(t *testing.T) net.Conn {
	host, guest := net.Pipe()
	t.Cleanup(func() { host.Close() })
	w.mu.Lock()
	w.guest = guest
	w.changed.Broadcast()
	w.mu.Unlock()
	go w.carry(guest)
	return host
}

func (w *wire) carry(guest net.Conn) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := guest.Read(buffer)
		w.mu.Lock()
		if w.guest == guest {
			w.input = append(w.input, buffer[:n]...)
			w.changed.Broadcast()
		}
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// leave detaches the host, which the guest notices.
func (w *wire) leave() {
	w.vanish()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.eof = true
	w.changed.Broadcast()
}

// vanish detaches the host without a trace, as in a clone of a saved guest.
func (w *wire) vanish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.guest.Close()
	w.guest = nil
}

func (w *wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.input) == 0 && !w.eof {
		w.changed.Wait()
	}
	if len(w.input) == 0 {
		w.eof = false
		return 0, io.EOF
	}
	n := copy(p, w.input)
	w.input = w.input[n:]
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	for w.guest == nil && !w.expired {
		w.changed.Wait()
	}
	guest, expired := w.guest, w.expired
	w.mu.Unlock()
	if expired {
		return 0, os.ErrDeadlineExceeded
	}
	return guest.Write(p)
}

func (w *wire) SetWriteDeadline(deadline time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expired = !deadline.IsZero()
	w.changed.Broadcast()
	if w.guest != nil {
		return w.guest.SetWriteDeadline(deadline)
	}
	return nil
}
