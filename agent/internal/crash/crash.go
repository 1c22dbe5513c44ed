// Package crash turns a panic of PID 1 into a log line and a power-off. Without it the kernel
// panics when init dies, and may hang, depending on its command line.
package crash

import (
	"log"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// Go runs f on a new goroutine, guarded by PowerOffOnPanic.
func Go(f func()) {
	go func() {
		defer PowerOffOnPanic()
		f()
	}()
}

// PowerOffOnPanic is for a defer statement. Outside PID 1 the panic takes its usual course.
func PowerOffOnPanic() {
	if os.Getpid() != 1 {
		return
	}
	if reason := recover(); reason != nil {
		log.Printf("panic: %v\n%s", reason, debug.Stack())
		unix.Sync()
		unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	}
}
