package network

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// Numbers of the agent's sockets in the map that the lookup program assigns from.
const (
	questionSocket = iota
	ipv4Socket
	ipv6Socket
	socketCount
)

// sockets are the agent's, to which the kernel assigns what leaves the guest.
type sockets struct{ questions, ipv4, ipv6 fileDescriptor }

// maxTracked limits the sockets whose makers are known. The oldest are forgotten.
const maxTracked = 4096

// programs are the agent's programs in the kernel and the maps that they share with it.
//
//   - lookup runs for each packet that is delivered to the guest itself and belongs to no
//     established connection. Unless an interface has the packet's destination as its address, it
//     assigns the packet to the agent's socket.
//   - created runs when a process makes a socket, and notes the process.
//   - sent runs for each packet that a process sends. It notes which socket sent the first packet
//     of a connection, or a question to a name server.
type programs struct {
	// own has the addresses of the guest's interfaces: IPv6 form → nothing
	own *ebpf.Map
	// makers has socket cookie → maker
	makers *ebpf.Map
	// senders has flow → socket cookie
	senders *ebpf.Map

	// sockets are those that the lookup program assigns.
	sockets *ebpf.Map
	// links keep the programs attached. One that is collected detaches its program.
	links []link.Link
}

// address is an IP address in IPv6 form.
type address = [16]byte

// flow names a connection, or a question, by what the guest's own end knows of it.
type flow struct {
	// of the other end
	Remote address
	// of the guest's end, then of the other end, both big endian
	LocalPort, RemotePort [2]byte
}

// maker is the process that made a socket.
type maker struct {
	Command [16]byte
	GroupID uint64
	PID     uint32
	_       uint32
}

// fileDescriptor is a socket that keeps its descriptor open.
type fileDescriptor interface{ fd() (int, error) }

func attachPrograms(given sockets) (*programs, error) {
	p := &programs{}
	steps := []struct {
		name string
		do   func() error
	}{
		{"make maps", p.makeMaps},
		{"fill the map of sockets", func() error { return p.fillSockets(given) }},
		{"attach the lookup program", p.attachLookup},
		{"attach the program of new sockets", p.attachCreated},
		{"attach the program of sent packets", p.attachSent},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return nil, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return p, nil
}

func (p *programs) makeMaps() (err error) {
	for _, m := range []struct {
		into **ebpf.Map
		spec ebpf.MapSpec
	}{
		{&p.sockets, ebpf.MapSpec{Type: ebpf.SockMap, KeySize: 4, ValueSize: 8, MaxEntries: socketCount}},
		{&p.own, ebpf.MapSpec{Type: ebpf.Hash, KeySize: 16, ValueSize: 1, MaxEntries: 1024}},
		{&p.makers, ebpf.MapSpec{Type: ebpf.LRUHash, KeySize: 8, ValueSize: 32, MaxEntries: maxTracked}},
		{&p.senders, ebpf.MapSpec{Type: ebpf.LRUHash, KeySize: 20, ValueSize: 8, MaxEntries: maxTracked}},
	} {
		if *m.into, err = ebpf.NewMap(&m.spec); err != nil {
			return err
		}
	}
	return nil
}

func (p *programs) fillSockets(given sockets) error {
	for number, socket := range map[uint32]fileDescriptor{
		questionSocket: given.questions, ipv4Socket: given.ipv4, ipv6Socket: given.ipv6,
	} {
		fd, err := socket.fd()
		if err != nil {
			return err
		}
		if err := p.sockets.Update(number, uint64(fd), ebpf.UpdateAny); err != nil {
			return err
		}
	}
	return nil
}

func load(kind ebpf.ProgramType, attach ebpf.AttachType, code asm.Instructions) (*ebpf.Program, error) {
	return ebpf.NewProgram(&ebpf.ProgramSpec{Type: kind, AttachType: attach, License: "GPL", Instructions: code})
}
