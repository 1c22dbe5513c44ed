package network

import (
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Offsets in struct bpf_sk_lookup.
const (
	lookupFamily    = 8
	lookupProtocol  = 12
	lookupLocalIP4  = 40
	lookupLocalIP6  = 44
	lookupLocalPort = 60
)

// keyOnStack is where the programs lay out an address.
const keyOnStack = -24

func (p *programs) attachLookup() error {
	code := asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1)}
	// The destination in IPv6 form.
	code = append(code,
		asm.LoadMem(asm.R2, asm.R6, lookupFamily, asm.Word),
		asm.JNE.Imm(asm.R2, unix.AF_INET, "ipv6"),
		asm.StoreImm(asm.RFP, keyOnStack, 0, asm.Word),
		asm.StoreImm(asm.RFP, keyOnStack+4, 0, asm.Word),
		asm.StoreImm(asm.RFP, keyOnStack+8, mappedPrefix, asm.Word),
		asm.LoadMem(asm.R2, asm.R6, lookupLocalIP4, asm.Word),
		asm.StoreMem(asm.RFP, keyOnStack+12, asm.R2, asm.Word),
		asm.Ja.Label("search"),
	)
	for i := int16(0); i < 16; i += 4 {
		load := asm.LoadMem(asm.R2, asm.R6, lookupLocalIP6+i, asm.Word)
		if i == 0 {
			load = load.WithSymbol("ipv6")
		}
		code = append(code, load, asm.StoreMem(asm.RFP, keyOnStack+i, asm.R2, asm.Word))
	}
	code = append(code,
		asm.LoadMapPtr(asm.R1, p.own.FD()).WithSymbol("search"),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, keyOnStack),
		asm.FnMapLookupElem.Call(),
		asm.JNE.Imm(asm.R0, 0, "pass"),
		asm.LoadMem(asm.R3, asm.R6, lookupProtocol, asm.Word),
		asm.StoreImm(asm.RFP, -4, ipv6Socket, asm.Word),
		asm.LoadMem(asm.R2, asm.R6, lookupFamily, asm.Word),
		asm.JNE.Imm(asm.R2, unix.AF_INET, "connection"),
		// Programs use other addresses of 127.0.0.0/8 than the one on its interface.
		asm.LoadMem(asm.R2, asm.RFP, keyOnStack+12, asm.Byte),
		asm.JEq.Imm(asm.R2, 127, "pass"),
		asm.StoreImm(asm.RFP, -4, ipv4Socket, asm.Word),
		asm.JNE.Imm(asm.R3, unix.IPPROTO_UDP, "connection"),
		asm.LoadMem(asm.R2, asm.R6, lookupLocalPort, asm.Word),
		// Answers to sockets that are not connected come by here too.
		asm.JNE.Imm(asm.R2, dnsPort, "pass"),
		asm.StoreImm(asm.RFP, -4, questionSocket, asm.Word),
		asm.Ja.Label("assign"),
		asm.JNE.Imm(asm.R3, unix.IPPROTO_TCP, "drop").WithSymbol("connection"),
		asm.LoadMapPtr(asm.R1, p.sockets.FD()).WithSymbol("assign"),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "drop"),
		asm.Mov.Reg(asm.R7, asm.R0),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnSkAssign.Call(),
		asm.Mov.Reg(asm.R1, asm.R7),
		asm.FnSkRelease.Call(),
		asm.Mov.Imm(asm.R0, 1).WithSymbol("pass"),
		asm.Return(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("drop"),
		asm.Return(),
	)
	program, err := load(ebpf.SkLookup, ebpf.AttachSkLookup, code)
	if err != nil {
		return err
	}
	defer program.Close()
	namespace, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return err
	}
	defer namespace.Close()
	attached, err := link.AttachNetNs(int(namespace.Fd()), program)
	if err != nil {
		return err
	}
	p.links = append(p.links, attached)
	return nil
}

// mappedPrefix is the third word of an IPv4 address in IPv6 form, 00 00 ff ff, in the memory of a
// little-endian machine.
const mappedPrefix = -0x10000
