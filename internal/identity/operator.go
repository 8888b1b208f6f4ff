package identity

import (
	"context"
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

const (
	operatorLogin    = "memberintel_operator_login"
	operatorPassword = "operator_password"
	// operatorComment begins the role's comment, which holds the sealed password: the login belongs to the
	// server and not to a tenant, so no table of this database is the place for it.
	operatorComment = "memberintel, sealed password: "
)

// EnsureOperator returns the URL by which the operator reads health, runs and switches of all tenants, and
// makes the login where it is missing. Doing it again returns the same URL; when the password is lost with
// its key, the login takes a new one.
func EnsureOperator(ctx context.Context, db *postgres.DB, vault *connection.Vault) (url string, err error) {
	var password string
	err = db.Owner(ctx, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			password, err = ensureOperator(ctx, tx, vault)
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
	return db.URLFor(operatorLogin, password)
}

func ensureOperator(ctx context.Context, tx pgx.Tx, vault *connection.Vault) (string, error) {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, operatorLogin); err != nil {
		return "", fmt.Errorf("identity: wait for the turn to make the operator's login: %w", err)
	}
	var comment *string
	err := tx.QueryRow(ctx, `SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1`, operatorLogin).Scan(&comment)
	exists := err == nil
	if err != nil && !noRows(err) {
		return "", fmt.Errorf("identity: look for the operator's login: %w", err)
	}
	if comment != nil {
		sealed, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(*comment, operatorComment))
		if err == nil {
			if plain, err := vault.Open(tenant.ID{}, operatorPassword, sealed); err == nil {
				return string(plain), nil
			}
		}
	}
	return makeOperator(ctx, tx, vault, exists)
}

func makeOperator(ctx context.Context, tx pgx.Tx, vault *connection.Vault, exists bool) (string, error) {
	password, verifier, err := randomPassword()
	if err != nil {
		return "", err
	}
	sealed, err := vault.Seal(tenant.ID{}, operatorPassword, []byte(password))
	if err != nil {
		return "", err
	}
	verb := "CREATE"
	if exists {
		verb = "ALTER"
	}
	// The verifier and the sealed password are of base64, so neither can leave its quotes.
	for _, statement := range []string{
		verb + ` ROLE ` + operatorLogin + ` LOGIN INHERIT CONNECTION LIMIT 20 PASSWORD '` + verifier + `'`,
		`GRANT memberintel_operator TO ` + operatorLogin,
		`COMMENT ON ROLE ` + operatorLogin + ` IS '` + operatorComment + base64.StdEncoding.EncodeToString(sealed) + `'`,
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return "", fmt.Errorf("identity: make the operator's login: %w", err)
		}
	}
	return password, nil
}
