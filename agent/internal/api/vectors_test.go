package api

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pyro.agent/internal/command"
	"pyro.agent/internal/frame"
	"pyro.agent/internal/network"
	"pyro.agent/internal/terminal"
	"pyro.agent/internal/tree"
	"pyro.agent/internal/tree/treetest"
)

const vectorFolder = "../../testdata/protocol"

// wireFrame is a frame of a vector, whose payload stands in one of three fields.
type wireFrame struct {
	// type and payload length in hexadecimal digits, as on the wire
	Header string          `json:"header"`
	JSON   json.RawMessage `json:"json"`
	Text   string          `json:"text"`
	Base64 []byte          `json:"base64"`
}

// vector is a message and what crosses the wire for it; testdata/protocol/README.md has more.
type vector struct {
	Name    string  `json:"name"`
	Message string  `json:"message"`
	From    string  `json:"from"`
	Route   string  `json:"route"`
	Status  int     `json:"status"`
	PathHex *string `json:"path_hex"`
	wireFrame
}

type refusedVector struct {
	Name    string            `json:"name"`
	Stream  string            `json:"stream"`
	Frames  []wireFrame       `json:"frames"`
	Refused map[string]string `json:"refused"`
}

func (f *wireFrame) payload(t *testing.T) []byte {
	t.Helper()
	if f.JSON == nil {
		return append([]byte(f.Text), f.Base64...)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, f.JSON); err != nil {
		t.Fatal(err)
	}
	return compact.Bytes()
}

func (f *wireFrame) bytes(t *testing.T) []byte {
	t.Helper()
	header, err := hex.DecodeString(f.Header)
	if err != nil {
		t.Fatal(err)
	}
	return append(header, f.payload(t)...)
}

func readVectors[V any](t *testing.T, name string) (vectors []V) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectorFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&vectors); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return vectors
}

// jsonMessages has the type of each message in JSON.
var jsonMessages = map[string]func() any{
	"spec":                  func() any { return new(command.Spec) },
	"started":               func() any { return new(map[string]int) },
	"exit":                  func() any { return new(command.Result) },
	"main_exit":             func() any { return new(command.Result) },
	"signal":                func() any { return new(map[string]string) },
	"command_state_request": func() any { return new(commandRequest) },
	"signal_request":        func() any { return new(signalRequest) },
	"signal_answer":         func() any { return new(signalAnswer) },
	"terminal_state":        func() any { return new(terminal.State) },
	"terminal_resize":       func() any { return new(resizeRequest) },
	"command_state":         func() any { return new(commandState) },
	"tree_header":           func() any { return new(tree.WriteHeader) },
	"entry":                 func() any { return new(tree.Entry) },
	"change":                func() any { return new(tree.Change) },
	"read_end":              func() any { return new(tree.ReadEnd) },
	"changes_end":           func() any { return new(tree.ChangesEnd) },
	"info":                  func() any { return new(info) },
	"fork":                  func() any { return new(forkRequest) },
	"fork_answer":           func() any { return new(forkAnswer) },
	"clock":                 func() any { return new(clockRequest) },
	"tree_read":             func() any { return new(tree.ReadRequest) },
	"tree_changes":          func() any { return new(tree.ChangesRequest) },
	"tree_written":          func() any { return new(tree.Written) },
	"error":                 func() any { return new(map[string]*requestError) },
	"question":              func() any { return new(network.Question) },
	"connection":            func() any { return new(network.Connection) },
	"answer":                func() any { return new(network.Answer) },
	"refusal":               func() any { return new(network.Answer) },
	"device_request":        func() any { return new(deviceRequest) },
	"copy_progress":         func() any { return new(tree.Copied) },
	"copy_end":              func() any { return new(copyEnd) },
}

