package network

import (
	"context"
	"errors"
	"log"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/crash"
)

// listener accepts what the kernel delivers to the agent instead of another machine.
type listener struct {
	network *Network
	socket  tcpSocket
}

type tcpSocket struct{ *net.TCPListener }

func (s tcpSocket) fd() (int, error) { return descriptorOf(s.TCPListener) }

type udpSocket struct{ *net.UDPConn }

func (s udpSocket) fd() (int, error) { return descriptorOf(s.UDPConn) }

// descriptorOf returns the number of a descriptor that stays open as long as the socket.
func descriptorOf(socket syscall.Conn) (number int, err error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = raw.Control(func(fd uintptr) { number = int(fd) })
	return number, err
}

// transparent lets a socket answer from an address that is none of the machine's.
func transparent(network, _ string, raw syscall.RawConn) error {
	level, option := unix.SOL_IP, unix.IP_TRANSPARENT
	if strings.HasSuffix(network, "6") {
		level, option = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	}
	var failed error
	err := raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), level, option, 1) })
	return errors.Join(err, failed)
}

// newListener listens on an address that only the lookup program leads to. The socket of a program
// that listens on all addresses does not conflict with it, except on that port.
func newListener(n *Network, kind string, address netip.Addr) (*listener, error) {
	config := net.ListenConfig{Control: transparent}
	// A socket map takes no multipath TCP socket, which Go makes by default since 1.24.
	config.SetMultipathTCP(false)
	config.KeepAliveConfig.Enable = false
	opened, err := config.Listen(context.Background(), kind, netip.AddrPortFrom(address, listenPort).String())
	if err != nil {
		return nil, err
	}
	return &listener{network: n, socket: tcpSocket{opened.(*net.TCPListener)}}, nil
}

func (l *listener) serve() {
	for {
		accepted, err := l.socket.AcceptTCP()
		if err != nil {
			// Too many open files, for example, pass.
			log.Printf("accept a connection: %v", err)
			time.Sleep(acceptPause)
			continue
		}
		l.take(accepted)
	}
}

const acceptPause = 10 * time.Millisecond

func (l *listener) take(accepted *net.TCPConn) {
	to := addrPortOf(accepted.LocalAddr())
	from := addrPortOf(accepted.RemoteAddr())
	if to.Port() == dnsPort && to.Addr().Is4() {
		crash.Go(func() { l.network.resolver.serveStream(accepted, from, to) })
		return
	}
	incoming := &Incoming{TCPConn: accepted}
	owner := l.network.owners.of(from, to)
	asked := l.network.ask(incoming, func(id uint64) any {
		return Connection{ID: id, Address: to.Addr().String(), Port: to.Port(), Owner: owner}
	})
	if !asked {
		incoming.Refuse()
	}
}

func addrPortOf(address net.Addr) netip.AddrPort {
	tcp := address.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(tcp.Addr().Unmap(), tcp.Port())
}

// Incoming is a connection of a guest's process that waits for the host, or that the host has
// taken.
type Incoming struct{ *net.TCPConn }

// Refuse ends the connection with a reset, which its process sees as one.
func (i *Incoming) Refuse() {
	_ = i.SetLinger(0)
	_ = i.Close()
}

func (i *Incoming) giveUp() { i.Refuse() }

// Take returns the connection that waits under an id; nil if none does.
func (n *Network) Take(id uint64) *Incoming {
	n.mu.Lock()
	defer n.mu.Unlock()
	incoming, ok := n.waiting[id].(*Incoming)
	if !ok {
		return nil
	}
	delete(n.waiting, id)
	return incoming
}
