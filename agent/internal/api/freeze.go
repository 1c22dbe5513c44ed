package api

import (
	"net/http"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// freeze prepares the machine for being saved and cloned. From here on input is discarded
// until a new host begins, but the answer still gets out on the old session. An identity that
// the machine was given to rehearse with is taken back, so that its clones can be forked.
func (s *Server) freeze(w http.ResponseWriter, r *http.Request) error {
	if _, err := readBody(w, r); err != nil {
		return err
	}
	if others := s.active.Load() - 1; others > 0 {
		return errorf(failedPrecondition, "can't freeze while other requests are running (%d)", others)
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
