// Package connection keeps what a tenant has connected: which account of which platform, the sealed
// credentials, how it has fared and when it is due. At most one connection a tenant and pipeline, and at
// most one tenant a source account; the database enforces both. It owns the tables connection,
// connection_secret and webhook_quarantine. Secrets leave it through Store.Secret alone.
package connection

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// ID identifies a connection. It is part of webhook addresses, so it is no secret and lasts as long as the
// tenant stays with the same source account.
type ID = uuid.UUID

// Pipeline is the kind of source that a connection leads to. It is data: internal/app says which of them the program
// has, and nothing here depends on the list.
type Pipeline string

// The pipelines that come with words or a rhythm of their own.
const (
	Stripe      Pipeline = "stripe"
	MemberPress Pipeline = "memberpress"
	Website     Pipeline = "website"
)

// Label returns the pipeline as a sentence names it: its name, unless it writes itself otherwise.
func (p Pipeline) Label() string {
	switch p {
	case Stripe:
		return "Stripe"
	case MemberPress:
		return "MemberPress"
	default:
		return string(p)
	}
}

// Valid reports whether p can be the name of a pipeline: lower-case letters, digits and underscores behind a letter, 40
// at most. Whether the program has such a pipeline is another question.
func (p Pipeline) Valid() bool {
	return p != "" && len(p) <= 40 && p[0] >= 'a' && p[0] <= 'z' && strings.Trim(string(p), "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// State is how a connection is faring.
type State string

// The states of a connection.
const (
	Pending      State = "pending"      // connected, and nothing has come of it yet
	Connected    State = "connected"    // the last attempt succeeded
	Degraded     State = "degraded"     // the last attempt failed or was incomplete; the next one may do
	Failed       State = "failed"       // all tries are spent, or the source refuses the credential: a person must act
	Paused       State = "paused"       // held by an operator; what a switch or a breaker holds is told so too, and not stored
	Disconnected State = "disconnected" // ended; the data stays
)

// Connection is a tenant's access to one source account. It holds no credential.
type Connection struct {
	ID                  ID `db:"connection_id"`
	TenantID            tenant.ID
	Pipeline            Pipeline `db:"pipeline_type"`
	SourceAccountID     string   // "" while the source has not told it
	AccountConfirmed    bool     // the source itself told SourceAccountID; else it is a label that somebody gave
	Livemode            bool
	CredentialKind      string
	State               State
	Generation          int64 // raised by whatever makes a cached copy wrong, so a worker that holds another one stops
	MappingVersion      int   // of the last completed full pass, 0 before
	NotPermitted        []string
	ConnectedAt         time.Time
	DisconnectedAt      *time.Time
	LastAttemptAt       *time.Time
	LastSuccessAt       *time.Time
	NextSyncAt          *time.Time
	AwaitedSince        *time.Time // since when a success has been due; nil while none is, or when only NextSyncAt tells
	LastError           *string    // one sentence for the customer
	LastErrorKind       *string    // its fault.Kind; nil for an error of our own
	LastErrorCause      *string    // for the operator
	LastErrorChecklist  []string   // what helps against this very error; nil: what helps against its kind on this pipeline
	ConsecutiveFailures int
	ResponseMS          *int `db:"response_ms"`
}

// Ended returns the fault of working on a connection that was disconnected, nil for any other. Source is what its owner calls
// it: "Stripe account".
func (c Connection) Ended(source string) error {
	if c.State != Disconnected {
		return nil
	}
	return &fault.Error{
		Kind: fault.Stopped, Sentence: fmt.Sprintf("This tenant's %s is disconnected; connect it again with `memberintel connect %s`.", source, c.Pipeline),
		Checklist: []string{}, // no switch is to be looked for
	}
}

const columns = `connection_id, tenant_id, pipeline_type, source_account_id, account_confirmed, livemode, credential_kind, state,
	generation, mapping_version, not_permitted, connected_at, disconnected_at, last_attempt_at, last_success_at,
	next_sync_at, awaited_since, last_error, last_error_kind, last_error_cause, last_error_checklist, consecutive_failures, response_ms`

// Store reads and writes connections in the transactions that it is given. It is safe for concurrent use.
type Store struct {
	vault *Vault
}

// NewStore makes a Store that seals credentials with v.
func NewStore(v *Vault) *Store { return &Store{vault: v} }

// Get returns the tenant's connection of the pipeline, a disconnected one too. Without one it is a fault
// of kind NotFound that says how to make one.
func (s *Store) Get(ctx context.Context, tx *postgres.TenantTx, p Pipeline) (Connection, error) {
	c, err := one(ctx, tx, `SELECT `+columns+` FROM connection WHERE tenant_id = $1 AND pipeline_type = $2`, tx.Tenant, p)
	if errors.Is(err, pgx.ErrNoRows) {
		return Connection{}, fault.New(fault.NotFound, "This tenant has no %s connection; connect one with `memberintel connect %s`.",
			p.Label(), p)
	}
	if err != nil {
		return Connection{}, fmt.Errorf("connection: read the %s connection: %w", p, err)
	}
	return c, nil
}

// List returns the tenant's connections by pipeline, disconnected ones too; it is never nil.
func (s *Store) List(ctx context.Context, tx *postgres.TenantTx) ([]Connection, error) {
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM connection WHERE tenant_id = $1 ORDER BY pipeline_type`, tx.Tenant)
	if err != nil {
		return nil, fmt.Errorf("connection: list: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Connection])
	if err != nil {
		return nil, fmt.Errorf("connection: list: %w", err)
	}
	return list, nil
}

// one runs a statement that yields one connection, or pgx.ErrNoRows.
func one(ctx context.Context, tx *postgres.TenantTx, sql string, args ...any) (Connection, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return Connection{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Connection])
}

// Checklist returns what to look at after the last error, most likely first; it is never nil.
func (c Connection) Checklist() []string {
	switch {
	case c.LastErrorChecklist != nil:
		return c.LastErrorChecklist
	case c.LastErrorKind != nil:
		return c.Pipeline.Checklist(fault.Kind(*c.LastErrorKind))
	}
	return []string{}
}
