package identity

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// readerPassword is the name under which a reader's password is sealed.
const readerPassword = "reader_password"

// EnsureReader returns the URL by which the tenant reads its own rows, and makes the login where it is
// missing. The login may do nothing but SELECT, and the policies know its tenant by its name, so nothing
// that it sets changes what it sees. Doing it again returns the same URL; when the password is lost with
// its key, the login takes a new one. Several at once take turns.
func EnsureReader(ctx context.Context, db *postgres.DB, vault *connection.Vault, id tenant.ID) (url string, err error) {
	role := readerRole(id)
	var password string
	err = db.Owner(ctx, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			password, err = ensureLogin(ctx, tx, vault, id, role)
			return err
		})
	})
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42501" {
		return "", fault.Wrap(fault.NotPermitted, err, "The database's owner may not make logins; "+
			"let MEMBERINTEL_OWNER_DATABASE_URL name a login with CREATEROLE.")
	}
	if err != nil {
		return "", err
	}
	return db.URLFor(role, password)
}

// ResealReader seals the password of the tenant's reader anew with the vault's primary key. Without a
// reader it does nothing.
func ResealReader(ctx context.Context, tx *postgres.TenantTx, vault *connection.Vault) error {
	var sealed []byte
	err := tx.QueryRow(ctx, `SELECT sealed_password FROM tenant_reader WHERE tenant_id = $1 FOR UPDATE`, tx.Tenant).Scan(&sealed)
	if noRows(err) || (err == nil && sealed == nil) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("identity: read the reader's password: %w", err)
	}
	plain, err := vault.Open(tx.Tenant, readerPassword, sealed)
	if err != nil {
		return err
	}
	if sealed, err = vault.Seal(tx.Tenant, readerPassword, plain); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE tenant_reader SET sealed_password = $2 WHERE tenant_id = $1`, tx.Tenant, sealed); err != nil {
		return fmt.Errorf("identity: seal the reader's password anew: %w", err)
	}
	return nil
}

func readerRole(id tenant.ID) string {
	return "memberintel_reader_" + strings.ReplaceAll(id.String(), "-", "")
}

// ensureLogin returns the password of the login, after making or mending what is missing of it.
func ensureLogin(ctx context.Context, tx pgx.Tx, vault *connection.Vault, id tenant.ID, role string) (string, error) {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, role); err != nil {
		return "", fmt.Errorf("identity: wait for the turn to make a reader: %w", err)
	}
	var exists bool
	var sealed []byte
	err := tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $2), r.sealed_password
		  FROM tenant t LEFT JOIN tenant_reader r USING (tenant_id)
		 WHERE t.tenant_id = $1`, id, role).Scan(&exists, &sealed)
	if noRows(err) {
		return "", unknown(id.String())
	}
	if err != nil {
		return "", fmt.Errorf("identity: look for the reader: %w", err)
	}
	if exists && sealed != nil {
		if plain, err := vault.Open(id, readerPassword, sealed); err == nil {
			return string(plain), nil
		}
	}
	return makeLogin(ctx, tx, vault, id, role, exists)
}

func makeLogin(
	ctx context.Context, tx pgx.Tx, vault *connection.Vault, id tenant.ID, role string, exists bool,
) (string, error) {
	password, verifier, err := randomPassword()
	if err != nil {
		return "", err
	}
	sealed, err := vault.Seal(id, readerPassword, []byte(password))
	if err != nil {
		return "", err
	}
	// The role's name is made of an id and the verifier of base64, so neither can leave its quotes.
	verb := "CREATE"
	if exists {
		verb = "ALTER"
	}
	for _, statement := range []string{
		verb + ` ROLE ` + role + ` LOGIN INHERIT CONNECTION LIMIT 20 PASSWORD '` + verifier + `'`,
		`GRANT memberintel_reader TO ` + role,
		`ALTER ROLE ` + role + ` SET default_transaction_read_only = on`,
		`ALTER ROLE ` + role + ` SET statement_timeout = '5min'`,
		`ALTER ROLE ` + role + ` SET idle_in_transaction_session_timeout = '10min'`,
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return "", fmt.Errorf("identity: make the reader %s: %w", role, err)
		}
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO tenant_reader (role_name, tenant_id, sealed_password) VALUES ($1, $2, $3)
		ON CONFLICT (tenant_id) DO UPDATE SET sealed_password = excluded.sealed_password`, role, id, sealed)
	if err != nil {
		return "", fmt.Errorf("identity: keep the reader %s: %w", role, err)
	}
	return password, nil
}

// randomPassword returns a password and what PostgreSQL stores of it.
func randomPassword() (password, verifier string, err error) {
	random := make([]byte, 24)
	_, _ = rand.Read(random) // never fails
	password = base64.RawURLEncoding.EncodeToString(random)
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	verifier, err = scramVerifier(password, salt)
	return password, verifier, err
}
