package api

import (
	"errors"
	"log"
	"net/http"
	"runtime/debug"
)

// access says who may call a route.
type access int

const (
	// authorized routes need the clone's token once it has one.
	authorized access = iota
	public
)

// handler answers a request. The server turns an error into the response, so a handler that fails
// must not have written one.
type handler func(w http.ResponseWriter, r *http.Request) error

func (s *Server) route(pattern string, who access, handle handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if who == authorized {
			if err := s.authorize(r); err != nil {
				writeError(w, err)
				return
			}
		}
		if err := handle(w, r); err != nil {
			writeError(w, err)
		}
	})
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.active.Add(1)
	defer s.active.Add(-1)
	defer recoverPanic(r)
	if err := checkProtocol(r); err != nil {
		writeError(w, err)
		return
	}
	if _, pattern := s.mux.Handler(r); pattern == "" {
		writeError(w, errorf(notFound, "there is no route %s %s", r.Method, r.URL.Path))
		return
	}
	s.mux.ServeHTTP(w, r)
}

// recoverPanic resets the stream of a handler that panicked. The agent goes on.
func recoverPanic(r *http.Request) {
	reason := recover()
	if reason == nil {
		return
	}
	if err, ok := reason.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		log.Printf("panic in %s %s: %v\n%s", r.Method, r.URL.Path, reason, debug.Stack())
	}
	panic(http.ErrAbortHandler)
}
