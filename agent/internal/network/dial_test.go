package network

import (
	"context"
	"net"
	"testing"
)

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
	_, err := DialOwn(context.Background(), 1)
	if want := "connection refused at 127.0.0.1:1 and [::1]:1"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
