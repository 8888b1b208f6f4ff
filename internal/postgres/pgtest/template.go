package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sys/unix"

	"memberintel/internal/postgres"
)

const (
	// templateLock is the advisory lock of whoever makes or clears away.
	templateLock   = 7_236_418_001
	templatePrefix = "template_"
	testPrefix     = "test_"
	// templatesKept lets a few versions of the schema be tested side by side,
	// as when two checkouts share the server.
	templatesKept = 4
)

// makeTemplate migrates a database once for each schema. Processes that come
// together take turns; a template counts only when its maker has finished it.
func (c *cluster) makeTemplate(ctx context.Context) error {
	hash, err := postgres.MigrationsHash()
	if err != nil {
		return err
	}
	c.template = templatePrefix + hash
	return c.alone(ctx, func(conn *pgxpool.Conn) error {
		if err := dropAbandoned(ctx, conn); err != nil {
			return err
		}
		finished := false
		err := conn.QueryRow(ctx, `SELECT datistemplate FROM pg_database WHERE datname = $1`, c.template).Scan(&finished)
		if finished || (err != nil && !errors.Is(err, pgx.ErrNoRows)) {
			return err
		}
		if err := dropDatabase(ctx, conn, c.template); err != nil { // a maker was killed
			return err
		}
		if err := postgres.Bootstrap(ctx, c.instance.URL("postgres", "postgres"), c.template); err != nil {
			return err
		}
		if err := postgres.Migrate(ctx, c.instance.URL(postgres.OwnerRole, c.template)); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, `ALTER DATABASE `+c.template+` WITH IS_TEMPLATE true ALLOW_CONNECTIONS false`); err != nil {
			return err
		}
		return dropOldTemplates(ctx, conn)
	})
}

// alone runs fn while no other test process makes or clears away.
func (c *cluster) alone(ctx context.Context, fn func(*pgxpool.Conn) error) error {
	conn, err := c.admin.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, templateLock); err != nil {
		return err
	}
	err = fn(conn)
	_, unlockErr := conn.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, templateLock)
	return errors.Join(err, unlockErr)
}

// clone copies the template. The name holds this process's number, so that
// later processes can tell an abandoned database. Where more versions of the schema are tested side by side
// than are kept, the template may have been cleared away, and is made again.
func (c *cluster) clone(ctx context.Context) (string, error) {
	name := testPrefix + strconv.Itoa(os.Getpid()) + "_" + strings.ToLower(rand.Text()[:10])
	create := `CREATE DATABASE ` + name + ` TEMPLATE ` + c.template + ` STRATEGY FILE_COPY OWNER ` + postgres.OwnerRole
	_, err := c.admin.Exec(ctx, create)
	var missing *pgconn.PgError
	if errors.As(err, &missing) && missing.Code == "3D000" {
		if err := c.makeTemplate(ctx); err != nil {
			return name, err
		}
		_, err = c.admin.Exec(ctx, create)
	}
	return name, err
}

// drop removes a test's database and the readers' logins, which belong to the
// server and would outlive it.
func (c *cluster) drop(ctx context.Context, name string) error {
	logins, err := c.readerLogins(ctx, name)
	if err != nil {
		return err
	}
	conn, err := c.admin.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if err := dropDatabase(ctx, conn, name); err != nil {
		return err
	}
	for _, login := range logins {
		if _, err := conn.Exec(ctx, `DROP ROLE IF EXISTS `+pgx.Identifier{login}.Sanitize()); err != nil {
			return fmt.Errorf("drop the login %s: %w", login, err)
		}
	}
	return nil
}

func (c *cluster) readerLogins(ctx context.Context, name string) ([]string, error) {
	conn, err := pgx.Connect(ctx, c.instance.URL("postgres", name))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `SELECT rolname FROM pg_roles JOIN tenant_reader ON role_name = rolname WHERE rolcanlogin`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// dropAbandoned removes the databases of test processes that were killed.
func dropAbandoned(ctx context.Context, conn *pgxpool.Conn) error {
	names, err := databases(ctx, conn, testPrefix)
	if err != nil {
		return err
	}
	for _, name := range names {
		number, _, _ := strings.Cut(strings.TrimPrefix(name, testPrefix), "_")
		pid, err := strconv.Atoi(number)
		if err != nil || !errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			continue
		}
		if err := dropDatabase(ctx, conn, name); err != nil {
			return err
		}
	}
	return nil
}

// dropOldTemplates keeps the newest. One that is being copied stays for now.
func dropOldTemplates(ctx context.Context, conn *pgxpool.Conn) error {
	names, err := databases(ctx, conn, templatePrefix)
	if err != nil {
		return err
	}
	for _, name := range names[min(templatesKept, len(names)):] {
		if _, err := conn.Exec(ctx, `ALTER DATABASE `+name+` WITH IS_TEMPLATE false`); err != nil {
			return err
		}
		_ = dropDatabase(ctx, conn, name)
	}
	return nil
}

// databases lists names with the prefix, newest first.
func databases(ctx context.Context, conn *pgxpool.Conn, prefix string) ([]string, error) {
	rows, err := conn.Query(ctx, `SELECT datname FROM pg_database WHERE starts_with(datname, $1) ORDER BY oid DESC`, prefix)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func dropDatabase(ctx context.Context, conn *pgxpool.Conn, name string) error {
	if _, err := conn.Exec(ctx, `DROP DATABASE IF EXISTS `+pgx.Identifier{name}.Sanitize()+` WITH (FORCE)`); err != nil {
		return fmt.Errorf("drop the database %s: %w", name, err)
	}
	return nil
}
