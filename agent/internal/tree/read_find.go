package tree

import "golang.org/x/sys/unix"

// find returns a descriptor of what a requested path leads to, or the reason why there is none.
func (r *reader) find(path string) (held int, reason Reason) {
	if isStaging(path) {
		return noFile, ""
	}
	held, err := lookUp(r.layers.Merged, path, toLookUp)
	if r.Follow && (err == unix.ELOOP || err == nil && isLink(held)) {
		if err == nil {
			unix.Close(held)
		}
		return r.follow(path)
	}
	switch err {
	case nil:
		return held, ""
	case unix.ELOOP:
		return noFile, BehindLink
	case unix.EXDEV:
		return noFile, Outside
	default:
		return noFile, ""
	}
}

// follow resolves a path as a command would and then checks the file system of the result. The
// check comes last, on a descriptor, so a rename can't change what it means.
func (r *reader) follow(path string) (held int, reason Reason) {
	how := unix.RESOLVE_NO_MAGICLINKS | r.layers.Within
	held, err := resolve(r.layers.Merged, path, unix.O_PATH|unix.O_CLOEXEC, how)
	if err != nil {
		return noFile, ""
	}
	if stat, err := status(held, ""); err != nil || stat.Dev != r.device {
		unix.Close(held)
		return noFile, Outside
	}
	return held, ""
}

func isLink(held int) bool {
	stat, err := status(held, "")
	return err == nil && stat.Mode&unix.S_IFMT == unix.S_IFLNK
}
