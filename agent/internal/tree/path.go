package tree

import (
	"strings"
	"unicode/utf8"
)

const (
	// maxPath is the kernel's limit for a path, without the final NUL.
	maxPath = 4095

	// StagingPrefix begins the names of staging directories, at the top of a workspace.
	StagingPrefix = ".pyro-incoming-"
)

// Text is a path or the text of a symbolic link, both of which are bytes and mostly UTF-8. A JSON
// message has one field for text and one for base64, and uses one of them.
type Text struct {
	plain  *string
	base64 []byte
}

func newText(s string) Text {
	if utf8.ValidString(s) {
		return Text{plain: &s}
	}
	return Text{base64: []byte(s)}
}

// value returns the text, and whether exactly one field holds it.
func (t Text) value() (text string, ok bool) {
	if t.plain != nil {
		return *t.plain, t.base64 == nil
	}
	return string(t.base64), t.base64 != nil
}

// PathFields are a path's two fields of a message.
type PathFields struct {
	Path       *string `json:"path,omitempty"`
	PathBase64 []byte  `json:"path_base64,omitempty"`
}

func pathFields(path string) PathFields {
	text := newText(path)
	return PathFields{text.plain, text.base64}
}

// path returns the path that the fields hold.
func (f PathFields) path() (string, error) {
	return decodePath(Text{f.Path, f.PathBase64}, "path")
}

func decodePath(text Text, field string) (string, error) {
	path, ok := text.value()
	if !ok {
		return "", failf(InvalidArgument, "there must be one of %s and %s_base64", field, field)
	}
	if err := checkPath(path); err != nil {
		return "", err
	}
	return path, nil
}

// TargetFields are the two fields of a symbolic link's text or a hard link's path.
type TargetFields struct {
	Target       *string `json:"target,omitempty"`
	TargetBase64 []byte  `json:"target_base64,omitempty"`
}

func targetFields(target string) TargetFields {
	text := newText(target)
	return TargetFields{text.plain, text.base64}
}

func (f TargetFields) target() (string, bool) {
	return Text{f.Target, f.TargetBase64}.value()
}

// checkPath refuses what is no path inside a tree. The tree itself is "".
func checkPath(path string) error {
	if path == "" {
		return nil
	}
	if strings.IndexByte(path, 0) >= 0 {
		return failf(InvalidArgument, "path %q has a NUL byte", path)
	}
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." || name == ".." {
			return failf(InvalidArgument, "path %q is not relative to the workspace, without empty, \".\" and \"..\" components", path)
		}
	}
	return nil
}

// isStaging reports whether a path is in a staging directory.
func isStaging(path string) bool { return strings.HasPrefix(path, StagingPrefix) }

// IsStagingIn returns isStaging for the paths of a tree that holds the workspace at a path.
func IsStagingIn(workspace string) func(path string) bool {
	return func(path string) bool { return isStaging(strings.TrimPrefix(path, workspace+"/")) }
}

func join(directory, name string) string {
	if directory == "" || name == "" {
		return directory + name
	}
	return directory + "/" + name
}

// split returns the directory that holds a path, and its name there.
func split(path string) (directory, name string) {
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 {
		return "", path
	}
	return path[:slash], path[slash+1:]
}
