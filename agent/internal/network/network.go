// Package network gives a guest without a network card its way out. The guest's own kernel ends
// every connection that leaves the guest at the agent, which hands it to the host. The host alone
// decides, resolves and dials.
package network

import (
	"fmt"
	"net/netip"
	"sync"

	"pyro.agent/internal/crash"
)

// The pool of addresses that stand for names. It is set aside for benchmarks (RFC 2544), so no
// server has one of them.
var pool = netip.MustParsePrefix("198.18.0.0/15")

// Resolver is the guest's name server. Containers in the guest reach it too, because it is no
// loopback address.
var Resolver = netip.MustParseAddr("198.18.0.1")

// ownIPv4 is an address besides 127.0.0.1. Without one a program that asks for addresses of
// configured families alone (AI_ADDRCONFIG), such as apt-get and npm, finds no IPv4 here.
var ownIPv4 = netip.MustParsePrefix("198.18.0.2/32")

// ownIPv6 is the source address of IPv6 connections. Without one the kernel refuses them before
// anything can say why.
var ownIPv6 = netip.MustParsePrefix("fd70:7972:6f00::1/128")

// listenPort is that of the agent's own sockets, which the kernel assigns to what leaves the guest.
// No program of a guest wants it.
const listenPort = 1

// maxOpen limits the connections that are open or wait for the host. A hostile guest must not make
// the agent or the host hold more.
const maxOpen = 512

// Network is the guest's side of its network.
type Network struct {
	resolver   *resolver
	ipv4, ipv6 *listener
	owners     owners

	mu sync.Mutex
	// host is nil while no host listens.
	host *Host
	// waiting holds what the host has not answered yet.
	waiting map[uint64]pending
	nextID  uint64
}

// pending is something that the host must answer. Give up ends it without an answer.
type pending interface{ giveUp() }

// LabelOf names the command whose control group has an id; empty if none has.
type LabelOf func(groupID uint64) string

// Start routes everything that would leave the guest to the agent.
func Start(labelOf LabelOf) (*Network, error) {
	if err := addRoutes(); err != nil {
		return nil, fmt.Errorf("add routes: %w", err)
	}
	n := &Network{waiting: make(map[uint64]pending)}
	var err error
	if n.resolver, err = newResolver(n); err != nil {
		return nil, fmt.Errorf("open the resolver: %w", err)
	}
	if n.ipv4, err = newListener(n, "tcp4", Resolver); err != nil {
		return nil, fmt.Errorf("listen for IPv4: %w", err)
	}
	if n.ipv6, err = newListener(n, "tcp6", ownIPv6.Addr()); err != nil {
		return nil, fmt.Errorf("listen for IPv6: %w", err)
	}
	programs, err := attachPrograms(sockets{questions: n.resolver.socket, ipv4: n.ipv4.socket, ipv6: n.ipv6.socket})
	if err != nil {
		return nil, err
	}
	n.owners = owners{programs: programs, labelOf: labelOf}
	if err := watchOwnAddresses(programs); err != nil {
		return nil, fmt.Errorf("watch addresses: %w", err)
	}
	crash.Go(n.resolver.serve)
	crash.Go(n.ipv4.serve)
	crash.Go(n.ipv6.serve)
	return n, nil
}

// Listen makes host the one that is asked from now on. What waited for the one before it is given
// up.
func (n *Network) Listen(host *Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.host = host
	n.giveUpAll()
}

// Leave ends what Listen began, unless another host listens by now.
func (n *Network) Leave(host *Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.host == host {
		n.host = nil
		n.giveUpAll()
	}
}

func (n *Network) giveUpAll() {
	for id, what := range n.waiting {
		delete(n.waiting, id)
		what.giveUp()
	}
}

// ask sends an announcement to the host. It reports whether there is a host that will answer.
func (n *Network) ask(what pending, announcement func(id uint64) any) bool {
	n.mu.Lock()
	host := n.host
	if host == nil || len(n.waiting) >= maxOpen {
		n.mu.Unlock()
		return false
	}
	n.nextID++
	id := n.nextID
	n.waiting[id] = what
	n.mu.Unlock()
	// The host reads at its own pace, so no lock is held meanwhile.
	if host.announce(announcement(id)) {
		return true
	}
	return n.take(id) == nil
}

// take removes what waits under an id; nil if nothing does.
func (n *Network) take(id uint64) pending {
	n.mu.Lock()
	defer n.mu.Unlock()
	what := n.waiting[id]
	delete(n.waiting, id)
	return what
}
