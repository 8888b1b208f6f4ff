package postgres

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// OwnerRole owns the schema and migrates it.
const OwnerRole = "memberintel_owner"

// DatabaseName is the embedded server's database.
const DatabaseName = "memberintel"

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrate brings the schema up to date as the owner. Several at once are safe: they take turns.
func Migrate(ctx context.Context, ownerURL string) error {
	provider, db, err := migrator(ownerURL)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("postgres: migrate: %w", err)
	}
	return nil
}

// ErrOutdated is what Current gives for a schema that Migrate would change.
var ErrOutdated = errors.New("the database's schema is older than this program: run `memberintel migrate`")

// Current returns nil when the schema is the one that this program was built for, else what to do.
func (db *DB) Current(ctx context.Context) error {
	provider, handle, err := migrator(db.ownerURL)
	if err != nil {
		return err
	}
	defer func() { _ = handle.Close() }()
	pending, err := provider.HasPending(ctx)
	if err != nil {
		return fmt.Errorf("postgres: read the schema's version: %w", redacted(err))
	}
	if pending {
		return ErrOutdated
	}
	return nil
}

func migrator(ownerURL string) (*goose.Provider, *sql.DB, error) {
	cfg, err := pgx.ParseConfig(ownerURL)
	if err != nil {
		return nil, nil, fmt.Errorf("postgres: the owner's database URL is not understood: %w", redacted(err))
	}
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, nil, fmt.Errorf("postgres: migrations: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, nil, fmt.Errorf("postgres: migrations: %w", err)
	}
	db := stdlib.OpenDB(*cfg)
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		_ = db.Close()
		return nil, nil, fmt.Errorf("postgres: migrations: %w", err)
	}
	return provider, db, nil
}

// MigrationsHash names the schema: it changes with any byte of any migration.
func MigrationsHash() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(migrationFiles, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := migrationFiles.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(sum, "%s %d\n%s", path, len(content), content)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("postgres: migrations: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// Bootstrap makes the owner and the database where they are missing. It needs a superuser and is what the
// embedded server and the tests start from; on an external server an administrator does the same by hand.
func Bootstrap(ctx context.Context, superuserURL, database string) error {
	conn, err := pgx.Connect(ctx, superuserURL)
	if err != nil {
		return fmt.Errorf("postgres: connect as superuser: %w", redacted(err))
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, step := range []struct{ duplicate, sql string }{
		{"42710", `CREATE ROLE ` + OwnerRole + ` LOGIN CREATEROLE CREATEDB`},
		{"42P04", `CREATE DATABASE ` + pgx.Identifier{database}.Sanitize() + ` OWNER ` + OwnerRole},
	} {
		_, err := conn.Exec(ctx, step.sql)
		var pg *pgconn.PgError
		if errors.As(err, &pg) && (pg.Code == step.duplicate || pg.Code == "23505") {
			continue
		}
		if err != nil {
			return fmt.Errorf("postgres: bootstrap: %w", err)
		}
	}
	return nil
}

// drop removes a database with everything in it, whoever is connected.
func drop(ctx context.Context, superuserURL, database string) error {
	conn, err := pgx.Connect(ctx, superuserURL)
	if err != nil {
		return fmt.Errorf("postgres: connect as superuser: %w", redacted(err))
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, `DROP DATABASE IF EXISTS `+pgx.Identifier{database}.Sanitize()+` WITH (FORCE)`); err != nil {
		return fmt.Errorf("postgres: drop the database: %w", err)
	}
	return nil
}
