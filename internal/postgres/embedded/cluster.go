package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// majorOf returns the major version that made the cluster, 0 when there is none.
func majorOf(files layout) (int, error) {
	raw, err := os.ReadFile(filepath.Join(files.data(), "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		if exists(files.data()) {
			return 0, fmt.Errorf("%s holds no PostgreSQL data (PG_VERSION is missing); move it away", files.data())
		}
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return 0, fmt.Errorf("version of %s: %w", files.data(), err)
	}
	return major, nil
}

// initialise makes the cluster beside its place and renames it: a folder named
// data is always whole. The superuser is postgres.
func initialise(ctx context.Context, o Options, files layout, who identity, bin binaries, starting *os.File) error {
	o.Log.Info("making a new PostgreSQL cluster", "data_dir", files.data(), "version", bin.version, "bin_dir", bin.dir)
	args := []string{"-D", files.newData(), "-U", "postgres", "--encoding=UTF8", "--auth-local=trust", "--auth-host=reject"}
	if o.Fast {
		args = append(args, "--no-sync")
	}
	var failures []error
	for _, locale := range localesOf(bin.major) {
		err := initdb(ctx, files, who, bin, starting, append(args[:len(args):len(args)], locale...))
		if err == nil {
			return os.Rename(files.newData(), files.data())
		}
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("making the cluster: %w", errors.Join(failures...))
}

// localesOf lists what to try, best first. Never C: there 'É' and 'é' do not
// match in ilike, and pg_trgm drops both.
func localesOf(major int) [][]string {
	if major >= 17 {
		builtin := []string{"--locale-provider=builtin", "--builtin-locale=C.UTF-8"}
		return [][]string{append(builtin, "--locale=C.UTF-8"), append(builtin, "--locale=C")}
	}
	return [][]string{{"--locale=C.UTF-8"}, {"--locale=en_US.UTF-8"}}
}

// initdb inherits start.lock: when this process is killed, the next starter
// waits until initdb has ended too and then clears away what it made.
func initdb(ctx context.Context, files layout, who identity, bin binaries, starting *os.File, args []string) error {
	if err := os.RemoveAll(files.newData()); err != nil {
		return err
	}
	if err := os.Mkdir(files.newData(), 0o700); err != nil {
		return err
	}
	if err := who.own(files.newData()); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, bin.path("initdb"), args...)
	who.prepare(cmd, bin.libraries)
	cmd.ExtraFiles = []*os.File{starting}
	cmd.WaitDelay = killTimeout
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGTERM) } // initdb and its children
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("initdb: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
