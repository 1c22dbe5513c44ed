package tree

import "golang.org/x/sys/unix"

const (
	// directSize is the size in bytes from which a file goes past the page cache. Through it the
	// guest touches each byte twice more and takes up memory that the host has to give it.
	directSize = 1 << 20
	// directAlignment is what every file system and disk accepts for offsets, lengths and memory.
	directAlignment = 4096
	// directRun is the length in bytes of one write to the disk.
	directRun = 1 << 20
)

// directBuffer gathers content, because only whole blocks can go past the page cache.
type directBuffer struct {
	memory []byte
	used   int
}

func newDirectBuffer() (*directBuffer, error) {
	memory, err := unix.Mmap(-1, 0, directRun, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, err
	}
	return &directBuffer{memory: memory}, nil
}

func (b *directBuffer) close() {
	if b != nil {
		_ = unix.Munmap(b.memory)
	}
}

// add takes as much as there is room for, and returns the rest.
func (b *directBuffer) add(data []byte) (rest []byte) {
	n := copy(b.memory[b.used:], data)
	b.used += n
	return data[n:]
}

func (b *directBuffer) isFull() bool { return b.used == len(b.memory) }

// setDirect makes the writes to a file pass the page cache by, or go through it.
func setDirect(fd int, isDirect bool) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	flags &^= unix.O_DIRECT
	if isDirect {
		flags |= unix.O_DIRECT
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags)
	return err
}
