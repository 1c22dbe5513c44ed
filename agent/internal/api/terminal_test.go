package api

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pyro.agent/internal/command"
	"pyro.agent/internal/frame"
	"pyro.agent/internal/terminal"
)

// atTerminal is a command that runs at a terminal.
type atTerminal struct {
	*guest
	input  *io.PipeWriter
	output chan string
	// all that it has printed
	printed string
	ended   chan outcome
}

func (g *guest) startAtTerminal(t *testing.T, spec command.Spec) *atTerminal {
	t.Helper()
	spec.Label, spec.Cwd = "at terminal", "/tmp"
	spec.Terminal = &terminal.Size{Cols: 80, Rows: 24}
	body, input := io.Pipe()
	c := &atTerminal{guest: g, input: input, output: make(chan string, 1000), ended: make(chan outcome, 1)}
	go input.Write(specFrame(t, spec))
	response, err := g.Do(request(t, http.MethodPost, "/v1/exec", "", body))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close()
		response.Body.Close()
	})
	go func() {
		defer close(c.output)
		frames := frame.NewReader(response.Body)
		for {
			kind, payload, err := frames.Next()
			if err != nil {
				return
			}
			switch kind {
			case frame.Stdout:
				c.output <- string(payload)
			case frame.Exit:
				var end outcome
				_ = json.Unmarshal(payload, &end.Result)
				c.ended <- end
			}
		}
	}()
	return c
}

// prints waits until the command has printed a text since the last call.
func (c *atTerminal) prints(t *testing.T, text string) {
	t.Helper()
	limit := time.After(patience)
	for {
		if _, after, found := strings.Cut(c.printed, text); found {
			c.printed = after
			return
		}
		select {
		case more, ok := <-c.output:
			if !ok {
				t.Fatalf("the command ended without printing %q, after %q", text, c.printed)
			}
			c.printed += more
		case <-limit:
			t.Fatalf("the command has not printed %q, but %q", text, c.printed)
		}
	}
}

func (c *atTerminal) types(t *testing.T, text string) {
	t.Helper()
	if _, err := c.input.Write(frame.Encode(frame.Stdin, []byte(text))); err != nil {
		t.Fatal(err)
	}
}

func (c *atTerminal) look(t *testing.T) (state terminal.State) {
	t.Helper()
	c.ask(t, "/v1/command/terminal", map[string]any{"label": "at terminal"}, &state)
	return state
}

func (c *atTerminal) ask(t *testing.T, path string, body, answer any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.Do(request(t, http.MethodPost, path, "", bytes.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, _ := io.ReadAll(response.Body)
	if response.StatusCode >= 300 {
		t.Fatalf("%s gave %s: %s", path, response.Status, content)
	}
	if answer != nil {
		if err := json.Unmarshal(content, answer); err != nil {
			t.Fatal(err)
		}
	}
}

// becomes waits for a state of the terminal.
func (c *atTerminal) becomes(t *testing.T, what string, is func(terminal.State) bool) terminal.State {
	t.Helper()
	var state terminal.State
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if state = c.look(t); state.Foreground != nil && is(state) {
			return state
		}
	}
	t.Fatalf("the terminal never had %s, but %+v, %+v", what, state, state.Foreground)
	return state
}

func waits(state terminal.State) bool {
	return state.Foreground.Reads == terminal.Reads && state.UnreadBytes == 0
}

func TestAShellAtATerminalMarksItsCommands(t *testing.T) {
	shell := newExecGuest(t).startAtTerminal(t, command.Spec{})
	shell.prints(t, "\x1b]133;A\a")
	state := shell.becomes(t, "a prompt", waits)
	if state.Size != (terminal.Size{Cols: 80, Rows: 24}) || state.ByLine {
		t.Errorf("got %+v, want 80 columns, 24 rows and a line editor", state)
	}
	shell.types(t, "(exit 7)\n")
	shell.prints(t, "\x1b]133;C\a")
	shell.prints(t, "\x1b]133;D;7\a")
	shell.types(t, "ls -l /proc/$$/fd | grep -c memfd\n")
	shell.prints(t, "\x1b]133;C\a0\r\n")
	shell.types(t, "stty size; sleep 60\n")
	shell.prints(t, "24 80")
	shell.becomes(t, "sleep", func(s terminal.State) bool { return strings.HasPrefix(s.Foreground.Command, "sleep") })
	shell.ask(t, "/v1/command/terminal/size", map[string]any{"label": "at terminal", "cols": 100, "rows": 30}, nil)
	var answer signalAnswer
	shell.ask(t, "/v1/command/signal", map[string]any{"label": "at terminal", "signal": "INT", "foreground": true}, &answer)
	if answer.Group == 0 {
		t.Error("the signal went to no process group")
	}
	shell.prints(t, "\x1b]133;D;130\a")
	shell.types(t, "stty size\n")
	shell.prints(t, "30 100")
	shell.types(t, "exit 3\n")
	end := <-shell.ended
	end.mustExit(t, 3)
}

func TestAShellMarksItsCommandsWhateverItsUserHasSet(t *testing.T) {
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".bashrc"), []byte("set -u; exec 3>&1; unset PS0"), 0o600); err != nil {
		t.Fatal(err)
	}
	shell := newExecGuest(t).startAtTerminal(t, command.Spec{Env: map[string]*string{"HOME": &home}})
	shell.prints(t, "\x1b]133;A\a")
	shell.types(t, "echo yes >&3; (exit 7)\n")
	shell.prints(t, "\x1b]133;C\ayes\r\n")
	shell.prints(t, "\x1b]133;D;7\a")
	shell.types(t, "exit\n")
	<-shell.ended
}

