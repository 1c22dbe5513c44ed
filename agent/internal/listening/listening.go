// Package listening finds out on which addresses processes listen.
package listening

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Socket is a TCP socket that takes connections.
type Socket struct {
	Address string `json:"address"`
	Port    uint16 `json:"port"`
	PID     int    `json:"pid"`
	// name of the process, as `ps` shows it
	Command string `json:"command"`
}

// maxListeners bounds the answer, which a hostile process could make long.
const maxListeners = 64

// Of returns the sockets that any of the processes has open, by port and address.
func Of(pids []int) []Socket {
	found := []Socket{}
	// The tables of each network namespace, such as a container's, are read once.
	tables := make(map[string]map[string]netip.AddrPort)
	seen := make(map[string]bool)
	for _, pid := range pids {
		process := filepath.Join("/proc", strconv.Itoa(pid))
		namespace, err := os.Readlink(filepath.Join(process, "ns/net"))
		if err != nil {
			continue
		}
		if tables[namespace] == nil {
			tables[namespace] = In(filepath.Join(process, "net"))
		}
		for _, inode := range socketsOf(process) {
			place, ok := tables[namespace][inode]
			// Processes that a server forks have its socket too.
			if !ok || seen[inode] {
				continue
			}
			seen[inode] = true
			name, _ := os.ReadFile(filepath.Join(process, "comm"))
			found = append(found, Socket{
				Address: place.Addr().Unmap().String(), Port: place.Port(),
				PID: pid, Command: strings.TrimSpace(string(name)),
			})
		}
	}
	slices.SortFunc(found, func(a, b Socket) int {
		if a.Port != b.Port {
			return int(a.Port) - int(b.Port)
		}
		return strings.Compare(a.Address, b.Address)
	})
	return found[:min(len(found), maxListeners)]
}

// socketsOf returns the inodes of a process's sockets.
func socketsOf(process string) (inodes []string) {
	directory := filepath.Join(process, "fd")
	entries, _ := os.ReadDir(directory)
	for _, entry := range entries {
		target, _ := os.Readlink(filepath.Join(directory, entry.Name()))
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			inodes = append(inodes, strings.TrimSuffix(inode, "]"))
		}
	}
	return inodes
}

// In returns the addresses of the listening sockets in a folder such as /proc/1/net, by inode.
func In(directory string) map[string]netip.AddrPort {
	found := make(map[string]netip.AddrPort)
	for _, name := range []string{"tcp", "tcp6"} {
		text, _ := os.ReadFile(filepath.Join(directory, name))
		for line := range strings.Lines(string(text)) {
			if inode, place, err := parseListener(line); err == nil {
				found[inode] = place
			}
		}
	}
	return found
}

// parseListener reads a line of /proc/net/tcp or tcp6 (proc_pid_net(5)). A line of anything but a
// listening socket is an error.
func parseListener(line string) (inode string, place netip.AddrPort, err error) {
	const (
		localField, stateField, inodeField = 1, 3, 9
		stateListen                        = "0A"
	)
	fields := strings.Fields(line)
	if len(fields) <= inodeField || fields[stateField] != stateListen {
		return "", place, fmt.Errorf("no listening socket: %q", line)
	}
	address, port, _ := strings.Cut(fields[localField], ":")
	raw, err := hex.DecodeString(address)
	if err != nil || len(raw)%4 != 0 {
		return "", place, fmt.Errorf("no address: %q", address)
	}
	// Each group of four bytes is a number of the processor's byte order.
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	parsed, ok := netip.AddrFromSlice(raw)
	if !ok {
		return "", place, fmt.Errorf("no address: %q", address)
	}
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return "", place, err
	}
	return fields[inodeField], netip.AddrPortFrom(parsed, uint16(number)), nil
}
