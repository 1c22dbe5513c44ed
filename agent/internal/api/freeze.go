package api

import (
	"net/http"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// freeze prepares the machine for being saved and cloned. From then on the listener discards input
// until a new host begins, while the old session still sends the answer. The identity of a
// rehearsal is taken back, so that the clones can be forked.
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
	// A clone need not copy a page that the template's heap leaves alone.
	debug.FreeOSMemory()
	s.forked.Store(false)
	s.token.Store(nil)
	s.Freeze()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// othersPatience is for requests whose answer the host already has.
const othersPatience = 2 * time.Second

// awaitOthers gives other requests time to end and returns how many are left.
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
