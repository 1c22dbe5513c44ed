package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"

	"pyro.agent/internal/tree"
)

// code names an error for the host's program. The message is for people.
type code string

const (
	invalidArgument    code = "invalid_argument"
	unauthorized       code = "unauthorized"
	notFound           code = "not_found"
	alreadyForked      code = "already_forked"
	failedPrecondition code = "failed_precondition"
	conflict           code = "conflict"
	protocolMismatch   code = "protocol_mismatch"
	noSpace            code = "no_space"
	internal           code = "internal"
)

var statusOf = map[code]int{
	invalidArgument:    http.StatusBadRequest,
	unauthorized:       http.StatusUnauthorized,
	notFound:           http.StatusNotFound,
	alreadyForked:      http.StatusConflict,
	failedPrecondition: http.StatusConflict,
	conflict:           http.StatusConflict,
	protocolMismatch:   http.StatusUpgradeRequired,
	noSpace:            http.StatusInsufficientStorage,
	internal:           http.StatusInternalServerError,
}

type requestError struct {
	Code    code   `json:"code"`
	Message string `json:"message"`
	tree.TargetFields
}

func (e *requestError) Error() string { return e.Message }

func errorf(c code, format string, arguments ...any) error {
	return &requestError{Code: c, Message: fmt.Sprintf(format, arguments...)}
}

func writeError(w http.ResponseWriter, err error) {
	known := toRequestError(err)
	writeJSON(w, statusOf[known.Code], map[string]*requestError{"error": known})
}

func toRequestError(err error) *requestError {
	var known *requestError
	var inTree *tree.Failure
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &inTree):
		return &requestError{Code: code(inTree.Code), Message: inTree.Message, TargetFields: inTree.TargetFields}
	default:
		return &requestError{Code: internal, Message: err.Error()}
	}
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		log.Printf("encode response: %v", err)
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A host that is gone does not need the answer.
	_, _ = w.Write(text)
}
