package tree

import "golang.org/x/sys/unix"

const (
	// maxAhead is the number of files that are open at once, so that their content comes from the
	// disk together. One by one each waits for the disk, which costs more than all else of a small
	// file.
	maxAhead = 64
	// aheadBytes is the part of each file that the disk is asked for. The kernel itself reads ahead
	// in a long file.
	aheadBytes = chunkSize
)

// ahead has the files that are read next, in their order.
type ahead []*file

// openAhead opens the files that a list of names begins with, up to the first name that is no file.
// So no files are open while another directory is read, however deep the tree is.
func openAhead(directory int, names []string) ahead {
	var files ahead
	for _, name := range names[:min(len(names), maxAhead)] {
		f, err := openFile(directory, name)
		if err != nil {
			break
		}
		if f.stat.Size > 0 {
			// A failure shows when the file is read.
			_ = unix.Fadvise(f.fd, 0, min(f.stat.Size, aheadBytes), unix.FADV_WILLNEED)
		}
		files = append(files, f)
	}
	return files
}

// take returns the next file, which the caller closes, or nil.
func (a *ahead) take() *file {
	if len(*a) == 0 {
		return nil
	}
	f := (*a)[0]
	*a = (*a)[1:]
	return f
}

func (a *ahead) close() {
	for _, f := range *a {
		f.close()
	}
}
