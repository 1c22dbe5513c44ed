package identity

import (
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Linux is the System of a real guest.
type Linux struct{}

// AddEntropy credits entropy to the kernel's random number generator and reseeds it. Two
// clones return identical getrandom bytes until this is done.
func (Linux) AddEntropy(entropy []byte) error {
	device, err := os.OpenFile("/dev/urandom", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer device.Close()

	// struct rand_pool_info: entropy_count in bits, buf_size in bytes, then the bytes.
	request := make([]uint32, 2+(len(entropy)+3)/4)
	request[0] = uint32(len(entropy) * 8)
	request[1] = uint32(len(entropy))
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&request[2])), len(entropy)), entropy)
	if err := ioctl(device.Fd(), unix.RNDADDENTROPY, unsafe.Pointer(&request[0])); err != nil {
		return err
	}
	runtime.KeepAlive(request)
	return ioctl(device.Fd(), unix.RNDRESEEDCRNG, nil)
}

// SetClock sets the wall clock, which stands at the time of the freeze.
func (Linux) SetClock(now time.Time) error {
	timespec := unix.NsecToTimespec(now.UnixNano())
	return unix.ClockSettime(unix.CLOCK_REALTIME, &timespec)
}

// SetHostname sets the kernel's host name.
func (Linux) SetHostname(name string) error {
	return unix.Sethostname([]byte(name))
}

func ioctl(fd, request uintptr, argument unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}
