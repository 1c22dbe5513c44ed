// Package boot takes a Linux guest from the first instruction of its initramfs to a
// complete root file system.
package boot

import (
	"fmt"
	"log"
	"time"

	"golang.org/x/sys/unix"
)

// CommandGroups is the parent of the control groups of all commands.
const CommandGroups = "/sys/fs/cgroup/pyro"

const newRoot = "/newroot"

type step struct {
	name string
	do   func() error
}

// Run performs the boot and returns the root device's name. Every error is fatal.
func Run() (rootDevice string, err error) {
	if err := mountInitramfs(); err != nil {
		return "", fmt.Errorf("mount initramfs file systems: %w", err)
	}
	if err := useConsole(); err != nil {
		return "", fmt.Errorf("open console: %w", err)
	}
	line, err := readCommandLine()
	if err != nil {
		return "", fmt.Errorf("read kernel command line: %w", err)
	}
	steps := []step{
		{"load modules", loadModules},
		{"mount root", func() error { return mountRoot(line.rootDevice) }},
		{"grow root", func() error { return growRoot(line) }},
		{"switch root", switchRoot},
		{"mount file systems", mountFileSystems},
		{"link devices", linkDevices},
		{"shelter identity files", shelterIdentityFiles},
		{"use resolver", useResolver},
		{"bring up loopback", bringUpLoopback},
		{"set limits", setLimits},
		{"make /workspace", makeWorkspace},
	}
	for _, step := range steps {
		start := time.Now()
		if err := step.do(); err != nil {
			return "", fmt.Errorf("%s: %w", step.name, err)
		}
		log.Printf("%s: done in %.1f ms", step.name, float64(time.Since(start).Microseconds())/1000)
	}
	return line.rootDevice, nil
}

func makeWorkspace() error {
	err := unix.Mkdir("/workspace", 0o755)
	if err == unix.EEXIST {
		return nil
	}
	return err
}
