package network

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
)

func TestParseListeners(t *testing.T) {
	const ipv4 = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
   1: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
   2: 020011AC:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
   3: 0100007F:0BB8 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0
   4: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
`
	const ipv6 = `   0: 00000000000000000000000001000000:0BB8 00000000000000000000000000000000:0000 0A 0 0
   1: B80D0120000000000000000007000000:0BB8 00000000000000000000000000000000:0000 0A 0 0
`
	want := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("172.17.0.2")}
	if got := parseListeners(ipv4, 3000); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	want = []netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("2001:db8::7")}
	if got := parseListeners(ipv6, 3000); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDialOwnFindsEachKindOfListener(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", "127.0.0.9:0", "0.0.0.0:0"} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		port := uint16(listener.Addr().(*net.TCPAddr).Port)
		connection, err := DialOwn(context.Background(), port)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		connection.Close()
	}
	if _, err := DialOwn(context.Background(), 1); err == nil {
		t.Error("connected to a port on which nothing listens")
	}
}
