package terminal

import (
	"time"

	"golang.org/x/sys/unix"
)

// State is what happens at a terminal at one moment.
type State struct {
	Size
	// nil if no process group has the keyboard
	Foreground *Foreground `json:"foreground"`
	// whether a program reads whole lines, which the terminal lets users edit
	ByLine bool `json:"by_line"`
	// whether the terminal shows what is typed
	Echo bool `json:"echo"`
	// bytes that were typed and no program has read
	UnreadBytes int `json:"unread_bytes"`
	// bytes from the host that programs were given, and bytes of theirs that the host was sent or
	// will be
	ReceivedBytes int64 `json:"received_bytes"`
	SentBytes     int64 `json:"sent_bytes"`
}

// Foreground is the process that has the keyboard. If one of its process group reads from the
// terminal, it is that one.
type Foreground struct {
	PID int `json:"pid"`
	// empty if the process has just ended
	Command string  `json:"command"`
	Reads   Reading `json:"reads"`
}

// Reading says whether a process waits for what is typed.
type Reading string

// The answers. A program with an event loop waits for other things as well.
const (
	Reads        Reading = "yes"
	ReadsAlso    Reading = "also"
	DoesNotRead  Reading = "no"
	ReadsUnknown Reading = "unknown"
)

func (r Reading) isYes() bool { return r == Reads || r == ReadsAlso }

// maxInner bounds how many terminals inside each other are looked into.
const maxInner = 4

// maxLooks bounds how often a terminal is looked at whose foreground processes end just then.
const maxLooks = 5

// Look returns what happens at the terminal. processes returns the numbers of the command's
// processes.
func (t *Terminal) Look(processes func() []int) (state State) {
	// Last, because a program that is seen to wait has printed what it had to say.
	defer func() { state.SentBytes = t.printed() }()
	for range maxLooks {
		state = State{Size: t.size(), ReceivedBytes: t.Received.Load()}
		at := place{number: t.number, device: t.device, foreground: t.Foreground()}
		if at.foreground == 0 {
			return state
		}
		state.Foreground = &Foreground{PID: at.foreground, Reads: DoesNotRead}
		if at.lookInto(readProcesses(append(processes(), at.foreground)), &state) {
			return state
		}
		time.Sleep(time.Millisecond)
	}
	return state
}

// lookInto looks at a terminal, and at those inside it. It reports whether it found who has the
// keyboard.
func (p place) lookInto(processes []*process, state *State) bool {
	for range maxInner {
		found, inner := p.look(processes, state)
		if inner == nil {
			return found
		}
		p = *inner
	}
	return true
}

func readProcesses(pids []int) (processes []*process) {
	seen := make(map[int]bool)
	for _, pid := range pids {
		if pid <= 0 || seen[pid] {
			continue
		}
		seen[pid] = true
		if read, err := readProcess(pid); err == nil {
			processes = append(processes, read)
		}
	}
	return processes
}

// place is a terminal and the process group that has its keyboard.
type place struct {
	number     int
	device     device
	foreground int
}

// look adds to the state what happens here, and reports whether it found who has the keyboard. If
// the process that reads only passes on what is typed to a terminal of its own, look returns that
// one, where the state really is.
func (p place) look(processes []*process, state *State) (found bool, inner *place) {
	p.readModes(state)
	for _, each := range processes {
		if each.group != p.foreground {
			continue
		}
		reads, number := p.reading(each)
		if number >= 0 {
			if inner := placeOf(number, processes); inner != nil {
				return true, inner
			}
		}
		shown := state.Foreground
		if !found || !shown.Reads.isYes() && (reads.isYes() || each.pid == p.foreground) {
			state.Foreground = &Foreground{PID: each.pid, Command: each.command(), Reads: reads}
		}
		found = true
	}
	return found, nil
}

// reading reports whether a process waits for what is typed here, and the number of the terminal
// to which it passes that on; -1 if there is none.
func (p place) reading(of *process) (reads Reading, inner int) {
	reads, inner = DoesNotRead, -1
	descriptors, known := of.waitsFor()
	if !known {
		reads = ReadsUnknown
	}
	for _, fd := range descriptors {
		if p.device.isOpenAs(of, fd) {
			reads = Reads
		} else if number, ok := innerTerminal(of, fd); ok {
			inner = number
		}
	}
	switch {
	case reads != Reads:
		inner = -1
	case len(descriptors) > 1:
		reads = ReadsAlso
	}
	return reads, inner
}

// placeOf returns the terminal of a number, if processes that are known use it.
func placeOf(number int, processes []*process) *place {
	slave, err := openTerminal(number)
	if err != nil {
		return nil
	}
	defer slave.Close()
	found, err := deviceOf(slave.Name())
	if err != nil {
		return nil
	}
	for _, each := range processes {
		if each.terminal == found.number && each.foreground > 0 {
			return &place{number: number, device: found, foreground: each.foreground}
		}
	}
	return nil
}

// readModes adds what the terminal's modes are, and what it holds.
func (p place) readModes(state *State) {
	slave, err := openTerminal(p.number)
	if err != nil {
		return
	}
	defer slave.Close()
	fd := int(slave.Fd())
	if modes, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
		state.ByLine = modes.Lflag&unix.ICANON != 0
		state.Echo = modes.Lflag&unix.ECHO != 0
	}
	state.UnreadBytes += waiting(fd)
}
