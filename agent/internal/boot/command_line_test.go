package boot

import "testing"

func TestParseCommandLine(t *testing.T) {
	for text, want := range map[string]commandLine{
		"console=ttyS0 pyro.root=/dev/vda\n": {rootDevice: "/dev/vda"},
		"pyro.grow=1 pyro.root=/dev/vda":     {rootDevice: "/dev/vda", growRoot: true},
		"pyro.root=/dev/sda1 pyro.grow=0":    {rootDevice: "/dev/sda1"},
	} {
		if got, err := parseCommandLine(text); err != nil || got != want {
			t.Errorf("%q: got %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "root=/dev/vda", "pyro.root=", "pyro.root=vda"} {
		if got, err := parseCommandLine(text); err == nil {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}
