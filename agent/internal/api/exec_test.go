package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pyro.agent/internal/cgroup/cgrouptest"
	"pyro.agent/internal/command"
	"pyro.agent/internal/frame"
)

func newExecGuest(t *testing.T) *guest {
	return newGuest(t, cgrouptest.NewParent(t))
}

func specFrame(t *testing.T, spec any) []byte {
	t.Helper()
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	return frame.Encode(frame.Spec, text)
}

// outcome is everything that a command gave.
type outcome struct {
	command.Result
	pid            int
	stdout, stderr []byte
}

// exec runs a command with all of its input at once, by default in /tmp.
func (g *guest) exec(t *testing.T, spec command.Spec, input ...[]byte) outcome {
	t.Helper()
	if spec.Cwd == "" {
		spec.Cwd = "/tmp"
	}
	body := specFrame(t, spec)
	for _, piece := range input {
		body = append(body, frame.Encode(frame.Stdin, piece)...)
	}
	response, err := g.Do(request(t, http.MethodPost, "/v1/exec", "", bytes.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		t.Fatalf("exec gave %s: %s", response.Status, text)
	}
	return readOutcome(t, response.Body)
}

func readOutcome(t *testing.T, body io.Reader) outcome {
	t.Helper()
	return readOutcomeOf(t, frame.NewReader(body))
}

func readOutcomeOf(t *testing.T, frames *frame.Reader) outcome {
	t.Helper()
	var got outcome
	for {
		kind, payload, err := frames.Next()
		if err != nil {
			t.Fatalf("the stream ended without an exit frame: %v", err)
		}
		switch kind {
		case frame.Started:
			var started struct{ PID int }
			if err := json.Unmarshal(payload, &started); err != nil {
				t.Fatal(err)
			}
			got.pid = started.PID
		case frame.Stdout:
			got.stdout = append(got.stdout, payload...)
		case frame.Stderr:
			got.stderr = append(got.stderr, payload...)
		case frame.Exit:
			if err := json.Unmarshal(payload, &got.Result); err != nil {
				t.Fatal(err)
			}
			if _, _, err := frames.Next(); err != io.EOF {
				t.Fatalf("something follows the exit frame: %v", err)
			}
			return got
		default:
			t.Fatalf("unknown frame %#x", kind)
		}
	}
}

func shell(script string) command.Spec {
	return command.Spec{Argv: []string{"sh", "-c", script}}
}

func (o outcome) mustExit(t *testing.T, want int) {
	t.Helper()
	if o.ExitCode == nil || *o.ExitCode != want {
		t.Errorf("got %+v, want exit code %d; stderr %q", o.Result, want, o.stderr)
	}
}

func TestExecReportsExitCodes(t *testing.T) {
	g := newExecGuest(t)
	for _, want := range []int{0, 1, 7, 126, 127, 255} {
		got := g.exec(t, shell(fmt.Sprint("exit ", want)))
		got.mustExit(t, want)
		if got.pid <= 1 || got.Error != nil || got.DurationMs <= 0 || got.Signal != nil {
			t.Errorf("exit %d gave %+v, pid %d", want, got.Result, got.pid)
		}
	}
}

func TestExecReportsSignals(t *testing.T) {
	got := newExecGuest(t).exec(t, shell("kill -TERM $$"))
	if got.ExitCode != nil || got.Signal == nil || *got.Signal != "SIGTERM" || got.TimedOut || got.Cancelled {
		t.Errorf("got %+v", got.Result)
	}
}

func TestExecPassesArgumentsUnchanged(t *testing.T) {
	g := newExecGuest(t)
	arguments := []string{"", " ", "two\nlines", "$HOME `id` \\ \" '", "snow ☃", strings.Repeat("x", 100_000)}
	got := g.exec(t, command.Spec{Argv: append([]string{"printf", `%s\0`}, arguments...)})
	got.mustExit(t, 0)
	if want := strings.Join(arguments, "\x00") + "\x00"; string(got.stdout) != want {
		t.Errorf("got %.200q, want %.200q", got.stdout, want)
	}
}

func TestExecRunsTextInAShell(t *testing.T) {
	g := newExecGuest(t)
	text := `printf '%s ' "$SHELL" one | tr o 0; exit 3`
	got := g.exec(t, command.Spec{Shell: &text})
	got.mustExit(t, 3)
	if output := string(got.stdout); output != "/bin/bash 0ne " && output != "/bin/sh 0ne " && output != "/usr/bin/bash 0ne " {
		// tr changes the o of no shell's path.
		t.Errorf("got %q", output)
	}
	empty := ""
	g.exec(t, command.Spec{Shell: &empty}).mustExit(t, 0)
}

func TestExecSetsUpTheEnvironment(t *testing.T) {
	value := "with = and\nnewline"
	got := newExecGuest(t).exec(t, command.Spec{
		Argv: []string{"sh", "-c", `printf '%s|' "$PATH" "$HOME" "$LANG" "$TERM" "$MINE" "${USER-none}"; pwd`},
		Cwd:  "/usr",
		Env:  map[string]*string{"MINE": &value, "USER": nil},
	})
	want := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin|/root|C.UTF-8|dumb|" + value + "|none|/usr\n"
	if string(got.stdout) != want {
		t.Errorf("got %q, want %q", got.stdout, want)
	}
}

func TestExecGivesEachCommandItsOwnSession(t *testing.T) {
	got := newExecGuest(t).exec(t, shell(`cut -d' ' -f6 /proc/$$/stat; grep -E 'Sig(Blk|Ign)' /proc/self/status; cat /proc/self/oom_score_adj`))
	lines := strings.Fields(string(got.stdout))
	// Processes that make starts ignore signals 32 and 33, which belong to the C library.
	if ignored, err := strconv.ParseUint(lines[4], 16, 64); err == nil && ignored&^(3<<31) == 0 {
		lines[4] = "only the C library's"
	}
	want := []string{strconv.Itoa(got.pid), "SigBlk:", "0000000000000000", "SigIgn:", "only the C library's", "0"}
	if strings.Join(lines, " ") != strings.Join(want, " ") {
		t.Errorf("got %q, want %q", lines, want)
	}
}

func TestExecSaysWhyACommandDidNotStart(t *testing.T) {
	g := newExecGuest(t)
	directory := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, test := range []struct {
		name    string
		spec    command.Spec
		exit    int
		code    command.FailureCode
		message string
	}{
		{"unknown", command.Spec{Argv: []string{"no-such-command"}}, 127, command.NotFound, "no-such-command"},
		{"unknown path", command.Spec{Argv: []string{"./no-such-command"}}, 127, command.NotFound, "./no-such-command"},
		{"empty name", command.Spec{Argv: []string{""}}, 127, command.NotFound, ""},
		{"directory", command.Spec{Argv: []string{"/tmp"}}, 126, command.NotExecutable, "is a directory"},
		{"no permission", command.Spec{Argv: []string{write("plain", "echo", 0o644)}}, 126, command.NotExecutable, "permission denied"},
		{"no format", command.Spec{Argv: []string{write("garbage", "echo hi\n", 0o755)}}, 126, command.NotExecutable, "exec format error"},
		{"bad interpreter", command.Spec{Argv: []string{write("script", "#!/no/such/interpreter -x\n", 0o755)}}, 126, command.NotExecutable, "'/no/such/interpreter'"},
		{"cwd", command.Spec{Argv: []string{"true"}, Cwd: "/no/such/directory"}, 126, command.CwdNotFound, "/no/such/directory"},
		{"cwd is a file", command.Spec{Argv: []string{"true"}, Cwd: "/etc/passwd"}, 126, command.CwdNotFound, "/etc/passwd"},
		{"argument too long", command.Spec{Argv: []string{"true", strings.Repeat("x", 200_000)}}, 126, command.TooLong, "argument list too long"},
	} {
		got := g.exec(t, test.spec)
		got.mustExit(t, test.exit)
		if got.Error == nil || got.Error.Code != test.code || !strings.Contains(got.Error.Message, test.message) || got.pid != 0 {
			t.Errorf("%s: got %+v, pid %d", test.name, got.Error, got.pid)
		}
	}
}

func TestExecRefusesBadRequests(t *testing.T) {
	g := newGuest(t, nil)
	tooLarge := []byte{byte(frame.Spec), 0, 0x10, 0, 1}
	for name, body := range map[string][]byte{
		"nothing":       nil,
		"half a frame":  {1, 0},
		"too large":     tooLarge,
		"no spec":       frame.Encode(frame.Stdin, []byte("x")),
		"no JSON":       frame.Encode(frame.Spec, []byte("{")),
		"no argv":       specFrame(t, map[string]any{}),
		"empty argv":    specFrame(t, map[string]any{"argv": []string{}}),
		"NUL in argv":   specFrame(t, map[string]any{"argv": []string{"a\x00b"}}),
		"relative cwd":  specFrame(t, map[string]any{"argv": []string{"a"}, "cwd": "b"}),
		"bad env":       specFrame(t, map[string]any{"argv": []string{"a"}, "env": map[string]any{"A=B": "c"}}),
		"NUL in env":    specFrame(t, map[string]any{"argv": []string{"a"}, "env": map[string]any{"A": "\x00"}}),
		"negative time": specFrame(t, map[string]any{"argv": []string{"a"}, "timeout_ms": -1}),
		"huge time":     specFrame(t, map[string]any{"argv": []string{"a"}, "timeout_ms": int64(1) << 62}),
		"wrong type":    specFrame(t, map[string]any{"argv": "true"}),
		"argv, shell":   specFrame(t, map[string]any{"argv": []string{"a"}, "shell": "a"}),
		"NUL in shell":  specFrame(t, map[string]any{"shell": "a\x00b"}),
	} {
		t.Run(name, func(t *testing.T) {
			g.mustFail(t, request(t, http.MethodPost, "/v1/exec", "", bytes.NewReader(body)), http.StatusBadRequest, invalidArgument)
		})
	}
}

func TestExecEchoesInput(t *testing.T) {
	g := newExecGuest(t)
	piece := bytes.Repeat([]byte("0123456789abcdef"), frame.MaxPayload/16)
	got := g.exec(t, command.Spec{Argv: []string{"cat"}, Stdin: true}, piece, piece, []byte("end"))
	got.mustExit(t, 0)
	if want := append(append(piece, piece...), "end"...); !bytes.Equal(got.stdout, want) {
		t.Errorf("got %d bytes, want %d", len(got.stdout), len(want))
	}
}

func TestExecWithoutInputReadsNothing(t *testing.T) {
	g := newExecGuest(t)
	g.exec(t, command.Spec{Argv: []string{"cat"}}).mustExit(t, 0)
}

func TestExecOfACommandThatIgnoresItsInput(t *testing.T) {
	g := newExecGuest(t)
	piece := make([]byte, frame.MaxPayload)
	for _, script := range []string{"exit 3", "exec <&-; sleep 0.2; exit 3", "head -c 10 >/dev/null; exit 3"} {
		spec := shell(script)
		spec.Stdin = true
		g.exec(t, spec, piece, piece, piece, piece, piece, piece, piece, piece).mustExit(t, 3)
	}
}

func TestExecDeliversLargeOutputToASlowReader(t *testing.T) {
	g := newExecGuest(t)
	const size = 50 << 20
	response, err := g.Do(request(t, http.MethodPost, "/v1/exec", "",
		bytes.NewReader(specFrame(t, shell(fmt.Sprintf("head -c %d /dev/zero; printf done >&2", size))))))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	time.Sleep(300 * time.Millisecond)
	got := readOutcome(t, response.Body)
	got.mustExit(t, 0)
	if len(got.stdout) != size || string(got.stderr) != "done" {
		t.Errorf("got %d bytes and %q", len(got.stdout), got.stderr)
	}
}

func TestExecCarriesBothStreamsAtOnce(t *testing.T) {
	got := newExecGuest(t).exec(t, shell("head -c 3000000 /dev/zero & head -c 3000000 /dev/zero >&2; wait"))
	got.mustExit(t, 0)
	if len(got.stdout) != 3_000_000 || len(got.stderr) != 3_000_000 {
		t.Errorf("got %d and %d bytes", len(got.stdout), len(got.stderr))
	}
}

func TestExecSendsOutputAsItComes(t *testing.T) {
	g := newExecGuest(t)
	body, host := io.Pipe()
	defer host.Close()
	spec := shell("echo ready; read answer; echo $answer >&2")
	spec.Stdin, spec.Cwd = true, "/tmp"
	go host.Write(specFrame(t, spec))
	response, err := g.Do(request(t, http.MethodPost, "/v1/exec", "", body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	frames := frame.NewReader(response.Body)
	for _, want := range []frame.Type{frame.Started, frame.Stdout} {
		if kind, _, err := frames.Next(); err != nil || kind != want {
			t.Fatalf("got frame %#x, %v; want %#x", kind, err, want)
		}
	}
	host.Write(frame.Encode(frame.Stdin, []byte("yes\n")))
	if got := readOutcome(t, response.Body); string(got.stderr) != "yes\n" {
		t.Errorf("got %q", got.stderr)
	}
}

// escapees starts processes that leave the session, the process group and the parent, and
// prints their pids.
const escapees = `(setsid sh -c '(sleep 300 & echo $!; exec sleep 300) & echo $!' &); sleep 300 & echo $!; printf partial; `

func TestExecTimeoutKillsTheWholeTree(t *testing.T) {
	g := newExecGuest(t)
	spec := shell(escapees + "exec sleep 300")
	spec.TimeoutMs = 500
	got := g.exec(t, spec)
	if !got.TimedOut || got.Cancelled || got.Signal == nil || *got.Signal != "SIGKILL" || got.DurationMs < 499 {
		t.Errorf("got %+v", got.Result)
	}
	if !strings.Contains(string(got.stdout), "partial") {
		t.Errorf("what was printed before is lost: %q", got.stdout)
	}
	mustAllDie(t, string(got.stdout))
}

func TestExecTimeoutKillsAForkBomb(t *testing.T) {
	spec := shell(`bomb() { sleep 0.01; bomb & bomb & wait; }; ulimit -u 200; bomb`)
	spec.TimeoutMs = 300
	if got := newExecGuest(t).exec(t, spec); !got.TimedOut {
		t.Errorf("got %+v", got.Result)
	}
}

func TestExecIsCancelledWithItsStream(t *testing.T) {
	g := newExecGuest(t)
	ctx, cancel := context.WithCancel(t.Context())
	r := request(t, http.MethodPost, "/v1/exec", "", bytes.NewReader(specFrame(t, shell(escapees+"echo; exec sleep 300"))))
	response, err := g.Do(r.WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var printed string
	for frames := frame.NewReader(response.Body); strings.Count(printed, "\n") < 4; {
		_, payload, err := frames.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(payload, []byte("{")) {
			printed += string(payload)
		}
	}
	cancel()
	mustAllDie(t, printed)
}

func mustAllDie(t *testing.T, printed string) {
	t.Helper()
	var pids []int
	for _, field := range strings.Fields(strings.ReplaceAll(printed, "partial", " ")) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatalf("%q is no list of pids", printed)
		}
		pids = append(pids, pid)
	}
	if len(pids) != 3 {
		t.Fatalf("got %d pids: %q", len(pids), printed)
	}
	deadline := time.Now().Add(patience)
	for _, pid := range pids {
		for !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) && !isZombie(pid) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d is alive", pid)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// isZombie is for orphans, because the init of the test machine may take a while to collect them.
func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && bytes.Contains(stat, []byte(") Z "))
}

func TestExecDoesNotWaitForBackgroundProcesses(t *testing.T) {
	g := newExecGuest(t)
	marker := filepath.Join(t.TempDir(), "survived")
	got := g.exec(t, shell(fmt.Sprintf(`(sleep 0.5; echo late && echo late >&2 && touch %s; sleep 300) & echo early; echo early >&2; exit 4`, marker)))
	got.mustExit(t, 4)
	if string(got.stdout) != "early\n" || string(got.stderr) != "early\n" {
		t.Errorf("got %q and %q", got.stdout, got.stderr)
	}
	deadline := time.Now().Add(patience)
	for {
		if _, err := os.Stat(marker); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the background process did not survive its output")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestExecOutputOfTheMainProcessIsCompleteThoughTheBackgroundPrintsOn(t *testing.T) {
	got := newExecGuest(t).exec(t, shell(`(while :; do echo noise >&2 || exit; done) & head -c 60000 /dev/zero`))
	got.mustExit(t, 0)
	if len(got.stdout) != 60_000 {
		t.Errorf("got %d bytes", len(got.stdout))
	}
}

func TestExecKillsACommandWithMalformedInput(t *testing.T) {
	g := newExecGuest(t)
	spec := shell("exec sleep 300")
	spec.Stdin = true
	body := append(specFrame(t, spec), byte(frame.Stdin), 0xff, 0xff, 0xff, 0xff)
	response, err := g.Do(request(t, http.MethodPost, "/v1/exec", "", bytes.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got := readOutcome(t, response.Body)
	if !got.Cancelled || got.Error == nil || got.Error.Code != command.InvalidInput {
		t.Errorf("got %+v", got.Result)
	}
}

func TestFreezeIsRefusedWhileACommandRuns(t *testing.T) {
	g := newExecGuest(t)
	response, err := g.Do(request(t, http.MethodPost, "/v1/exec", "", bytes.NewReader(specFrame(t, shell("exec sleep 300")))))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	g.mustFail(t, request(t, http.MethodPost, "/v1/freeze", "", nil), http.StatusConflict, failedPrecondition)
}

func BenchmarkExec(b *testing.B) {
	commands, err := command.NewRunner(theReaper(), cgrouptest.NewParent(b))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		started, err := commands.Start(command.Spec{Argv: []string{"true"}, Cwd: "/"})
		if err != nil {
			b.Fatal(err)
		}
		started.Result(<-started.Exited)
		commands.Release(started)
		started.Stdout.Abandon()
		started.Stderr.Abandon()
	}
}

// stream starts a command whose request stays open, and returns what sends it frames.
func (g *guest) stream(t *testing.T, spec command.Spec) (*frame.Reader, func(kind frame.Type, payload string)) {
	t.Helper()
	reader, writer := io.Pipe()
	t.Cleanup(func() { writer.Close() })
	go writer.Write(specFrame(t, spec))
	response, err := g.Do(request(t, http.MethodPost, "/v1/exec", "", reader))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return frame.NewReader(response.Body), func(kind frame.Type, payload string) {
		if _, err := writer.Write(frame.Encode(kind, []byte(payload))); err != nil {
			t.Error(err)
		}
	}
}

// until reads frames up to one of a type.
func until(t *testing.T, frames *frame.Reader, wanted frame.Type) []byte {
	t.Helper()
	for {
		kind, payload, err := frames.Next()
		if err != nil {
			t.Fatalf("no frame %#02x: %v", wanted, err)
		}
		if kind == wanted {
			return payload
		}
	}
}

func TestExecSendsSignalsToEveryProcess(t *testing.T) {
	g := newExecGuest(t)
	const script = `trap 'echo parent; wait; exit 5' TERM; setsid sh -c 'trap "echo child; exit" TERM; echo on; while :; do sleep 0.05; done' & while :; do sleep 0.05; done`
	frames, send := g.stream(t, command.Spec{Argv: []string{"sh", "-c", script}, Cwd: "/tmp", Label: "both"})
	until(t, frames, frame.Stdout)
	send(frame.Signal, `{"signal":"NO-SUCH"}`)
	send(frame.Signal, `not JSON`)
	send(frame.Signal, `{"signal":"TERM"}`)
	got := readOutcomeOf(t, frames)
	if got.ExitCode == nil || *got.ExitCode != 5 || !bytes.Contains(got.stdout, []byte("child")) {
		t.Errorf("got exit code %v and %q", got.ExitCode, got.stdout)
	}
}

func TestAWholeGroupEndsWithItsLastProcess(t *testing.T) {
	g := newExecGuest(t)
	spec := command.Spec{
		Argv: []string{"sh", "-c", "setsid sh -c 'sleep 0.5; echo late' & exit 3"}, Cwd: "/tmp",
		Label: "daemon", WholeGroup: true,
	}
	frames, _ := g.stream(t, spec)
	var main command.Result
	if err := json.Unmarshal(until(t, frames, frame.MainExit), &main); err != nil || *main.ExitCode != 3 {
		t.Fatalf("got %+v, %v", main, err)
	}
	if state, _ := g.commandState(t, "daemon"); state.ProcessCount == 0 {
		t.Error("a command whose first process has ended has no process")
	}
	got := readOutcomeOf(t, frames)
	if *got.ExitCode != 3 || string(got.stdout) != "late\n" {
		t.Errorf("got exit code %d and %q", *got.ExitCode, got.stdout)
	}
}

// commandState returns what a command does, and the status of the answer.
func (g *guest) commandState(t *testing.T, label string) (state commandState, status int) {
	t.Helper()
	body := strings.NewReader(fmt.Sprintf(`{"label":%q}`, label))
	response, err := g.Do(request(t, http.MethodPost, "/v1/command", "", body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&state); err != nil {
		t.Fatal(err)
	}
	return state, response.StatusCode
}

func TestTheStateOfACommandHasItsServers(t *testing.T) {
	g := newExecGuest(t)
	const server = `import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True); s.accept()`
	frames, send := g.stream(t, command.Spec{Argv: []string{"python3", "-c", server}, Cwd: "/tmp", Label: "server", WholeGroup: true})
	port, _ := strconv.Atoi(strings.TrimSpace(string(until(t, frames, frame.Stdout))))
	state, _ := g.commandState(t, "server")
	if len(state.Listening) != 1 || int(state.Listening[0].Port) != port || state.Listening[0].Address != "127.0.0.1" {
		t.Errorf("got %+v, want port %d", state.Listening, port)
	}
	send(frame.Signal, `{"signal":"KILL"}`)
	if got := readOutcomeOf(t, frames); got.Signal == nil || *got.Signal != "SIGKILL" {
		t.Errorf("got %+v", got.Result)
	}
	// The group is given up after the answer.
	for range 100 {
		if _, status := g.commandState(t, "server"); status == http.StatusNotFound {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a command that has ended counts as running")
}
