// Command pyro-agent is PID 1 of a pyro guest.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"pyro.agent/internal/api"
	"pyro.agent/internal/boot"
	"pyro.agent/internal/cgroup"
	"pyro.agent/internal/command"
	"pyro.agent/internal/crash"
	"pyro.agent/internal/machine"
	"pyro.agent/internal/overlay"
	"pyro.agent/internal/port"
	"pyro.agent/internal/process"
)

// version is set by the linker.
var version = "development"

const (
	portName = "pyro.agent"
	portWait = 30 * time.Second

	// Garbage collection is expensive in emulation and the heap is small, so it starts late.
	gcPercent   = 400
	memoryLimit = 64 << 20

	// Go's monitor wakes up in every system call longer than 20 µs, which in emulation is most of
	// them, to give the processor to another goroutine. One that is idle keeps it asleep. Up to
	// three are busy with a tree, and with a fourth small files are written in half the time.
	leastProcessors = 4
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("pyro-agent: ")
	if os.Getpid() != 1 {
		fmt.Println("pyro-agent", version, "protocol", api.ProtocolVersion)
		return
	}
	defer crash.PowerOffOnPanic()
	machine.AbsorbSignals()
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
	runtime.GOMAXPROCS(max(leastProcessors, runtime.NumCPU()))
	if err := run(os.Args[1:]); err != nil {
		log.Printf("fatal: %v", err)
	}
	machine.PowerOff(nil)
}

// run boots the guest and serves the host. It returns only on a fatal error.
func run(arguments []string) error {
	log.Printf("version %s", version)
	here, err := findPlace(arguments)
	if err != nil {
		return err
	}
	groups, err := cgroup.NewParent(boot.CommandGroups)
	if err != nil {
		return fmt.Errorf("make control group of commands: %w", err)
	}
	if err := limitCommands(groups); err != nil {
		log.Printf("some limits of commands are not in force: %v", err)
	}
	commands, err := command.NewRunner(process.NewReaper(), groups)
	if err != nil {
		return fmt.Errorf("prepare to run commands: %w", err)
	}
	guestNetwork, err := here.network(groups)
	if err != nil {
		// The host learns of it, and refuses what needs the network.
		log.Printf("no network: %v", err)
	}
	listener := port.NewListener(here.host)
	var routes *api.Server
	routes = api.NewServer(api.Config{
		AgentVersion:   version,
		RootDevice:     here.rootDevice,
		Root:           "/",
		Commands:       commands,
		System:         here.system,
		Network:        guestNetwork,
		MountWorkspace: overlay.Mount,
		FindDisks:      here.findDisks,
		Freeze:         listener.Freeze,
		PowerOff:       func() { machine.PowerOff(routes.AbandonWorkspace) },
	})
	server := http.Server{
		Handler:   routes,
		HTTP2:     api.HTTP2(),
		Protocols: new(http.Protocols),
	}
	server.Protocols.SetUnencryptedHTTP2(true)
	log.Printf("ready on %s", here.hostName)
	return fmt.Errorf("serve the host: %w", server.Serve(listener))
}

func limitCommands(groups *cgroup.Parent) error {
	limits, err := cgroup.MachineLimits()
	if err != nil {
		return err
	}
	return groups.Limit(limits)
}
