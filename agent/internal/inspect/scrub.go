package inspect

import (
	"bytes"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// The host puts its certificate authorities into a root as files of their own, and between two
// lines of the bundle of all authorities (src/machines/guest/certificates.ts).
const (
	ownAuthorities = "usr/local/share/ca-certificates/pyro-*.crt"
	beginOfOwn     = "# pyro: begin\n"
	endOfOwn       = "# pyro: end\n"
)

var bundles = []string{
	"etc/ssl/certs/ca-certificates.crt",
	"etc/pki/tls/certs/ca-bundle.crt",
	"etc/ssl/ca-bundle.pem",
	"etc/ssl/cert.pem",
}

// maxBundle is far above the size of a real one. A larger file is the workspace's own.
const maxBundle = 16 << 20

// isOwn reports whether pyro has put a file into a root.
func isOwn(name string) bool {
	own, _ := path.Match(ownAuthorities, name)
	return own
}

// scrub removes pyro's part of the files that others write too.
func scrub(root int) error {
	for _, name := range bundles {
		if err := scrubBundle(root, name); err != nil {
			return err
		}
	}
	return nil
}

func scrubBundle(root int, name string) error {
	how := &unix.OpenHow{
		Flags:   unix.O_RDWR | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	}
	fd, err := unix.Openat2(root, name, how)
	if err != nil {
		return nil // a missing file, or a link to one of the others
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	before, err := file.Stat()
	if err != nil || !before.Mode().IsRegular() || before.Size() > maxBundle {
		return err
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	kept := withoutOwn(text)
	if len(kept) == len(text) {
		return nil
	}
	if _, err := file.WriteAt(kept, 0); err != nil {
		return err
	}
	return file.Truncate(int64(len(kept)))
}

// withoutOwn cuts out every part between the two lines.
func withoutOwn(text []byte) []byte {
	for {
		begin := bytes.Index(text, []byte(beginOfOwn))
		if begin < 0 || begin > 0 && text[begin-1] != '\n' {
			return text
		}
		length := bytes.Index(text[begin:], []byte(endOfOwn))
		if length < 0 {
			return text
		}
		text = append(bytes.Clone(text[:begin]), text[begin+length+len(endOfOwn):]...)
	}
}
