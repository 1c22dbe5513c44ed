package api

import (
	"net/http"

	"pyro.agent/internal/cgroup"
	"pyro.agent/internal/listening"
)

type commandRequest struct {
	Label string `json:"label"`
}

// commandState is what a running command does at this moment.
type commandState struct {
	ProcessCount int                `json:"process_count"`
	Listening    []listening.Socket `json:"listening"`
	cgroup.Usage
}

func (s *Server) command(w http.ResponseWriter, r *http.Request) error {
	var wanted commandRequest
	if err := readJSON(w, r, &wanted); err != nil {
		return err
	}
	running := s.Commands.Running(wanted.Label)
	if running == nil {
		return errorf(notFound, "no command with the label %q runs", wanted.Label)
	}
	processes := running.Processes()
	writeJSON(w, http.StatusOK, commandState{
		ProcessCount: len(processes),
		Listening:    listening.Of(processes),
		Usage:        running.Usage(),
	})
	return nil
}
