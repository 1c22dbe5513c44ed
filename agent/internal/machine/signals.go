package machine

import (
	"os"
	"os/signal"
	"syscall"
)

const lastSignal = 64

// AbsorbSignals makes every signal that a guest process sends to PID 1 harmless. Commands would
// inherit ignored signals, and Go's default for most signals is to die.
func AbsorbSignals() {
	var absorbed []os.Signal
	for number := syscall.Signal(1); number <= lastSignal; number++ {
		switch number {
		case syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPROF:
			// SIGCHLD is of no use here, and the others belong to the Go runtime.
		default:
			absorbed = append(absorbed, number)
		}
	}
	// Package signal drops what the channel cannot hold, so no goroutine has to read it.
	signal.Notify(make(chan os.Signal, 1), absorbed...)
}
