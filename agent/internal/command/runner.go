package command

import (
	"os"
	"sync"
	"syscall"
	"time"

	"pyro.agent/internal/cgroup"
	"pyro.agent/internal/process"
)

// Runner starts commands.
type Runner struct {
	reaper *process.Reaper
	groups *cgroup.Parent
	null   *os.File

	mu sync.Mutex
	// running has the commands that have a label, by it.
	running map[string]*Command
}

// NewRunner returns a Runner whose commands get their control groups from groups.
func NewRunner(reaper *process.Reaper, groups *cgroup.Parent) (*Runner, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &Runner{reaper: reaper, groups: groups, null: null, running: make(map[string]*Command)}, nil
}

// Running returns the running command with a label; nil if there is none.
func (r *Runner) Running(label string) *Command {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running[label]
}

func (r *Runner) add(c *Command) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.label != "" {
		r.running[c.label] = c
	}
}

// Release gives up a command's control group. From then on Kill does not reach processes that run
// in the background.
func (r *Runner) Release(c *Command) {
	r.mu.Lock()
	if r.running[c.label] == c {
		delete(r.running, c.label)
	}
	r.mu.Unlock()
	r.groups.Release(c.group)
}

// Start starts a command. The error is a *Failure if the command itself is the reason.
func (r *Runner) Start(spec Spec) (*Command, error) {
	cwd := spec.Cwd
	if cwd == "" {
		cwd = defaultCwd()
	} else if !isDirectory(cwd) {
		return nil, cwdNotFound(cwd)
	}
	shell := defaultShell()
	argv := spec.argv(shell)
	env := newEnvironment(shell, spec.Env)
	path, failure := findProgram(argv[0], cwd, env)
	if failure != nil {
		return nil, failure
	}
	streams, err := openStreams(spec, r.null)
	if err != nil {
		return nil, err
	}
	defer streams.closeChildEnds()
	command, err := r.launch(spec, path, argv, &syscall.ProcAttr{
		Dir:   cwd,
		Env:   env.list(),
		Files: streams.child,
	})
	if err != nil {
		streams.closeOwnEnds()
		return nil, explainExec(argv[0], absolute(path, cwd), err)
	}
	command.Stdin, command.Stdout, command.Stderr = streams.stdin, streams.stdout, streams.stderr
	command.Terminal = streams.terminal
	r.add(command)
	return command, nil
}

// launch starts the process in a session and a control group of its own. The process is in the
// group before its first instruction, so its children can't be outside.
func (r *Runner) launch(spec Spec, path string, argv []string, attr *syscall.ProcAttr) (*Command, error) {
	acquire := r.groups.Acquire
	if spec.WholeGroup {
		acquire = r.groups.AcquireNew
	}
	group, err := acquire(spec.Label)
	if err != nil {
		return nil, err
	}
	// The terminal, if there is one, is the first of its files.
	attr.Sys = &syscall.SysProcAttr{
		Setsid: true, Setctty: spec.Terminal != nil, Ctty: 0,
		UseCgroupFD: true, CgroupFD: group.FD(),
	}
	startedAt := time.Now()
	pid, exited, err := r.reaper.Start(path, argv, attr)
	if err != nil {
		r.groups.Release(group)
		return nil, err
	}
	return &Command{PID: pid, Exited: exited, label: spec.Label, startedAt: startedAt, group: group}, nil
}
