package network

import (
	"context"
	"encoding/binary"
	"io"
	"log"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const (
	// maxQuestion is more than any question needs.
	maxQuestion = 4096
	// answerTTL is for programs that keep answers. A name has its address as long as the workspace
	// lives, but the policy can change.
	answerTTL = 60
	// streamIdle is how long a connection to the resolver may be silent.
	streamIdle = 10 * time.Second
)

// dnsPort is that of name servers.
const dnsPort = 53

// resolver answers questions to any name server. It knows addresses of IPv4 alone, because only
// those stand for names.
type resolver struct {
	network *Network
	socket  udpSocket
	packets *ipv4.PacketConn
	// answers sends whole packets, because an answer must come from port 53, and no socket of the
	// agent may hold a port that a name server in the guest wants.
	answers *ipv4.RawConn
}

func newResolver(n *Network) (*resolver, error) {
	config := net.ListenConfig{Control: transparent}
	opened, err := config.ListenPacket(context.Background(), "udp4", netip.AddrPortFrom(Resolver, listenPort).String())
	if err != nil {
		return nil, err
	}
	socket := udpSocket{opened.(*net.UDPConn)}
	packets := ipv4.NewPacketConn(socket.UDPConn)
	if err := packets.SetControlMessage(ipv4.FlagDst, true); err != nil {
		return nil, err
	}
	raw, err := net.ListenPacket("ip4:255", "0.0.0.0")
	if err != nil {
		return nil, err
	}
	answers, err := ipv4.NewRawConn(raw)
	if err != nil {
		return nil, err
	}
	return &resolver{network: n, socket: socket, packets: packets, answers: answers}, nil
}

func (r *resolver) serve() {
	buffer := make([]byte, maxQuestion)
	for {
		size, about, asker, err := r.packets.ReadFrom(buffer)
		if err != nil {
			log.Printf("read a question: %v", err)
			time.Sleep(acceptPause)
			continue
		}
		from := asker.(*net.UDPAddr).AddrPort()
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		to, _ := netip.AddrFromSlice(about.Dst.To4())
		r.take(buffer[:size], from, netip.AddrPortFrom(to, dnsPort), func(answer []byte) {
			if answer != nil {
				r.send(answer, netip.AddrPortFrom(to, dnsPort), from)
			}
		})
	}
}

const udpHeaderSize = 8

// send sends an answer from the address that was asked. An asker that has gone needs none.
func (r *resolver) send(answer []byte, from, to netip.AddrPort) {
	packet := make([]byte, udpHeaderSize, udpHeaderSize+len(answer))
	binary.BigEndian.PutUint16(packet, from.Port())
	binary.BigEndian.PutUint16(packet[2:], to.Port())
	binary.BigEndian.PutUint16(packet[4:], uint16(udpHeaderSize+len(answer)))
	// A checksum of zero means that there is none, which IPv4 allows (RFC 768).
	packet = append(packet, answer...)
	header := &ipv4.Header{
		Version: ipv4.Version, Len: ipv4.HeaderLen, TotalLen: ipv4.HeaderLen + len(packet),
		TTL: 64, Protocol: unix.IPPROTO_UDP, Src: from.Addr().AsSlice(), Dst: to.Addr().AsSlice(),
	}
	_ = r.answers.WriteTo(header, packet, nil)
}

// serveStream answers the questions of a connection, which each have two bytes of length before
// them (RFC 7766).
func (r *resolver) serveStream(connection net.Conn, from, to netip.AddrPort) {
	defer connection.Close()
	for {
		_ = connection.SetDeadline(time.Now().Add(streamIdle))
		var length [2]byte
		if _, err := io.ReadFull(connection, length[:]); err != nil {
			return
		}
		size := binary.BigEndian.Uint16(length[:])
		if size > maxQuestion {
			return
		}
		message := make([]byte, size)
		if _, err := io.ReadFull(connection, message); err != nil {
			return
		}
		answers := make(chan []byte, 1)
		r.take(message, from, to, func(answer []byte) { answers <- answer })
		answer := <-answers
		if answer == nil {
			return
		}
		framed := binary.BigEndian.AppendUint16(nil, uint16(len(answer)))
		if _, err := connection.Write(append(framed, answer...)); err != nil {
			return
		}
	}
}

// take asks the host about a message. It replies once, with nil to what is no question.
func (r *resolver) take(message []byte, from, to netip.AddrPort, reply func(answer []byte)) {
	query := &dnsQuery{reply: reply}
	if query.Unpack(message) != nil || query.Response {
		reply(nil)
		return
	}
	if query.OpCode != 0 || len(query.Questions) != 1 || query.Questions[0].Class != dnsmessage.ClassINET {
		query.respond(dnsmessage.RCodeNotImplemented, nil)
		return
	}
	asked := query.Questions[0]
	owner := r.network.owners.of(from, to)
	heard := r.network.ask(query, func(id uint64) any {
		name := strings.TrimSuffix(asked.Name.String(), ".")
		return Question{ID: id, Name: name, Type: strings.TrimPrefix(asked.Type.String(), "Type"), Owner: owner}
	})
	if !heard {
		query.giveUp()
	}
}

// dnsQuery is a question that waits for the host.
type dnsQuery struct {
	dnsmessage.Message
	reply func(answer []byte)
}

// answer says whether the name may be reached. A name that may not does not exist: asked again,
// another name server of a resolver would be tried after an error.
func (q *dnsQuery) answer(address *netip.Addr) {
	if address == nil || !address.Is4() {
		q.respond(dnsmessage.RCodeNameError, nil)
		return
	}
	asked := q.Questions[0]
	if asked.Type != dnsmessage.TypeA && asked.Type != dnsmessage.TypeALL {
		// The name exists, and has nothing of this type.
		q.respond(dnsmessage.RCodeSuccess, nil)
		return
	}
	header := dnsmessage.ResourceHeader{Name: asked.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: answerTTL}
	q.respond(dnsmessage.RCodeSuccess, []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AResource{A: address.As4()}}})
}

// giveUp tells the asker to try again.
func (q *dnsQuery) giveUp() { q.respond(dnsmessage.RCodeServerFailure, nil) }

func (q *dnsQuery) respond(code dnsmessage.RCode, records []dnsmessage.Resource) {
	response := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: q.ID, Response: true, RecursionDesired: q.RecursionDesired, RecursionAvailable: true, RCode: code,
		},
		Questions: q.Questions,
		Answers:   records,
	}
	packed, err := response.Pack()
	if err != nil {
		packed = nil
	}
	q.reply(packed)
}
