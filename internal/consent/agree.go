package consent

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"

	"memberintel/internal/audit"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Reach says whether the service may visit the site at all: its address must be a public one.
func (f *Flow) Reach(ctx context.Context, r Request) error { return f.fetch.Reach(ctx, r.Site) }

// InTheWay returns why the tenant cannot be connected to the site as things stand, as a Conflict with a sentence;
// nil when it can.
func (f *Flow) InTheWay(ctx context.Context, id tenant.ID, r Request) error {
	return f.db.TenantTx(ctx, id, func(tx *postgres.TenantTx) error {
		_, err := f.current(ctx, tx, r.SiteID)
		return err
	})
}

// current returns the tenant's connection where the site is or may become its source; the zero one where there is
// none or another site's has ended.
func (f *Flow) current(ctx context.Context, tx *postgres.TenantTx, siteID string) (connection.Connection, error) {
	c, err := f.connections.Get(ctx, tx, f.platform.Pipeline)
	switch {
	case fault.Is(err, fault.NotFound):
		return connection.Connection{}, nil
	case err != nil:
		return connection.Connection{}, err
	case c.SourceAccountID == siteID, c.SourceAccountID == "" && c.State == connection.Pending && c.LastAttemptAt == nil:
		return c, nil
	case c.State == connection.Disconnected:
		return connection.Connection{}, nil
	}
	return connection.Connection{}, fault.New(fault.Conflict, "This tenant is connected to another %s site; disconnect that one first.", f.platform.Pipeline.Label())
}

// Agree notes that an owner lets the tenant be connected to the site, and returns where the browser goes next: back
// to the site, with a code that is nowhere else. Whoever is no owner of the tenant is NotPermitted; a site at an
// address that is not public is Invalid.
func (f *Flow) Agree(ctx context.Context, who identity.Session, id tenant.ID, r Request) (next string, err error) {
	if err := f.Reach(ctx, r); err != nil {
		return "", err
	}
	code := newCode()
	err = f.db.TenantTx(ctx, id, func(tx *postgres.TenantTx) error {
		if err := mustOwn(ctx, tx, who.User); err != nil {
			return err
		}
		if _, err := f.current(ctx, tx, r.SiteID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO connect_code (tenant_id, code_hash, user_id, site_url, site_id, callback, challenge, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, memberintel_now() + $8::interval)`,
			id, hashOf(code), who.User, r.Site, r.SiteID, r.Callback, r.Challenge, codeLife)
		if err != nil {
			return fmt.Errorf("consent: keep a code: %w", err)
		}
		return audit.Record(ctx, tx, who.Email, "connect.agree", r.Site, map[string]any{"site_id": r.SiteID})
	})
	if err != nil {
		return "", err
	}
	if r.Secure() {
		f.soon(func(ctx context.Context) { f.bring(ctx, code) })
	}
	return r.back(url.Values{"code": {code}}), nil
}

func mustOwn(ctx context.Context, tx *postgres.TenantTx, user identity.UserID) error {
	role, err := identity.RoleOf(ctx, tx, user)
	if err == nil && role != identity.RoleOwner {
		err = fault.New(fault.NotPermitted, "Only an owner of this tenant can connect its site.")
	}
	return err
}

// newCode is what the plugin takes for a code: 32 random bytes with a mark in front.
func newCode() string { return "mic_" + random() }

func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails; the program ends where the system has no randomness
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func hashOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}
