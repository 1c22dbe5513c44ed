package tree

import (
	"errors"
	"fmt"
)

// undoLog has the steps that take back what a commit has done so far.
type undoLog struct{ steps []func() error }

func (u *undoLog) add(step func() error) { u.steps = append(u.steps, step) }

// brokenUndo is a write that failed and could not be taken back.
type brokenUndo struct{ reason, undo error }

func (b *brokenUndo) Error() string {
	return fmt.Sprintf("%v; what had been written could not be taken back: %v", b.reason, b.undo)
}

func (b *brokenUndo) Unwrap() error { return b.undo }

// run takes everything back, latest first. It returns the reason, together with any step that
// failed.
func (u *undoLog) run(reason error) error {
	var failed error
	for i := len(u.steps) - 1; i >= 0; i-- {
		failed = errors.Join(failed, u.steps[i]())
	}
	if failed != nil {
		return &brokenUndo{reason, failed}
	}
	return reason
}
