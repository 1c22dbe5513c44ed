package api

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"strings"

	"pyro.agent/internal/frame"
	"pyro.agent/internal/inspect"
	"pyro.agent/internal/tree"
)

const copyContentType = "application/vnd.pyro.copy"

// deviceRequest names a disk that the machine had not when it was frozen.
type deviceRequest struct {
	Device string `json:"device"`
}

func (d deviceRequest) validate() error {
	if strings.HasPrefix(d.Device, "/dev/") {
		return nil
	}
	return errorf(invalidArgument, "device must be under /dev, not %q", d.Device)
}

func (s *Server) inspect(w http.ResponseWriter, r *http.Request) error {
	var request deviceRequest
	if err := readJSON(w, r, &request); err != nil {
		return err
	}
	if err := request.validate(); err != nil {
		return err
	}
	s.inspecting.Lock()
	defer s.inspecting.Unlock()
	if s.inspected.Load() != nil {
		return errorf(failedPrecondition, "a root is being inspected already")
	}
	if err := s.FindDisks(); err != nil {
		return fmt.Errorf("cannot look for disks: %w", err)
	}
	root, err := inspect.MountRoot(request.Device)
	if err != nil {
		return errorf(failedPrecondition, "cannot read the root disk: %v", err)
	}
	s.inspected.Store(root)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) inspectedRoot() (*inspect.Root, error) {
	if root := s.inspected.Load(); root != nil {
		return root, nil
	}
	return nil, errorf(failedPrecondition, "no root is being inspected")
}

// copyEnd ends the stream of a copy.
type copyEnd struct {
	tree.Copied
	// reason of a failure
	Error *requestError `json:"error,omitempty"`
}

func (s *Server) exportInspected(w http.ResponseWriter, r *http.Request) error {
	var request deviceRequest
	if err := readJSON(w, r, &request); err != nil {
		return err
	}
	if err := request.validate(); err != nil {
		return err
	}
	root, err := s.inspectedRoot()
	if err != nil {
		return err
	}
	workspace, err := s.mountedWorkspace()
	if err != nil {
		return err
	}
	write := startStream(w, copyContentType)
	report := func(copied tree.Copied) error { return sendCopied(write, frame.CopyProgress, copied) }
	copied, err := root.Export(r.Context(), &workspace.Layers, inspect.Target{
		Device:     request.Device,
		MountPoint: workspace.MountPoint(),
		Report:     report,
	})
	end := copyEnd{Copied: copied}
	if err != nil {
		log.Printf("%s: %v", r.URL.Path, err)
		end.Error = toRequestError(err)
	}
	if err := sendCopied(write, frame.CopyEnd, end); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

func sendCopied(write func(complete []byte) error, kind frame.Type, message any) error {
	payload, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return write(frame.Encode(kind, payload))
}