func TestWhatWaitsAtATerminal(t *testing.T) {
	guest := newExecGuest(t)
	for _, c := range []struct {
		name, script, needs string
		is                  func(terminal.State) bool
	}{
		{"read", "read -r line", "", func(s terminal.State) bool { return waits(s) && s.ByLine && s.Echo }},
		{"read -s", "read -rs line", "", func(s terminal.State) bool { return waits(s) && s.ByLine && !s.Echo }},
		{"a pipe to cat of the terminal", "sleep 60 | cat /dev/tty", "", func(s terminal.State) bool {
			return waits(s) && strings.HasPrefix(s.Foreground.Command, "cat")
		}},
		{"sleep", "sleep 60", "", func(s terminal.State) bool {
			return s.Foreground.Reads == terminal.DoesNotRead && strings.HasPrefix(s.Foreground.Command, "sleep")
		}},
		{"select", "exec python3 -c 'import select; select.select([0],[],[])'", "python3", waits},
		{"poll", "exec python3 -c 'import select; p=select.poll(); p.register(0, select.POLLIN); p.poll()'", "python3", waits},
		{"epoll", "exec python3 -c 'import select; p=select.epoll(); p.register(0, select.EPOLLIN); p.poll()'", "python3", waits},
		{"epoll of something else", "exec python3 -c 'import os,select; r,w=os.pipe(); p=select.epoll(); p.register(r); p.poll()'", "python3",
			func(s terminal.State) bool { return s.Foreground.Reads == terminal.DoesNotRead }},
		{"a password at an inner terminal", "exec python3 -c 'import pty; pty.spawn([\"bash\", \"-c\", \"read -rs x\"])'", "python3",
			func(s terminal.State) bool {
				return waits(s) && s.ByLine && !s.Echo && strings.HasPrefix(s.Foreground.Command, "bash")
			}},
		{"work at an inner terminal", "exec python3 -c 'import pty; pty.spawn([\"sleep\", \"60\"])'", "python3",
			func(s terminal.State) bool {
				return s.Foreground.Command == "sleep 60" && s.Foreground.Reads == terminal.DoesNotRead
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.needs != "" {
				if _, err := exec.LookPath(c.needs); err != nil {
					t.Skipf("%s is missing", c.needs)
				}
			}
			running := guest.startAtTerminal(t, command.Spec{Argv: []string{"bash", "-c", c.script}})
			running.becomes(t, c.name, c.is)
			running.ask(t, "/v1/command/signal", map[string]any{"label": "at terminal", "signal": "KILL"}, nil)
			<-running.ended
		})
	}
}
