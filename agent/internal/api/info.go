package api

import (
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

type info struct {
	// version of the protocol that the agent speaks
	Protocol string `json:"protocol"`
	// version of the agent's build
	AgentVersion string `json:"agent_version"`
	// release of the running kernel
	Kernel   string `json:"kernel"`
	Hostname string `json:"hostname"`
	// content of `/etc/machine-id`
	MachineID string `json:"machine_id"`
	// boot id of the template, which all of its clones share
	BootID      string         `json:"boot_id"`
	UptimeMs    int64          `json:"uptime_ms"`
	TimeUnixMs  int64          `json:"time_unix_ms"`
	MemoryTotal uint64         `json:"memory_total_bytes"`
	CPUCount    int            `json:"cpu_count"`
	Forked      bool           `json:"forked"`
	Root        rootFileSystem `json:"root"`
}

type rootFileSystem struct {
	Device    string `json:"device"`
	SizeBytes uint64 `json:"size_bytes"`
	FreeBytes uint64 `json:"free_bytes"`
}

func (s *Server) info(w http.ResponseWriter, _ *http.Request) error {
	answer, err := s.readInfo()
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

func (s *Server) readInfo() (info, error) {
	var names unix.Utsname
	var memory unix.Sysinfo_t
	var uptime unix.Timespec
	var root unix.Statfs_t
	for _, err := range []error{
		unix.Uname(&names),
		unix.Sysinfo(&memory),
		unix.ClockGettime(unix.CLOCK_BOOTTIME, &uptime),
		unix.Statfs("/", &root),
	} {
		if err != nil {
			return info{}, err
		}
	}
	return info{
		Protocol:     ProtocolVersion,
		AgentVersion: s.AgentVersion,
		Kernel:       unix.ByteSliceToString(names.Release[:]),
		Hostname:     unix.ByteSliceToString(names.Nodename[:]),
		MachineID:    readLine("/etc/machine-id"),
		BootID:       readLine("/proc/sys/kernel/random/boot_id"),
		UptimeMs:     uptime.Nano() / int64(time.Millisecond),
		TimeUnixMs:   time.Now().UnixMilli(),
		MemoryTotal:  uint64(memory.Totalram) * uint64(memory.Unit),
		CPUCount:     runtime.NumCPU(),
		Forked:       s.forked.Load(),
		Root: rootFileSystem{
			Device:    s.RootDevice,
			SizeBytes: root.Blocks * uint64(root.Bsize),
			FreeBytes: root.Bavail * uint64(root.Bsize),
		},
	}, nil
}

// readLine returns "" for a missing file, because some root file systems have no machine id.
func readLine(path string) string {
	text, _ := os.ReadFile(path)
	return strings.TrimSpace(string(text))
}
