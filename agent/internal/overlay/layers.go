package overlay

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The directories of a workspace's disk. What is pushed into the baseline is a layer of its own,
// pushed/1, pushed/2 and so on, over base. Changes are over as many of these layers as there were
// when they began: those in upper are over base alone, those in upper.2 over pushed/2.
const (
	baseName   = "base"
	pushedName = "pushed"
	upperName  = "upper"
	workName   = "work"
	// unfinished ends the name of a layer that is being written.
	unfinished = ".new"
)

// layout is what a disk has.
type layout struct {
	// pushed is the number of layers over base.
	pushed int
	// below is the number of layers that the changes are over.
	below int
}

func readLayout(disk string) (found layout, err error) {
	layers, err := os.ReadDir(filepath.Join(disk, pushedName))
	if err != nil && !os.IsNotExist(err) {
		return found, err
	}
	for _, layer := range layers {
		// The end of the machine interrupted the push.
		if strings.HasSuffix(layer.Name(), unfinished) {
			if err := os.RemoveAll(filepath.Join(disk, pushedName, layer.Name())); err != nil {
				return found, err
			}
			continue
		}
		if number, err := strconv.Atoi(layer.Name()); err == nil {
			found.pushed = max(found.pushed, number)
		}
	}
	for number := found.pushed; number > 0; number-- {
		if _, err := os.Stat(filepath.Join(disk, numbered(upperName, number))); err == nil {
			found.below = number
			break
		}
	}
	return found, nil
}

// discard begins new changes over all layers. The old ones stay on the disk, out of sight.
func (l *layout) discard(disk string) error {
	if l.below == l.pushed {
		return fmt.Errorf("nothing was pushed since these changes began")
	}
	top, err := os.Stat(filepath.Join(disk, pushedName, strconv.Itoa(l.pushed)))
	if err != nil {
		return err
	}
	// The upper directory comes last, because it is what a mount looks for.
	for _, name := range []string{numbered(workName, l.pushed), numbered(upperName, l.pushed)} {
		if err := makeLike(filepath.Join(disk, name), top); err != nil {
			return err
		}
	}
	l.below = l.pushed
	return nil
}

// makeLike makes a directory with the permissions of another one.
func makeLike(path string, like os.FileInfo) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return os.Chmod(path, like.Mode().Perm()|like.Mode()&(os.ModeSetgid|os.ModeSticky))
}

func (l layout) upper() string { return numbered(upperName, l.below) }

func (l layout) work() string { return numbered(workName, l.below) }

func numbered(name string, number int) string {
	if number == 0 {
		return name
	}
	return name + "." + strconv.Itoa(number)
}

// lowerOption is overlay's option for base and the first layers over it.
func lowerOption(disk string, layers int) string {
	var paths []string
	for number := layers; number > 0; number-- {
		paths = append(paths, filepath.Join(disk, pushedName, strconv.Itoa(number)))
	}
	return "lowerdir=" + strings.Join(append(paths, filepath.Join(disk, baseName)), ":")
}