var frameTypes = map[string]frame.Type{
	"spec": frame.Spec, "stdin": frame.Stdin, "stdin_end": frame.StdinEnd,
	"signal": frame.Signal, "main_exit": frame.MainExit,
	"started": frame.Started, "stdout": frame.Stdout, "stderr": frame.Stderr, "exit": frame.Exit,
	"tree_header": frame.TreeHeader, "entry": frame.Entry, "change": frame.Change,
	"content": frame.Content, "content_end": frame.ContentEnd, "hole": frame.Hole,
	"old_content": frame.OldContent, "old_content_end": frame.OldContentEnd,
	"write_end": frame.TreeEnd, "read_end": frame.TreeEnd, "changes_end": frame.TreeEnd,
	"question": frame.Question, "connection": frame.Connection,
	"answer": frame.Answer, "refusal": frame.Refusal,
	"copy_progress": frame.CopyProgress, "copy_end": frame.CopyEnd,
	"data": frame.Data, "data_end": frame.DataEnd, "credit": frame.Credit,
}

func TestEveryVectorIsDecodedAndEncodedExactly(t *testing.T) {
	for _, file := range []string{"exec", "tree-write", "tree-read", "tree-changes", "network", "inspection", "requests"} {
		for _, v := range readVectors[vector](t, file+".json") {
			t.Run(file+"/"+v.Name, func(t *testing.T) {
				if v.Header != "" {
					checkFrame(t, &v)
				}
				if v.JSON != nil {
					checkJSON(t, &v)
				} else if v.Header == "" {
					t.Error("the vector has neither a frame nor JSON")
				}
			})
		}
	}
}

func checkFrame(t *testing.T, v *vector) {
	t.Helper()
	wanted, ok := frameTypes[v.Message]
	if !ok {
		t.Fatalf("no frame is called %q", v.Message)
	}
	whole := v.bytes(t)
	kind, payload, err := frame.NewReader(bytes.NewReader(whole)).Next()
	if err != nil || kind != wanted || !bytes.Equal(payload, v.payload(t)) {
		t.Errorf("got %#x %q, %v", kind, payload, err)
	}
	if encoded := frame.Encode(wanted, v.payload(t)); !bytes.Equal(encoded, whole) {
		t.Errorf("got  %q\nwant %q", encoded, whole)
	}
}

func checkJSON(t *testing.T, v *vector) {
	t.Helper()
	newMessage, ok := jsonMessages[v.Message]
	if !ok {
		t.Fatalf("no message is called %q", v.Message)
	}
	message := newMessage()
	decoder := json.NewDecoder(bytes.NewReader(v.JSON))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(message); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	if v.From == "guest" && !bytes.Equal(encoded, v.payload(t)) {
		t.Errorf("got  %s\nwant %s", encoded, v.payload(t))
	}
	var got, want any
	if err := errors.Join(json.Unmarshal(encoded, &got), json.Unmarshal(v.JSON, &want)); err != nil {
		t.Fatal(err)
	}
	if !isDecodedAs(got, want) {
		t.Errorf("got %s, want %s", encoded, v.JSON)
	}
	checkMeaning(t, v, message)
}

// checkMeaning checks what stands in a message beside its JSON.
func checkMeaning(t *testing.T, v *vector, message any) {
	t.Helper()
	switch m := message.(type) {
	case *command.Spec:
		if err := m.Validate(); err != nil {
			t.Error(err)
		}
	case *forkRequest:
		if _, err := m.clone(); err != nil {
			t.Error(err)
		}
	case *tree.ReadRequest:
		if _, err := m.PathList(); err != nil {
			t.Error(err)
		}
	case *tree.ChangesRequest:
		if err := m.Validate(); err != nil {
			t.Error(err)
		}
	case *info:
		if m.Protocol != ProtocolVersion {
			t.Errorf("the vector is of version %s", m.Protocol)
		}
	case *tree.Entry:
		checkPath(t, v, m.PathFields)
	case *tree.Change:
		checkPath(t, v, m.PathFields)
	case *map[string]*requestError:
		if status := statusOf[(*m)["error"].Code]; status != v.Status {
			t.Errorf("the status is %d", status)
		}
	}
}

