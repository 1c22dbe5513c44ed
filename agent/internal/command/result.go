package command

// Result is the outcome of a command.
type Result struct {
	// null when a signal ended the command
	ExitCode *int `json:"exit_code"`
	// name of the signal that ended the command, like `SIGKILL`
	Signal *string `json:"signal"`
	// whether the command was killed at its timeout
	TimedOut bool `json:"timed_out"`
	// whether the command was killed because the host gave it up
	Cancelled bool `json:"cancelled"`
	// time from start to end of the main process
	DurationMs float64 `json:"duration_ms"`
	// whether the command failed and the kernel killed a process of it for want of memory
	OOMKilled bool `json:"oom_killed"`
	// why the command did not start, or what was wrong with its input
	Error *Failure `json:"error,omitempty"`
	// why what the command wrote may not be on the disks, if that was asked for
	SyncError string `json:"sync_error,omitempty"`
}

// NotStarted is the result of a command that could not be started.
func NotStarted(failure *Failure) Result {
	code := failure.ExitCode()
	return Result{ExitCode: &code, Error: failure}
}
