package terminal

import (
	_ "embed"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

//go:embed shell.bash
var bashStart []byte

// StartFD is the descriptor on which a shell finds its start file.
const StartFD = 3

// ShellArgv returns how to run a shell for a user.
func ShellArgv(shell string) []string {
	if filepath.Base(shell) == "bash" {
		return []string{shell, "--rcfile", "/proc/self/fd/3", "-i"}
	}
	return []string{shell, "-i"}
}

// StartFile returns the start file of a shell, which is nowhere in the file system. The caller must
// close it.
func StartFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("shell.bash", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "shell.bash")
	if _, err := file.Write(bashStart); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}
