package embedded

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
)

// serves tells whether pid is a living PostgreSQL on the given data folder. A
// zombie, or another program that has got the same number since, is not.
func serves(pid int, data string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return false
	}
	// The state follows the command's name, which stands in parentheses and
	// may itself hold any character.
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 || len(stat) < end+3 || bytes.IndexByte([]byte("ZXx"), stat[end+2]) >= 0 {
		return false
	}
	line, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if err != nil {
		return false
	}
	args := bytes.Split(line, []byte{0})
	if filepath.Base(string(args[0])) != "postgres" {
		return false
	}
	for _, arg := range args[1:] {
		if string(arg) == data {
			return true
		}
	}
	return false
}
