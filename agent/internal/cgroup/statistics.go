package cgroup

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"
)

// statistics is a file of a group with a name and a number per line. The file stays open, because
// opening costs more than reading.
type statistics struct{ fd int }

const noFile = -1

// openStatistics opens a file that is missing if its controller is off.
func openStatistics(groupFD int, name string) *statistics {
	fd, err := unix.Openat(groupFD, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &statistics{fd: noFile}
	}
	return &statistics{fd: fd}
}

// read returns the number on the line with the given name, or 0 if there is no such line.
func (s *statistics) read(name string) int {
	if s.fd == noFile {
		return 0
	}
	var buffer [512]byte
	n, err := unix.Pread(s.fd, buffer[:], 0)
	if err != nil {
		return 0
	}
	return numberOf(buffer[:n], name)
}

// numberOf returns the number on the line with the given name, or 0 if there is no such line.
func numberOf(text []byte, name string) int {
	for line := range bytes.Lines(text) {
		key, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		if string(key) == name {
			number, _ := strconv.Atoi(string(value))
			return number
		}
	}
	return 0
}

func (s *statistics) close() {
	if s.fd != noFile {
		unix.Close(s.fd)
	}
}
