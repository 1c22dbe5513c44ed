package boot

import (
	"errors"
	"os"
	"strings"
)

// commandLine is what the kernel command line says to the agent.
type commandLine struct {
	rootDevice string
	growRoot   bool
}

func readCommandLine() (commandLine, error) {
	text, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return commandLine{}, err
	}
	return parseCommandLine(string(text))
}

func parseCommandLine(text string) (commandLine, error) {
	var line commandLine
	for _, field := range strings.Fields(text) {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "pyro.root":
			line.rootDevice = value
		case "pyro.grow":
			line.growRoot = value == "1"
		}
	}
	if !strings.HasPrefix(line.rootDevice, "/dev/") {
		return commandLine{}, errors.New("pyro.root=/dev/… is missing")
	}
	return line, nil
}
