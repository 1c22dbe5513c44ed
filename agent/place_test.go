package main

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOnlyASocketIsServed(t *testing.T) {
	regular, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(regular.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inheritedPlace(uintptr(fd)); err == nil {
		t.Error("a regular file was taken for the host")
	}
	const notOpen = 1 << 20
	if _, err := inheritedPlace(notOpen); err == nil {
		t.Error("a descriptor that is not open was taken for the host")
	}
}

func TestASocketIsServedAndNotInherited(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	found, err := inheritedPlace(uintptr(fds[1]))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(uintptr(fds[1]), unix.F_GETFD, 0); err == nil {
		t.Error("commands would inherit the descriptor")
	}
	if _, err := unix.Write(fds[0], []byte("hello")); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 5)
	if n, err := found.host.Read(buffer); err != nil || string(buffer[:n]) != "hello" {
		t.Errorf("got %q, %v", buffer[:n], err)
	}
	unix.Close(fds[0])
	if _, err := found.host.Read(buffer); err == nil {
		t.Error("the end of the host was not noticed")
	}
}
