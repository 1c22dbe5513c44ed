package command

import (
	"errors"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

var errIsDirectory = errors.New("is a directory")

// findProgram returns the path to execute for name, as execvp(3) would. Relative paths start at
// cwd, and the search goes on after a file that can't be executed.
func findProgram(name, cwd string, env environment) (string, *Failure) {
	if strings.Contains(name, "/") {
		if err := checkExecutable(absolute(name, cwd)); err != nil {
			return "", describe(name, err)
		}
		return name, nil
	}
	if name == "" {
		return "", notFound(name)
	}
	search, ok := env["PATH"]
	if !ok {
		search = defaultPath
	}
	var obstacle *Failure
	for _, directory := range filepath.SplitList(search) {
		candidate := strings.TrimSuffix(absolute(directory, cwd), "/") + "/" + name
		err := checkExecutable(candidate)
		if err == nil {
			return candidate, nil
		}
		if failure := describe(candidate, err); obstacle == nil && failure.Code == NotExecutable {
			obstacle = failure
		}
	}
	if obstacle != nil {
		return "", obstacle
	}
	return "", notFound(name)
}

// absolute leaves an absolute path unchanged, because cleaning it could change the meaning of a
// `..` after a symbolic link.
func absolute(path, cwd string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return cwd + "/" + path
}

func checkExecutable(path string) error {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		return errIsDirectory
	}
	return unix.Access(path, unix.X_OK)
}

func describe(name string, err error) *Failure {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return notFound(name)
	default:
		return notExecutable(name, err)
	}
}
