package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// orphanTimeout bounds the wait for the last sessions of a server that
	// was killed; until they are gone PostgreSQL refuses the data folder.
	orphanTimeout = 20 * time.Second
	orphanPause   = 200 * time.Millisecond
	killTimeout   = 5 * time.Second
	maxLogSize    = 16 << 20
)

// postmaster is what PostgreSQL says about itself in postmaster.pid.
type postmaster struct {
	pid   int // 0 without a file
	alive bool
	ready bool
}

// readPostmaster never fails: a file that is missing, half written or left
// over from a crash means that no server is alive.
func readPostmaster(files layout) postmaster {
	raw, err := os.ReadFile(files.data() + "/postmaster.pid")
	if err != nil {
		return postmaster{}
	}
	lines := strings.Split(string(raw), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid <= 0 {
		return postmaster{}
	}
	alive := serves(pid, files.data())
	ready := alive && len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready"
	return postmaster{pid: pid, alive: alive, ready: ready}
}

// launch starts a server where none runs, and makes the cluster first where
// there is none. The caller holds start.lock, which starting is.
func launch(ctx context.Context, o Options, files layout, who identity, starting *os.File) (*os.File, error) {
	major, err := majorOf(files)
	if err != nil {
		return nil, err
	}
	bin, err := find(ctx, searchOf(o, who, major), files.data())
	if err != nil {
		return nil, err
	}
	return launchWith(ctx, o, files, who, bin, starting)
}

func launchWith(ctx context.Context, o Options, files layout, who identity, bin binaries, starting *os.File) (*os.File, error) {
	began := time.Now()
	if !exists(files.data()) {
		if err := initialise(ctx, o, files, who, bin, starting); err != nil {
			return nil, err
		}
	}
	args := serverArguments(ctx, o, files, who, bin)
	deadline := time.Now().Add(orphanTimeout)
	for {
		before := readPostmaster(files)
		fifo, err := startServer(ctx, files, who, bin, before.pid, args)
		if err == nil {
			o.Log.Debug("embedded postgres started", "data_dir", files.data(), "version", bin.version, "bin_dir", bin.dir, "took", time.Since(began))
			return fifo, nil
		}
		// PostgreSQL that gives up after it has taken the folder removes
		// postmaster.pid. One that leaves the old file has not got that far:
		// sessions of the killed predecessor are still attached.
		refused := before.pid != 0 && readPostmaster(files).pid == before.pid
		if !refused || ctx.Err() != nil || time.Now().After(deadline) {
			return nil, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(orphanPause):
		}
	}
}

// startServer starts the watchdog and, below it, the server, and waits until
// it takes connections.
func startServer(ctx context.Context, files layout, who identity, bin binaries, stalePid int, args []string) (*os.File, error) {
	// Nothing in the socket folder belongs to a living server now.
	for _, path := range []string{files.stopping(), files.socketDir + "/" + socketName, files.socketDir + "/" + socketName + ".lock"} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	log, err := openLog(files)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	start, err := log.Seek(0, 2)
	if err != nil {
		return nil, err
	}
	var env []string
	if stalePid != 0 {
		// serves has found that this number is not the server of this folder
		// any more. PostgreSQL sees only that some process has it and would
		// refuse; pg_ctl's own variable lets it ignore that number and still
		// check for sessions that are left over.
		env = append(env, "PG_GRANDPARENT_PID="+strconv.Itoa(stalePid))
	}
	watchdog, fifo, err := startWatchdog(files, who, log, bin.libraries, env, args...)
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = watchdog.Wait()
		close(ended)
	}()
	if err := waitReady(ctx, files, ended); err != nil {
		_ = fifo.Close() // the watchdog stops what may have started
		if errors.Is(err, errNotRunning) {
			err = fmt.Errorf("PostgreSQL %s did not start in %s; its log ends with:\n%s", bin.version, files.data(), logTail(files, start))
		}
		return nil, err
	}
	return fifo, nil
}

// waitReady waits until the server takes connections. ended is closed when the
// starter's watchdog ends; nil for a server that somebody else has started.
func waitReady(ctx context.Context, files layout, ended <-chan struct{}) error {
	return poll(ctx, func() (bool, error) {
		server := readPostmaster(files)
		if server.ready {
			return true, nil
		}
		select {
		case <-ended:
			return false, errNotRunning
		default:
		}
		if ended == nil && !server.alive {
			return false, errNotRunning
		}
		return false, nil
	})
}

// stop ends the server: sessions are cut, a checkpoint is written.
func stop(ctx context.Context, files layout) error {
	server := readPostmaster(files)
	if !server.alive {
		return nil
	}
	if err := unix.Kill(server.pid, unix.SIGINT); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("stopping PostgreSQL: %w", err)
	}
	gone := func() (bool, error) { return !serves(server.pid, files.data()), nil }
	if err := poll(ctx, gone); err == nil {
		return nil
	}
	_ = unix.Kill(server.pid, unix.SIGQUIT)
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), killTimeout, errors.New("PostgreSQL does not stop"))
	defer cancel()
	return poll(ctx, gone)
}

// serverArguments is the whole configuration: on the command line it is always
// that of the running program, whatever the folder was made with.
func serverArguments(ctx context.Context, o Options, files layout, who identity, bin binaries) []string {
	settings := map[string]string{
		"jit":               "off", // costs more than it brings for short queries, and its library may be absent
		"max_connections":   "100",
		"timezone":          "GMT", // the one zone that needs no zone files
		"log_timezone":      "GMT",
		"lc_messages":       "C",
		"log_line_prefix":   "%m [%p] ",
		"log_destination":   "stderr",
		"logging_collector": "off",
	}
	if understandsLZ4(ctx, files, who, bin) {
		settings["default_toast_compression"] = "lz4"
	}
	if o.Fast {
		maps.Copy(settings, map[string]string{
			"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
			"wal_level": "minimal", "max_wal_senders": "0", "log_checkpoints": "off",
		})
	}
	maps.Copy(settings, o.Settings)
	maps.Copy(settings, map[string]string{
		"listen_addresses": "", "port": socketPort, "unix_socket_directories": files.socketDir,
	})
	args := []string{"0", bin.path("postgres"), "-D", files.data()}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// understandsLZ4 asks the binary, since the compression is chosen at its build.
func understandsLZ4(ctx context.Context, files layout, who identity, bin binaries) bool {
	cmd := exec.CommandContext(ctx, bin.path("postgres"), "-D", files.data(), "-c", "default_toast_compression=lz4", "-C", "default_toast_compression")
	who.prepare(cmd, bin.libraries)
	out, err := cmd.Output()
	return err == nil && strings.TrimSpace(string(out)) == "lz4"
}

// openLog starts the log anew when it has grown large; one old one is kept.
func openLog(files layout) (*os.File, error) {
	if info, err := os.Stat(files.log()); err == nil && info.Size() > maxLogSize {
		if err := os.Rename(files.log(), files.log()+".old"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(files.log(), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
}

// logTail returns the last lines that were written after start.
func logTail(files layout, start int64) string {
	file, err := os.Open(files.log())
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(start, 0); err != nil {
		return err.Error()
	}
	var lines []string
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		lines = append(lines, scanner.Text())
	}
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
