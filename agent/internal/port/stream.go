// Package port carries HTTP/2 sessions, one after the other, over a single byte stream. The far end
// can be exchanged without a trace.
package port

import (
	"io"
	"time"
)

// Stream is the byte stream below the sessions.
//
// Read returns io.EOF once each time the host leaves; the Read after that waits for the
// host to come back. Any other error is final.
type Stream interface {
	io.ReadWriter
	SetWriteDeadline(time.Time) error
}
