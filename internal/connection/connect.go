package connection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

// Request is what a tenant wants to be connected to.
type Request struct {
	Pipeline        Pipeline
	SourceAccountID string // "" while the source has not told it
	// AccountConfirmed says that the source itself told SourceAccountID. Without it the id is a label: it reserves
	// nothing, and nothing is routed by it.
	AccountConfirmed bool
	Livemode         bool
	CredentialKind   string
	Secrets          map[string]string // by name; an empty value counts as not given
	// NewID is the id of the connection if a new one is made; the zero one lets the database choose. A source that is
	// told its connection before there is one needs it.
	NewID ID
	// StartOver lets the next sync of a connection that is there read everything: what earlier ones have read may be
	// another account's.
	StartOver bool
}

// Format writes the request without its secrets, whatever the verb.
func (r Request) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%s %q livemode=%t %s", string(r.Pipeline), r.SourceAccountID, r.Livemode, r.CredentialKind)
}

// LogValue keeps the secrets out of logs.
func (r Request) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// Connect makes the tenant's connection, or brings the one that there is up to date, and reports whether it
// is a new one. Connecting again with the same account replaces the secrets that are given and keeps the
// others; one that was disconnected or had failed starts anew as pending. Another account, or the other
// mode, is refused with a Conflict while one is connected; after a disconnect it becomes a new connection
// with an id of its own, and what was stored stays under the old account. A confirmed account that feeds
// another tenant is refused too; the transaction is then spent.
func (s *Store) Connect(ctx context.Context, tx *postgres.TenantTx, r Request) (c Connection, created bool, err error) {
	if !r.Pipeline.Valid() {
		return Connection{}, false, fault.New(fault.Invalid, "%q cannot be the name of a pipeline.", string(r.Pipeline))
	}
	c, created, err = s.place(ctx, tx, r)
	if postgres.Violates(err, "connection_account") {
		return Connection{}, false, Taken(r.Pipeline)
	}
	if err != nil {
		return Connection{}, false, err
	}
	if err := s.keepSecrets(ctx, tx, c.ID, r.Secrets); err != nil {
		return Connection{}, false, err
	}
	return c, created, nil
}

// Taken is the fault about an account that feeds another tenant. It does not tell which.
func Taken(p Pipeline) error {
	return fault.New(fault.Conflict, "This %s account is connected to another tenant already, and an account can feed one tenant only.", p.Label())
}

// place finds or makes the row. Of two that make it at the same time, the second waits and then finds it; without the
// lock it could meet the first one's account before the first one's row, and take it for another tenant's.
func (s *Store) place(ctx context.Context, tx *postgres.TenantTx, r Request) (Connection, bool, error) {
	turn := fmt.Sprintf("connect %s %s", tx.Tenant, r.Pipeline)
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, turn); err != nil {
		return Connection{}, false, fmt.Errorf("connection: take turns: %w", err)
	}
	for range 3 {
		current, err := lock(ctx, tx, r.Pipeline)
		switch {
		case errors.Is(err, pgx.ErrNoRows): // nothing in the way
		case err != nil:
			return Connection{}, false, fmt.Errorf("connection: look for the %s connection: %w", r.Pipeline, err)
		case current.State == Disconnected && !current.sameAccount(r):
			if err := forget(ctx, tx, current.ID); err != nil {
				return Connection{}, false, err
			}
		default:
			c, err := renew(ctx, tx, current, r)
			return c, false, err
		}
		c, err := insert(ctx, tx, r)
		if err == nil {
			return c, true, nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return Connection{}, false, fmt.Errorf("connection: connect %s: %w", r.Pipeline, err)
		}
	}
	return Connection{}, false, fault.New(fault.Busy, "Somebody else is connecting %s at this moment; try again.", r.Pipeline.Label())
}

// lock returns the tenant's connection and keeps others from changing it until the transaction ends.
func lock(ctx context.Context, tx *postgres.TenantTx, p Pipeline) (Connection, error) {
	return one(ctx, tx, `SELECT `+columns+` FROM connection WHERE tenant_id = $1 AND pipeline_type = $2 FOR UPDATE`, tx.Tenant, p)
}

