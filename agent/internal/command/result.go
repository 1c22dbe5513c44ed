package command

// Result is the outcome of a command.
type Result struct {
	// exit code, null if a signal ended the command
	ExitCode *int `json:"exit_code"`
	// name of the signal that ended the command, such as `SIGKILL`
	Signal *string `json:"signal"`
	// whether the time limit ended the command
	TimedOut bool `json:"timed_out"`
	// whether the host gave the command up
	Cancelled bool `json:"cancelled"`
	// milliseconds from start to end of the main process
	DurationMs float64 `json:"duration_ms"`
	// whether the command failed and the kernel killed one of its processes for want of memory
	OOMKilled bool `json:"oom_killed"`
	// reason why the command did not start, or what was wrong with its input
	Error *Failure `json:"error,omitempty"`
	// reason why a requested sync failed
	SyncError string `json:"sync_error,omitempty"`
}

// NotStarted is the result of a command that could not be started.
func NotStarted(failure *Failure) Result {
	code := failure.ExitCode()
	return Result{ExitCode: &code, Error: failure}
}
