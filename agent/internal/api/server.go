// Package api answers the host's requests. The protocol is described in PROTOCOL.md.
package api

import (
	"net/http"
	"sync"
	"sync/atomic"

	"pyro.agent/internal/command"
	"pyro.agent/internal/identity"
	"pyro.agent/internal/inspect"
	"pyro.agent/internal/network"
	"pyro.agent/internal/overlay"
)

// Config is what a Server needs.
type Config struct {
	AgentVersion string
	// device of the root file system, as reported to the host
	RootDevice string
	// directory under which the fork request finds etc
	Root     string
	Commands *command.Runner
	System   identity.System
	// see overlay.Mount
	MountWorkspace func(device, mountPoint string, discard bool) (*overlay.Workspace, error)
	// nil if this machine has no way to the host for connections
	Network *network.Network
	// makes the kernel look for disks that it had not when it was frozen
	FindDisks func() error
	// takes the input away from the session; see port.Listener
	Freeze func()
	// ends the machine
	PowerOff func()
}

// Server is the agent's side of the protocol.
type Server struct {
	Config
	mux *http.ServeMux

	// active counts the requests being answered.
	active atomic.Int64

	forking sync.Mutex
	// token is nil until the fork request.
	token  atomic.Pointer[string]
	forked atomic.Bool

	// workspace is nil when none is mounted.
	workspace atomic.Pointer[overlay.Workspace]

	inspecting sync.Mutex
	// inspected is nil without the root disk of a stopped machine.
	inspected atomic.Pointer[inspect.Root]
}

// NewServer returns a Server that answers requests through an http.Server.
func NewServer(config Config) *Server {
	s := &Server{Config: config, mux: http.NewServeMux()}
	s.route("GET /v1/info", public, s.info)
	s.route("POST /v1/freeze", authorized, s.freeze)
	s.route("POST /v1/fork", authorized, s.fork)
	s.route("POST /v1/clock", authorized, s.clock)
	s.route("POST /v1/exec", authorized, s.exec)
	s.route("POST /v1/command", authorized, s.command)
	s.route("POST /v1/command/signal", authorized, s.signalCommand)
	s.route("POST /v1/command/terminal", authorized, s.terminal)
	s.route("POST /v1/command/terminal/size", authorized, s.resizeTerminal)
	s.route("POST /v1/tree/read", authorized, s.readTree)
	s.route("POST /v1/tree/write", authorized, s.writeTree)
	s.route("POST /v1/tree/baseline", authorized, s.writeBaseline)
	s.route("POST /v1/tree/changes", authorized, s.treeChanges)
	s.route("POST /v1/workspace/freeze", authorized, s.freezeWorkspace)
	s.route("POST /v1/workspace/thaw", authorized, s.thawWorkspace)
	s.route("POST /v1/inspection", authorized, s.inspect)
	s.route("POST /v1/inspection/export", authorized, s.exportInspected)
	s.route("POST /v1/network", authorized, s.network)
	s.route("POST /v1/network/connections/{id}", authorized, s.connection)
	s.route("POST /v1/network/ports/{port}", authorized, s.port)
	s.route("POST /v1/poweroff", authorized, s.powerOff)
	return s
}

// HTTP2 sets the flow-control windows. A default window is a fraction of what the wire holds, and
// the sender waits for a round trip each time it is full.
func HTTP2() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          1024,
		MaxReadFrameSize:              1 << 20,
		MaxReceiveBufferPerConnection: 4<<20 - 1,
		MaxReceiveBufferPerStream:     2 << 20,
	}
}
