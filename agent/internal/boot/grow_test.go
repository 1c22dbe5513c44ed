package boot

import (
	"encoding/binary"
	"testing"
)

func superblockOf(logBlock uint32, low, high, incompat uint32) []byte {
	raw := make([]byte, superblockSize)
	binary.LittleEndian.PutUint16(raw[offsetMagic:], ext4Magic)
	binary.LittleEndian.PutUint32(raw[offsetLogBlock:], logBlock)
	binary.LittleEndian.PutUint32(raw[offsetBlocksLow:], low)
	binary.LittleEndian.PutUint32(raw[offsetBlocksHigh:], high)
	binary.LittleEndian.PutUint32(raw[offsetIncompat:], incompat)
	return raw
}

func TestParseSuperblock(t *testing.T) {
	for _, test := range []struct {
		raw  []byte
		want superblock
	}{
		{superblockOf(0, 65536, 0, 0), superblock{65536, 1024}},
		{superblockOf(2, 65536, 7, 0), superblock{65536, 4096}},
		{superblockOf(2, 5, 1, incompat64Bit), superblock{1<<32 + 5, 4096}},
	} {
		if got, err := parseSuperblock(test.raw); err != nil || got != test.want {
			t.Errorf("got %+v, %v; want %+v", got, err, test.want)
		}
	}
	for name, raw := range map[string][]byte{
		"zeroes":         make([]byte, superblockSize),
		"huge log block": superblockOf(40, 1, 0, 0),
	} {
		if got, err := parseSuperblock(raw); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
