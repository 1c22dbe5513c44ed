package network

import (
	"errors"
	"log"
	"net/netip"
	"os"
	"syscall"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"pyro.agent/internal/crash"
)

// watchOwnAddresses keeps the addresses of the guest's interfaces, such as a container bridge's,
// from being taken for addresses of others.
func watchOwnAddresses(p *programs) error {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	groups := uint32(unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
	if err := unix.Bind(socket, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return err
	}
	// Whatever comes after this list is announced on the socket.
	present, err := syscall.NetlinkRIB(unix.RTM_GETADDR, unix.AF_UNSPEC)
	if err != nil {
		return err
	}
	if err := p.noteAddresses(present); err != nil {
		return err
	}
	crash.Go(func() {
		buffer := make([]byte, 16*os.Getpagesize())
		for {
			n, _, err := unix.Recvfrom(socket, buffer, 0)
			if err == nil {
				err = p.noteAddresses(buffer[:n])
			}
			if err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ENOBUFS) {
				log.Printf("addresses of the guest's interfaces: %v", err)
			}
		}
	})
	return nil
}

func (p *programs) noteAddresses(messages []byte) error {
	parsed, err := syscall.ParseNetlinkMessage(messages)
	if err != nil {
		return err
	}
	for _, message := range parsed {
		added := message.Header.Type == unix.RTM_NEWADDR
		if !added && message.Header.Type != unix.RTM_DELADDR {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(&message)
		if err != nil {
			return err
		}
		for _, attribute := range attributes {
			// Of a point-to-point link IFA_ADDRESS is the other end, and IFA_LOCAL the own one.
			// IPv6 interfaces have only IFA_ADDRESS.
			isIPv6 := len(attribute.Value) == net6Size
			if attribute.Attr.Type != unix.IFA_LOCAL && !(isIPv6 && attribute.Attr.Type == unix.IFA_ADDRESS) {
				continue
			}
			if err := p.noteAddress(attribute.Value, added); err != nil {
				return err
			}
		}
	}
	return nil
}

const net6Size = 16

func (p *programs) noteAddress(raw []byte, added bool) error {
	own, ok := netip.AddrFromSlice(raw)
	if !ok {
		return nil
	}
	if added {
		return p.own.Update(own.As16(), uint8(1), ebpf.UpdateAny)
	}
	if err := p.own.Delete(own.As16()); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	return nil
}
