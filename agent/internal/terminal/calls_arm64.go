package terminal

import "golang.org/x/sys/unix"

// System calls in which a program waits for something to read
var (
	readCalls   = []uint64{unix.SYS_READ, unix.SYS_READV, unix.SYS_PREADV2}
	pollCalls   = []uint64{unix.SYS_PPOLL}
	selectCalls = []uint64{unix.SYS_PSELECT6}
	epollCalls  = []uint64{unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2}
)
