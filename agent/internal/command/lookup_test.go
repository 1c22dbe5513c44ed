package command

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFindProgram(t *testing.T) {
	cwd := t.TempDir()
	for path, mode := range map[string]os.FileMode{
		"bin/tool": 0o755, "bin/both": 0o644, "later/both": 0o755, "later/plain": 0o644, "here": 0o755,
	} {
		full := filepath.Join(cwd, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	search := cwd + "/bin:" + cwd + "/later"
	for _, test := range []struct {
		name, search string
		want         string
		code         FailureCode
	}{
		{"tool", search, cwd + "/bin/tool", ""},
		{"both", search, cwd + "/later/both", ""},
		{"plain", search, "", NotExecutable},
		{"missing", search, "", NotFound},
		{"tool", "", "", NotFound},
		{"tool", "bin", cwd + "/bin/tool", ""},
		{"here", search + ":", cwd + "/here", ""},
		{"./here", search, "./here", ""},
		{"bin/tool", "", "bin/tool", ""},
		{"here/tool", "", "", NotFound},
		{"./bin", search, "", NotExecutable},
		{cwd + "/here", search, cwd + "/here", ""},
	} {
		got, failure := findProgram(test.name, cwd, environment{"PATH": test.search})
		var code FailureCode
		if failure != nil {
			code = failure.Code
		}
		if got != test.want || code != test.code {
			t.Errorf("%s in %q: got %q, %q; want %q, %q", test.name, test.search, got, code, test.want, test.code)
		}
	}
}
