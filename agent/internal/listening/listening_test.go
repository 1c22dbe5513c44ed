package listening

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestInReadsTheTablesOfBothFamilies(t *testing.T) {
	directory := t.TempDir()
	const ipv4 = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1 0 100 0 0 10 0
   1: 00000000:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 102 1 0 100 0 0 10 0
   2: 0100007F:0BB8 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 103 1 0 100 0 0 10 0
`
	const ipv6 = `   0: B80D0120000000000000000007000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 104 1
`
	for name, text := range map[string]string{"tcp": ipv4, "tcp6": ipv6} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]netip.AddrPort{
		"101": netip.MustParseAddrPort("127.0.0.1:3000"),
		"102": netip.MustParseAddrPort("0.0.0.0:3001"),
		"104": netip.MustParseAddrPort("[2001:db8::7]:80"),
	}
	if got := In(directory); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOfAProcess(t *testing.T) {
	listener, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := uint16(listener.Addr().(*net.TCPAddr).Port)
	for _, found := range Of([]int{os.Getpid(), -1}) {
		if found.Port == port && found.Address == "::1" && found.PID == os.Getpid() && found.Command != "" {
			return
		}
	}
	t.Errorf("port %d is not among %v", port, Of([]int{os.Getpid()}))
}
