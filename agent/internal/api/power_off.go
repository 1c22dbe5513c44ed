package api

import (
	"context"
	"net/http"
)

func (s *Server) powerOff(w http.ResponseWriter, r *http.Request) error {
	if _, err := readBody(w, r); err != nil {
		return err
	}
	// The context ends when the whole response has been written.
	context.AfterFunc(r.Context(), s.PowerOff)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
