package api

import (
	"crypto/subtle"
	"net/http"
)

// authorize checks the clone's token. Before the fork request there is none, because only the maker
// of a template holds its port.
func (s *Server) authorize(r *http.Request) error {
	token := s.token.Load()
	if token == nil {
		return nil
	}
	given := r.Header.Get("Authorization")
	if subtle.ConstantTimeCompare([]byte(given), []byte("Bearer "+*token)) != 1 {
		return errorf(unauthorized, "the request needs `authorization: Bearer` with this clone's token")
	}
	return nil
}
