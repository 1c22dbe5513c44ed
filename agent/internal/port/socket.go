package port

import (
	"errors"
	"io"
	"net"
)

// errHostGone is final: the far end of a socket can't be exchanged.
var errHostGone = errors.New("the host has closed the socket")

// Socket is the Stream over a connected socket, whose host stays for as long as the machine.
type Socket struct{ net.Conn }

// Read implements Stream.
func (s Socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		err = errHostGone
	}
	return n, err
}
