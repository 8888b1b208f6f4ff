package identity

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"memberintel/internal/audit"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// UserID identifies a person who can sign in.
type UserID = uuid.UUID

// Role is what a user is to a tenant.
type Role string

// The roles of users.
const (
	RoleOwner    Role = "owner"    // connects sources and decides
	RoleViewer   Role = "viewer"   // reads
	RoleOperator Role = "operator" // supports the tenant
)

// User is a person with a role at one tenant.
type User struct {
	ID     UserID
	Tenant tenant.ID
	Email  string // in small letters
	Role   Role
}

// Membership is a tenant that a user has a role at.
type Membership struct {
	Tenant tenant.ID `db:"tenant_id"`
	Name   string    // the tenant's
	Role   Role
}

// Users is everybody who can sign in. It is safe for concurrent use.
type Users struct {
	db      *postgres.DB
	hashing hashing
}

// NewUsers makes the users of a database.
func NewUsers(db *postgres.DB) *Users { return &Users{db: db, hashing: newHashing()} }

// Create gives somebody a role at a tenant, as actor, and a login with that password where they have none. The same
// again changes nothing and reports false. Another role, or another password than the one that the person has, is
// a Conflict: neither is changed in passing. A crash leaves at most a login that serves nobody, which the next try
// takes over.
func (u *Users) Create(ctx context.Context, id tenant.ID, email string, role Role, password, actor string) (user User, created bool, err error) {
	email = strings.ToLower(strings.TrimSpace(email))
	if err := checkUser(email, role, password); err != nil {
		return User{}, false, err
	}
	user = User{Tenant: id, Email: email, Role: role}
	if user.ID, err = u.ensureLogin(ctx, email, password); err != nil {
		return User{}, false, err
	}
	err = u.db.TenantTx(ctx, id, func(tx *postgres.TenantTx) error {
		tag, err := tx.Exec(ctx, `INSERT INTO tenant_user (tenant_id, user_id, email, role) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant_id, user_id) DO NOTHING`, id, user.ID, email, role)
		if err != nil {
			return fmt.Errorf("identity: create a user: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return u.same(ctx, tx, user)
		}
		created = true
		return audit.Record(ctx, tx, actor, "user.create", email, map[string]any{"role": role})
	})
	return user, created && err == nil, err
}

// same refuses a user who is there with another role.
func (u *Users) same(ctx context.Context, tx *postgres.TenantTx, user User) error {
	role, err := RoleOf(ctx, tx, user.ID)
	if err == nil && role != user.Role {
		err = fault.New(fault.Conflict, "%s is there already, with the role %s; `memberintel user role` changes it.", user.Email, role)
	}
	return err
}

// SetRole changes what somebody is to a tenant, as actor; it counts from the next request on. It reports false when
// it is so already.
func (u *Users) SetRole(ctx context.Context, id tenant.ID, email string, role Role, actor string) (changed bool, err error) {
	email = strings.ToLower(strings.TrimSpace(email))
	if err := checkRole(role); err != nil {
		return false, err
	}
	err = u.db.TenantTx(ctx, id, func(tx *postgres.TenantTx) error {
		var before Role
		err := tx.QueryRow(ctx, `SELECT role FROM tenant_user WHERE tenant_id = $1 AND email = $2 FOR UPDATE`, id, email).Scan(&before)
		if noRows(err) {
			return fault.New(fault.NotFound, "This tenant has no user of that address; `memberintel user create` makes one.")
		}
		if err != nil || before == role {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE tenant_user SET role = $3 WHERE tenant_id = $1 AND email = $2`, id, email, role); err != nil {
			return fmt.Errorf("identity: change a role: %w", err)
		}
		changed = true
		return audit.Record(ctx, tx, actor, "user.role", email, map[string]any{"from": before, "to": role})
	})
	return changed && err == nil, err
}

// RoleOf returns what somebody is to the transaction's tenant, "" when nothing. It stays so until the transaction
// ends.
func RoleOf(ctx context.Context, tx *postgres.TenantTx, id UserID) (Role, error) {
	var role Role
	err := tx.QueryRow(ctx, `SELECT role FROM tenant_user WHERE tenant_id = $1 AND user_id = $2 FOR SHARE`, tx.Tenant, id).Scan(&role)
	if err != nil && !noRows(err) {
		return "", fmt.Errorf("identity: read a role: %w", err)
	}
	return role, nil
}

// Memberships returns the tenants that somebody has a role at, by name; it is never nil.
func (u *Users) Memberships(ctx context.Context, id UserID) (found []Membership, err error) {
	err = u.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		rows, err := tx.Query(ctx, `SELECT m.tenant_id, t.name, m.role FROM tenant_user m JOIN tenant t USING (tenant_id)
			WHERE m.user_id = $1 ORDER BY t.name`, id)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowToStructByName[Membership])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("identity: read a user's tenants: %w", err)
	}
	return found, nil
}

// ensureLogin returns the login of an address, and makes it where there is none.
func (u *Users) ensureLogin(ctx context.Context, email, password string) (id UserID, err error) {
	hash, err := u.hashing.hash(ctx, password)
	if err != nil {
		return id, err
	}
	var known string
	var serves bool
	err = u.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		_, err := tx.Exec(ctx, `INSERT INTO user_login (email, password_hash, created_at) VALUES ($1, $2, memberintel_now())
			ON CONFLICT (email) DO NOTHING`, email, hash)
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT l.user_id, l.password_hash, EXISTS (SELECT FROM tenant_user m WHERE m.user_id = l.user_id)
			FROM user_login l WHERE l.email = $1`, email).Scan(&id, &known, &serves)
	})
	if err != nil {
		return id, fmt.Errorf("identity: make a login: %w", err)
	}
	if known == hash {
		return id, nil
	}
	right, err := u.hashing.matches(ctx, password, known)
	switch {
	case err != nil || right:
		return id, err
	case serves:
		return id, fault.New(fault.Conflict, "%s can sign in already, with another password; give that one to add a role.", email)
	}
	return id, u.setHash(ctx, id, known, hash)
}

// setHash replaces the hash that was read, unless somebody else has done so meanwhile.
func (u *Users) setHash(ctx context.Context, id UserID, before, hash string) error {
	err := u.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		_, err := tx.Exec(ctx, `UPDATE user_login SET password_hash = $3 WHERE user_id = $1 AND password_hash = $2`, id, before, hash)
		return err
	})
	if err != nil {
		return fmt.Errorf("identity: keep a password: %w", err)
	}
	return nil
}

func checkUser(email string, role Role, password string) error {
	if err := checkEmail(email); err != nil {
		return err
	}
	if err := checkRole(role); err != nil {
		return err
	}
	return checkPassword(password)
}

func checkRole(role Role) error {
	if role != RoleOwner && role != RoleViewer && role != RoleOperator {
		return fault.New(fault.Invalid, "There is no role %q; there are owner, viewer and operator.", string(role))
	}
	return nil
}

// waitFor is how long until then, in words that a sentence ends with.
func waitFor(d time.Duration) string {
	if d <= time.Minute {
		return "in a minute"
	}
	return fmt.Sprintf("in %d minutes", int((d+time.Minute-1)/time.Minute))
}
