package app

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal is a terminal without anybody before it, and what was written on it.
func terminal(t *testing.T) (tty *os.File, screen func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(master) // ends with an error when the other side is closed
		read <- string(text)
	}()
	return tty, func() string { _ = tty.Close(); return <-read }
}

func TestStatusIsColouredOnATerminal(t *testing.T) {
	d := newDesk(t)
	d.connected()
	for _, test := range []struct {
		env      string
		coloured bool
	}{{"TERM=xterm-256color", true}, {"NO_COLOR=1", false}, {"NO_COLOR=", true}, {"TERM=dumb", false}} {
		tty, screen := terminal(t)
		code := Run(t.Context(), Process{Args: []string{"status"}, Env: append(d.env[:len(d.env):len(d.env)], test.env), Stdout: tty, Stderr: io.Discard})
		if got := screen(); code != exitDone || strings.Contains(got, "\x1b[36m1 pending\x1b[0m") != test.coloured || strings.Contains(got, "\x1b") != test.coloured {
			t.Errorf("%s: exit %d, %q", test.env, code, got)
		}
	}
	if _, stdout, _ := d.run(nil, "status"); strings.Contains(stdout, "\x1b") || !strings.Contains(stdout, "1 connection: 1 pending.") {
		t.Errorf("in a pipe: %q", stdout)
	}
}
