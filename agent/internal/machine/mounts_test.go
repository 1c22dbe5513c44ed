package machine

import (
	"slices"
	"testing"
)

func TestParseMountsReturnsDisksLastMountedFirst(t *testing.T) {
	got := parseMounts(`proc /proc proc rw 0 0
/dev/vda / ext4 rw 0 0
/dev/vdb /workspace ext4 rw 0 0
tmpfs /run tmpfs rw 0 0
/dev/vdc /workspace/a\040b ext4 ro 0 0
`)
	if want := []string{"/workspace/a b", "/workspace"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
