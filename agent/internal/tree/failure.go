package tree

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// FailureCode tells programs why a request about a tree failed.
type FailureCode string

// These reasons lie in the request or in the tree.
const (
	InvalidArgument    FailureCode = "invalid_argument"
	FailedPrecondition FailureCode = "failed_precondition"
	Conflict           FailureCode = "conflict"
	NoSpace            FailureCode = "no_space"
)

// Failure is an error that the host can do something about.
type Failure struct {
	Code    FailureCode
	Message string
	// text of the symbolic link that a write would replace
	TargetFields
}

func (f *Failure) Error() string { return f.Message }

func failf(code FailureCode, format string, arguments ...any) error {
	return &Failure{Code: code, Message: fmt.Sprintf(format, arguments...)}
}

// explain adds to an error what could not be done to a path. It leaves a Failure unchanged.
func explain(verb, path string, err error) error {
	var known *Failure
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return failf(NoSpace, "cannot %s %q: no space left in the workspace", verb, path)
	case errors.Is(err, unix.ENAMETOOLONG), errors.Is(err, unix.EFBIG), errors.Is(err, unix.EINVAL):
		return failf(InvalidArgument, "cannot %s %q: %v", verb, path, err)
	case errors.Is(err, unix.EMLINK), errors.Is(err, unix.EBUSY), errors.Is(err, unix.EXDEV), errors.Is(err, unix.EPERM), errors.Is(err, unix.ETXTBSY), errors.Is(err, unix.EROFS):
		return failf(FailedPrecondition, "cannot %s %q: %v", verb, path, err)
	default:
		return fmt.Errorf("cannot %s %q: %w", verb, path, err)
	}
}
