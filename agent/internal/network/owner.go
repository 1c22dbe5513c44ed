package network

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// Owner is the process that opened a connection or asked a question. Its fields are empty if that
// is unknown.
type Owner struct {
	PID     int    `json:"pid,omitempty"`
	Process string `json:"process,omitempty"`
	// label of the command whose control group the process was in
	Label string `json:"label,omitempty"`
}

type owners struct {
	programs *programs
	labelOf  LabelOf
}

// of returns the owner of what came from one address of the guest to another one.
func (o owners) of(from, to netip.AddrPort) Owner {
	if o.programs == nil {
		return Owner{}
	}
	key := flow{Remote: to.Addr().As16()}
	binary.BigEndian.PutUint16(key.LocalPort[:], from.Port())
	binary.BigEndian.PutUint16(key.RemotePort[:], to.Port())
	var cookie uint64
	if o.programs.senders.Lookup(key, &cookie) != nil {
		return Owner{}
	}
	var made maker
	if o.programs.makers.Lookup(cookie, &made) != nil {
		return Owner{}
	}
	name, _, _ := bytes.Cut(made.Command[:], []byte{0})
	return Owner{PID: int(made.PID), Process: string(name), Label: o.labelOf(made.GroupID)}
}
