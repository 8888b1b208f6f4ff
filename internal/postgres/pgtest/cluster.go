package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sys/unix"

	"memberintel/internal/postgres/embedded"
)

// startTimeout covers a first start that has to download PostgreSQL.
const startTimeout = 5 * time.Minute

// memoryNeeded is what must be free in /dev/shm to put the server's data there.
const memoryNeeded = 1 << 30

// cluster is the test server and this process's template.
type cluster struct {
	instance *embedded.Instance
	admin    *pgxpool.Pool // superuser
	template string
}

// shared is this process's share of the server, kept to the end of the process:
// the one state of this package, since tests have no common owner to hold it.
var shared = sync.OnceValues(func() (*cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	dir, err := clusterDir()
	if err != nil {
		return nil, err
	}
	return open(ctx, dir)
})

// open joins or starts the server in dir and makes the template.
func open(ctx context.Context, dir string) (*cluster, error) {
	instance, err := startOrRebuild(ctx, dir)
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(instance.URL("postgres", "postgres"))
	if err != nil {
		return nil, errors.Join(err, instance.Close())
	}
	config.MaxConns = 4
	admin, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, errors.Join(err, instance.Close())
	}
	c := &cluster{instance: instance, admin: admin}
	if err := c.makeTemplate(ctx); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *cluster) close() error {
	c.admin.Close()
	return c.instance.Close()
}

// startOrRebuild throws away data that PostgreSQL does not start from: without
// fsync that is a matter of time, and nothing in it is worth a repair.
func startOrRebuild(ctx context.Context, dir string) (*embedded.Instance, error) {
	options := embedded.Options{DataDir: dir, BinDir: os.Getenv("MEMBERINTEL_POSTGRES_BIN"), Fast: true, Settings: map[string]string{
		"max_connections": "400", "min_wal_size": "32MB", "max_wal_size": "256MB",
	}}
	instance, err := embedded.Start(ctx, options)
	if err == nil || ctx.Err() != nil {
		return instance, err
	}
	// Processes that fail together take turns, so that none removes what
	// another has just rebuilt.
	turn, lockErr := os.OpenFile(filepath.Join(dir, "rebuild.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if lockErr != nil {
		return nil, errors.Join(err, lockErr)
	}
	defer func() { _ = turn.Close() }()
	if lockErr := unix.Flock(int(turn.Fd()), unix.LOCK_EX); lockErr != nil {
		return nil, errors.Join(err, lockErr)
	}
	if instance, err = embedded.Start(ctx, options); err == nil {
		return instance, nil
	}
	if removeErr := os.RemoveAll(filepath.Join(dir, "postgres", "data")); removeErr != nil {
		return nil, errors.Join(err, removeErr)
	}
	instance, again := embedded.Start(ctx, options)
	if again != nil {
		return nil, fmt.Errorf("%w; and after a rebuild: %w", err, again)
	}
	return instance, nil
}

// clusterDir names the server's folder after the user and the boot. What was
// written without fsync before a reboot cannot be trusted and is removed.
func clusterDir() (string, error) {
	base := os.TempDir()
	var shm unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &shm); err == nil && uint64(shm.Bavail)*uint64(shm.Bsize) >= memoryNeeded { //nolint:unconvert // the types differ between systems
		base = "/dev/shm"
	}
	boot := "any"
	if raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		boot, _, _ = strings.Cut(string(raw), "-")
	}
	prefix := filepath.Join(base, fmt.Sprintf("memberintel-test-%d-", os.Geteuid()))
	dir := prefix + boot
	others, _ := filepath.Glob(prefix + "*")
	for _, other := range others {
		if other != dir {
			_ = os.RemoveAll(other)
		}
	}
	if err := os.Mkdir(dir, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(stat.Uid) != os.Geteuid() {
		return "", fmt.Errorf("%s belongs to somebody else", dir)
	}
	return dir, nil
}
