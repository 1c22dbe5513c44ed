package tree

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// child is a name in a directory.
type child struct {
	name string
	// kind is what the directory says about it; "" if it doesn't say, Other for anything rare.
	kind Kind
}

// listSize is room for what most directories hold, so that one call of the kernel lists them.
const listSize = 32 << 10

// children returns what a directory holds, sorted by name.
func children(directory int) ([]child, error) {
	fd, err := lookUp(directory, "", toList)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var list []child
	for buffer := make([]byte, listSize); ; {
		n, err := unix.Getdents(fd, buffer)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		list = appendChildren(list, buffer[:n])
	}
	slices.SortFunc(list, func(a, b child) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// appendChildren adds the entries of a listing of the kernel, each a struct linux_dirent64.
func appendChildren(list []child, listing []byte) []child {
	const lengthAt, kindAt, nameAt = 16, 18, 19
	for len(listing) > nameAt {
		length := binary.NativeEndian.Uint16(listing[lengthAt:])
		entry := listing[:length]
		listing = listing[length:]
		name, _, _ := bytes.Cut(entry[nameAt:], []byte{0})
		if text := string(name); text != "." && text != ".." {
			list = append(list, child{text, listedKind(entry[kindAt])})
		}
	}
	return list
}

func listedKind(kind byte) Kind {
	switch kind {
	case unix.DT_UNKNOWN:
		return ""
	case unix.DT_REG:
		return File
	case unix.DT_DIR:
		return Directory
	case unix.DT_LNK:
		return Symlink
	default:
		return Other
	}
}

// names returns what a directory holds, sorted.
func names(directory int) ([]string, error) {
	list, err := children(directory)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].name
	}
	return names, nil
}
