package cgroup_test

import (
	"testing"

	"pyro.agent/internal/cgroup"
)

func TestLimitsLeaveSomethingToTheAgent(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		memoryMib uint64
		possible  int
		want      cgroup.Limits
	}{
		{32, 256, cgroup.Limits{Tasks: 128, TasksPerCommand: 96, MemoryBytes: 16 * mib}},
		{128, 1024, cgroup.Limits{Tasks: 512, TasksPerCommand: 384, MemoryBytes: 96 * mib}},
		{512, 4096, cgroup.Limits{Tasks: 2048, TasksPerCommand: 1536, MemoryBytes: 448 * mib}},
		{8192, 32768, cgroup.Limits{Tasks: 16384, TasksPerCommand: 12288, MemoryBytes: 8064 * mib}},
	} {
		if got := cgroup.LimitsFor(test.memoryMib*mib, test.possible); got != test.want {
			t.Errorf("%d MiB: got %+v, want %+v", test.memoryMib, got, test.want)
		}
	}
}

func TestThisMachineHasLimits(t *testing.T) {
	got, err := cgroup.MachineLimits()
	if err != nil || got.Tasks <= got.TasksPerCommand || got.TasksPerCommand <= 0 || got.MemoryBytes == 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}
