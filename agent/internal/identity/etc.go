package identity

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Files are the files of etc that differ between clones.
var Files = []string{"hostname", "hosts", "machine-id"}

// hostsMark tells our line of /etc/hosts from those of the image and the user.
const hostsMark = "# pyro"

func writeHostname(root, name string) error {
	return overwrite(filepath.Join(root, "etc/hostname"), name+"\n")
}

func writeMachineID(root, id string) error {
	return overwrite(filepath.Join(root, "etc/machine-id"), id+"\n")
}

func writeHosts(root, name string) error {
	path := filepath.Join(root, "etc/hosts")
	present, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		present = []byte("127.0.0.1\tlocalhost\n::1\tlocalhost\n")
	} else if err != nil {
		return err
	}
	return overwrite(path, withOwnHost(string(present), name))
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

// overwrite changes a file in place and refuses a symbolic link. No process reads the file yet, and
// the boot has put it into memory.
func overwrite(path, content string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	_, writeErr := file.WriteString(content)
	return errors.Join(writeErr, file.Close())
}
