// Package identity makes a forked guest a machine of its own. Before that the guest has the random
// numbers, clock and names of its template.
package identity

import (
	"fmt"
	"time"
)

// Clone is what distinguishes one clone of a template from the others.
type Clone struct {
	Entropy   []byte
	Time      time.Time
	Hostname  string
	MachineID string
}

// System makes changes to the running machine.
type System interface {
	AddEntropy(entropy []byte) error
	SetClock(now time.Time) error
	SetHostname(name string) error
}

// Apply gives the machine its identity. root is the directory that holds its etc. After an error
// the machine is neither the template nor the clone, and the host must not use it.
func Apply(system System, root string, clone Clone) error {
	// Every later step may draw random numbers, so entropy is first.
	steps := []struct {
		name string
		do   func() error
	}{
		{"reseed the random number generator", func() error { return system.AddEntropy(clone.Entropy) }},
		{"set the clock", func() error { return system.SetClock(clone.Time) }},
		{"set the hostname", func() error { return system.SetHostname(clone.Hostname) }},
		{"write /etc/hostname", func() error { return writeHostname(root, clone.Hostname) }},
		{"write /etc/hosts", func() error { return writeHosts(root, clone.Hostname) }},
		{"write /etc/machine-id", func() error { return writeMachineID(root, clone.MachineID) }},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return fmt.Errorf("cannot %s: %w", step.name, err)
		}
	}
	return nil
}
