package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/listening"
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
	var tried []string
	var last error
	for i := 0; i < len(addresses); i++ {
		place := netip.AddrPortFrom(addresses[i], port).String()
		connection, err := dialer.DialContext(ctx, "tcp", place)
		if err == nil {
			return connection.(*net.TCPConn), nil
		}
		tried, last = append(tried, place), err
		if i == 1 {
			addresses = append(addresses, listenersOn(port)...)
		}
	}
	if errors.Is(last, unix.ECONNREFUSED) {
		last = unix.ECONNREFUSED
	}
	return nil, fmt.Errorf("%w at %s", last, strings.Join(tried, " and "))
}

// listenersOn returns the addresses on which programs listen for a port alone, without those that
// the loopback addresses reach.
func listenersOn(port uint16) []netip.Addr {
	var found []netip.Addr
	for _, place := range listening.In("/proc/net") {
		address := place.Addr().Unmap()
		// The agent's own sockets are no program's.
		isAgents := address == Resolver || address == ownIPv6.Addr()
		if place.Port() == port && !isAgents && !address.IsUnspecified() && !slices.Contains(found, address) {
			found = append(found, address)
		}
	}
	return found
}
