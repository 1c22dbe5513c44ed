package port

import "bytes"

// preface is what every HTTP/2 client says first (RFC 9113, section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// prefaceScanner finds the preface in a stream that arrives in arbitrary pieces.
type prefaceScanner struct {
	tail []byte
}

// feed takes the next piece. Once the preface is complete it returns what came after it.
func (s *prefaceScanner) feed(piece []byte) (rest []byte, found bool) {
	s.tail = append(s.tail, piece...)
	if at := bytes.Index(s.tail, []byte(preface)); at >= 0 {
		return s.tail[at+len(preface):], true
	}
	if excess := len(s.tail) - (len(preface) - 1); excess > 0 {
		s.tail = append(s.tail[:0], s.tail[excess:]...)
	}
	return nil, false
}

func (s *prefaceScanner) reset() {
	s.tail = s.tail[:0]
}