func checkPath(t *testing.T, v *vector, fields tree.PathFields) {
	t.Helper()
	path := fields.PathBase64
	if fields.Path != nil {
		path = []byte(*fields.Path)
	}
	if v.PathHex == nil || hex.EncodeToString(path) != *v.PathHex {
		t.Errorf("the path is %x", path)
	}
}

// isDecodedAs reports whether a message has all that was sent, and nothing else but zero values.
func isDecodedAs(got, want any) bool {
	fields, isObject := want.(map[string]any)
	if !isObject {
		return reflect.DeepEqual(got, want) || isList(got, want)
	}
	object, isObject := got.(map[string]any)
	if !isObject {
		return false
	}
	for name, value := range fields {
		if found, ok := object[name]; !ok || !isDecodedAs(found, value) {
			return false
		}
	}
	for name, value := range object {
		if _, ok := fields[name]; !ok && value != nil && !reflect.ValueOf(value).IsZero() {
			return false
		}
	}
	return true
}

func isList(got, want any) bool {
	found, isFoundList := got.([]any)
	wanted, isWantedList := want.([]any)
	if !isFoundList || !isWantedList || len(found) != len(wanted) {
		return false
	}
	for i := range wanted {
		if !isDecodedAs(found[i], wanted[i]) {
			return false
		}
	}
	return true
}

func TestTheVectorsOfAWriteAreOneTree(t *testing.T) {
	at := t.TempDir()
	err := errors.Join(
		os.MkdirAll(at+"/made/here", 0o755),
		os.WriteFile(at+"/made/here/old", []byte("content"), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	entries := 0
	for _, v := range readVectors[vector](t, "tree-write.json") {
		body.Write(v.bytes(t))
		if v.Message == "entry" {
			entries++
		}
	}
	written, err := treetest.LayersOf(t, at).Write(&body)
	if err != nil || written.EntryCount != entries || written.BytesWritten != 4+1<<32+2 {
		t.Fatalf("got %+v, %v", written, err)
	}
	if _, err := os.Lstat(at + "/made/here/\xff\xfe"); err != nil {
		t.Error(err)
	}
	if target, err := os.Readlink(at + "/made/here/bytes"); err != nil || target != "dir" {
		t.Errorf("got %q, %v", target, err)
	}
}

func TestRefusedVectors(t *testing.T) {
	g := newGuest(t, nil)
	for _, v := range readVectors[refusedVector](t, "refused.json") {
		words, isOurs := v.Refused["guest"]
		if !isOurs {
			if v.Refused["host"] == "" {
				t.Errorf("%s: neither side refuses it", v.Name)
			}
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			var body bytes.Buffer
			for _, f := range v.Frames {
				body.Write(f.bytes(t))
			}
			if message := g.refusal(t, v.Stream, &body); !strings.Contains(message, words) {
				t.Errorf("got %q, want %q", message, words)
			}
		})
	}
}

// refusal returns the message with which a stream is refused.
func (g *guest) refusal(t *testing.T, stream string, body io.Reader) string {
	t.Helper()
	switch stream {
	case "exec_request":
		r := request(t, http.MethodPost, "/v1/exec", "", body)
		status, code, answer := g.call(t, r)
		if status != http.StatusBadRequest || code != invalidArgument {
			t.Errorf("got %d %s", status, code)
		}
		var failed struct{ Error requestError }
		if err := json.Unmarshal(answer, &failed); err != nil {
			t.Fatal(err)
		}
		return failed.Error.Message
	case "tree_write":
		_, err := treetest.LayersOf(t, t.TempDir()).Write(body)
		var failure *tree.Failure
		if !errors.As(err, &failure) || failure.Code != tree.InvalidArgument {
			t.Fatalf("got %v", err)
		}
		return failure.Message
	default:
		t.Fatalf("the guest reads no stream %q", stream)
		return ""
	}
}

func TestNoVectorIsInAnUnknownFile(t *testing.T) {
	files, err := filepath.Glob(vectorFolder + "/*.json")
	if err != nil || len(files) != 8 {
		t.Errorf("got %q, %v: list each file in the tests of both sides", files, err)
	}
}
