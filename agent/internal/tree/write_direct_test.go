package tree_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"testing"

	"pyro.agent/internal/frame"
	"pyro.agent/internal/overlay/overlaytest"
	"pyro.agent/internal/tree"
	"pyro.agent/internal/tree/treetest"
)

// Large files pass the page cache by, in whole blocks. What is no whole block does not.
func TestLargeFilesArriveWholeWhereverTheirPiecesEnd(t *testing.T) {
	const mib = 1 << 20
	const hole = -1
	workspace, at := overlaytest.New(t, nil)
	plain := t.TempDir()
	for name, pieces := range map[string][]int{
		"one run":             {mib},
		"one byte less":       {mib - 1},
		"one byte more":       {mib + 1},
		"odd pieces":          {1, 4095, 4097, 300_001, 700_000, 7, mib},
		"a hole of blocks":    {mib + 4096, hole * 8192, mib},
		"a hole inside":       {mib + 4096, hole * 100, mib, hole * 4096, 5},
		"a hole first":        {hole * 3, mib},
		"a hole last":         {mib, 9, hole * mib},
		"shorter than it was": {5},
	} {
		size, content := int64(mib), []byte(nil)
		body := newStream(`{}`).add(frame.Entry, fmt.Appendf(nil, `{"path":%q,"type":"file","size":%d}`, name, size))
		for i, length := range pieces {
			if length < 0 {
				body.add(frame.Hole, binary.BigEndian.AppendUint64(nil, uint64(-length)))
				content = append(content, make([]byte, -length)...)
				continue
			}
			piece := bytes.Repeat([]byte{byte('a' + i)}, length)
			for rest := piece; len(rest) > 0; rest = rest[min(len(rest), 250_000):] {
				body.add(frame.Content, rest[:min(len(rest), 250_000)])
			}
			content = append(content, piece...)
		}
		sent := body.add(frame.ContentEnd, nil).end()
		text := bytes.Clone(sent.Bytes())
		mustWrite(t, &workspace.Layers, sent)
		mustWrite(t, treetest.LayersOf(t, plain), bytes.NewBuffer(text))
		for _, directory := range []string{at, plain} {
			if got, err := os.ReadFile(directory + "/" + name); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: got %d bytes, %v; want %d", name, len(got), err, len(content))
			}
		}
	}
}

func TestALargeFileWithoutSpaceLeavesNothing(t *testing.T) {
	workspace, at := overlaytest.New(t, nil)
	content := slicesOf(string(make([]byte, 1<<20)), 100)
	body := newStream(`{}`).entry(fmt.Sprintf(`{"path":"big","type":"file","size":%d}`, 100<<20), content...).end()
	mustFail(t, &workspace.Layers, at, body, tree.NoSpace, `"big"`)
}

func TestMoreFilesThanOneShelfHolds(t *testing.T) {
	workspace, at := overlaytest.New(t, func(base string) { put(t, base+"/7", "old") })
	body := newStream(`{}`)
	for n := range 200 {
		body.entry(fmt.Sprintf(`{"path":"%d","type":"file"}`, n), fmt.Sprint("content of ", n))
	}
	mustWrite(t, &workspace.Layers, body.end())
	for n := range 200 {
		if got, err := os.ReadFile(fmt.Sprintf("%s/%d", at, n)); err != nil || string(got) != fmt.Sprint("content of ", n) {
			t.Errorf("%d: got %q, %v", n, got, err)
		}
	}
	if list, err := os.ReadDir(at); err != nil || len(list) != 200 {
		t.Errorf("got %d names, %v", len(list), err)
	}
}
