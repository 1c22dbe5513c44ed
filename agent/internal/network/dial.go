package network

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// dialTimeout is for a listener of the guest with a full queue.
const dialTimeout = 10 * time.Second

// DialOwn connects to a port on which a program of the guest listens: on the loopback address of
// IPv4, of IPv6, where many servers for development listen alone, or on the address that it has
// chosen.
func DialOwn(ctx context.Context, port uint16) (*net.TCPConn, error) {
	dialer := net.Dialer{Timeout: dialTimeout, KeepAlive: -1}
	dialer.SetMultipathTCP(false)
	addresses := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	var first error
	for i := 0; i < len(addresses); i++ {
		connection, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(addresses[i], port).String())
		if err == nil {
			return connection.(*net.TCPConn), nil
		}
		if first == nil {
			first = err
		}
		if i == 1 {
			addresses = append(addresses, listenersOn(port)...)
		}
	}
	return nil, first
}

// listenersOn returns the addresses on which programs listen for a port alone, without those that
// the loopback addresses reach.
func listenersOn(port uint16) []netip.Addr {
	var found []netip.Addr
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		found = append(found, parseListeners(string(text), port)...)
	}
	return found
}

// listenState is TCP_LISTEN in the tables of proc(5).
const listenState = "0A"

func parseListeners(table string, port uint16) []netip.Addr {
	var found []netip.Addr
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != listenState || !strings.HasSuffix(fields[1], suffix) {
			continue
		}
		address, ok := parseTableAddress(strings.TrimSuffix(fields[1], suffix))
		if ok && !address.IsUnspecified() && !slices.Contains(found, address) {
			found = append(found, address)
		}
	}
	return found
}

// parseTableAddress reads an address of proc(5): hexadecimal, in words of the machine's byte order.
func parseTableAddress(text string) (netip.Addr, bool) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw)%4 != 0 {
		return netip.Addr{}, false
	}
	for word := 0; word < len(raw); word += 4 {
		slices.Reverse(raw[word : word+4])
	}
	address, ok := netip.AddrFromSlice(raw)
	return address.Unmap(), ok
}
