package tree

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// maxSettled is the number of files up to which it is quicker to write each one back than to commit
// the whole file system.
const maxSettled = 16

// settle writes the content of the staged files back before the commit. ext4 can make a rename
// durable before the content. A machine that dies in between then leaves zeros in place of the old
// file and the new. Nothing is durable before the sync that follows the commit.
func (s *staging) settle(upper int) error {
	if s.bytesWritten == 0 {
		return nil
	}
	files := s.withContent()
	if len(files) <= maxSettled && s.writeBack(upper, files) == nil {
		return nil
	}
	if err := unix.Syncfs(s.fd); err != nil {
		return fmt.Errorf("sync the files to be written: %w", err)
	}
	return nil
}

func (s *staging) withContent() []*operation {
	var files []*operation
	for _, op := range s.operations {
		if op.kind == File {
			files = append(files, op)
		}
	}
	return files
}

// writeBack waits until the files' content has left the page cache. The overlay has no pages of its
// own, so it looks for the files in its directory of changes.
func (s *staging) writeBack(upper int, files []*operation) error {
	const all = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	for _, op := range files {
		fd, err := lookUp(upper, s.name+"/"+op.staged, toRead|unix.O_NOFOLLOW)
		if err != nil {
			return err
		}
		err = unix.SyncFileRange(fd, 0, 0, all)
		unix.Close(fd)
		if err != nil {
			return err
		}
	}
	return nil
}
