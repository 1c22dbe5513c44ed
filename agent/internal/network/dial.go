package network

import (
	"context"
	"net"
	"strconv"
	"time"
)

// dialTimeout is for a listener of the guest with a full queue.
const dialTimeout = 10 * time.Second

// DialOwn connects to a port on which a program of the guest listens: on the loopback address of
// IPv4, else of IPv6, where many servers for development listen alone.
func DialOwn(ctx context.Context, port uint16) (*net.TCPConn, error) {
	dialer := net.Dialer{Timeout: dialTimeout, KeepAlive: -1}
	dialer.SetMultipathTCP(false)
	var first error
	for _, address := range []string{"127.0.0.1", "::1"} {
		connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(int(port))))
		if err == nil {
			return connection.(*net.TCPConn), nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}
