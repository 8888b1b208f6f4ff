package consent

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/audit"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Exchange is what a site's server shows for its key.
type Exchange struct {
	Code     string `json:"code"`
	Verifier string `json:"code_verifier"`
	SiteID   string `json:"site_id"`
	HomeURL  string `json:"home_url"`
}

// Grant is what a site is given: its key, and what it is connected to.
type Grant struct {
	KeyID        string        `json:"key_id"`
	Secret       string        `json:"secret"`
	ConnectionID connection.ID `json:"connection_id"`
	Tenant       string        `json:"tenant"` // its name
}

// String hides the secret.
func (g Grant) String() string { return g.KeyID }

// GoString hides the secret.
func (g Grant) GoString() string { return g.KeyID }

// agreement is a code's row.
type agreement struct {
	TenantID  tenant.ID
	Tenant    string
	UserID    identity.UserID
	Email     string
	SiteURL   string
	SiteID    string
	Challenge string
}

// Exchange gives a site its key for a code, once. The verifier must be that of the challenge, the site the one that
// the owner saw, and the owner must be one still; anything else is ErrInvalidGrant, and the code is spent all the
// same. The connection is pending until the site has answered, signed with the new key; Run asks it.
func (f *Flow) Exchange(ctx context.Context, e Exchange) (Grant, error) {
	a, err := f.take(ctx, e.Code)
	if err != nil {
		return Grant{}, err
	}
	var why string
	switch {
	case !proves(e.Verifier, a.Challenge):
		why = "verifier"
	case strings.ToLower(e.SiteID) != a.SiteID:
		why = "site_id"
	case !sameHome(e.HomeURL, a.SiteURL):
		why = "home_url"
	}
	if why != "" {
		return Grant{}, f.refuse(ctx, a, why)
	}
	granted := Grant{KeyID: newKeyID(), Secret: random(), Tenant: a.Tenant}
	c, err := f.keep(ctx, a, Key{granted.KeyID, granted.Secret}, nil)
	switch {
	case fault.Is(err, fault.NotPermitted):
		return Grant{}, f.refuse(ctx, a, "role")
	case fault.Is(err, fault.Conflict):
		return Grant{}, f.refuse(ctx, a, "conflict")
	case err != nil:
		return Grant{}, err
	}
	granted.ConnectionID = c.ID
	f.soon(func(ctx context.Context) { f.firstContact(ctx, c) })
	return granted, nil
}

// take spends a code and returns what was agreed; of several that show the same code, one gets it.
func (f *Flow) take(ctx context.Context, code string) (agreement, error) {
	return f.agreement(ctx, `
		WITH c AS (
			UPDATE connect_code SET spent_at = memberintel_now()
			 WHERE code_hash = $1 AND spent_at IS NULL AND expires_at > memberintel_now() RETURNING *)`+agreed, code)
}

// look is take for who only wants to know.
func (f *Flow) look(ctx context.Context, code string) (agreement, error) {
	return f.agreement(ctx, `
		WITH c AS (
			SELECT * FROM connect_code
			 WHERE code_hash = $1 AND spent_at IS NULL AND expires_at > memberintel_now())`+agreed, code)
}

const agreed = ` SELECT c.tenant_id, t.name AS tenant, c.user_id, u.email, c.site_url, c.site_id::text, c.challenge
	FROM c JOIN tenant t USING (tenant_id) JOIN tenant_user u USING (tenant_id, user_id)`

