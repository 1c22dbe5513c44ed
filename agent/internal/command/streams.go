package command

import (
	"os"

	"golang.org/x/sys/unix"
)

// streams are the two ends of a command's standard streams.
type streams struct {
	child          [3]uintptr
	closeAfterFork []int

	stdin          *os.File
	stdout, stderr *Output
}

func openStreams(withStdin bool, null *os.File) (*streams, error) {
	s := &streams{}
	s.child[0] = null.Fd()
	if err := s.open(withStdin); err != nil {
		s.closeChildEnds()
		s.closeOwnEnds()
		return nil, err
	}
	return s, nil
}

func (s *streams) open(withStdin bool) (err error) {
	if withStdin {
		if s.stdin, err = s.openInput(0); err != nil {
			return err
		}
	}
	if s.stdout, err = s.openOutput(1); err != nil {
		return err
	}
	s.stderr, err = s.openOutput(2)
	return err
}

func (s *streams) openInput(number int) (*os.File, error) {
	read, write, err := pipe()
	if err != nil {
		return nil, err
	}
	s.addChildEnd(number, read)
	return ownEnd(write)
}

func (s *streams) openOutput(number int) (*Output, error) {
	read, write, err := pipe()
	if err != nil {
		return nil, err
	}
	s.addChildEnd(number, write)
	file, err := ownEnd(read)
	if err != nil {
		return nil, err
	}
	return &Output{file: file}, nil
}

func (s *streams) addChildEnd(number, fd int) {
	s.child[number] = uintptr(fd)
	s.closeAfterFork = append(s.closeAfterFork, fd)
}

func (s *streams) closeChildEnds() {
	for _, fd := range s.closeAfterFork {
		unix.Close(fd)
	}
	s.closeAfterFork = nil
}

func (s *streams) closeOwnEnds() {
	if s.stdin != nil {
		s.stdin.Close()
	}
	for _, output := range []*Output{s.stdout, s.stderr} {
		if output != nil {
			output.file.Close()
		}
	}
}

func pipe() (read, write int, err error) {
	var ends [2]int
	err = unix.Pipe2(ends[:], unix.O_CLOEXEC)
	return ends[0], ends[1], err
}

// ownEnd makes only the agent's end non-blocking, because commands expect theirs to block.
func ownEnd(fd int) (*os.File, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "pipe"), nil
}
