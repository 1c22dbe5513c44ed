package api

import (
	"net/http"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/cgroup"
	"pyro.agent/internal/command"
	"pyro.agent/internal/listening"
)

type commandRequest struct {
	Label string `json:"label"`
}

// running returns the running command of a label.
func (s *Server) running(label string) (*command.Command, error) {
	running := s.Commands.Running(label)
	if running == nil {
		return nil, errorf(notFound, "no command with the label %q runs", label)
	}
	return running, nil
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
	running, err := s.running(wanted.Label)
	if err != nil {
		return err
	}
	processes := running.Processes()
	writeJSON(w, http.StatusOK, commandState{
		ProcessCount: len(processes),
		Listening:    listening.Of(processes),
		Usage:        running.Usage(),
	})
	return nil
}

type signalRequest struct {
	Label string `json:"label"`
	// name without `SIG`
	Signal string `json:"signal"`
	// whether only the process group that has the keyboard gets it
	Foreground bool `json:"foreground"`
}

// signalAnswer says which process group got a signal; 0 for the whole command.
type signalAnswer struct {
	Group int `json:"group"`
}

func (s *Server) signalCommand(w http.ResponseWriter, r *http.Request) error {
	var wanted signalRequest
	if err := readJSON(w, r, &wanted); err != nil {
		return err
	}
	signal := unix.SignalNum("SIG" + wanted.Signal)
	if signal == 0 {
		return errorf(invalidArgument, "there is no signal %q", wanted.Signal)
	}
	running, err := s.running(wanted.Label)
	if err != nil {
		return err
	}
	answer := signalAnswer{}
	if wanted.Foreground {
		answer.Group, err = signalForeground(running, signal)
	} else {
		err = running.Signal(signal)
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

func signalForeground(running *command.Command, signal unix.Signal) (group int, err error) {
	if running.Terminal == nil {
		return 0, errNoTerminal
	}
	group, err = running.SignalForeground(signal)
	if err != nil {
		return 0, errorf(failedPrecondition, "signal process group %d: %v", group, err)
	}
	if group == 0 {
		return 0, errorf(failedPrecondition, "no process has the keyboard")
	}
	return group, nil
}
