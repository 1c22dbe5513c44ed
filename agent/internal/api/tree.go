package api

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"runtime"

	"pyro.agent/internal/frame"
	"pyro.agent/internal/overlay"
	"pyro.agent/internal/tree"
)

const treeContentType = "application/vnd.pyro.tree"

// bodyBuffer is the number of bytes of a body that one read can take. Each read makes work for the
// HTTP server, more than a small frame does.
const bodyBuffer = 128 << 10

// maxTreeRequest is room for the paths of a large selection.
const maxTreeRequest = 1 << 20

func (s *Server) readTree(w http.ResponseWriter, r *http.Request) error {
	var request tree.ReadRequest
	if err := readLargeJSON(w, r, maxTreeRequest, &request); err != nil {
		return err
	}
	paths, err := request.PathList()
	if err != nil {
		return err
	}
	layers, err := s.layersToRead(&request)
	if err != nil {
		return err
	}
	endTree(r, layers.Read(r.Context(), &request, paths, treeWriter(w)))
	return nil
}

func (s *Server) layersToRead(request *tree.ReadRequest) (*tree.Layers, error) {
	if request.Inspected {
		root, err := s.inspectedRoot()
		if err != nil {
			return nil, err
		}
		return root.Tree, nil
	}
	workspace, err := s.mountedWorkspace()
	if err != nil {
		return nil, err
	}
	return &workspace.Layers, nil
}

func (s *Server) writeTree(w http.ResponseWriter, r *http.Request) error {
	return s.writeStream(w, r, func(workspace *overlay.Workspace, body io.Reader) (tree.Written, error) {
		return workspace.Layers.Write(body)
	})
}

func (s *Server) writeBaseline(w http.ResponseWriter, r *http.Request) error {
	return s.writeStream(w, r, func(workspace *overlay.Workspace, body io.Reader) (tree.Written, error) {
		written, err := workspace.WriteBaseline(body)
		if errors.Is(err, overlay.ErrTooManyPushes) || errors.Is(err, overlay.ErrPushing) {
			err = errorf(failedPrecondition, "cannot push into the baseline: %v", err)
		}
		return written, err
	})
}

func (s *Server) writeStream(
	w http.ResponseWriter, r *http.Request, write func(*overlay.Workspace, io.Reader) (tree.Written, error),
) error {
	workspace, err := s.mountedWorkspace()
	if err != nil {
		return err
	}
	written, err := write(workspace, bufio.NewReaderSize(patientReader{r.Body}, bodyBuffer))
	if err != nil {
		return err
	}
	if err := workspace.Sync(); err != nil {
		return fmt.Errorf("the tree was written, but may not be on the disk: %w", err)
	}
	writeJSON(w, http.StatusOK, written)
	return nil
}

// patientReader lets more of a body arrive before each read, because each read sends the host two
// updates of its windows.
type patientReader struct{ body io.Reader }

func (r patientReader) Read(p []byte) (int, error) {
	runtime.Gosched()
	return r.body.Read(p)
}

func (s *Server) treeChanges(w http.ResponseWriter, r *http.Request) error {
	var request tree.ChangesRequest
	if err := readJSON(w, r, &request); err != nil {
		return err
	}
	if err := request.Validate(); err != nil {
		return err
	}
	workspace, err := s.mountedWorkspace()
	if err != nil {
		return err
	}
	endTree(r, workspace.Layers.Changes(r.Context(), &request, treeWriter(w)))
	return nil
}

func treeWriter(w http.ResponseWriter) *frame.Writer {
	w.Header().Set("Content-Type", treeContentType)
	return frame.NewWriter(w)
}

// endTree resets the stream of a tree that could not be sent, so that the host can't take a part of
// it for the whole.
func endTree(r *http.Request, err error) {
	if err == nil {
		return
	}
	if r.Context().Err() == nil {
		log.Printf("%s: %v", r.URL.Path, err)
	}
	panic(http.ErrAbortHandler)
}
