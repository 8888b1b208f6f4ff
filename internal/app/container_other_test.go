//go:build !linux

package app

import (
	"os/exec"
	"testing"
)

// inContainer runs the command as it is: user namespaces are Linux's.
func inContainer(t *testing.T, args []string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), args[0], args[1:]...)
}
