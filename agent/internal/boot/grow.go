package boot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// EXT4_IOC_RESIZE_FS is _IOW('f', 16, __u64); golang.org/x/sys/unix does not have it.
const ext4IocResizeFS = 0x40086610

// growRoot lets the mounted root fill its device when the command line asks for it.
func growRoot(line commandLine) error {
	if !line.growRoot {
		return nil
	}
	device, err := os.Open(line.rootDevice)
	if err != nil {
		return err
	}
	defer device.Close()
	sizeBytes, err := device.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	raw := make([]byte, superblockSize)
	if _, err := device.ReadAt(raw, superblockOffset); err != nil {
		return err
	}
	super, err := parseSuperblock(raw)
	if err != nil {
		return err
	}
	blocks := uint64(sizeBytes) / super.blockSize
	if blocks <= super.blocks {
		return nil
	}
	return resizeExt4(newRoot, blocks)
}

func resizeExt4(mountPoint string, blocks uint64) error {
	fd, err := unix.Open(mountPoint, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ext4IocResizeFS, uintptr(unsafe.Pointer(&blocks)))
	if errno != 0 {
		return fmt.Errorf("resize to %d blocks: %w", blocks, errno)
	}
	return nil
}

// The ext4 superblock: its place on the device and the offsets of the fields used here.
const (
	superblockOffset = 1024
	superblockSize   = 1024

	offsetBlocksLow   = 0x04
	offsetLogBlock    = 0x18
	offsetMagic       = 0x38
	offsetIncompat    = 0x60
	offsetBlocksHigh  = 0x150
	ext4Magic         = 0xef53
	incompat64Bit     = 0x80
	maxLogBlockFactor = 6
)

type superblock struct {
	blocks    uint64
	blockSize uint64
}

func parseSuperblock(raw []byte) (superblock, error) {
	if binary.LittleEndian.Uint16(raw[offsetMagic:]) != ext4Magic {
		return superblock{}, errors.New("not an ext4 file system")
	}
	logBlock := binary.LittleEndian.Uint32(raw[offsetLogBlock:])
	if logBlock > maxLogBlockFactor {
		return superblock{}, fmt.Errorf("ext4 block size 2^%d KiB is out of range", logBlock)
	}
	blocks := uint64(binary.LittleEndian.Uint32(raw[offsetBlocksLow:]))
	if binary.LittleEndian.Uint32(raw[offsetIncompat:])&incompat64Bit != 0 {
		blocks |= uint64(binary.LittleEndian.Uint32(raw[offsetBlocksHigh:])) << 32
	}
	return superblock{blocks: blocks, blockSize: 1024 << logBlock}, nil
}
