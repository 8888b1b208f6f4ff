package embedded

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLostWatchdogIsReplaced(t *testing.T) {
	dir := stateDir(t)
	files := layoutFor(t, dir)
	early := startHelper(t, "hold", dir)
	early.say("up")
	server := readPostmaster(files).pid
	signalWatchdog(t, server, syscall.SIGKILL)
	late := startHelper(t, "hold", dir)
	value[int32](t, late.say("up"), "SELECT 1")
	if got := readPostmaster(files).pid; got != server {
		t.Errorf("server %d was replaced by %d", server, got)
	}
	late.signal(syscall.SIGKILL)
	early.signal(syscall.SIGKILL)
	awaitGone(t, files)
}

// A watchdog that is killed while somebody joins reads the question no more, and nobody answers it.
func TestWatchdogIsLostWhileItIsAsked(t *testing.T) {
	dir := stateDir(t)
	files := layoutFor(t, dir)
	early := startHelper(t, "hold", dir)
	early.say("up")
	server := readPostmaster(files).pid
	signalWatchdog(t, server, syscall.SIGSTOP) // it holds the FIFO, and does not read
	late := startHelper(t, "hold", dir)
	await(t, "nobody asks the watchdog", func() bool { return holds(late.cmd.Process.Pid, files.fifo()) })
	signalWatchdog(t, server, syscall.SIGKILL)
	value[int32](t, late.say("up"), "SELECT 1")
	if got := readPostmaster(files).pid; got != server {
		t.Errorf("server %d was replaced by %d", server, got)
	}
	early.leave()
	late.signal(syscall.SIGKILL)
	awaitGone(t, files)
}

// signalWatchdog hits the watchdog and its reader, which are the shells of the session that the server is in. The
// reader may come into being after the server.
func signalWatchdog(t *testing.T, server int, signal syscall.Signal) {
	t.Helper()
	session, err := unix.Getsid(server)
	if err != nil {
		t.Fatal(err)
	}
	var members []int
	await(t, "the watchdog has no reader", func() bool {
		if members, err = sessionMembers(session); err != nil {
			t.Fatal(err)
		}
		return len(members) == 2
	})
	for _, pid := range members {
		if err := syscall.Kill(pid, signal); err != nil {
			t.Fatal(err)
		}
	}
}

// holds tells whether a process has the file open.
func holds(pid int, path string) bool {
	open, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "fd", "*"))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(open, func(fd string) bool {
		target, err := os.Readlink(fd)
		return err == nil && target == path
	})
}

// sessionMembers lists the shells of a session.
func sessionMembers(session int) ([]int, error) {
	entries, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return nil, err
	}
	var members []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(entry)))
		if err != nil {
			continue
		}
		if sid, err := unix.Getsid(pid); err != nil || sid != session {
			continue
		}
		if name, err := os.ReadFile(entry); err == nil && bytes.HasPrefix(name, []byte("sh")) {
			members = append(members, pid)
		}
	}
	return members, nil
}
