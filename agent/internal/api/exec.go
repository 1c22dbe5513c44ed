package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"pyro.agent/internal/command"
	"pyro.agent/internal/crash"
	"pyro.agent/internal/frame"
	"pyro.agent/internal/process"
)

const execContentType = "application/vnd.pyro.exec"

func (s *Server) exec(w http.ResponseWriter, r *http.Request) error {
	frames := frame.NewReader(r.Body)
	spec, err := readSpec(frames)
	if err != nil {
		return err
	}
	started, err := s.Commands.Start(spec)
	var failure *command.Failure
	if err != nil && !errors.As(err, &failure) {
		return err
	}
	out := newFrameWriter(w)
	if failure != nil {
		out.writeJSON(frame.Exit, command.NotStarted(failure))
		return nil
	}
	out.writeJSON(frame.Started, map[string]int{"pid": started.PID})
	out.flush()

	run := execution{Command: started, wholeGroup: spec.WholeGroup, frames: frames, body: r.Body, out: out}
	result := run.wait(r.Context(), spec.Timeout())
	if spec.Sync {
		result.SyncError = s.syncDisks()
	}
	out.writeJSON(frame.Exit, result)
	// Release helps only the next command, so the host gets its answer first.
	out.flush()
	s.Commands.Release(started)
	return nil
}

func readSpec(frames *frame.Reader) (spec command.Spec, err error) {
	kind, payload, err := frames.Next()
	switch {
	case errors.Is(err, frame.ErrTooLarge):
		return spec, errorf(invalidArgument, "%v", err)
	case err != nil:
		return spec, errorf(invalidArgument, "the request ended before its first frame was complete: %v", err)
	case kind != frame.Spec:
		return spec, errorf(invalidArgument, "the first frame must be %#02x, not %#02x", frame.Spec, kind)
	}
	if err := decodeJSON(payload, &spec); err != nil {
		return spec, err
	}
	if err := spec.Validate(); err != nil {
		return spec, errorf(invalidArgument, "%v", err)
	}
	return spec, nil
}

// execution is a started command and its two directions to the host.
type execution struct {
	*command.Command
	wholeGroup bool
	frames     *frame.Reader
	body       io.Closer
	out        *frameWriter

	input, output sync.WaitGroup
	// badInput receives what is wrong with the host's frames.
	badInput chan *command.Failure
}

// wait carries the command's streams until its main process has ended, or all of its processes
// have, and the host has all of its output.
func (e *execution) wait(host context.Context, timeout time.Duration) command.Result {
	e.badInput = make(chan *command.Failure, 1)
	e.input.Add(1)
	crash.Go(e.feed)
	outputs := []*command.Output{e.Stdout}
	if e.Stderr != nil {
		outputs = append(outputs, e.Stderr)
	}
	for i, output := range outputs {
		kind := frame.Stdout + frame.Type(i)
		e.output.Add(1)
		crash.Go(func() { e.drain(kind, output) })
	}

	result := e.awaitExit(host, timeout)

	if e.Terminal != nil {
		e.awaitLastOutput()
	}
	for _, output := range outputs {
		output.Settle()
	}
	e.output.Wait()
	for _, output := range outputs {
		output.Abandon()
	}
	e.stopInput()
	return result
}

// lateOutput is the time in which the kernel passes on what was written to a terminal. It does so
// in the background, and the end of the last program is noticed behind it.
const lateOutput = 100 * time.Millisecond

// awaitLastOutput waits until a terminal's output has ended, which it does not while background
// processes hold the terminal.
func (e *execution) awaitLastOutput() {
	ended := make(chan struct{})
	crash.Go(func() {
		defer close(ended)
		e.output.Wait()
	})
	select {
	case <-ended:
	case <-time.After(lateOutput):
	}
}

// awaitExit waits for the end of the main process, which a kill makes certain.
func (e *execution) awaitExit(host context.Context, timeout time.Duration) command.Result {
	var expired <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	gone := host.Done()
	var timedOut, cancelled bool
	var badInput *command.Failure
	var main *process.Exit
	var groupEnded <-chan struct{}
	for {
		select {
		case exit := <-e.Exited:
			e.NoteMainEnd()
			goesOn := e.wholeGroup || e.WasHungUp()
			if !goesOn || !e.HasProcesses() {
				return e.result(exit, timedOut, cancelled, badInput)
			}
			main, groupEnded = &exit, e.GroupEnded()
			if e.wholeGroup {
				e.out.writeJSON(frame.MainExit, e.result(exit, timedOut, cancelled, badInput))
				e.out.flush()
			}
			continue
		case <-groupEnded:
			return e.result(*main, timedOut, cancelled, badInput)
		case <-expired:
			timedOut = true
			expired = nil
		case <-gone:
			cancelled = true
			gone = nil
		case badInput = <-e.badInput:
			cancelled = true
		}
		e.kill()
	}
}

func (e *execution) result(exit process.Exit, timedOut, cancelled bool, badInput *command.Failure) command.Result {
	result := e.Result(exit)
	result.TimedOut = timedOut
	result.Cancelled = cancelled && !timedOut
	result.Error = badInput
	return result
}
