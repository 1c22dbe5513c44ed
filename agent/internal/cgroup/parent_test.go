package cgroup_test

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	"pyro.agent/internal/cgroup/cgrouptest"
)

func TestAnEmptyGroupIsUsedAgain(t *testing.T) {
	parent := cgrouptest.NewParent(t)
	first, err := parent.Acquire("")
	if err != nil {
		t.Fatal(err)
	}
	parent.Release(first)
	second, err := parent.Acquire("")
	if err != nil {
		t.Fatal(err)
	}
	if second != first {
		t.Error("a new group was made")
	}
}

func TestAGroupWithProcessesIsNotUsedAgainUntilTheyAreGone(t *testing.T) {
	parent := cgrouptest.NewParent(t)
	first, err := parent.Acquire("")
	if err != nil {
		t.Fatal(err)
	}
	sleeper := exec.Command("sleep", "60")
	sleeper.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: first.FD()}
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	parent.Release(first)
	second, err := parent.Acquire("")
	if err != nil {
		t.Fatal(err)
	}
	if second == first {
		t.Fatal("two commands would share a group")
	}
	if err := sleeper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := sleeper.Wait(); err == nil {
		t.Error("the process was not killed")
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		third, err := parent.Acquire("")
		if err != nil {
			t.Fatal(err)
		}
		if third == first {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the emptied group was never used again")
		}
	}
}

// Linux 6.18 kills whatever is started in a group that was killed once.
func TestAKilledGroupIsNotUsedAgain(t *testing.T) {
	parent := cgrouptest.NewParent(t)
	first, err := parent.Acquire("")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	parent.Release(first)
	second, err := parent.Acquire("")
	if err != nil {
		t.Fatal(err)
	}
	if second == first {
		t.Error("the next command would be killed")
	}
	program := exec.Command("true")
	program.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: second.FD()}
	if err := program.Run(); err != nil {
		t.Errorf("a command in the next group: %v", err)
	}
}
