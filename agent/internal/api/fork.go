package api

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"pyro.agent/internal/identity"
)

type forkRequest struct {
	// bearer token of all further requests, 32 to 128 printable characters
	Token string `json:"token"`
	// fresh random bytes, 32 to 4096 of them
	EntropyBase64 string `json:"entropy_base64"`
	// present time in nanoseconds, decimal
	TimeUnixNs string `json:"time_unix_ns"`
	Hostname   string `json:"hostname"`
	// 32 lower-case hexadecimal digits
	MachineID string         `json:"machine_id"`
	Workspace *forkWorkspace `json:"workspace"`
}

// forkAnswer is short, because an emulated machine must first translate the code that a fork runs.
type forkAnswer struct {
	// guest's clock, by which the host sees whether the time that it sent was still right
	TimeUnixMs int64 `json:"time_unix_ms"`
}

type forkWorkspace struct {
	Device     string `json:"device"`
	MountPoint string `json:"mount_point"`
	// whether to begin with the baseline, without the changes that the disk has
	DiscardChanges bool `json:"discard_changes"`
}

func (s *Server) fork(w http.ResponseWriter, r *http.Request) error {
	var request forkRequest
	if err := readJSON(w, r, &request); err != nil {
		return err
	}
	clone, err := request.clone()
	if err != nil {
		return err
	}
	s.forking.Lock()
	defer s.forking.Unlock()
	if s.token.Load() != nil {
		return errorf(alreadyForked, "this clone has been forked already")
	}
	// The token is in force before the duties, so a clone in which one of them fails accepts no
	// other host.
	s.token.Store(&request.Token)
	if err := identity.Apply(s.System, s.Root, clone); err != nil {
		return err
	}
	if err := s.mountWorkspace(request.Workspace); err != nil {
		return err
	}
	s.forked.Store(true)
	writeJSON(w, http.StatusOK, forkAnswer{TimeUnixMs: time.Now().UnixMilli()})
	return nil
}

var (
	tokenForm     = regexp.MustCompile(`^[!-~]{32,128}$`)
	machineIDForm = regexp.MustCompile(`^[0-9a-f]{32}$`)
	hostnameForm  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$`)
)

const (
	minEntropy = 32
	maxEntropy = 4096
)

func (f forkRequest) clone() (identity.Clone, error) {
	none := identity.Clone{}
	if !tokenForm.MatchString(f.Token) {
		return none, errorf(invalidArgument, "token must be 32 to 128 printable ASCII characters")
	}
	entropy, err := base64.StdEncoding.DecodeString(f.EntropyBase64)
	if err != nil || len(entropy) < minEntropy || len(entropy) > maxEntropy {
		return none, errorf(invalidArgument, "entropy_base64 must be %d to %d bytes in base64", minEntropy, maxEntropy)
	}
	nanoseconds, err := parseTime(f.TimeUnixNs)
	if err != nil {
		return none, err
	}
	if !hostnameForm.MatchString(f.Hostname) {
		return none, errorf(invalidArgument, "hostname is not valid: %q", f.Hostname)
	}
	if !machineIDForm.MatchString(f.MachineID) {
		return none, errorf(invalidArgument, "machine_id must be 32 lower-case hexadecimal digits, not %q", f.MachineID)
	}
	if err := f.Workspace.validate(); err != nil {
		return none, err
	}
	return identity.Clone{
		Entropy:   entropy,
		Time:      time.Unix(0, nanoseconds),
		Hostname:  f.Hostname,
		MachineID: f.MachineID,
	}, nil
}

func parseTime(unixNs string) (nanoseconds int64, err error) {
	nanoseconds, err = strconv.ParseInt(unixNs, 10, 64)
	if err != nil || nanoseconds <= 0 {
		return 0, errorf(invalidArgument, "time_unix_ns must be a positive decimal number in a string, not %q", unixNs)
	}
	return nanoseconds, nil
}

func (f *forkWorkspace) validate() error {
	switch {
	case f == nil:
		return nil
	case !strings.HasPrefix(f.Device, "/dev/"):
		return errorf(invalidArgument, "workspace.device must be under /dev, not %q", f.Device)
	case !strings.HasPrefix(f.MountPoint, "/"):
		return errorf(invalidArgument, "workspace.mount_point must be absolute, not %q", f.MountPoint)
	default:
		return nil
	}
}
