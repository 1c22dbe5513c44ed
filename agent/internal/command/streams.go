package command

import (
	"os"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/terminal"
)

// streams are the two ends of a command's standard streams.
type streams struct {
	child          []uintptr
	closeAfterFork []int
	childFiles     []*os.File

	stdin          *os.File
	stdout, stderr *Output
	terminal       *terminal.Terminal
}

func openStreams(spec Spec, null *os.File) (*streams, error) {
	s := &streams{child: make([]uintptr, 3)}
	s.child[0] = null.Fd()
	open := func() error { return s.open(spec.Stdin) }
	if spec.Terminal != nil {
		open = func() error { return s.openTerminal(spec) }
	}
	if err := open(); err != nil {
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

// openTerminal makes all three streams one terminal. A user's shell also gets its start file.
func (s *streams) openTerminal(spec Spec) error {
	opened, slave, err := terminal.Open(*spec.Terminal)
	if err != nil {
		return err
	}
	s.terminal, s.stdout = opened, &Output{file: opened.Output()}
	s.childFiles = append(s.childFiles, slave)
	s.child = []uintptr{slave.Fd(), slave.Fd(), slave.Fd()}
	if spec.isUsersShell() {
		start, err := terminal.StartFile()
		if err != nil {
			return err
		}
		s.childFiles = append(s.childFiles, start)
		s.child = append(s.child, start.Fd())
	}
	s.stdin, err = opened.Input()
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
	for _, file := range s.childFiles {
		file.Close()
	}
	s.closeAfterFork, s.childFiles = nil, nil
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
