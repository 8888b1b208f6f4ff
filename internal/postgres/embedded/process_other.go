//go:build !linux

package embedded

import (
	"os/exec"
	"strconv"
	"strings"
)

// serves tells whether pid is a living PostgreSQL on the given data folder. A
// zombie, or another program that has got the same number since, is not.
func serves(pid int, data string) bool {
	out, err := exec.Command("ps", "-ww", "-o", "stat=,command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return false
	}
	state, command, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	return !strings.HasPrefix(state, "Z") && strings.Contains(command, "postgres") && strings.Contains(command, " -D "+data+" ")
}
