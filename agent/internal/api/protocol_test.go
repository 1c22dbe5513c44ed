package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestOtherMajorVersionsAreToldWhatToDo(t *testing.T) {
	g := newGuest(t, nil)
	for _, version := range []string{"", "1.0", "0.9", "20.0", "nonsense"} {
		r := request(t, http.MethodGet, "/v1/info", "", nil)
		r.Header.Del(protocolHeader)
		if version != "" {
			r.Header.Set(protocolHeader, version)
		}
		g.mustFail(t, r, http.StatusUpgradeRequired, protocolMismatch)
	}
	r := request(t, http.MethodGet, "/v1/info", "", nil)
	r.Header.Set(protocolHeader, "3.7")
	_, _, body := g.call(t, r)
	if !strings.Contains(string(body), "guest agent speaks 2.x, host 3.x: rebuild the template with `pyro prepare --force`") {
		t.Errorf("the message does not help: %s", body)
	}
}

func TestOtherMinorVersionsAreServed(t *testing.T) {
	r := request(t, http.MethodGet, "/v1/info", "", nil)
	r.Header.Set(protocolHeader, "2.9")
	if status, _, body := newGuest(t, nil).call(t, r); status != http.StatusOK {
		t.Errorf("got %d %s", status, body)
	}
}

func TestInfoDescribesTheGuest(t *testing.T) {
	_, _, body := newGuest(t, nil).call(t, request(t, http.MethodGet, "/v1/info", "", nil))
	var got info
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got.Protocol != ProtocolVersion || got.AgentVersion != "test" || got.Kernel == "" || got.BootID == "" ||
		got.UptimeMs <= 0 || time.Since(time.UnixMilli(got.TimeUnixMs)).Abs() > time.Minute ||
		got.MemoryTotal == 0 || got.CPUCount < 1 || got.Forked || got.Root.Device != "/dev/vda" || got.Root.SizeBytes == 0 {
		t.Errorf("info is incomplete: %s", body)
	}
}

func TestUnknownRoutesAreErrorsLikeOthers(t *testing.T) {
	g := newGuest(t, nil)
	g.mustFail(t, request(t, http.MethodGet, "/v1/nothing", "", nil), http.StatusNotFound, notFound)
	g.mustFail(t, request(t, http.MethodGet, "/v1/exec", "", nil), http.StatusNotFound, notFound)
}

func TestFreezeTakesTheInputAway(t *testing.T) {
	g := newGuest(t, nil)
	if status, _, body := g.call(t, request(t, http.MethodPost, "/v1/freeze", "", nil)); status != http.StatusNoContent {
		t.Fatalf("got %d %s", status, body)
	}
	select {
	case <-g.froze:
	default:
		t.Error("the answer came before the freeze")
	}
}

func TestPowerOffFollowsItsAnswer(t *testing.T) {
	g := newGuest(t, nil)
	if status, _, body := g.call(t, request(t, http.MethodPost, "/v1/poweroff", "", nil)); status != http.StatusNoContent {
		t.Fatalf("got %d %s", status, body)
	}
	select {
	case <-g.poweredOff:
	case <-time.After(patience):
		t.Error("the machine is still on")
	}
}
