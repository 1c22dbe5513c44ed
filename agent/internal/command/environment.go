package command

import "golang.org/x/sys/unix"

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment returns a command's environment variables.
type environment map[string]string

func newEnvironment(shell string, changes map[string]*string) environment {
	env := environment{
		"PATH":    defaultPath,
		"HOME":    "/root",
		"USER":    "root",
		"LOGNAME": "root",
		"SHELL":   shell,
		"LANG":    "C.UTF-8",
		"TERM":    "dumb",
	}
	for name, value := range changes {
		if value == nil {
			delete(env, name)
		} else {
			env[name] = *value
		}
	}
	return env
}

func (e environment) list() []string {
	list := make([]string, 0, len(e))
	for name, value := range e {
		list = append(list, name+"="+value)
	}
	return list
}

func defaultShell() string {
	for _, path := range []string{"/bin/bash", "/usr/bin/bash"} {
		if unix.Access(path, unix.X_OK) == nil {
			return path
		}
	}
	return "/bin/sh"
}

func defaultCwd() string {
	if isDirectory("/workspace") {
		return "/workspace"
	}
	return "/"
}

func isDirectory(path string) bool {
	var stat unix.Stat_t
	return unix.Stat(path, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFDIR
}
