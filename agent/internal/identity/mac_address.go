package identity

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hardwareAddressRequest is struct ifreq with its ifr_hwaddr member.
type hardwareAddressRequest struct {
	name    [unix.IFNAMSIZ]byte
	family  uint16
	address [14]byte
	_       [8]byte
}

// SetMACAddress sets the address of the first Ethernet card.
func (Linux) SetMACAddress(address string) error {
	hardware, err := net.ParseMAC(address)
	if err != nil {
		return err
	}
	name, err := firstEthernetCard("/sys/class/net")
	if err != nil {
		return err
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request := hardwareAddressRequest{family: unix.ARPHRD_ETHER}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	copy(request.address[:], hardware)
	return ioctl(uintptr(socket), unix.SIOCSIFHWADDR, unsafe.Pointer(&request))
}

// firstEthernetCard takes only interfaces with a device behind them, because bridges and the like
// are Ethernet too.
func firstEthernetCard(classDirectory string) (string, error) {
	entries, err := os.ReadDir(classDirectory)
	if err != nil {
		return "", err
	}
	for _, entry := range entries {
		directory := filepath.Join(classDirectory, entry.Name())
		kind, _ := os.ReadFile(filepath.Join(directory, "type"))
		_, deviceErr := os.Stat(filepath.Join(directory, "device"))
		if strings.TrimSpace(string(kind)) == "1" && deviceErr == nil {
			return entry.Name(), nil
		}
	}
	return "", errors.New("there is no Ethernet card")
}
