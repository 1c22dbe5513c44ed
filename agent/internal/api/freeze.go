package api

import (
	"net/http"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// freeze prepares the machine for being saved and cloned. From here on input is discarded
// until a new host begins, but the answer still gets out on the old session. An identity that
// the machine was given to rehearse with is taken back, so that its clones can be forked.
func (s *Server) freeze(w http.ResponseWriter, r *http.Request) error {
	if _, err := readBody(w, r); err != nil {
		return err
	}
	if others := s.awaitOthers(); others > 0 {
		return errorf(failedPrecondition, "can't freeze while other requests are running (%d)", others)
	}
	if err := s.ReleaseWorkspace(); err != nil {
		return errorf(failedPrecondition, "can't freeze with a workspace that is in use: %v", err)
	}
	unix.Sync()
	// Each page the template's heap does not touch again is one that no clone has to copy.
	debug.FreeOSMemory()
	s.forked.Store(false)
	s.token.Store(nil)
	s.Freeze()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// othersPatience is for requests that the host has the answer of already.
const othersPatience = 2 * time.Second

// awaitOthers gives other requests time to end and returns how many have not.
func (s *Server) awaitOthers() int64 {
	deadline := time.Now().Add(othersPatience)
	for {
		others := s.active.Load() - 1
		if others <= 0 || time.Now().After(deadline) {
			return others
		}
		time.Sleep(time.Millisecond)
	}
}
