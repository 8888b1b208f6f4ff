// Package postgres is the door to the warehouse's database: it finds or starts it, migrates it, and hands
// out transactions that carry a tenant or a role. Code that takes a TenantTx cannot run without row-level
// security.
package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/postgres/embedded"
)

// AppRole is what the program works as: it owns nothing and is bound by row-level security.
const AppRole = "memberintel_app"

// Config says where the database is.
type Config struct {
	URL      string // an external server; "" starts the embedded one
	OwnerURL string // for migrations and reader logins; "" means URL
	DataDir  string // state of the embedded server
	BinDir   string // its programs; "" searches
	MaxConns int32  // of the pool; 0 means 16
	Fresh    bool   // the embedded server's database is dropped first: for the demo
	Log      *slog.Logger
}

// DB is a pool of connections as memberintel_app, and the way to the owner's. It is safe for concurrent use.
type DB struct {
	pool     *pgxpool.Pool
	ownerURL string
	instance *embedded.Instance // nil for an external server
}

// ErrUnreachable means that the embedded server cannot get to a folder: it does not run as root, and the folder is
// closed to others.
var ErrUnreachable = embedded.ErrUnreachable

// Usable tells why the embedded server could not keep its data below the folder, which need not be there yet; nil
// when it could. It changes nothing.
func Usable(dataDir string) error {
	if err := embedded.Usable(dataDir); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// Open connects to the configured database. Without a URL it starts the embedded server, or joins the one
// that another command started, makes the database and migrates it; an external one is migrated by
// `memberintel migrate` alone, so that two releases never race.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.URL != "" {
		owner := cfg.OwnerURL
		if owner == "" {
			owner = cfg.URL
		}
		return Connect(ctx, cfg.URL, owner, cfg.MaxConns)
	}
	instance, err := embedded.Start(ctx, embedded.Options{DataDir: cfg.DataDir, BinDir: cfg.BinDir, Log: cfg.Log})
	if err != nil {
		return nil, fmt.Errorf("postgres: start the embedded server: %w", err)
	}
	db, err := openEmbedded(ctx, instance, cfg)
	if err != nil {
		_ = instance.Close()
		return nil, err
	}
	db.instance = instance
	return db, nil
}

func openEmbedded(ctx context.Context, instance *embedded.Instance, cfg Config) (*DB, error) {
	if cfg.Fresh {
		if err := drop(ctx, instance.URL("postgres", "postgres"), DatabaseName); err != nil {
			return nil, err
		}
	}
	if err := Bootstrap(ctx, instance.URL("postgres", "postgres"), DatabaseName); err != nil {
		return nil, err
	}
	owner := instance.URL(OwnerRole, DatabaseName)
	if err := Migrate(ctx, owner); err != nil {
		return nil, err
	}
	return Connect(ctx, instance.URL(AppRole, DatabaseName), owner, cfg.MaxConns)
}

// Connect opens a pool on appURL. A login other than memberintel_app, a superuser say, takes that role on
// every connection, so that row-level security holds for it too.
func Connect(ctx context.Context, appURL, ownerURL string, maxConns int32) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(appURL)
	if err != nil {
		return nil, fmt.Errorf("postgres: the database URL is not understood: %w", redacted(err))
	}
	if maxConns == 0 {
		maxConns = 16
	}
	cfg.MaxConns = maxConns
	cfg.MaxConnIdleTime = 5 * time.Minute
	cfg.ConnConfig.RuntimeParams["application_name"] = "memberintel"
	cfg.AfterConnect = takeAppRole
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("postgres: connect: %w", redacted(err))
	}
	return &DB{pool: pool, ownerURL: ownerURL}, nil
}

// takeAppRole leaves a login alone that already is memberintel_app, and a database that has no such role
// yet, because nothing in it can be read before it is migrated.
func takeAppRole(ctx context.Context, conn *pgx.Conn) error {
	var role string
	var exists bool
	err := conn.QueryRow(ctx, `SELECT current_user, EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, AppRole).
		Scan(&role, &exists)
	if err != nil || role == AppRole || !exists {
		return err
	}
	_, err = conn.Exec(ctx, `SET ROLE `+AppRole)
	return err
}

// Pool opens further connections as memberintel_app, apart from db's own, for the job engine alone: a vendor's
// library wants a pool to itself, and has to go on fetching, finishing and keeping its place when syncs hold all
// of db's. No tenant is set on them, so no tenant's row is in reach. The caller closes it, before db.
func (db *DB) Pool(ctx context.Context, maxConns int32) (*pgxpool.Pool, error) {
	cfg := db.pool.Config() // a copy
	cfg.MaxConns = maxConns
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("postgres: connect: %w", redacted(err))
	}
	return pool, nil
}

// Close returns the connections; the embedded server stops with its last user.
func (db *DB) Close() {
	db.pool.Close()
	if db.instance != nil {
		_ = db.instance.Close()
	}
}

// Keep starts the embedded server again when it has died, until ctx ends. An external server is its operator's to keep.
func (db *DB) Keep(ctx context.Context) {
	if db.instance != nil {
		db.instance.Keep(ctx)
	}
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return db.pool.Ping(ctx) }

// AppURL returns where the program's own login connects.
func (db *DB) AppURL() string { return db.pool.Config().ConnString() }

// OwnerURL returns where the owner connects.
func (db *DB) OwnerURL() string { return db.ownerURL }

// URLFor returns appURL's database with another login.
func (db *DB) URLFor(user, password string) (string, error) {
	if db.instance != nil {
		return db.instance.URL(user, DatabaseName), nil
	}
	u, err := url.Parse(db.AppURL())
	if err != nil {
		return "", fmt.Errorf("postgres: the database URL is not in URL form, so no other login can be put in it")
	}
	u.User = url.UserPassword(user, password)
	return u.String(), nil
}

// Tidy vacuums those of the tables for which so many written records are much, and renews their statistics:
// without statistics PostgreSQL plans badly, and without a vacuum searches slow down several times. A large
// table is left to autovacuum. Only the owner may do it; a login that may not is an error.
func (db *DB) Tidy(ctx context.Context, records int64, tables []string) error {
	return db.Owner(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
			AND relname = ANY ($1) AND reltuples < 10 * $2`, tables, records)
		if err != nil {
			return fmt.Errorf("postgres: look at the sizes of tables: %w", err)
		}
		small, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("postgres: look at the sizes of tables: %w", err)
		}
		for _, table := range small {
			if _, err := conn.Exec(ctx, `VACUUM (ANALYZE, SKIP_LOCKED) `+pgx.Identifier{table}.Sanitize()); err != nil {
				return fmt.Errorf("postgres: tidy %s: %w", table, err)
			}
		}
		return nil
	})
}

// Owner runs fn on one connection of the owner: for migrations and the logins of readers, never for rows.
func (db *DB) Owner(ctx context.Context, fn func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, db.ownerURL)
	if err != nil {
		return fmt.Errorf("postgres: connect as the owner: %w", redacted(err))
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return fn(conn)
}
