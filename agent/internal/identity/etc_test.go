package identity

import (
	"os"
	"path/filepath"
	"testing"
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

func TestWriteMachineIDReplacesALinkInsteadOfFollowingIt(t *testing.T) {
	root := t.TempDir()
	target := filepath.Join(root, "target")
	path := filepath.Join(root, "etc/machine-id")
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(target, []byte("untouched"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	if err := writeMachineID(root, "abc"); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(target); string(text) != "untouched" {
		t.Errorf("the link's target became %q", text)
	}
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != 0o444 {
		t.Errorf("got %v, %v", info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(root, "etc/.pyro-*")); len(left) > 0 {
		t.Errorf("temporary files are left: %q", left)
	}
}
