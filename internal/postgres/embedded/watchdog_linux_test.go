package embedded

import (
	"bytes"
	"os"
	"path/filepath"
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
	// The watchdog and its reader are the session that the server is in.
	session, err := unix.Getsid(server)
	if err != nil {
		t.Fatal(err)
	}
	members, err := sessionMembers(session)
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range members {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if len(members) != 2 {
		t.Fatalf("%d processes watch, want 2", len(members))
	}
	late := startHelper(t, "hold", dir)
	value[int32](t, late.say("up"), "SELECT 1")
	if got := readPostmaster(files).pid; got != server {
		t.Errorf("server %d was replaced by %d", server, got)
	}
	late.signal(syscall.SIGKILL)
	early.signal(syscall.SIGKILL)
	awaitGone(t, files)
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
