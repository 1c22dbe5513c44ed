package port

import "bytes"

// http2HeaderSize is the size of an HTTP/2 frame header, whose first three bytes are the
// length of the payload.
const http2HeaderSize = 9

// frameWalk follows the frames of a session to notice a new client in the middle of it. A host that
// is replaced before the guest notices leaves no other trace. A preface in the place of a frame
// header can't be data: as a header it would announce 5 MB of payload, five times what the server
// accepts.
type frameWalk struct {
	header  [http2HeaderSize]byte
	have    int
	payload int
}

// next takes the bytes that follow. It reports whether the first http2HeaderSize bytes of a preface
// are in the place of a header. used is then the number of bytes up to their end.
func (w *frameWalk) next(p []byte) (used int, newClient bool) {
	for used < len(p) {
		skipped := min(w.payload, len(p)-used)
		w.payload -= skipped
		used += skipped

		copied := copy(w.header[w.have:], p[used:])
		w.have += copied
		used += copied
		if w.have < http2HeaderSize {
			break
		}
		if bytes.Equal(w.header[:], []byte(preface[:http2HeaderSize])) {
			return used, true
		}
		w.have = 0
		w.payload = int(w.header[0])<<16 | int(w.header[1])<<8 | int(w.header[2])
	}
	return used, false
}
