package app

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// inContainer prepares a command that runs where no user namespace can be made. Root itself is put into one that
// has all of its users and whose limit of further ones is 0; where that is not allowed, none are to begin with.
func inContainer(t *testing.T, args []string) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		return exec.CommandContext(t.Context(), args[0], args[1:]...)
	}
	script := append([]string{"-c", `echo 0 >/proc/sys/user/max_user_namespaces && exec "$0" "$@"`}, args...)
	users := []syscall.SysProcIDMap{{Size: 65536}}
	contained := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: users, GidMappings: users, GidMappingsEnableSetgroups: true}
	probe := exec.CommandContext(t.Context(), "/bin/sh", "-c", "exit 0")
	probe.SysProcAttr = contained
	if err := probe.Run(); err != nil {
		t.Logf("this system allows no user namespace as it is: %v", err)
		return exec.CommandContext(t.Context(), args[0], args[1:]...)
	}
	command := exec.CommandContext(t.Context(), "/bin/sh", script...)
	command.SysProcAttr = contained
	return command
}
