package network

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// groupLevel is the depth of a command's control group, /pyro/exec-N, below the root.
const groupLevel = 2

func (p *programs) attachCreated() error {
	const makerOnStack, cookieOnStack = -32, -40
	code := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.FnGetSocketCookie.Call(),
		asm.StoreMem(asm.RFP, cookieOnStack, asm.R0, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, makerOnStack),
		asm.Mov.Imm(asm.R2, 16),
		asm.FnGetCurrentComm.Call(),
		asm.Mov.Imm(asm.R1, groupLevel),
		asm.FnGetCurrentAncestorCgroupId.Call(),
		asm.StoreMem(asm.RFP, makerOnStack+16, asm.R0, asm.DWord),
		asm.FnGetCurrentPidTgid.Call(),
		asm.RSh.Imm(asm.R0, 32),
		asm.StoreMem(asm.RFP, makerOnStack+24, asm.R0, asm.DWord),
		asm.LoadMapPtr(asm.R1, p.makers.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, cookieOnStack),
		asm.Mov.Reg(asm.R3, asm.RFP),
		asm.Add.Imm(asm.R3, makerOnStack),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnMapUpdateElem.Call(),
		asm.Mov.Imm(asm.R0, 1),
		asm.Return(),
	}
	return p.attachToAllGroups(ebpf.CGroupSock, ebpf.AttachCGroupInetSockCreate, code)
}

// Offsets in the headers of packets.
const (
	ipv4HeaderSize  = 20
	ipv4Protocol    = 9
	ipv4Destination = 16
	ipv6HeaderSize  = 40
	ipv6Protocol    = 6
	ipv6Destination = 24
	tcpFlags        = 13
	// SYN without ACK: the first packet of a connection
	flagsMask, flagSYN = 0x12, 0x02
)

// attachSent takes packets with options in their IPv4 header, or extensions of their IPv6 header,
// for others, so the owner of such a connection is unknown.
func (p *programs) attachSent() error {
	const (
		flowOnStack   = -24 // 16 bytes of address, then two ports
		cookieOnStack = -32
		byteOnStack   = -40
	)
	loadBytes := func(offset int32, onStack int32, size int32) asm.Instructions {
		return asm.Instructions{
			asm.Mov.Reg(asm.R1, asm.R6),
			asm.Mov.Imm(asm.R2, offset),
			asm.Mov.Reg(asm.R3, asm.RFP),
			asm.Add.Imm(asm.R3, onStack),
			asm.Mov.Imm(asm.R4, size),
			asm.FnSkbLoadBytes.Call(),
			asm.JNE.Imm(asm.R0, 0, "done"),
		}
	}
	// transport looks at what follows the IP header.
	transport := func(version string, headerSize, protocolAt, destinationAt, destinationOnStack, size int32) asm.Instructions {
		code := loadBytes(protocolAt, byteOnStack, 1)
		code = append(code,
			asm.LoadMem(asm.R7, asm.RFP, byteOnStack, asm.Byte),
			asm.JEq.Imm(asm.R7, unix.IPPROTO_TCP, version+"-ports"),
			asm.JNE.Imm(asm.R7, unix.IPPROTO_UDP, "done"),
		)
		ports := loadBytes(headerSize, flowOnStack+16, 4)
		ports[0] = ports[0].WithSymbol(version + "-ports")
		code = append(code, ports...)
		code = append(code, loadBytes(destinationAt, destinationOnStack, size)...)
		code = append(code,
			asm.LoadMem(asm.R8, asm.RFP, flowOnStack+18, asm.Half),
			asm.JEq.Imm(asm.R7, unix.IPPROTO_TCP, version+"-tcp"),
			asm.JEq.Imm(asm.R8, dnsPort<<8, "note"), // big endian
			asm.Ja.Label("done"),
		)
		flags := loadBytes(headerSize+tcpFlags, byteOnStack, 1)
		flags[0] = flags[0].WithSymbol(version + "-tcp")
		code = append(code, flags...)
		return append(code,
			asm.LoadMem(asm.R2, asm.RFP, byteOnStack, asm.Byte),
			asm.And.Imm(asm.R2, flagsMask),
			asm.JEq.Imm(asm.R2, flagSYN, "note"),
			asm.Ja.Label("done"),
		)
	}
	code := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.StoreImm(asm.RFP, flowOnStack, 0, asm.Word),
		asm.StoreImm(asm.RFP, flowOnStack+4, 0, asm.Word),
		asm.StoreImm(asm.RFP, flowOnStack+8, mappedPrefix, asm.Word),
		asm.StoreImm(asm.RFP, flowOnStack+12, 0, asm.Word),
		asm.StoreImm(asm.RFP, flowOnStack+16, 0, asm.Word),
		asm.StoreImm(asm.RFP, flowOnStack+20, 0, asm.Word),
		asm.StoreImm(asm.RFP, byteOnStack, 0, asm.Word),
		asm.StoreImm(asm.RFP, byteOnStack+4, 0, asm.Word),
	}
	code = append(code, loadBytes(0, byteOnStack, 1)...)
	code = append(code,
		asm.LoadMem(asm.R2, asm.RFP, byteOnStack, asm.Byte),
		asm.JEq.Imm(asm.R2, 0x45, "ipv4"), // version 4, five words of header
		asm.RSh.Imm(asm.R2, 4),
		asm.JNE.Imm(asm.R2, 6, "done"),
	)
	code = append(code, transport("ipv6", ipv6HeaderSize, ipv6Protocol, ipv6Destination, flowOnStack, 16)...)
	ipv4 := transport("ipv4", ipv4HeaderSize, ipv4Protocol, ipv4Destination, flowOnStack+12, 4)
	ipv4[0] = ipv4[0].WithSymbol("ipv4")
	code = append(code, ipv4...)
	code = append(code,
		asm.Mov.Reg(asm.R1, asm.R6).WithSymbol("note"),
		asm.FnGetSocketCookie.Call(),
		asm.StoreMem(asm.RFP, cookieOnStack, asm.R0, asm.DWord),
		asm.LoadMapPtr(asm.R1, p.senders.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, flowOnStack),
		asm.Mov.Reg(asm.R3, asm.RFP),
		asm.Add.Imm(asm.R3, cookieOnStack),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnMapUpdateElem.Call(),
		asm.Mov.Imm(asm.R0, 1).WithSymbol("done"),
		asm.Return(),
	)
	return p.attachToAllGroups(ebpf.CGroupSKB, ebpf.AttachCGroupInetEgress, code)
}

func (p *programs) attachToAllGroups(kind ebpf.ProgramType, attach ebpf.AttachType, code asm.Instructions) error {
	program, err := load(kind, attach, code)
	if err != nil {
		return err
	}
	defer program.Close()
	attached, err := link.AttachCgroup(link.CgroupOptions{Path: "/sys/fs/cgroup", Attach: attach, Program: program})
	if err != nil {
		return err
	}
	p.links = append(p.links, attached)
	return nil
}
