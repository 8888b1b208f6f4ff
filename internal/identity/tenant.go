// Package identity knows the tenants: their names, their plans, and the database login by which a tenant
// reads its own rows; and the people who sign in for them: passwords, sessions, roles. It owns the tables
// tenant, tenant_reader, tenant_user, user_login, user_session and attempt_rate.
package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Tenant is a membership business that is served.
type Tenant struct {
	ID        tenant.ID `db:"tenant_id"`
	Name      string    // unique
	Plan      tenant.Plan
	CreatedAt time.Time
}

// maxName is the longest name of a tenant, in characters.
const maxName = 200

// CreateTenant adds a tenant; an empty plan means pro. A name that is taken is a Conflict.
func CreateTenant(ctx context.Context, db *postgres.DB, name string, plan tenant.Plan) (Tenant, error) {
	name = strings.TrimSpace(name)
	if err := checkName(name); err != nil {
		return Tenant{}, err
	}
	if plan == "" {
		plan = tenant.Pro
	}
	if err := checkPlan(plan); err != nil {
		return Tenant{}, err
	}
	created, err := query(ctx, db, `INSERT INTO tenant (name, plan) VALUES ($1, $2)
		RETURNING tenant_id, name, plan, created_at`, name, plan)
	if postgres.Violates(err, "tenant_name_key") {
		return Tenant{}, fault.New(fault.Conflict, "There is a tenant named %q already; choose another name.", name)
	}
	if err != nil {
		return Tenant{}, fmt.Errorf("identity: create a tenant: %w", err)
	}
	return created[0], nil
}

// List returns all tenants by name; it is never nil.
func List(ctx context.Context, db *postgres.DB) ([]Tenant, error) {
	tenants, err := query(ctx, db, `SELECT tenant_id, name, plan, created_at FROM tenant ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("identity: list the tenants: %w", err)
	}
	return tenants, nil
}

// Find returns the tenant of that id or exact name, else a NotFound fault. No name looks like an id.
func Find(ctx context.Context, db *postgres.DB, idOrName string) (Tenant, error) {
	idOrName = strings.TrimSpace(idOrName)
	where, arg := `name = $1`, any(idOrName)
	if id, err := tenant.Parse(idOrName); err == nil {
		where, arg = `tenant_id = $1`, id
	} else if checkName(idOrName) != nil {
		return Tenant{}, unknown(idOrName)
	}
	found, err := query(ctx, db, `SELECT tenant_id, name, plan, created_at FROM tenant WHERE `+where, arg)
	if err != nil {
		return Tenant{}, fmt.Errorf("identity: find a tenant: %w", err)
	}
	if len(found) == 0 {
		return Tenant{}, unknown(idOrName)
	}
	return found[0], nil
}

func unknown(idOrName string) error {
	return fault.New(fault.NotFound, "There is no tenant %q; `memberintel tenant list` shows those there are.", idOrName)
}

func query(ctx context.Context, db *postgres.DB, sql string, args ...any) (tenants []Tenant, err error) {
	err = db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		tenants, err = pgx.CollectRows(rows, pgx.RowToStructByName[Tenant])
		return err
	})
	return tenants, err
}

func checkName(name string) error {
	_, looksLikeID := tenant.Parse(name)
	switch {
	case name == "":
		return fault.New(fault.Invalid, "A tenant needs a name.")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fault.New(fault.Invalid, "A tenant's name is plain text on one line.")
	case utf8.RuneCountInString(name) > maxName:
		return fault.New(fault.Invalid, "A tenant's name has at most %d characters.", maxName)
	case looksLikeID == nil:
		return fault.New(fault.Invalid, "A tenant's name must not look like an id, or the two could not be told apart.")
	}
	return nil
}

func checkPlan(plan tenant.Plan) error {
	if plan != tenant.Free && plan != tenant.Pro {
		return fault.New(fault.Invalid, "There is no plan %q; there are free and pro.", string(plan))
	}
	return nil
}

// noRows reports whether a query for one row found none.
func noRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
