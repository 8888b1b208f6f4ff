package identity

import (
	"context"
	"fmt"
	"net/mail"
	"strings"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/audit"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Contact is whom news of a tenant's connections goes to.
type Contact struct {
	Tenant string   // the tenant's name
	Emails []string // empty while nobody has given one and the tenant has no owner
}

// maxEmail is the longest address that SMTP takes, in bytes.
const maxEmail = 254

// SetContact says where news of the tenant goes, as actor; "" means to its owners. It reports false when that is so
// already. The act is audited, without the address.
func SetContact(ctx context.Context, db *postgres.DB, id tenant.ID, email, actor string) (changed bool, err error) {
	email = strings.TrimSpace(email)
	if email != "" {
		if err := checkEmail(email); err != nil {
			return false, err
		}
	}
	err = db.TenantTx(ctx, id, func(tx *postgres.TenantTx) error {
		_, before, err := contact(ctx, tx, `FOR UPDATE`)
		if err != nil || before == email {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE tenant SET contact_email = nullif($2, '') WHERE tenant_id = $1`, id, email); err != nil {
			return fmt.Errorf("identity: set the contact: %w", err)
		}
		changed = true
		return audit.Record(ctx, tx, actor, "tenant.contact", id.String(), map[string]any{"given": email != ""})
	})
	return changed && err == nil, err
}

// ContactOf returns whom news of the transaction's tenant goes to: the address that was given for it, else all of its
// owners.
func ContactOf(ctx context.Context, tx *postgres.TenantTx) (Contact, error) {
	name, email, err := contact(ctx, tx, "")
	if err != nil {
		return Contact{}, err
	}
	if email != "" {
		return Contact{Tenant: name, Emails: []string{email}}, nil
	}
	rows, err := tx.Query(ctx, `SELECT email FROM tenant_user WHERE tenant_id = $1 AND role = 'owner' ORDER BY email`, tx.Tenant)
	if err != nil {
		return Contact{}, fmt.Errorf("identity: read the owners: %w", err)
	}
	owners, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return Contact{}, fmt.Errorf("identity: read the owners: %w", err)
	}
	return Contact{Tenant: name, Emails: owners}, nil
}

// contact returns the tenant's name and the address that was given for it, "" where there is none.
func contact(ctx context.Context, tx *postgres.TenantTx, lock string) (name, email string, err error) {
	err = tx.QueryRow(ctx, `SELECT name, coalesce(contact_email, '') FROM tenant WHERE tenant_id = $1 `+lock, tx.Tenant).Scan(&name, &email)
	if noRows(err) {
		return "", "", unknown(tx.Tenant.String())
	}
	if err != nil {
		return "", "", fmt.Errorf("identity: read the contact: %w", err)
	}
	return name, email, nil
}

// checkEmail lets through what any mail server takes: one plain address, without a name and in ASCII.
func checkEmail(email string) error {
	plain := strings.IndexFunc(email, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
	parsed, err := mail.ParseAddress(email)
	if !plain || err != nil || parsed.Name != "" || parsed.Address != email || len(email) > maxEmail {
		return fault.New(fault.Invalid, "That is no e-mail address that mail can be sent to; it must look like anna@example.org.")
	}
	return nil
}
