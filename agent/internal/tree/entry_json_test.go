package tree_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"

	"pyro.agent/internal/tree"
)

func checkEncoding(t *testing.T, entry *tree.Entry) {
	t.Helper()
	encoded := tree.EncodeForTest(entry)
	var got, want tree.Entry
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatalf("%q: %v", encoded, err)
	}
	text, err := json.Marshal(entry)
	must(t, err, json.Unmarshal(text, &want))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %s, want %s", encoded, text)
	}
}

func TestEveryFieldOfAnEntryIsEncoded(t *testing.T) {
	text, size, mode := "\x00\x1f \"quoted\" \\ / \u2028 é 𝄞 \x7f", int64(1)<<60, uint32(0o7777)
	full := &tree.Entry{
		PathFields:   tree.PathFields{Path: &text},
		Type:         tree.File,
		Mode:         &mode,
		Size:         &size,
		MtimeNs:      "-5000000001",
		TargetFields: tree.TargetFields{TargetBase64: []byte("\xff\xfe")},
		SHA256:       "0123456789abcdef",
		Reason:       tree.Outside,
	}
	fields := reflect.ValueOf(*full)
	for i := range fields.NumField() {
		if name := fields.Type().Field(i).Name; fields.Field(i).IsZero() != (name == "Expect") {
			t.Errorf("the test forgets %s", name)
		}
	}
	checkEncoding(t, full)
	empty := ""
	checkEncoding(t, &tree.Entry{Type: tree.Directory, PathFields: tree.PathFields{Path: &empty}})
	checkEncoding(t, &tree.Entry{Type: tree.Missing, PathFields: tree.PathFields{PathBase64: []byte("\xff")}})
}

func FuzzEncoding(f *testing.F) {
	f.Add("a/b", "target")
	f.Add("\xff", "\n\t\"\\")
	f.Fuzz(func(t *testing.T, path, target string) {
		entry := &tree.Entry{Type: tree.Symlink}
		if utf8.ValidString(path) {
			entry.Path = &path
		} else {
			entry.PathBase64 = []byte(path)
		}
		if utf8.ValidString(target) {
			entry.Target = &target
		} else {
			entry.TargetBase64 = []byte(target)
		}
		checkEncoding(t, entry)
	})
}
