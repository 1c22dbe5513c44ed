package api

import (
	"errors"
	"fmt"
	"net/http"

	"pyro.agent/internal/crash"
	"pyro.agent/internal/overlay"
)

func (s *Server) mountWorkspace(wanted *forkWorkspace) error {
	if wanted == nil {
		return nil
	}
	workspace, err := s.MountWorkspace(wanted.Device, wanted.MountPoint, wanted.DiscardChanges)
	if err != nil {
		return fmt.Errorf("cannot mount the workspace: %w", err)
	}
	s.workspace.Store(workspace)
	return nil
}

// ReleaseWorkspace unmounts the workspace, if there is one.
func (s *Server) ReleaseWorkspace() error {
	workspace := s.workspace.Load()
	if workspace == nil {
		return nil
	}
	if err := workspace.Release(); err != nil {
		return err
	}
	s.workspace.Store(nil)
	return nil
}

// AbandonWorkspace makes the workspace safe before the machine is switched off. All processes must
// have been killed.
func (s *Server) AbandonWorkspace() error {
	err := s.ReleaseWorkspace()
	if err == nil {
		return nil
	}
	return errors.Join(err, s.workspace.Load().Abandon())
}

func (s *Server) mountedWorkspace() (*overlay.Workspace, error) {
	if workspace := s.workspace.Load(); workspace != nil {
		return workspace, nil
	}
	return nil, errorf(failedPrecondition, "no workspace is mounted")
}

// syncDisks writes the workspace and the root file system back. It returns the reason if it fails.
func (s *Server) syncDisks() string {
	root := make(chan error, 1)
	crash.Go(func() { root <- overlay.SyncRoot(s.Root) })
	var err error
	if workspace := s.workspace.Load(); workspace != nil {
		err = workspace.Sync()
	}
	if err := errors.Join(<-root, err); err != nil {
		return err.Error()
	}
	return ""
}

// freezeWorkspace holds back writes to the workspace's disk while the host copies it.
func (s *Server) freezeWorkspace(w http.ResponseWriter, r *http.Request) error {
	return s.changeIce(w, r, (*overlay.Workspace).Freeze)
}

func (s *Server) thawWorkspace(w http.ResponseWriter, r *http.Request) error {
	return s.changeIce(w, r, (*overlay.Workspace).Thaw)
}

func (s *Server) changeIce(w http.ResponseWriter, r *http.Request, change func(*overlay.Workspace) error) error {
	if _, err := readBody(w, r); err != nil {
		return err
	}
	workspace, err := s.mountedWorkspace()
	if err != nil {
		return err
	}
	err = change(workspace)
	if errors.Is(err, overlay.ErrFrozen) || errors.Is(err, overlay.ErrNotFrozen) {
		return errorf(failedPrecondition, "%v", err)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
