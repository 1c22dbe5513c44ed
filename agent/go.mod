module pyro.agent

go 1.24.0

require (
	github.com/cilium/ebpf v0.20.0
	golang.org/x/net v0.50.0
	golang.org/x/sys v0.41.0
)
