package api

import (
	"net/http"
	"time"
)

type clockRequest struct {
	// present time in nanoseconds, decimal
	TimeUnixNs string `json:"time_unix_ns"`
}

// clock sets the wall clock again, because on a busy host the time in the fork request arrives
// late.
func (s *Server) clock(w http.ResponseWriter, r *http.Request) error {
	var request clockRequest
	if err := readJSON(w, r, &request); err != nil {
		return err
	}
	nanoseconds, err := parseTime(request.TimeUnixNs)
	if err != nil {
		return err
	}
	if err := s.System.SetClock(time.Unix(0, nanoseconds)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
