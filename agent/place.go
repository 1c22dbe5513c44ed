package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"pyro.agent/internal/boot"
	"pyro.agent/internal/cgroup"
	"pyro.agent/internal/identity"
	"pyro.agent/internal/inspect"
	"pyro.agent/internal/network"
	"pyro.agent/internal/port"
)

// place is where the agent works: the machine that it boots, or one that its caller has made.
type place struct {
	rootDevice string
	system     identity.System
	host       port.Stream
	hostName   string
	findDisks  func() error
	// network may fail. Without one its result is nil.
	network func(groups *cgroup.Parent) (*network.Network, error)
}

const serveFlag = "--serve-fd"

// hostFD is the descriptor that serveFlag is about.
const hostFD = 3

// findPlace boots the machine, unless the arguments are `--serve-fd 3`.
//
// Linux passes words of its command line to init, so those arguments could reach the agent of a
// real guest. There they are fatal: the kernel starts init without a descriptor 3.
func findPlace(arguments []string) (place, error) {
	if len(arguments) == 2 && arguments[0] == serveFlag && arguments[1] == fmt.Sprint(hostFD) {
		return inheritedPlace(hostFD)
	}
	return bootedPlace()
}

func bootedPlace() (place, error) {
	rootDevice, err := boot.Run()
	if err != nil {
		return place{}, err
	}
	device, err := port.OpenDevice(portName, portWait)
	if err != nil {
		return place{}, err
	}
	return place{
		rootDevice: rootDevice,
		system:     identity.Linux{},
		host:       device,
		hostName:   device.Name(),
		findDisks:  inspect.FindDisks,
		network: func(groups *cgroup.Parent) (*network.Network, error) {
			return network.Start(groups.LabelOf)
		},
	}, nil
}

// inheritedPlace takes namespaces as they are, with a socket to the host as descriptor fd.
func inheritedPlace(fd uintptr) (place, error) {
	file := os.NewFile(fd, "host")
	if file == nil {
		return place{}, fmt.Errorf("descriptor %d is not open", fd)
	}
	socket, err := net.FileConn(file)
	// Commands must not inherit the descriptor; the connection is a copy that they do not get.
	file.Close()
	if err != nil {
		return place{}, fmt.Errorf("descriptor %d is no socket: %w", fd, err)
	}
	return place{
		rootDevice: "none",
		system:     sharedKernel{},
		host:       port.Socket{Conn: socket},
		hostName:   fmt.Sprintf("descriptor %d", fd),
		// Its maker has put all disks there.
		findDisks: func() error { return nil },
		// The kernel is not the guest's own, and only its owner may load programs into it.
		network: func(*cgroup.Parent) (*network.Network, error) { return nil, nil },
	}, nil
}

// sharedKernel is the System of namespaces: clock and random numbers are those of the host, so only
// the name can change.
type sharedKernel struct{ identity.Linux }

func (sharedKernel) AddEntropy([]byte) error  { return nil }
func (sharedKernel) SetClock(time.Time) error { return nil }
