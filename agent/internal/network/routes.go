package network

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// addRoutes makes the kernel deliver everything that would leave the guest to the guest itself. The
// pool is as local as 127.0.0.0/8. The default routes lose to every route that the guest adds, such
// as those of a container's bridge.
func addRoutes() error {
	loopback, err := interfaceIndex("lo")
	if err != nil {
		return err
	}
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	for _, step := range []struct {
		what    string
		kind    uint16
		message []byte
	}{
		{"IPv4 address", unix.RTM_NEWADDR, addressMessage(ownIPv4, loopback)},
		{"IPv6 address", unix.RTM_NEWADDR, addressMessage(ownIPv6, loopback)},
		{"pool", unix.RTM_NEWROUTE, localRoute(pool, loopback, unix.RT_TABLE_LOCAL)},
		{"IPv4 default", unix.RTM_NEWROUTE, localRoute(netip.PrefixFrom(netip.IPv4Unspecified(), 0), loopback, unix.RT_TABLE_MAIN)},
		{"IPv6 default", unix.RTM_NEWROUTE, localRoute(netip.PrefixFrom(netip.IPv6Unspecified(), 0), loopback, unix.RT_TABLE_MAIN)},
	} {
		if err := request(socket, step.kind, step.message); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// routePriority is lower than that of any route which a program adds without naming one.
const routePriority = 1 << 30

func localRoute(to netip.Prefix, device uint32, table uint8) []byte {
	message := unix.RtMsg{
		Family: family(to.Addr()), Dst_len: uint8(to.Bits()), Table: table,
		Protocol: unix.RTPROT_STATIC, Scope: unix.RT_SCOPE_HOST, Type: unix.RTN_LOCAL,
	}
	b := bytesOf(&message)
	if to.Bits() > 0 {
		b = appendAttribute(b, unix.RTA_DST, to.Addr().AsSlice())
	}
	b = appendAttribute(b, unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, device))
	return appendAttribute(b, unix.RTA_PRIORITY, binary.NativeEndian.AppendUint32(nil, routePriority))
}

func addressMessage(address netip.Prefix, device uint32) []byte {
	message := unix.IfAddrmsg{
		Family: family(address.Addr()), Prefixlen: uint8(address.Bits()),
		Flags: unix.IFA_F_NODAD, Index: device,
	}
	return appendAttribute(bytesOf(&message), unix.IFA_LOCAL, address.Addr().AsSlice())
}

func family(address netip.Addr) uint8 {
	if address.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func bytesOf[T any](value *T) []byte {
	size := int(unsafe.Sizeof(*value))
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(value)), size)...)
}

func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%unix.NLMSG_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}

// request sends one netlink request and waits for its answer. What exists already is no error.
func request(socket int, kind uint16, message []byte) error {
	header := unix.NlMsghdr{
		Len: uint32(unix.SizeofNlMsghdr + len(message)), Type: kind,
		Flags: unix.NLM_F_REQUEST | unix.NLM_F_ACK | unix.NLM_F_CREATE,
	}
	if err := unix.Sendto(socket, append(bytesOf(&header), message...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, os.Getpagesize())
	n, _, err := unix.Recvfrom(socket, answer, 0)
	if err != nil {
		return err
	}
	const errorEnd = unix.SizeofNlMsghdr + 4
	if n < errorEnd {
		return fmt.Errorf("the answer has only %d bytes", n)
	}
	// Every answer to a request with NLM_F_ACK is an NLMSG_ERROR, whose payload begins with the
	// negative error number.
	number := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:errorEnd]))
	if number == 0 || unix.Errno(-number) == unix.EEXIST {
		return nil
	}
	return unix.Errno(-number)
}

func interfaceIndex(name string) (uint32, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(socket)
	named, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCGIFINDEX, named); err != nil {
		return 0, err
	}
	return named.Uint32(), nil
}
