package boot

import "golang.org/x/sys/unix"

// useConsole directs the agent's standard streams, which the kernel may have left closed.
func useConsole() error {
	if err := redirect("/dev/null", unix.O_RDONLY, 0); err != nil {
		return err
	}
	return redirect("/dev/console", unix.O_WRONLY|unix.O_NOCTTY, 1, 2)
}

func redirect(path string, flags int, targets ...int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	for _, target := range targets {
		if fd == target {
			continue
		}
		if err := unix.Dup3(fd, target, 0); err != nil {
			return err
		}
	}
	if fd > 2 {
		return unix.Close(fd)
	}
	return nil
}
