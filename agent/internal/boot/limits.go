package boot

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxRedirect is about what an extended attribute of ext4 can hold.
const maxRedirect = 3900

// setLimits sets what every command inherits and what the kernel does when PID 1 dies.
//
// The agent's own oom_score_adj stays 0. The OOM killer never picks the init process, and every
// command would inherit a lower value.
func setLimits() error {
	unix.Umask(0o022)
	// Children get the value that package syscall set, or else the one from the agent's start.
	files := syscall.Rlimit{Cur: 65536, Max: 1048576}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return err
	}
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF); err != nil {
		return err
	}
	// The control groups of commands already share out the processor. Some kernels also make a
	// group for each session, which costs time and gains nothing here.
	_ = os.WriteFile("/proc/sys/kernel/sched_autogroup_enabled", []byte("0"), 0)
	// A renamed directory of the base is recorded by its path, which by default has at most 256
	// bytes.
	_ = os.WriteFile("/sys/module/overlay/parameters/redirect_max", []byte(strconv.Itoa(maxRedirect)), 0)
	// The VMM takes a reboot as the end, so the kernel must reboot at once.
	return os.WriteFile("/proc/sys/kernel/panic", []byte("-1"), 0)
}
