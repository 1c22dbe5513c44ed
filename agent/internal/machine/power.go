// Package machine ends the machine and shields PID 1 from signals.
package machine

import (
	"log"

	"golang.org/x/sys/unix"
)

// PowerOff stops every process, writes everything back and switches the machine off. The function,
// which may be nil, unmounts what the list of mounts does not show.
func PowerOff(release func() error) {
	log.Print("power off")
	_ = unix.Kill(-1, unix.SIGKILL)
	if release != nil {
		if err := release(); err != nil {
			log.Printf("power off: %v", err)
		}
	}
	unix.Sync()
	for _, mountPoint := range writableMounts() {
		// A busy mount becomes read-only below, and its data was synced before.
		_ = unix.Unmount(mountPoint, 0)
	}
	_ = unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		log.Printf("power off: %v", err)
	}
}