// agreement reads what a code stands for, ErrInvalidGrant when it is none or no longer good. Old codes go on the way.
func (f *Flow) agreement(ctx context.Context, sql, code string) (a agreement, err error) {
	err = f.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM connect_code WHERE expires_at < memberintel_now() - interval '1 day'`); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sql, hashOf(code))
		if err != nil {
			return err
		}
		a, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[agreement])
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return agreement{}, ErrInvalidGrant
	}
	if err != nil {
		return agreement{}, fmt.Errorf("consent: look for a code: %w", err)
	}
	return a, nil
}

// refuse is what whoever shows a code is told; why stands in the audit alone.
func (f *Flow) refuse(ctx context.Context, a agreement, why string) error {
	return errors.Join(ErrInvalidGrant, f.note(ctx, a, why))
}

// note writes to the audit why a code that was good led to no key.
func (f *Flow) note(ctx context.Context, a agreement, why string) error {
	return f.db.TenantTx(ctx, a.TenantID, func(tx *postgres.TenantTx) error {
		return audit.Record(ctx, tx, a.Email, "connect.refuse", a.SiteURL, map[string]any{"because": why})
	})
}

// keep stores the key. Where it is not known whether it was stored, because the answer to the COMMIT was lost, it looks: the
// site must not be refused a key that counts.
func (f *Flow) keep(ctx context.Context, a agreement, key Key, brought *Offer) (connection.Connection, error) {
	c, err := f.store(ctx, a, key, brought)
	if err == nil || fault.KindOf(err) != "" {
		return c, err
	}
	if c, holds, lookErr := f.holder(ctx, a, key); lookErr == nil && holds {
		return c, nil
	}
	return connection.Connection{}, err
}

// holder returns the tenant's connection, and whether it has this very key.
func (f *Flow) holder(ctx context.Context, a agreement, key Key) (c connection.Connection, holds bool, err error) {
	err = f.db.TenantTx(ctx, a.TenantID, func(tx *postgres.TenantTx) error {
		if c, err = f.connections.Get(ctx, tx, f.platform.Pipeline); err != nil {
			return err
		}
		for name, want := range f.platform.Credential(a.SiteURL, a.SiteID, key).Secrets {
			if have, err := f.connections.Secret(ctx, tx, c.ID, name); err != nil || have != want {
				return err
			}
		}
		holds = c.State != connection.Disconnected
		return nil
	})
	if fault.Is(err, fault.NotFound) {
		return connection.Connection{}, false, nil
	}
	return c, holds, err
}

// store writes the key, in one transaction with the question whether the owner is one still. brought is what the site
// was told before, nil when it is told afterwards; the same transaction spends its code then.
func (f *Flow) store(ctx context.Context, a agreement, key Key, brought *Offer) (c connection.Connection, err error) {
	err = f.db.TenantTx(ctx, a.TenantID, func(tx *postgres.TenantTx) error {
		if err := mustOwn(ctx, tx, a.UserID); err != nil {
			return err
		}
		if brought != nil {
			if err := spend(ctx, tx, brought.Code); err != nil {
				return err
			}
		}
		before, err := f.current(ctx, tx, a.SiteID)
		if err != nil {
			return err
		}
		request := f.platform.Credential(a.SiteURL, a.SiteID, key)
		request.Pipeline, request.SourceAccountID = f.platform.Pipeline, a.SiteID
		request.AccountConfirmed = before.AccountConfirmed && before.State != connection.Disconnected
		if brought != nil {
			request.NewID = brought.ConnectionID
		}
		if c, _, err = f.connections.Connect(ctx, tx, request); err != nil {
			return err
		}
		if brought != nil && c.ID != brought.ConnectionID {
			return fault.New(fault.Conflict, "Somebody else has connected this tenant meanwhile.")
		}
		if err := settle(ctx, tx, c.ID, a.SiteURL); err != nil {
			return err
		}
		return audit.Record(ctx, tx, a.Email, "connect.exchange", c.ID.String(), map[string]any{"site": a.SiteURL, "site_id": a.SiteID, "key_id": key.ID})
	})
	return c, err
}

// spend is take within a transaction of the tenant's.
func spend(ctx context.Context, tx *postgres.TenantTx, code string) error {
	tag, err := tx.Exec(ctx, `UPDATE connect_code SET spent_at = memberintel_now()
		WHERE code_hash = $1 AND spent_at IS NULL AND expires_at > memberintel_now()`, hashOf(code))
	if err != nil {
		return fmt.Errorf("consent: spend a code: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrInvalidGrant
	}
	return nil
}

// proves reports whether the verifier is that of an S256 challenge (RFC 7636).
func proves(verifier, challenge string) bool {
	if !regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`).MatchString(verifier) {
		return false
	}
	made := base64.RawURLEncoding.EncodeToString(hashOf(verifier))
	return subtle.ConstantTimeCompare([]byte(made), []byte(challenge)) == 1
}

func sameHome(a, b string) bool {
	one, err := home(a)
	other, otherErr := home(b)
	return err == nil && otherErr == nil && one == other
}

func newKeyID() string { return "mik_" + random()[:16] }
