package network

import (
	"encoding/json"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"pyro.agent/internal/frame"
)

func query(t *testing.T, name string, kind dnsmessage.Type, class dnsmessage.Class) []byte {
	t.Helper()
	message := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 77, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: class}},
	}
	packed, err := message.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// ask gives a message to a resolver whose host answers with an address, and returns the reply and
// what the host heard.
func ask(t *testing.T, message []byte, address *netip.Addr) (*dnsmessage.Message, *Question) {
	t.Helper()
	n := &Network{waiting: make(map[uint64]pending)}
	r := &resolver{network: n}
	var heard *Question
	n.Listen(NewHost(func(complete []byte) error {
		heard = new(Question)
		if complete[0] != byte(frame.Question) {
			t.Errorf("got frame %#x", complete[0])
		}
		return json.Unmarshal(complete[frame.HeaderSize:], heard)
	}))
	var replies [][]byte
	r.take(message, netip.AddrPort{}, netip.AddrPort{}, func(answer []byte) { replies = append(replies, answer) })
	if heard != nil {
		n.take(heard.ID).(*dnsQuery).answer(address)
	}
	if len(replies) != 1 {
		t.Fatalf("got %d replies", len(replies))
	}
	if replies[0] == nil {
		return nil, heard
	}
	var reply dnsmessage.Message
	if err := reply.Unpack(replies[0]); err != nil {
		t.Fatal(err)
	}
	return &reply, heard
}

func TestResolverAnswersWithWhatTheHostSays(t *testing.T) {
	address := netip.MustParseAddr("198.18.1.7")
	for name, test := range map[string]struct {
		kind    dnsmessage.Type
		address *netip.Addr
		code    dnsmessage.RCode
		answers int
	}{
		"an address":                    {dnsmessage.TypeA, &address, dnsmessage.RCodeSuccess, 1},
		"no IPv6 address":               {dnsmessage.TypeAAAA, &address, dnsmessage.RCodeSuccess, 0},
		"no other record":               {dnsmessage.TypeHTTPS, &address, dnsmessage.RCodeSuccess, 0},
		"a name that does not exist":    {dnsmessage.TypeA, nil, dnsmessage.RCodeNameError, 0},
		"nor does it for other records": {dnsmessage.TypeTXT, nil, dnsmessage.RCodeNameError, 0},
	} {
		t.Run(name, func(t *testing.T) {
			reply, heard := ask(t, query(t, "Example.com.", test.kind, dnsmessage.ClassINET), test.address)
			if heard.Name != "Example.com" {
				t.Errorf("the host heard %q", heard.Name)
			}
			if reply.ID != 77 || !reply.Response || reply.RCode != test.code || len(reply.Answers) != test.answers {
				t.Errorf("got %+v", reply)
			}
			if test.answers == 1 && reply.Answers[0].Body.(*dnsmessage.AResource).A != address.As4() {
				t.Errorf("got %v", reply.Answers[0])
			}
		})
	}
}

func TestResolverRefusesWhatIsNoQuestion(t *testing.T) {
	if reply, heard := ask(t, []byte("not DNS"), nil); reply != nil || heard != nil {
		t.Errorf("got %v, and the host heard %v", reply, heard)
	}
	if reply, heard := ask(t, query(t, "version.bind.", dnsmessage.TypeTXT, dnsmessage.ClassCHAOS), nil); heard != nil ||
		reply.RCode != dnsmessage.RCodeNotImplemented {
		t.Errorf("got %v, and the host heard %v", reply, heard)
	}
}

func TestResolverFailsWithoutAHost(t *testing.T) {
	n := &Network{waiting: make(map[uint64]pending)}
	r := &resolver{network: n}
	var code dnsmessage.RCode
	r.take(query(t, "example.com.", dnsmessage.TypeA, dnsmessage.ClassINET), netip.AddrPort{}, netip.AddrPort{}, func(answer []byte) {
		var reply dnsmessage.Message
		if err := reply.Unpack(answer); err != nil {
			t.Fatal(err)
		}
		code = reply.RCode
	})
	if code != dnsmessage.RCodeServerFailure {
		t.Errorf("got %v", code)
	}
}

func TestANewHostTakesThePlaceOfTheOldOne(t *testing.T) {
	n := &Network{waiting: make(map[uint64]pending)}
	old := NewHost(func([]byte) error { return nil })
	n.Listen(old)
	var given bool
	waits := pendingFunc(func() { given = true })
	n.ask(waits, func(id uint64) any { return Connection{ID: id} })
	n.Listen(NewHost(func([]byte) error { return nil }))
	if !given {
		t.Error("what waited for the old host still waits")
	}
	n.Leave(old)
	if n.host == nil {
		t.Error("the old host took the new one with it")
	}
}

type pendingFunc func()

func (f pendingFunc) giveUp() { f() }
