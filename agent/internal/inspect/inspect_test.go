package inspect_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/inspect"
	"pyro.agent/internal/overlay/overlaytest"
	"pyro.agent/internal/tree"
)

const bundle = "# first\n# pyro: begin\nAAAA\n# pyro: end\n# last\n"

// script makes what an export must keep, in the directory that it runs in.
const script = `set -eu
mkdir -p etc/ssl/certs usr/local/share/ca-certificates deep/er workspace
printf '%s' "$BUNDLE" > etc/ssl/certs/ca-certificates.crt
echo theirs > usr/local/share/ca-certificates/company.crt
echo ours > usr/local/share/ca-certificates/pyro-host-1.crt
echo hidden > workspace/under-the-mount
echo text > file && chown 7:8 file && chmod 4751 file && touch -d @1.5 file
ln file deep/er/second
truncate -s 3M sparse && printf x | dd of=sparse bs=1 seek=2000000 conv=notrunc status=none
ln -s /nowhere link && chown -h 3:4 link && touch -h -d @2 link
mknod null c 1 3 && mkfifo pipe && chmod 622 pipe
printf raw > "$(printf 'n\377me')"
chmod 1770 deep && chown 5 deep && touch -d @3 deep/er deep`

func TestAnExportHasEverythingOfBothDisks(t *testing.T) {
	disk := overlaytest.NewDisk(t, func(base string) {
		write(t, filepath.Join(base, "changed"), "old")
		write(t, filepath.Join(base, "deleted"), "old")
	})
	workspace, at := disk.Mount(t)
	if err := os.Remove(filepath.Join(at, "deleted")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Chmod(filepath.Join(at, "changed"), 0o4700); err != nil {
		t.Fatal(err)
	}
	source := image(t, func(root string) {
		shell(t, root, script)
		if err := unix.Setxattr(filepath.Join(root, "file"), "user.note", []byte("kept"), 0); err != nil {
			t.Fatal(err)
		}
		if err := unix.Lsetxattr(filepath.Join(root, "link"), "trusted.note", []byte("kept"), 0); err != nil {
			t.Fatal(err)
		}
	})
	target := image(t, nil)
	root, err := inspect.MountRootVia(t.TempDir(), source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	copied, err := root.Export(context.Background(), &workspace.Layers, targetOn(target))
	if err != nil || copied.SkippedCount != 0 {
		t.Fatalf("got %+v, %v", copied, err)
	}
	if output, err := exec.Command("e2fsck", "-fn", target).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
	want := mounted(t, source)
	got := mounted(t, target)
	const list = `find . -path ./workspace -prune -o -name 'pyro-*' -o -name ca-certificates.crt -o -type d -name ca-certificates -o -printf '%P %y %m %U %G %n %T@ %l\n' | sort;
find . -type f ! -path './workspace/*' ! -path './etc/ssl/*' ! -name 'pyro-*' | sort | xargs -d '\n' sha256sum; stat -c %t:%T null`
	if want, got := shell(t, want, list), shell(t, got, list); want != got {
		t.Errorf("want\n%s\ngot\n%s", want, got)
	}
	for name, attribute := range map[string]string{"file": "user.note", "link": "trusted.note"} {
		var value [16]byte
		if n, err := unix.Lgetxattr(filepath.Join(got, name), attribute, value[:]); err != nil || string(value[:n]) != "kept" {
			t.Errorf("%s of %s: %q, %v", attribute, name, value[:max(n, 0)], err)
		}
	}
	if blocks := shell(t, got, "stat -c %b sparse"); blocks != shell(t, want, "stat -c %b sparse") {
		t.Errorf("the sparse file takes %s blocks", blocks)
	}
	if names := shell(t, got, "find workspace usr/local -type f -printf '%P %m\n' | sort"); names != "changed 4700\nshare/ca-certificates/company.crt 644\n" {
		t.Errorf("got %q", names)
	}
	if text := shell(t, got, "cat etc/ssl/certs/ca-certificates.crt workspace/changed"); text != "# first\n# last\nold" {
		t.Errorf("got %q", text)
	}
}

func TestAnExportEndsWithItsHost(t *testing.T) {
	workspace, _ := overlaytest.New(t, nil)
	root, err := inspect.MountRootVia(t.TempDir(), image(t, func(root string) { write(t, filepath.Join(root, "file"), "") }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	host, leave := context.WithCancel(context.Background())
	leave()
	if _, err := root.Export(host, &workspace.Layers, targetOn(image(t, nil))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func targetOn(device string) inspect.Target {
	report := func(tree.Copied) error { return nil }
	return inspect.Target{Device: device, MountPoint: "/workspace", Report: report}
}

// image returns a device with an ext4 file system that a function fills, which may be nil.
func image(t *testing.T, fill func(root string)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	write(t, path, "")
	if err := os.Truncate(path, 64<<20); err != nil {
		t.Fatal(err)
	}
	command(t, "mkfs.ext4", "-q", path)
	device := strings.TrimSpace(command(t, "losetup", "--find", "--show", path))
	t.Cleanup(func() { command(t, "losetup", "--detach", device) })
	if fill != nil {
		place := t.TempDir()
		command(t, "mount", device, place)
		fill(place)
		command(t, "umount", place)
	}
	return device
}

func mounted(t *testing.T, device string) string {
	t.Helper()
	place := t.TempDir()
	command(t, "mount", "-o", "ro,noload", device, place)
	t.Cleanup(func() { command(t, "umount", place) })
	return place
}

func shell(t *testing.T, directory, script string) string {
	t.Helper()
	c := exec.Command("sh", "-c", script)
	c.Dir = directory
	c.Env = append(os.Environ(), "BUNDLE="+bundle, "LC_ALL=C")
	var failure bytes.Buffer
	c.Stderr = &failure
	output, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, failure.String())
	}
	return string(output)
}

func command(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	output, err := exec.Command(name, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, output)
	}
	return string(output)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
