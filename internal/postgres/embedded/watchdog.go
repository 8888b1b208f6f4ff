package embedded

import (
	"context"
	"crypto/rand"
	_ "embed" // the watchdog's script
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

//go:embed watchdog.sh
var watchdogScript string

// settleTimeout bounds the wait for a server that is on its way out.
const settleTimeout = 60 * time.Second

// errNotRunning means that the caller must start a server.
var errNotRunning = errors.New("no server is running")

// errUnwatched means that the watchdog went away without stopping the server.
var errUnwatched = errors.New("the server loses its watchdog again and again")

// maxWatchdogs bounds how many lost watchdogs one join replaces.
const maxWatchdogs = 3

// join makes this process a user of the running server. It returns the write
// end of the FIFO, or errNotRunning once no server is left: one whose watchdog
// has already seen the last user leave is waited for, not used. A watchdog that
// was killed is replaced, also when that happens while it is asked.
func join(ctx context.Context, files layout, who identity) (fifo *os.File, err error) {
	for range maxWatchdogs {
		fifo, err = tryJoin(ctx, files, who)
		if !errors.Is(err, errUnwatched) {
			break
		}
	}
	return fifo, err
}

func tryJoin(ctx context.Context, files layout, who identity) (*os.File, error) {
	server := readPostmaster(files)
	if !server.alive {
		return nil, errNotRunning
	}
	fifo, err := openWriter(files)
	if errors.Is(err, unix.ENXIO) || errors.Is(err, fs.ErrNotExist) {
		if exists(files.stopping()) {
			return nil, waitGone(ctx, files)
		}
		fifo, err = rewatch(files, who, server.pid)
	}
	if err != nil {
		return nil, err
	}
	watched, err := askWatchdog(ctx, files, fifo)
	if err == nil && watched {
		err = waitReady(ctx, files, nil)
	}
	if err == nil && watched {
		return fifo, nil
	}
	_ = fifo.Close()
	if err != nil && !errors.Is(err, errNotRunning) {
		return nil, err
	}
	return nil, waitGone(ctx, files)
}

// waitGone returns errNotRunning once the server has ended.
func waitGone(ctx context.Context, files layout) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, errors.New("the previous server does not end"))
	defer cancel()
	if err := poll(ctx, func() (bool, error) { return !readPostmaster(files).alive, nil }); err != nil {
		return err
	}
	return errNotRunning
}

// askWatchdog tells whether the watchdog counts this process among the users.
// An open FIFO alone does not prove it: the watchdog may have read the end of
// the previous users a moment ago and be about to stop the server. One that was
// killed, maybe while it still held the FIFO open, is errUnwatched.
func askWatchdog(ctx context.Context, files layout, fifo *os.File) (bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, errors.New("the watchdog does not answer"))
	defer cancel()
	word := rand.Text()
	answer := filepath.Join(files.socketDir, "answer."+word)
	defer func() { _ = os.Remove(answer) }()
	if _, err := fifo.WriteString(word + "\n"); err != nil && !errors.Is(err, unix.EPIPE) {
		return false, fmt.Errorf("asking the watchdog: %w", err)
	}
	watched := false
	err := poll(ctx, func() (bool, error) {
		// A watchdog that stops the server says so before it ends, so this is
		// looked at first.
		lost := unread(fifo)
		switch {
		case exists(files.stopping()) || !readPostmaster(files).alive:
			return true, nil
		case lost:
			return false, errUnwatched
		}
		watched = exists(answer)
		return watched, nil
	})
	return watched, err
}

// unread tells whether nobody reads the FIFO any more.
func unread(fifo *os.File) bool {
	raw, err := fifo.SyscallConn()
	if err != nil {
		return false
	}
	lost := false
	_ = raw.Control(func(fd uintptr) {
		ends := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(ends, 0)
		lost = err == nil && n > 0 && ends[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
	})
	return lost
}

// rewatch gives a server that has lost its watchdog a new one.
func rewatch(files layout, who identity, pid int) (*os.File, error) {
	log, err := openLog(files)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	watchdog, fifo, err := startWatchdog(files, who, log, nil, nil, strconv.Itoa(pid))
	if err != nil {
		return nil, err
	}
	go func() { _ = watchdog.Wait() }()
	return fifo, nil
}

// startWatchdog runs the script with the FIFO's read end as its input, so that
// from its first moment on the end of this process is the end of its input.
// The FIFO is kept when it exists: users of a server that has died hold it,
// and the next server stays up for them too.
func startWatchdog(files layout, who identity, log *os.File, libraries, env []string, args ...string) (*exec.Cmd, *os.File, error) {
	if err := unix.Mkfifo(files.fifo(), 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, nil, fmt.Errorf("making the users' FIFO: %w", err)
	}
	fd, err := unix.Open(files.fifo(), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the users' FIFO: %w", err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		_ = unix.Close(fd)
		return nil, nil, err
	}
	reader := os.NewFile(uintptr(fd), files.fifo())
	defer func() { _ = reader.Close() }()
	writer, err := openWriter(files)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the users' FIFO: %w", err)
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", watchdogScript, "memberintel-watchdog", files.socketDir}, args...)...)
	who.prepare(cmd, libraries)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = reader, log, log
	if err := cmd.Start(); err != nil {
		_ = writer.Close()
		return nil, nil, fmt.Errorf("starting the watchdog as user %d: %w", who.uid, err)
	}
	return cmd, writer, nil
}

// openWriter fails with ENXIO when no watchdog reads.
func openWriter(files layout) (*os.File, error) {
	return os.OpenFile(files.fifo(), os.O_WRONLY|unix.O_NONBLOCK, 0)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
