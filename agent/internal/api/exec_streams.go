package api

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"sync"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/command"
	"pyro.agent/internal/frame"
)

// outputChunk is the capacity of a pipe, so that one read can empty it.
const outputChunk = 64 << 10

var outputBuffers = sync.Pool{
	New: func() any { return new([frame.HeaderSize + outputChunk]byte) },
}

// drain sends what a command prints. It reads at the pace of the host, which blocks a faster
// command. It still reads output that the host no longer takes.
func (e *execution) drain(kind frame.Type, output io.Reader) {
	defer e.output.Done()
	buffer := outputBuffers.Get().(*[frame.HeaderSize + outputChunk]byte)
	defer outputBuffers.Put(buffer)
	for {
		n, err := output.Read(buffer[frame.HeaderSize:])
		if n > 0 {
			frame.PutHeader(buffer[:], kind, n)
			// Before it is sent, so that a look at the terminal misses no output.
			if e.Terminal != nil {
				e.Terminal.Sent.Add(int64(n))
			}
			e.out.write(buffer[:frame.HeaderSize+n])
		}
		if err != nil {
			return
		}
	}
}

// feed passes the host's input and signals to the command until one of them has enough.
func (e *execution) feed() {
	defer e.input.Done()
	wanted := e.Stdin != nil
	if wanted {
		defer e.Stdin.Close()
	}
	for {
		kind, payload, err := e.frames.Next()
		switch {
		case errors.Is(err, frame.ErrTooLarge):
			e.badInput <- &command.Failure{Code: command.InvalidInput, Message: err.Error()}
			return
		case err != nil:
			return
		case kind == frame.StdinEnd:
			// What is typed at a terminal has no end.
			if e.Stdin != nil && e.Terminal == nil {
				e.Stdin.Close()
			}
			wanted = false
		case kind == frame.Signal:
			e.signal(payload)
		case kind == frame.Stdin && wanted:
			// A command need not read its input, so EPIPE is no error. The host may write all of it
			// before it reads, so the rest is still taken from the wire.
			n, err := e.Stdin.Write(payload)
			wanted = err == nil
			if e.Terminal != nil {
				e.Terminal.Received.Add(int64(n))
			}
		}
	}
}

// signal sends what a signal frame names to the command's processes. A name that no signal has is
// ignored, as an unknown frame is.
func (e *execution) signal(payload []byte) {
	var wanted struct {
		Signal string `json:"signal"`
	}
	if json.Unmarshal(payload, &wanted) != nil {
		return
	}
	if signal := unix.SignalNum("SIG" + wanted.Signal); signal != 0 {
		if err := e.Signal(signal); err != nil {
			log.Printf("send %s to command %d: %v", wanted.Signal, e.PID, err)
		}
	}
}

// stopInput unblocks feed. It may be waiting for the host, or for a background process that holds
// the command's standard input.
func (e *execution) stopInput() {
	e.body.Close()
	if e.Stdin != nil {
		e.Stdin.Close()
	}
	e.input.Wait()
}

func (e *execution) kill() {
	if err := e.Kill(); err != nil {
		log.Printf("kill command %d: %v", e.PID, err)
	}
}

// frameWriter writes the frames of a response. It may be used concurrently.
type frameWriter struct {
	mu         sync.Mutex
	response   http.ResponseWriter
	controller *http.ResponseController
}

func newFrameWriter(w http.ResponseWriter) *frameWriter {
	w.Header().Set("Content-Type", execContentType)
	return &frameWriter{response: w, controller: http.NewResponseController(w)}
}

// write sends a complete frame. An error means that the host is gone, and the request's context
// says the same.
func (f *frameWriter) write(complete []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _ = f.response.Write(complete)
	_ = f.controller.Flush()
}

// writeJSON leaves the frame to the next flush. The handler's return is one too, so the last frame
// ends the stream in the same message.
func (f *frameWriter) writeJSON(kind frame.Type, value any) {
	payload, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _ = f.response.Write(frame.Encode(kind, payload))
}

func (f *frameWriter) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.controller.Flush()
}
