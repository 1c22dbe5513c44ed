package api

import (
	"errors"
	"net"
	"net/http"
	"strconv"

	"pyro.agent/internal/network"
)

const (
	announcementsContentType = "application/vnd.pyro.network"
	connectionContentType    = "application/vnd.pyro.connection"
)

func (s *Server) guestNetwork() (*network.Network, error) {
	if s.Network == nil {
		return nil, errorf(failedPrecondition, "this guest has no network")
	}
	return s.Network, nil
}

// network announces what the guest's processes want to reach until the host ends its request.
func (s *Server) network(w http.ResponseWriter, r *http.Request) error {
	guest, err := s.guestNetwork()
	if err != nil {
		return err
	}
	write := startStream(w, announcementsContentType)
	host := network.NewHost(write)
	guest.Listen(host)
	defer guest.Leave(host)
	if err := guest.Hear(r.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// connection joins a connection that was announced with the host.
func (s *Server) connection(w http.ResponseWriter, r *http.Request) error {
	guest, err := s.guestNetwork()
	if err != nil {
		return err
	}
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return errorf(invalidArgument, "the id of a connection is a number, not %q", r.PathValue("id"))
	}
	incoming := guest.Take(id)
	if incoming == nil {
		return errorf(notFound, "no connection %d waits", id)
	}
	pipeOrReset(w, r, incoming.TCPConn)
	return nil
}

// port joins a new connection to a server in the guest with the host.
func (s *Server) port(w http.ResponseWriter, r *http.Request) error {
	port, err := strconv.ParseUint(r.PathValue("port"), 10, 16)
	if err != nil || port == 0 {
		return errorf(invalidArgument, "a port is a number from 1 to 65535, not %q", r.PathValue("port"))
	}
	connection, err := network.DialOwn(r.Context(), uint16(port))
	if err != nil {
		return errorf(failedPrecondition, "%v", err)
	}
	pipeOrReset(w, r, connection)
	return nil
}

func pipeOrReset(w http.ResponseWriter, r *http.Request, connection *net.TCPConn) {
	if err := network.Pipe(r.Context(), connection, r.Body, startStream(w, connectionContentType)); err != nil {
		// The stream's reset is the connection's.
		panic(http.ErrAbortHandler)
	}
}

// startStream sends the headers of an answer and returns what writes complete frames.
func startStream(w http.ResponseWriter, contentType string) func(complete []byte) error {
	w.Header().Set("Content-Type", contentType)
	controller := http.NewResponseController(w)
	_ = controller.Flush()
	return func(complete []byte) error {
		_, err := w.Write(complete)
		return errors.Join(err, controller.Flush())
	}
}
