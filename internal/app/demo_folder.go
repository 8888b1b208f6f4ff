package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

// demoMarker lies in a folder that a demo may make anew. Whoever runs the demo holds a lock on it.
const demoMarker = "memberintel-demo"

// demoFolder is a folder that holds a demo's data and nothing else.
type demoFolder struct {
	path string
	lock *os.File
}

// demoFolder opens the folder that is named, else demo in the current one. Root's own folders are often closed to
// the user that PostgreSQL then runs as: where nothing makes up for that, the demo goes to the data folder, and
// says so.
func (p *program) demoFolder(named string) (*demoFolder, error) {
	if named != "" {
		return openDemoFolder(named)
	}
	here, err := filepath.Abs("demo")
	if err != nil {
		return nil, fmt.Errorf("app: the demo's folder: %w", err)
	}
	instead := filepath.Join(p.DataDir, "demo")
	if !errors.Is(postgres.Usable(here), postgres.ErrUnreachable) || postgres.Usable(instead) != nil {
		return openDemoFolder(here) // where it cannot work after all, the server says why
	}
	folder, err := openDemoFolder(instead)
	if err == nil {
		writef(p.Stderr, "%s is closed to the user that PostgreSQL runs as in place of root; using %s.\n", here, folder.path)
	}
	return folder, err
}

// openDemoFolder makes the folder, or takes over one that an earlier demo made. Any other folder that holds
// something is refused, and so is one in which a demo runs.
func openDemoFolder(path string) (*demoFolder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("app: the demo's folder: %w", err)
	}
	// 0711 lets the database's own user pass through to its part of the folder.
	if err := os.MkdirAll(path, 0o711); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The demo's folder %s cannot be made; name another with --folder.", path)
	}
	marker := filepath.Join(path, demoMarker)
	if _, err := os.Lstat(marker); errors.Is(err, os.ErrNotExist) {
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, fmt.Errorf("app: the demo's folder: %w", err)
		}
		if len(entries) > 0 {
			return nil, fault.New(fault.Conflict, "The folder %s holds something that is no demo's; name another with --folder.", path)
		}
	}
	lock, err := os.OpenFile(marker, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("app: the demo's folder: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fault.New(fault.Busy, "A demo runs in %s already; end it, or name another folder with --folder.", path)
	}
	return &demoFolder{path: path, lock: lock}, nil
}

func (f *demoFolder) keyFile() string { return filepath.Join(f.path, "key.json") }

// close lets the next demo in.
func (f *demoFolder) close() { _ = f.lock.Close() }
