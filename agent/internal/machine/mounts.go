package machine

import (
	"os"
	"slices"
	"strings"
)

// writableMounts returns the mount points of block devices, except the root, last mounted first.
func writableMounts() []string {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil
	}
	return parseMounts(string(text))
}

func parseMounts(text string) []string {
	var points []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || !strings.HasPrefix(fields[0], "/dev/") || fields[1] == "/" {
			continue
		}
		points = append(points, unescape.Replace(fields[1]))
	}
	slices.Reverse(points)
	return points
}

// The kernel writes these characters of a path in octal.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
