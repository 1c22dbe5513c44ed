package api

import (
	"net/http"
	"strings"
)

// ProtocolVersion is major.minor. A host may use everything of its own minor version if the agent's
// is at least that.
const ProtocolVersion = "2.6"

const protocolHeader = "Pyro-Protocol"

func checkProtocol(r *http.Request) error {
	host := r.Header.Get(protocolHeader)
	own, _, _ := strings.Cut(ProtocolVersion, ".")
	theirs, _, _ := strings.Cut(host, ".")
	switch {
	case theirs == own:
		return nil
	case host == "":
		return errorf(protocolMismatch, "guest agent speaks %s.x, the request names no version: send the header %s",
			own, strings.ToLower(protocolHeader))
	default:
		return errorf(protocolMismatch, "guest agent speaks %s.x, host %.16s.x: rebuild the template with `pyro prepare --force`",
			own, theirs)
	}
}
