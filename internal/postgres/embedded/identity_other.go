//go:build !linux

package embedded

import (
	"errors"
	"syscall"
)

// maySwitch is true: outside Linux root has no parts.
func maySwitch() bool { return true }

func mappedRoot() (identity, error) {
	return identity{}, errors.New("PostgreSQL refuses to run as root")
}

func mapRoot(*syscall.SysProcAttr) {}
