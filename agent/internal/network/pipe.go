package network

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"pyro.agent/internal/crash"
	"pyro.agent/internal/frame"
)

// directions are receive, deliver and send, which end on their own.
const directions = 3

const (
	// firstCredit is what either end may send before the other has taken any of it.
	firstCredit = 256 << 10
	chunkSize   = 64 << 10
	// creditStep keeps the frames that give credit few.
	creditStep = 64 << 10
)

var (
	errOverCredit = errors.New("the host sent more than it had credit for")
	chunks        = sync.Pool{New: func() any { return new([frame.HeaderSize + chunkSize]byte) }}
)

// Pipe joins a connection of the guest with a stream to the host until both directions have ended.
// Each direction ends on its own. An error of either end resets both.
//
// What one end has not taken is credit that the other one lacks. So a process that does not read
// holds up its own connection, and never the wire to the host, which other requests share.
//
// The end of ctx is the end of the stream to the host, also after the host has ended its direction.
func Pipe(ctx context.Context, connection *net.TCPConn, fromHost io.Reader, toHost func(complete []byte) error) error {
	p := &pipe{connection: connection, toHost: toHost, credit: firstCredit}
	p.changed = sync.NewCond(&p.mu)
	defer p.stopWriting()
	ended := make(chan error, 4)
	stop := context.AfterFunc(ctx, func() { ended <- context.Cause(ctx) })
	defer stop()
	crash.Go(func() { ended <- p.receive(fromHost) })
	crash.Go(func() { ended <- p.deliver() })
	crash.Go(func() { ended <- p.send() })
	var failure error
	for range directions {
		if err := <-ended; err != nil && failure == nil {
			failure = err
			// Both sides of the connection wake up with an error.
			_ = connection.SetLinger(0)
			_ = connection.Close()
			p.fail()
			// The reader of the host's frames ends with its request, which ends next.
			return failure
		}
	}
	_ = connection.Close()
	return nil
}

type pipe struct {
	connection *net.TCPConn

	writing sync.Mutex
	// over is true once the stream to the host must not be written any more.
	over   bool
	toHost func(complete []byte) error

	mu      sync.Mutex
	changed *sync.Cond
	failed  bool
	// credit is what may still be sent to the host.
	credit int
	// queue has what the host sent and the connection has not taken, at most firstCredit bytes.
	queue      [][]byte
	queued     int
	inputEnded bool
}

var errFailed = errors.New("the other direction failed")

func (p *pipe) fail() {
	p.mu.Lock()
	p.failed = true
	p.mu.Unlock()
	p.changed.Broadcast()
}

// receive takes the host's frames as they come, so that none of them waits on the wire.
func (p *pipe) receive(fromHost io.Reader) error {
	frames := frame.NewReader(fromHost)
	for {
		kind, payload, err := frames.Next()
		if err == io.EOF {
			p.mu.Lock()
			over := p.inputEnded
			p.mu.Unlock()
			if over {
				return nil
			}
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		if err := p.hear(kind, payload); err != nil {
			return err
		}
	}
}

func (p *pipe) hear(kind frame.Type, payload []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.changed.Broadcast()
	switch kind {
	case frame.Data:
		if p.inputEnded || p.queued+len(payload) > firstCredit {
			return errOverCredit
		}
		p.queue = append(p.queue, append([]byte(nil), payload...))
		p.queued += len(payload)
	case frame.DataEnd:
		p.inputEnded = true
	case frame.Credit:
		if len(payload) != 4 {
			return fmt.Errorf("credit of %d bytes in place of 4", len(payload))
		}
		p.credit += int(binary.BigEndian.Uint32(payload))
	}
	return nil
}

// deliver gives the connection what the host sent, and gives the host credit for it.
func (p *pipe) deliver() error {
	taken := 0
	for {
		piece, err := p.next()
		if err != nil {
			return err
		}
		if piece == nil {
			return p.connection.CloseWrite()
		}
		if _, err := p.connection.Write(piece); err != nil {
			return err
		}
		p.mu.Lock()
		p.queued -= len(piece)
		p.mu.Unlock()
		if taken += len(piece); taken >= creditStep {
			if err := p.say(frame.Credit, binary.BigEndian.AppendUint32(nil, uint32(taken))); err != nil {
				return err
			}
			taken = 0
		}
	}
}

// next waits for the next piece; nil at the end.
func (p *pipe) next() ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) == 0 && !p.inputEnded && !p.failed {
		p.changed.Wait()
	}
	if p.failed {
		return nil, errFailed
	}
	if len(p.queue) == 0 {
		return nil, nil
	}
	piece := p.queue[0]
	p.queue = p.queue[1:]
	return piece, nil
}

// send passes on what the guest's process writes.
func (p *pipe) send() error {
	buffer := chunks.Get().(*[frame.HeaderSize + chunkSize]byte)
	defer chunks.Put(buffer)
	for {
		most, err := p.awaitCredit()
		if err != nil {
			return err
		}
		n, err := p.connection.Read(buffer[frame.HeaderSize : frame.HeaderSize+most])
		if n > 0 {
			p.mu.Lock()
			p.credit -= n
			p.mu.Unlock()
			frame.PutHeader(buffer[:], frame.Data, n)
			if err := p.write(buffer[:frame.HeaderSize+n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return p.say(frame.DataEnd, nil)
		}
		if err != nil {
			return err
		}
	}
}

func (p *pipe) awaitCredit() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.credit <= 0 && !p.failed {
		p.changed.Wait()
	}
	if p.failed {
		return 0, errFailed
	}
	return min(p.credit, chunkSize), nil
}

func (p *pipe) say(kind frame.Type, payload []byte) error {
	return p.write(frame.Encode(kind, payload))
}

func (p *pipe) write(complete []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	if p.over {
		return errFailed
	}
	return p.toHost(complete)
}

func (p *pipe) stopWriting() {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.over = true
}
