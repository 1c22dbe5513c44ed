package boot

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxRedirect is about what an extended attribute of ext4 can hold.
const maxRedirect = 3900

// setLimits sets what every command inherits, and what the death of PID 1 leads to.
//
// The agent's own oom_score_adj stays 0: the OOM killer never picks the init process, and
// a lower value would be inherited by every command.
func setLimits() error {
	unix.Umask(0o022)
	// syscall's, because the Go runtime would otherwise restore its first value in children.
	files := syscall.Rlimit{Cur: 65536, Max: 1048576}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return err
	}
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF); err != nil {
		return err
	}
	// The control groups of commands share out the processor. A group of the kernel's own for each
	// session would be made for nothing; not every kernel does.
	_ = os.WriteFile("/proc/sys/kernel/sched_autogroup_enabled", []byte("0"), 0)
	// A directory of the base that is renamed is recorded by its path, by default of 256 bytes.
	_ = os.WriteFile("/sys/module/overlay/parameters/redirect_max", []byte(strconv.Itoa(maxRedirect)), 0)
	// Reboot at once; the VMM takes a reboot as the end.
	return os.WriteFile("/proc/sys/kernel/panic", []byte("-1"), 0)
}
