package api

import (
	"net/http"

	"pyro.agent/internal/command"
	"pyro.agent/internal/terminal"
)

var errNoTerminal = errorf(failedPrecondition, "the command has no terminal")

// atTerminal returns the running command of a label, which must have a terminal.
func (s *Server) atTerminal(label string) (*command.Command, error) {
	running, err := s.running(label)
	if err == nil && running.Terminal == nil {
		return nil, errNoTerminal
	}
	return running, err
}

func (s *Server) terminal(w http.ResponseWriter, r *http.Request) error {
	var wanted commandRequest
	if err := readJSON(w, r, &wanted); err != nil {
		return err
	}
	running, err := s.atTerminal(wanted.Label)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, running.Terminal.Look(running.Processes))
	return nil
}

type resizeRequest struct {
	Label string `json:"label"`
	terminal.Size
}

func (s *Server) resizeTerminal(w http.ResponseWriter, r *http.Request) error {
	var wanted resizeRequest
	if err := readJSON(w, r, &wanted); err != nil {
		return err
	}
	if err := wanted.Size.Validate(); err != nil {
		return errorf(invalidArgument, "%v", err)
	}
	running, err := s.atTerminal(wanted.Label)
	if err != nil {
		return err
	}
	if err := running.Terminal.Resize(wanted.Size); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
