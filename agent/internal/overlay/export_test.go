package overlay

import (
	"testing"
	"time"
)

// ThawAfterForTest changes how long a freeze lasts.
func ThawAfterForTest(t *testing.T, d time.Duration) {
	old := thawAfter
	thawAfter = d
	t.Cleanup(func() { thawAfter = old })
}

// ThawForTest undoes Abandon.
func (w *Workspace) ThawForTest() { _ = thaw(w.disk) }

// CloseForTest closes the disk.
func (w *Workspace) CloseForTest() { w.close() }
