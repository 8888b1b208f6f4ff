package embedded

import (
	"fmt"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// mappedIDs are root's numbers inside the user namespace. Any but 0 does for the kernel, but initdb looks its
// user up, so it must be one that has an account; without any it is nobody's usual number.
func mappedIDs() (uid, gid int) {
	if who, ok := unprivileged(); ok {
		return who.uid, who.gid
	}
	return 65534, 65534
}

// maySwitch tells whether root still has what it takes to run, own files for
// and signal another user's process.
func maySwitch() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	need := uint32(1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_CHOWN | 1<<unix.CAP_KILL | 1<<unix.CAP_DAC_OVERRIDE)
	return data[0].Effective&need == need
}

// mappedRoot tries the user namespace once, since many systems forbid it.
func mappedRoot() (identity, error) {
	who := identity{mapped: true}
	probe := exec.Command("/bin/sh", "-c", "exit 0")
	who.prepare(probe, nil)
	if err := probe.Run(); err != nil {
		return identity{}, fmt.Errorf("PostgreSQL refuses to run as root, and this system allows no user namespace to run it in: %w", err)
	}
	return who, nil
}

func mapRoot(attr *syscall.SysProcAttr) {
	uid, gid := mappedIDs()
	attr.Cloneflags = syscall.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: 0, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: 0, Size: 1}}
}
