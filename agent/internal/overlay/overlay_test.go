package overlay_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/overlay"
	"pyro.agent/internal/overlay/overlaytest"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestTheOverlayWorksWithoutItsDiskInSight(t *testing.T) {
	_, at := overlaytest.New(t, func(base string) {
		write(t, base+"/kept", "kept")
		write(t, base+"/dir/sub/file", "old")
	})
	if mounts := read(t, "/proc/self/mounts"); strings.Contains(mounts, filepath.Dir(at)+"/private ") {
		t.Errorf("the disk is in sight:\n%s", mounts)
	}
	write(t, at+"/new/file", "new")
	write(t, at+"/dir/sub/file", "changed")
	for _, err := range []error{
		os.Rename(at+"/dir", at+"/moved"),
		os.Chmod(at+"/kept", 0o600),
		os.Remove(at + "/new/file"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if got := read(t, at+"/moved/sub/file") + read(t, at+"/kept"); got != "changedkept" {
		t.Errorf("got %q", got)
	}
}

func TestAReleasedWorkspaceIsOnItsDiskAndNothingElse(t *testing.T) {
	disk := overlaytest.NewDisk(t, func(base string) { write(t, base+"/file", "old") })
	workspace, at := disk.Mount(t)
	write(t, at+"/file", "new")
	if err := os.MkdirAll(at+"/.pyro-incoming-1/deep", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := workspace.Release(); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command("e2fsck", "-fn", disk.Device).CombinedOutput(); err != nil {
		t.Errorf("the disk is not clean: %v\n%s", err, output)
	}
	if output, _ := exec.Command("dumpe2fs", "-h", disk.Device).CombinedOutput(); strings.Contains(string(output), "needs_recovery") {
		t.Errorf("the disk was not unmounted:\n%s", output)
	}
	_, at = disk.Mount(t)
	if got := read(t, at+"/file"); got != "new" {
		t.Errorf("got %q", got)
	}
	if leftovers, _ := filepath.Glob(at + "/.pyro-incoming-*"); leftovers != nil {
		t.Errorf("what a write left is still there: %q", leftovers)
	}
}

func TestAWorkspaceInUseIsNotReleased(t *testing.T) {
	workspace, at := overlaytest.New(t, nil)
	file, err := os.Create(at + "/open")
	if err != nil {
		t.Fatal(err)
	}
	if err := workspace.Release(); !errors.Is(err, unix.EBUSY) {
		t.Errorf("got %v", err)
	}
	if err := workspace.Sync(); err != nil {
		t.Errorf("it can't be used any more: %v", err)
	}
	file.Close()
}

func TestAnAbandonedDiskNeedsNoRepair(t *testing.T) {
	disk := overlaytest.NewDisk(t, nil)
	workspace, at := disk.Mount(t)
	file, err := os.Create(at + "/open")
	if err != nil {
		t.Fatal(err)
	}
	if err := workspace.Abandon(); err != nil {
		t.Fatal(err)
	}
	if output, _ := exec.Command("dumpe2fs", "-h", disk.Device).CombinedOutput(); strings.Contains(string(output), "needs_recovery") {
		t.Errorf("the disk needs recovery:\n%s", output)
	}
	done := make(chan struct{})
	go func() { unix.Sync(); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("sync waits for the frozen disk")
	}
	workspace.ThawForTest()
	file.Close()
	workspace.CloseForTest()
}

func TestAFrozenWorkspaceIsNotWritten(t *testing.T) {
	workspace, at := overlaytest.New(t, nil)
	if err := workspace.Thaw(); !errors.Is(err, overlay.ErrNotFrozen) {
		t.Errorf("got %v", err)
	}
	if err := workspace.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := workspace.Freeze(); !errors.Is(err, overlay.ErrFrozen) {
		t.Errorf("got %v", err)
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(at+"/file", []byte("late"), 0o644) }()
	synced := make(chan error, 1)
	go func() { synced <- workspace.Sync() }()
	if err := <-synced; err != nil {
		t.Error(err)
	}
	select {
	case err := <-written:
		t.Errorf("a frozen workspace was written: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := workspace.Thaw(); err != nil {
		t.Error(err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	if err := workspace.Thaw(); !errors.Is(err, overlay.ErrNotFrozen) {
		t.Errorf("got %v", err)
	}
}

func TestAFrozenWorkspaceThawsByItself(t *testing.T) {
	workspace, at := overlaytest.New(t, nil)
	overlay.ThawAfterForTest(t, 50*time.Millisecond)
	if err := workspace.Freeze(); err != nil {
		t.Fatal(err)
	}
	write(t, at+"/file", "written when it had thawed")
	if err := workspace.Thaw(); !errors.Is(err, overlay.ErrNotFrozen) {
		t.Errorf("got %v", err)
	}
}

func TestADiskWithoutTheDirectoriesIsRefused(t *testing.T) {
	disk := overlaytest.NewDisk(t, nil)
	at := t.TempDir()
	if _, err := overlay.MountVia(t.TempDir(), "/dev/null", at, false); err == nil {
		t.Error("mounted /dev/null")
	}
	if err := exec.Command("mkfs.ext4", "-q", "-F", disk.Device).Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := overlay.MountVia(t.TempDir(), disk.Device, at, false); err == nil {
		t.Error("mounted an empty disk")
	}
}
