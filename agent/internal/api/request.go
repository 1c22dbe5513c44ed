package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// maxRequestBody is far above what most JSON requests need.
const maxRequestBody = 64 << 10

func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	return readLargeJSON(w, r, maxRequestBody, into)
}

func readLargeJSON(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	text, err := readAtMost(w, r, limit)
	if err != nil {
		return err
	}
	return decodeJSON(text, into)
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	return readAtMost(w, r, maxRequestBody)
}

func readAtMost(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, errorf(invalidArgument, "request body is larger than %d bytes", tooLarge.Limit)
	}
	return text, err
}

func decodeJSON(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return errorf(invalidArgument, "invalid JSON: %v", err)
	}
	return nil
}
