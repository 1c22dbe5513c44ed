package tree

// ReadsBaseForTest reports whether a directory is read in the base, past the overlay.
func (l *Layers) ReadsBaseForTest(path string) bool {
	r := &reader{ReadRequest: &ReadRequest{Depth: -1}, layers: l}
	v := r.viewOf(path)
	defer v.close()
	held, opened, err := r.enter(v, path, l.Merged, path)
	if err != nil {
		return false
	}
	(&file{fd: held}).close()
	return opened.isBase
}

// EncodeForTest encodes an entry as a read sends it.
func EncodeForTest(entry *Entry) []byte { return entry.appendJSON(nil) }
