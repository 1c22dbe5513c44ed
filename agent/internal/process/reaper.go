// Package process starts and reaps processes. PID 1 must wait for every orphan. A wait for "any
// child" steals statuses from os/exec, so all waits happen here.
package process

import (
	"errors"
	"log"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pyro.agent/internal/crash"
)

// Exit is how a process ended.
type Exit struct {
	Status syscall.WaitStatus
	At     time.Time
}

// Reaper starts processes and collects every child of this process.
type Reaper struct {
	// mu keeps the reaper from collecting a child that is not yet in waiting.
	mu      sync.Mutex
	started *sync.Cond
	waiting map[int]chan<- Exit
}

// NewReaper returns a Reaper that is already at work. There must be only one.
func NewReaper() *Reaper {
	r := &Reaper{waiting: make(map[int]chan<- Exit)}
	r.started = sync.NewCond(&r.mu)
	crash.Go(r.run)
	return r
}

// Start runs a program and returns its pid and a channel that receives its exit.
func (r *Reaper) Start(path string, argv []string, attr *syscall.ProcAttr) (int, <-chan Exit, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pid, _, err := syscall.StartProcess(path, argv, attr)
	if err != nil {
		return 0, nil, err
	}
	exited := make(chan Exit, 1)
	r.waiting[pid] = exited
	r.started.Signal()
	return pid, exited, nil
}

func (r *Reaper) run() {
	for {
		// WNOWAIT leaves the zombie for collect, which holds the lock but must not block.
		err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOWAIT|unix.WALL, nil)
		switch {
		case err == nil:
			r.collect()
		case errors.Is(err, unix.ECHILD):
			r.awaitStart()
		case !errors.Is(err, unix.EINTR):
			log.Printf("waitid: %v", err)
			return
		}
	}
}

// collect reaps the children that have ended, one by one. Other children can start in between, even
// while thousands die.
func (r *Reaper) collect() {
	for r.collectOne() {
	}
}

func (r *Reaper) collectOne() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var status unix.WaitStatus
	pid, err := unix.Wait4(-1, &status, unix.WNOHANG|unix.WALL, nil)
	if errors.Is(err, unix.EINTR) {
		return true
	}
	if err != nil || pid == 0 {
		return false
	}
	if exited, ok := r.waiting[pid]; ok {
		delete(r.waiting, pid)
		exited <- Exit{Status: syscall.WaitStatus(status), At: time.Now()}
	}
	return true
}

// awaitStart returns when there may be children again. Orphans descend from children, so they too
// come only after a start.
func (r *Reaper) awaitStart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.waiting) == 0 {
		r.started.Wait()
	}
}
