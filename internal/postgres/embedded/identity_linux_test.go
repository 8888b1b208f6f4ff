package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// withoutSetuid gives up CAP_SETUID, as a container may have, and goes on as
// "hold". A capability that has left the bounding set is lost at exec.
func withoutSetuid() int {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SETUID, 0, 0, 0); err != nil {
		fmt.Println("failed", err)
		return 1
	}
	env := []string{helperVariable + "=hold"}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, helperVariable+"=") {
			env = append(env, entry)
		}
	}
	fmt.Println("failed", syscall.Exec("/proc/self/exe", os.Args, env))
	return 1
}

// PostgreSQL refuses uid 0, so that a root process must find somebody else.
func TestServerNeverRunsAsRoot(t *testing.T) {
	closed := t.TempDir() // below a folder of mode 0700
	cases := map[string]struct{ mode, dir string }{
		"ordinary folder": {"hold", stateDir(t)},
		"closed folder":   {"hold", closed},
	}
	if os.Geteuid() == 0 {
		cases["no CAP_SETUID"] = struct{ mode, dir string }{"powerless", stateDir(t)}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			user := startHelper(t, c.mode, c.dir)
			url := user.say("up")
			if got := value[string](t, url, "SELECT current_user"); got != "postgres" {
				t.Errorf("connected as %s", got)
			}
			// A second user of the same power, so with the same view of things.
			other := startHelper(t, c.mode, c.dir)
			other.say("up")
			user.leave()
			other.signal(syscall.SIGKILL)
			awaitGone(t, layoutFor(t, c.dir))
		})
	}
}

func TestAFolderIsReachedOnlyByOpenOnes(t *testing.T) {
	open := filepath.Dir(stateDir(t))
	closed := filepath.Join(open, "closed")
	if err := os.MkdirAll(filepath.Join(closed, "inner"), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(closed, 0o700); err != nil { //nolint:gosec // that it is closed is the point
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(closed, "inner"), filepath.Join(open, "link")); err != nil {
		t.Fatal(err)
	}
	stranger := identity{uid: 65533, gid: 65533}
	for path, want := range map[string]bool{
		open: true, filepath.Join(open, "to", "be", "made"): true, closed: false, filepath.Join(closed, "inner"): false,
		filepath.Join(closed, "to", "be", "made"): false, filepath.Join(open, "link"): false, filepath.Join(open, "link", "to", "be", "made"): false,
	} {
		if got := reaches(stranger, path); got != want {
			t.Errorf("%s: reached %v, want %v", path, got, want)
		}
	}
	if err := Usable(filepath.Join(open, "to", "be", "made")); err != nil || exists(filepath.Join(open, "to")) {
		t.Errorf("a folder that is to be made cannot be used, or was made: %v", err)
	}
}

func TestServesKnowsItsServerOnly(t *testing.T) {
	instance := start(t, Options{DataDir: stateDir(t), Fast: true})
	server := readPostmaster(instance.layout).pid
	if !serves(server, instance.layout.data()) {
		t.Error("the running server was not recognised")
	}
	if serves(server, instance.layout.data()+"2") {
		t.Error("a server of another folder was taken for ours")
	}
	if serves(os.Getpid(), instance.layout.data()) {
		t.Error("this test was taken for a server")
	}
}
