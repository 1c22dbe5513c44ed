package network

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"sync"

	"pyro.agent/internal/frame"
)

// Host is the host's side of the announcements: it hears what the guest wants and answers.
type Host struct {
	mu    sync.Mutex
	write func(complete []byte) error
}

// NewHost returns a host that hears through write, which takes one complete frame.
func NewHost(write func(complete []byte) error) *Host {
	return &Host{write: write}
}

// Question is what a process asks a name server.
type Question struct {
	ID   uint64 `json:"id"`
	Name string `json:"name"`
	// type of the records asked for, such as A or AAAA
	Type string `json:"type"`
	Owner
}

// Connection is where a process has connected to.
type Connection struct {
	ID      uint64 `json:"id"`
	Address string `json:"address"`
	Port    uint16 `json:"port"`
	Owner
}

func (h *Host) announce(what any) bool {
	kind := frame.Connection
	if _, ok := what.(Question); ok {
		kind = frame.Question
	}
	payload, err := json.Marshal(what)
	if err != nil {
		panic(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.write(frame.Encode(kind, payload)) == nil
}

// Answer is what the host says to a question or a connection.
type Answer struct {
	ID uint64 `json:"id"`
	// of a question: the address that stands for the name, if it may be reached
	Address *netip.Addr `json:"address"`
}

// Hear takes the host's answers until there are no more.
func (n *Network) Hear(answers io.Reader) error {
	frames := frame.NewReader(answers)
	for {
		kind, payload, err := frames.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var said Answer
		if kind != frame.Answer && kind != frame.Refusal {
			continue // of a later minor version
		}
		if err := json.Unmarshal(payload, &said); err != nil {
			return fmt.Errorf("answer of the host: %w", err)
		}
		switch what := n.take(said.ID).(type) {
		case *dnsQuery:
			what.answer(said.Address)
		case *Incoming:
			what.Refuse()
		}
	}
}
