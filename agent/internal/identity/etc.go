package identity

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// hostsMark tells our line of /etc/hosts from those of the image and the user.
const hostsMark = "# pyro"

func writeHostname(root, name string) error {
	return replaceFile(filepath.Join(root, "etc/hostname"), name+"\n", 0o644)
}

func writeMachineID(root, id string) error {
	return replaceFile(filepath.Join(root, "etc/machine-id"), id+"\n", 0o444)
}

func writeHosts(root, name string) error {
	path := filepath.Join(root, "etc/hosts")
	present, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		present = []byte("127.0.0.1\tlocalhost\n::1\tlocalhost\n")
	} else if err != nil {
		return err
	}
	return replaceFile(path, withOwnHost(string(present), name), 0o644)
}

func withOwnHost(hosts, name string) string {
	var kept strings.Builder
	for line := range strings.Lines(hosts) {
		if !strings.HasSuffix(strings.TrimSpace(line), hostsMark) {
			kept.WriteString(line)
		}
	}
	if text := kept.String(); text != "" && !strings.HasSuffix(text, "\n") {
		kept.WriteByte('\n')
	}
	kept.WriteString("127.0.1.1\t" + name + "\t" + hostsMark + "\n")
	return kept.String()
}

// replaceFile puts a regular file at path, in one step. A symbolic link there is replaced,
// not followed.
func replaceFile(path, content string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".pyro-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, writeErr := file.WriteString(content)
	if err := errors.Join(writeErr, file.Chmod(mode), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
