package river

import (
	"context"
	"crypto/sha256"
	_ "embed" // for the rights
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"memberintel/internal/postgres"
)

// migrateLock is the advisory lock of whoever migrates.
const migrateLock = 7_236_418_002

//go:embed rights.sql
var rights string

// Migrate brings River's tables up to date as the owner, in a schema of their own, and says who may use them. It
// comes after postgres.Migrate, which makes the roles. Several at once take turns; one that was cut off goes on
// where it stopped; and where there is nothing to do it costs one connection and one query.
func Migrate(ctx context.Context, db *postgres.DB) error {
	return db.Owner(ctx, func(conn *pgx.Conn) error {
		if current, err := isCurrent(ctx, conn); current || err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, int64(migrateLock)); err != nil { // to the connection's end
			return fmt.Errorf("river: migrate: wait for others: %w", err)
		}
		if current, err := isCurrent(ctx, conn); current || err != nil { // another did it meanwhile
			return err
		}
		return migrate(ctx, conn)
	})
}

// Current returns nil when River's tables are those of this program, else postgres.ErrOutdated.
func Current(ctx context.Context, db *postgres.DB) error {
	return db.Owner(ctx, func(conn *pgx.Conn) error {
		current, err := isCurrent(ctx, conn)
		if err == nil && !current {
			err = postgres.ErrOutdated
		}
		return err
	})
}

// isCurrent reads the mark that a finished migration leaves on the schema.
func isCurrent(ctx context.Context, conn *pgx.Conn) (bool, error) {
	wanted, err := mark()
	if err != nil {
		return false, err
	}
	var found string
	err = conn.QueryRow(ctx, `SELECT coalesce(obj_description(to_regnamespace($1), 'pg_namespace'), '')`, Schema).Scan(&found)
	if err != nil {
		return false, fmt.Errorf("river: read the version of its tables: %w", err)
	}
	return found == wanted, nil
}

// mark names the tables and rights that this program needs.
func mark() (string, error) {
	migrator, err := migrator(nil)
	if err != nil {
		return "", err
	}
	versions := migrator.AllVersions()
	if len(versions) == 0 {
		return "", errors.New("river: the library brings no migrations")
	}
	sum := sha256.Sum256([]byte(rights))
	return fmt.Sprintf("Job engine, version %d, rights %s", versions[len(versions)-1].Version, hex.EncodeToString(sum[:6])), nil
}

func migrator(pool *pgxpool.Pool) (*rivermigrate.Migrator[pgx.Tx], error) {
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler), Schema: Schema})
	if err != nil {
		return nil, fmt.Errorf("river: migrations: %w", err)
	}
	return m, nil
}

// migrate runs the library's migrations, each in a transaction of its own, and sets the mark last.
func migrate(ctx context.Context, conn *pgx.Conn) error {
	wanted, err := mark()
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, conn.Config().ConnString())
	if err != nil {
		return fmt.Errorf("river: migrate: %w", err)
	}
	defer pool.Close()
	if _, err := conn.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+Schema); err != nil {
		return fmt.Errorf("river: make the schema: %w", err)
	}
	migrator, err := migrator(pool)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("river: migrate: %w", err)
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, rights+`COMMENT ON SCHEMA `+Schema+` IS '`+wanted+`'`)
		return err
	})
	if err != nil {
		return fmt.Errorf("river: rights: %w", err)
	}
	return nil
}
