package machine

import (
	"os"
	"os/signal"
	"syscall"
)

const lastSignal = 64

// AbsorbSignals makes every signal that a guest process sends to PID 1 harmless. Ignoring
// them would be inherited by commands, and Go's default for most is to die.
func AbsorbSignals() {
	var absorbed []os.Signal
	for number := syscall.Signal(1); number <= lastSignal; number++ {
		switch number {
		case syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPROF:
			// The first has no use here, the others belong to the Go runtime.
		default:
			absorbed = append(absorbed, number)
		}
	}
	// Nobody reads the channel: package signal drops what does not fit.
	signal.Notify(make(chan os.Signal, 1), absorbed...)
}
