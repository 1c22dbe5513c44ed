package boot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/identity"
	"pyro.agent/internal/network"
)

const identityDirectory = "/run/pyro/identity"

// shelterIdentityFiles mounts memory over the files that every clone rewrites. Otherwise the first
// write to a disk is the most expensive part of a fork.
func shelterIdentityFiles() error {
	if err := os.MkdirAll(identityDirectory, 0o755); err != nil {
		return err
	}
	for _, name := range identity.Files {
		path := filepath.Join("/etc", name)
		content, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := shelter(path, filepath.Join(identityDirectory, name), content); err != nil {
			return err
		}
	}
	return nil
}

// useResolver names the agent as the guest's name server, whatever the image has.
func useResolver() error {
	content := fmt.Appendf(nil, "nameserver %s\n", network.Resolver)
	return shelter("/etc/resolv.conf", filepath.Join(identityDirectory, "resolv.conf"), content)
}

func shelter(path, inMemory string, content []byte) error {
	if err := os.WriteFile(inMemory, content, 0o644); err != nil {
		return err
	}
	if err := makeRegular(path); err != nil {
		return err
	}
	return unix.Mount(inMemory, path, "", unix.MS_BIND, "")
}

// makeRegular makes path a regular file. A mount follows symbolic links, so a link at path would
// hide another file.
func makeRegular(path string) error {
	present, err := os.Lstat(path)
	if err == nil && present.Mode().IsRegular() {
		return nil
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, nil, 0o644)
}
