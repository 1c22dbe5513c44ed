package identity

import (
	"os"
	"path/filepath"
	"testing"
	"unsafe"
)

func TestFirstEthernetCardIsOneWithADevice(t *testing.T) {
	class := t.TempDir()
	for name, card := range map[string]struct {
		kind   string
		device bool
	}{"br0": {"1\n", false}, "ib0": {"32\n", true}, "eth1": {"1\n", true}, "lo": {"772\n", false}} {
		if err := os.Mkdir(filepath.Join(class, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(class, name, "type"), []byte(card.kind), 0o644); err != nil {
			t.Fatal(err)
		}
		if card.device {
			if err := os.Mkdir(filepath.Join(class, name, "device"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, err := firstEthernetCard(class); got != "eth1" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := firstEthernetCard(t.TempDir()); err == nil {
		t.Errorf("got %q where there is none", got)
	}
}

func TestHardwareAddressRequestHasTheKernelsSize(t *testing.T) {
	const sizeofIfreq = 40
	if got := unsafe.Sizeof(hardwareAddressRequest{}); got != sizeofIfreq {
		t.Errorf("got %d bytes, want %d", got, sizeofIfreq)
	}
}
