package api

import (
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var testToken = strings.Repeat("t", 40)

func validFork() map[string]any {
	return map[string]any{
		"token":          testToken,
		"entropy_base64": base64.StdEncoding.EncodeToString(make([]byte, 32)),
		"time_unix_ns":   "1767225600000000000",
		"hostname":       "clone-1",
		"machine_id":     strings.Repeat("0a", 16),
		"workspace":      map[string]any{"device": "/dev/vdb", "mount_point": "/workspace"},
		"a_later_field":  true,
	}
}

func (g *guest) fork(t *testing.T, body map[string]any, token string) *http.Request {
	return request(t, http.MethodPost, "/v1/fork", token, jsonBody(t, body))
}

func TestForkDoesItsDutiesInOrder(t *testing.T) {
	g := newGuest(t, nil)
	if status, _, body := g.call(t, g.fork(t, validFork(), "")); status != http.StatusOK || !strings.Contains(string(body), `"time_unix_ms":`) {
		t.Fatalf("got %d %s", status, body)
	}
	want := []string{"entropy", "clock", "hostname", "mount /dev/vdb at /workspace"}
	if !slices.Equal(g.system.calls, want) {
		t.Errorf("got %q, want %q", g.system.calls, want)
	}
	for file, want := range map[string]string{
		"hostname": "clone-1\n", "machine-id": strings.Repeat("0a", 16) + "\n",
	} {
		if got, err := os.ReadFile(filepath.Join(g.root, "etc", file)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v; want %q", file, got, err, want)
		}
	}
}

func TestForkedGuestWantsItsToken(t *testing.T) {
	g := newGuest(t, nil)
	g.call(t, g.fork(t, validFork(), ""))
	for _, path := range []string{"/v1/fork", "/v1/freeze", "/v1/exec", "/v1/poweroff"} {
		for _, token := range []string{"", testToken + "t", testToken[1:], strings.Repeat("u", 40)} {
			g.mustFail(t, request(t, http.MethodPost, path, token, nil), http.StatusUnauthorized, unauthorized)
		}
	}
	if status, _, _ := g.call(t, request(t, http.MethodGet, "/v1/info", "", nil)); status != http.StatusOK {
		t.Errorf("info wants a token: %d", status)
	}
	g.mustFail(t, g.fork(t, validFork(), testToken), http.StatusConflict, alreadyForked)
}

func TestFreezeTakesBackARehearsedIdentity(t *testing.T) {
	g := newGuest(t, nil)
	g.call(t, g.fork(t, validFork(), ""))
	if status, _, body := g.call(t, request(t, http.MethodPost, "/v1/freeze", testToken, nil)); status != http.StatusNoContent {
		t.Fatalf("got %d %s", status, body)
	}
	if _, _, body := g.call(t, request(t, http.MethodGet, "/v1/info", "", nil)); !strings.Contains(string(body), `"forked":false`) {
		t.Errorf("still forked: %s", body)
	}
	clone := validFork()
	clone["token"], clone["hostname"] = strings.Repeat("n", 40), "clone-2"
	if status, _, body := g.call(t, g.fork(t, clone, "")); status != http.StatusOK {
		t.Errorf("got %d %s", status, body)
	}
	g.mustFail(t, request(t, http.MethodPost, "/v1/poweroff", testToken, nil), http.StatusUnauthorized, unauthorized)
}

func TestClockIsSetAgain(t *testing.T) {
	g := newGuest(t, nil)
	body := map[string]any{"time_unix_ns": "1767225600000000000"}
	if status, _, answer := g.call(t, request(t, http.MethodPost, "/v1/clock", "", jsonBody(t, body))); status != http.StatusNoContent {
		t.Fatalf("got %d %s", status, answer)
	}
	if !slices.Equal(g.system.calls, []string{"clock"}) {
		t.Errorf("got %q", g.system.calls)
	}
	body["time_unix_ns"] = "now"
	g.mustFail(t, request(t, http.MethodPost, "/v1/clock", "", jsonBody(t, body)), http.StatusBadRequest, invalidArgument)
}

func TestForkThatFailsNamesTheStepAndClosesTheGuest(t *testing.T) {
	g := newGuest(t, nil)
	g.system.failIn = "clock"
	status, got, body := g.call(t, g.fork(t, validFork(), ""))
	if status != http.StatusInternalServerError || got != internal || !strings.Contains(string(body), "set the clock") {
		t.Errorf("got %d %s", status, body)
	}
	g.mustFail(t, request(t, http.MethodPost, "/v1/exec", "", nil), http.StatusUnauthorized, unauthorized)
}

func TestForkRefusesInvalidRequestsAndChangesNothing(t *testing.T) {
	g := newGuest(t, nil)
	for field, values := range map[string][]any{
		"token":          {"", "short", strings.Repeat("t", 129), strings.Repeat("\n", 40), 5},
		"entropy_base64": {"", "!", base64.StdEncoding.EncodeToString(make([]byte, 31)), base64.StdEncoding.EncodeToString(make([]byte, 4097))},
		"time_unix_ns":   {"", "-1", "1.5", 1767225600},
		"hostname":       {"", "-a", "a b", "a\n", strings.Repeat("a", 65)},
		"machine_id":     {"", "xyz", strings.Repeat("A", 32)},
		"workspace":      {map[string]any{"device": "vdb", "mount_point": "/w"}, map[string]any{"device": "/dev/vdb", "mount_point": "w"}},
	} {
		for _, value := range values {
			body := validFork()
			body[field] = value
			g.mustFail(t, g.fork(t, body, ""), http.StatusBadRequest, invalidArgument)
		}
	}
	g.mustFail(t, request(t, http.MethodPost, "/v1/fork", "", strings.NewReader("{")), http.StatusBadRequest, invalidArgument)
	g.mustFail(t, request(t, http.MethodPost, "/v1/fork", "", strings.NewReader(strings.Repeat(" ", maxRequestBody+1))), http.StatusBadRequest, invalidArgument)
	if len(g.system.calls) > 0 {
		t.Errorf("invalid requests changed %q", g.system.calls)
	}
}
