// Package cgrouptest gives tests control groups, if the machine allows them.
package cgrouptest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pyro.agent/internal/cgroup"
)

// NewParent returns a parent group that the end of the test removes. Without control groups the
// test is skipped, or fails if PYRO_REQUIRE_VM=1.
func NewParent(t testing.TB) *cgroup.Parent {
	t.Helper()
	base, err := makeBase()
	if err != nil {
		if os.Getenv("PYRO_REQUIRE_VM") == "1" {
			t.Fatalf("no writable cgroup v2 hierarchy: %v", err)
		}
		t.Skipf("no writable cgroup v2 hierarchy: %v", err)
	}
	t.Cleanup(func() { removeTree(t, base) })
	// NewParent sets up controllers in the parent of the group, so the test needs one of its own.
	parent, err := cgroup.NewParent(filepath.Join(base, "commands"))
	if err != nil {
		t.Fatal(err)
	}
	return parent
}

func makeBase() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	root := "/sys/fs/cgroup"
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == "cgroup2" {
			root = fields[1]
		}
	}
	base, err := os.MkdirTemp(root, "pyro-test-")
	if err != nil {
		return "", err
	}
	// An ordinary directory would pass every step except the kill.
	if _, err := os.Stat(filepath.Join(base, "cgroup.kill")); err != nil {
		os.Remove(base)
		return "", err
	}
	return base, nil
}

// removeTree retries, because killed processes take a moment to go.
func removeTree(t testing.TB, base string) {
	if err := os.WriteFile(filepath.Join(base, "cgroup.kill"), []byte("1"), 0); err != nil {
		t.Errorf("kill what the test left: %v", err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		groups, _ := filepath.Glob(filepath.Join(base, "commands/exec-*"))
		for _, path := range append(groups, filepath.Join(base, "commands")) {
			os.Remove(path)
		}
		err := os.Remove(base)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("remove the test's control groups: %v", err)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
