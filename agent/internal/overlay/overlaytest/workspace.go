// Package overlaytest gives tests a workspace on a disk of its own, if the machine lets them mount
// one.
package overlaytest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/overlay"
)

const diskSize = 64 << 20

// Disk is a workspace's disk that is not mounted yet.
type Disk struct {
	Device string
	dir    string
}

// NewDisk makes a disk whose base a function fills, which may be nil. If the machine can't, the
// test is skipped, or fails if PYRO_REQUIRE_VM=1.
func NewDisk(t testing.TB, fill func(base string)) *Disk {
	t.Helper()
	if os.Getuid() != 0 {
		unable(t, "only root can mount")
	}
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	for _, name := range []string{"base", "upper", "work"} {
		if err := os.MkdirAll(filepath.Join(tree, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if fill != nil {
		fill(filepath.Join(tree, "base"))
	}
	image := filepath.Join(dir, "disk")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, diskSize); err != nil {
		t.Fatal(err)
	}
	command(t, "mkfs.ext4", "-q", "-d", tree, image)
	device := strings.TrimSpace(command(t, "losetup", "--find", "--show", image))
	t.Cleanup(func() { command(t, "losetup", "--detach", device) })
	return &Disk{Device: device, dir: dir}
}

// Mount mounts the disk until the end of the test, or until it is released.
func (d *Disk) Mount(t testing.TB) (workspace *overlay.Workspace, mountPoint string) {
	t.Helper()
	return d.mount(t, false)
}

// MountBaseline mounts the disk without the changes that it has.
func (d *Disk) MountBaseline(t testing.TB) (workspace *overlay.Workspace, mountPoint string) {
	t.Helper()
	return d.mount(t, true)
}

func (d *Disk) mount(t testing.TB, discard bool) (workspace *overlay.Workspace, mountPoint string) {
	t.Helper()
	mountPoint = filepath.Join(d.dir, "workspace")
	workspace, err := overlay.MountVia(filepath.Join(d.dir, "private"), d.Device, mountPoint, discard)
	if err != nil {
		unable(t, err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Access(filepath.Join(mountPoint, "."), unix.F_OK); err != nil || !isMounted(mountPoint) {
			return
		}
		if err := workspace.Release(); err != nil {
			t.Errorf("release: %v", err)
			_ = workspace.Abandon()
		}
	})
	return workspace, mountPoint
}

// New is NewDisk and Mount.
func New(t testing.TB, fill func(base string)) (workspace *overlay.Workspace, mountPoint string) {
	t.Helper()
	return NewDisk(t, fill).Mount(t)
}

func isMounted(path string) bool {
	mounts, _ := os.ReadFile("/proc/self/mounts")
	return strings.Contains(string(mounts), " "+path+" ")
}

func command(t testing.TB, name string, arguments ...string) string {
	t.Helper()
	output, err := exec.Command(name, arguments...).CombinedOutput()
	if err != nil {
		unable(t, name+": "+err.Error()+": "+string(output))
	}
	return string(output)
}

func unable(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("PYRO_REQUIRE_VM") == "1" {
		t.Fatalf("no workspace can be mounted: %s", reason)
	}
	t.Skipf("no workspace can be mounted: %s", reason)
}
