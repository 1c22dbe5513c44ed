package process

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestReaperReportsExitsAndCollectsOrphans(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	reaper := NewReaper()

	for _, want := range []int{0, 7, 255} {
		exit := mustRun(t, reaper, "exit "+strconv.Itoa(want))
		if exit.Status.ExitStatus() != want {
			t.Errorf("got status %d, want %d", exit.Status.ExitStatus(), want)
		}
	}
	if exit := mustRun(t, reaper, "kill -9 $$"); exit.Status.Signal() != syscall.SIGKILL {
		t.Errorf("got signal %v, want SIGKILL", exit.Status.Signal())
	}

	mustRun(t, reaper, "(sleep 0.05 &) &")
	awaitNoChildren(t)

	if _, _, err := reaper.Start("/nonexistent", []string{"x"}, &syscall.ProcAttr{}); err == nil {
		t.Error("a program that does not exist was started")
	}
	mustRun(t, reaper, "true")
}

func mustRun(t *testing.T, reaper *Reaper, script string) Exit {
	t.Helper()
	_, exited, err := reaper.Start("/bin/sh", []string{"sh", "-c", script}, &syscall.ProcAttr{Env: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case exit := <-exited:
		return exit
	case <-time.After(10 * time.Second):
		t.Fatalf("%q did not end", script)
		panic("unreachable")
	}
}

func awaitNoChildren(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for children(t) != "" {
		if time.Now().After(deadline) {
			t.Fatalf("children are left: %s", children(t))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func children(t *testing.T) string {
	var all []string
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		text, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		all = append(all, strings.Fields(string(text))...)
	}
	return strings.Join(all, " ")
}
