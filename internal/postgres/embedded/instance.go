// Package embedded finds, starts, shares and stops a private PostgreSQL, so
// that the program runs on a machine where nobody has set up a database.
//
// One data folder has at most one server. Every process that calls Start on it
// shares that server, and the last one to leave stops it:
//
//   - start.lock is held exclusively while anything changes: the first
//     initdb, a start, a join, a stop. It is inherited by initdb, so a starter
//     that is killed does not free it before its initdb has ended.
//   - users.lock is held shared by every user for as long as it uses the server.
//   - the FIFO users.fifo is held open for writing by every user. A small
//     /bin/sh (watchdog.sh) is the server's parent and reads it: when the last
//     user has closed it, by Close or by kill -9, it stops the server.
//
// The server listens on a Unix socket alone, in a folder that only its owner
// (and root) can enter, and trusts who gets there. It runs in a session of its
// own, so Ctrl-C reaches the program and not the database, and it never gets
// the program's standard streams or its environment.
//
// PostgreSQL refuses to run as root. As root it runs as the data folder's owner
// or another unprivileged user; see identity.go.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// stopTimeout bounds how long Close waits for the checkpoint of a fast
// shutdown before it stops the server the hard way (which loses nothing: the
// next start replays the log).
const stopTimeout = 60 * time.Second

// Options says where the server lives and how it runs.
type Options struct {
	DataDir  string            // the program's state folder; the cluster lives in DataDir/postgres
	CacheDir string            // where a private unpack goes; "" is /var/cache/memberintel as root, else the user's cache folder
	BinDir   string            // the folder with initdb and postgres; "" searches
	Fast     bool              // for tests: nothing survives a crash of the machine
	Settings map[string]string // further postgresql.conf settings; they win over the defaults
	Log      *slog.Logger      // nil discards
}

// Instance is this process's share of a running server. It is safe for
// concurrent use.
type Instance struct {
	options Options
	layout  layout
	who     identity
	log     *slog.Logger

	mutex sync.Mutex
	users *os.File // users.lock, shared
	fifo  *os.File // the write end
}

// Start joins the server of o.DataDir, or starts it, and makes the cluster on
// first use. It returns once the server accepts connections.
//
// It may be called by any number of processes at once. A start that was killed
// halfway leaves nothing that the next one cannot clear away. Data of another
// major version is an error, and nothing is changed.
//
// Start removes the PG* variables from this process's environment: they speak
// of some other server, and every client library would obey them.
func Start(ctx context.Context, o Options) (*Instance, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	dropClientVariables()
	files, err := prepare(o.DataDir)
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	starting, err := lockExclusive(ctx, files.startLock())
	if err != nil {
		return nil, fmt.Errorf("embedded: waiting for another start or stop: %w", err)
	}
	defer unlock(starting)

	who, err := identify(files)
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	if err := privateDir(files.socketDir, who); err != nil {
		return nil, fmt.Errorf("embedded: socket folder: %w", err)
	}
	users, err := lockShared(files.usersLock())
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	fifo, err := enter(ctx, o, files, who, starting)
	if err != nil {
		unlock(users)
		return nil, fmt.Errorf("embedded: %w", err)
	}
	return &Instance{options: o, layout: files, who: who, log: o.Log, users: users, fifo: fifo}, nil
}

// enter joins the server or starts it. The caller holds start.lock, which starting is.
func enter(ctx context.Context, o Options, files layout, who identity, starting *os.File) (*os.File, error) {
	fifo, err := join(ctx, files, who)
	if errors.Is(err, errNotRunning) {
		return launch(ctx, o, files, who, starting)
	}
	return fifo, err
}

// URL returns the connection string of one role and database. It has no
// password: who can reach the socket is trusted.
func (i *Instance) URL(user, database string) string {
	// libpq reads %20 as a space, and + as itself; a slash may stay readable.
	folder := strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(i.layout.socketDir))
	return "postgres://" + url.PathEscape(user) + "@/" + url.PathEscape(database) + "?host=" + folder + "&port=" + socketPort
}

// Close gives up this process's share; the last user out stops the server and
// waits until it has ended. Closing twice is harmless.
func (i *Instance) Close() error {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if i.users == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	starting, err := lockExclusive(ctx, i.layout.startLock())
	if err != nil {
		// Somebody is stuck in a start. Leaving without the lock is safe:
		// the watchdog stops the server when nobody is left.
		starting = nil
	}
	defer unlock(starting)
	unlock(i.users)
	i.users = nil
	last := starting != nil && nobodyUses(i.layout.usersLock())
	defer func() { _ = i.fifo.Close() }()
	if !last {
		return nil
	}
	if err := stop(ctx, i.layout); err != nil {
		return fmt.Errorf("embedded: %w", err)
	}
	i.log.Debug("embedded postgres stopped", "data_dir", i.layout.data())
	return nil
}

func dropClientVariables() {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "PG") {
			_ = os.Unsetenv(name)
		}
	}
}
