package identity

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWithOwnHostKeepsTheLinesOfOthers(t *testing.T) {
	for name, test := range map[string]struct{ before, want string }{
		"empty":           {"", "127.0.1.1\tnew\t# pyro\n"},
		"no last newline": {"127.0.0.1 localhost", "127.0.0.1 localhost\n127.0.1.1\tnew\t# pyro\n"},
		"ours is there":   {"127.0.1.1\told\t# pyro\n::1 localhost\n", "::1 localhost\n127.0.1.1\tnew\t# pyro\n"},
		"theirs is there": {"127.0.1.1 debian\n", "127.0.1.1 debian\n127.0.1.1\tnew\t# pyro\n"},
	} {
		if got := withOwnHost(test.before, "new"); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestOverwriteRefusesALink(t *testing.T) {
	root := t.TempDir()
	target := filepath.Join(root, "target")
	if err := os.WriteFile(target, []byte("untouched"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := overwrite(filepath.Join(root, "link"), "abc"); !errors.Is(err, unix.ELOOP) {
		t.Errorf("got %v", err)
	}
	if text, _ := os.ReadFile(target); string(text) != "untouched" {
		t.Errorf("the link's target became %q", text)
	}
}

func TestOverwriteLeavesNothingOfALongerContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hostname")
	for _, content := range []string{"a-long-name\n", "short\n"} {
		if err := overwrite(path, content); err != nil {
			t.Fatal(err)
		}
		if text, _ := os.ReadFile(path); string(text) != content {
			t.Errorf("got %q, want %q", text, content)
		}
	}
}