// forget removes a disconnected connection before another account takes its place. Its cursors, refetch
// list and quarantine go with it: they mean nothing for another account. Records, runs and the audit stay.
func forget(ctx context.Context, tx *postgres.TenantTx, id ID) error {
	if _, err := tx.Exec(ctx, `DELETE FROM connection WHERE connection_id = $1`, id); err != nil {
		return fmt.Errorf("connection: make room for another account: %w", err)
	}
	return nil
}

// insert returns pgx.ErrNoRows when somebody else was quicker.
func insert(ctx context.Context, tx *postgres.TenantTx, r Request) (Connection, error) {
	return one(ctx, tx, `
		INSERT INTO connection (connection_id, tenant_id, pipeline_type, source_account_id, account_confirmed, livemode, credential_kind)
		VALUES (coalesce(nullif($7, '00000000-0000-0000-0000-000000000000'::uuid), gen_random_uuid()), $1, $2, $3, $4, $5, $6)
		ON CONFLICT (tenant_id, pipeline_type) DO NOTHING
		RETURNING `+columns, tx.Tenant, r.Pipeline, r.SourceAccountID, r.AccountConfirmed, r.Livemode, r.CredentialKind, r.NewID)
}

func renew(ctx context.Context, tx *postgres.TenantTx, current Connection, r Request) (Connection, error) {
	if !current.sameAccount(r) && !current.mayLearn(r) {
		return Connection{}, current.refusal(r)
	}
	c, err := one(ctx, tx, `
		UPDATE connection
		   SET source_account_id = $2, account_confirmed = $3, credential_kind = $4, generation = generation + 1,
		       mapping_version = CASE WHEN $6 THEN 0 ELSE mapping_version END,
		       state = CASE WHEN anew THEN 'pending' ELSE state END,
		       connected_at = CASE WHEN anew THEN memberintel_now() ELSE connected_at END,
		       disconnected_at = NULL,
		       last_error = CASE WHEN anew THEN NULL ELSE last_error END,
		       last_error_kind = CASE WHEN anew THEN NULL ELSE last_error_kind END,
		       last_error_cause = CASE WHEN anew THEN NULL ELSE last_error_cause END,
		       last_error_checklist = CASE WHEN anew THEN NULL ELSE last_error_checklist END,
		       consecutive_failures = CASE WHEN anew THEN 0 ELSE consecutive_failures END,
		       awaited_since = CASE WHEN anew THEN memberintel_now() ELSE awaited_since END
		  FROM (SELECT $5::boolean AS anew) a
		 WHERE connection_id = $1
		RETURNING `+columns, current.ID, r.SourceAccountID, r.AccountConfirmed, r.CredentialKind,
		current.State == Disconnected || current.State == Failed, r.StartOver)
	if err != nil {
		return Connection{}, fmt.Errorf("connection: connect %s again: %w", r.Pipeline, err)
	}
	return c, nil
}

func (c Connection) sameAccount(r Request) bool {
	return c.SourceAccountID == r.SourceAccountID && c.Livemode == r.Livemode
}

// mayLearn reports whether r tells the account that c did not know. Once something was attempted, rows may
// stand under the unknown account, and a second name for it would double them.
func (c Connection) mayLearn(r Request) bool {
	return c.SourceAccountID == "" && c.Livemode == r.Livemode && c.State == Pending && c.LastAttemptAt == nil
}

func (c Connection) refusal(r Request) error {
	where := named(c.Pipeline, c.SourceAccountID, c.Livemode)
	if r.SourceAccountID == "" && c.SourceAccountID != "" && c.Livemode == r.Livemode {
		return fault.New(fault.Conflict, "This tenant is connected to %s, and the new credential does not tell its account; "+
			"if it is the same, name it with --account %s.", where, c.SourceAccountID)
	}
	return fault.New(fault.Conflict, "This tenant is connected to %s, and a tenant has one %s connection; "+
		"to change it, run `memberintel disconnect %s` first.", where, c.Pipeline.Label(), c.Pipeline)
}

// named is an account as a sentence names it.
func named(p Pipeline, account string, livemode bool) string {
	if account == "" {
		account = "an account that did not tell its name"
	}
	if p == Stripe {
		account += map[bool]string{true: " in live mode", false: " in test mode"}[livemode]
	}
	return account
}
