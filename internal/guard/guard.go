// Package guard answers whether work may go on. An operator throws a switch, and the work that it names
// stops at its next Commit: everything, one pipeline, one subsystem or one tenant. It owns the table switch.
package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

// The names of switches that are not made of a prefix and an id.
const (
	All      = "all"
	Webhooks = "subsystem:webhooks"
	Claude   = "subsystem:claude"
	Mail     = "subsystem:mail"
)

// Check returns nil when the tenant's work on the pipeline may go on, and otherwise a fault of kind Stopped
// with the operator's reason; its RetryAfter is set when the switch clears itself. Beside all, the pipeline
// and the tenant it asks for the switches named in extra, such as Webhooks. It is one query on a table of a
// few rows and belongs into every Commit.
func Check(ctx context.Context, tx *postgres.TenantTx, pipeline string, extra ...string) error {
	Require(tx, pipeline, extra...)
	return tx.Flush(ctx)
}

// Require asks as Check does, with the transaction's next round trip, which fails where Check would. Until the
// transaction ends, Throw of one of those switches waits for it. The locks are a statement of their own, because the
// one that asks must see what was committed while it waited for them.
func Require(tx *postgres.TenantTx, pipeline string, extra ...string) {
	names := append([]string{All, "pipeline:" + pipeline, "tenant:" + tx.Tenant.String()}, extra...)
	tx.Queue(holdSQL, switchLock, names)
	tx.Queue(`
		SELECT name, reason, extract(epoch FROM expires_at - memberintel_now())::float8
		  FROM switch
		 WHERE name = ANY($1) AND (expires_at IS NULL OR expires_at > memberintel_now())
		 ORDER BY expires_at DESC NULLS FIRST, name
		 LIMIT 1`, names).QueryRow(stopped)
}

// switchLock is the first key of the advisory locks by which Throw waits for the commits under way; the second is
// PostgreSQL's hash of the switch's name. budget_reserve takes the same locks.
const switchLock = 0x7377 // "sw"

// holdSQL takes the shared side of switches' locks in the order in which they are named. Everybody names all, then the
// pipeline, the tenant and the subsystems: two who wait for each other would need different orders.
const holdSQL = `
	SELECT count(pg_advisory_xact_lock_shared($1, hashtext(name)))
	  FROM (SELECT name FROM unnest($2::text[]) WITH ORDINALITY AS n (name, place) ORDER BY place) AS names`

// stopped turns a thrown switch into a fault.
func stopped(row pgx.Row) error {
	var name, reason string
	var clearsIn *float64
	err := row.Scan(&name, &reason, &clearsIn)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("guard: read the switches: %w", err)
	}
	stop := fault.New(fault.Stopped, "This work is stopped by the switch %s: %s", name, reason)
	if clearsIn != nil {
		stop.RetryAfter = time.Duration(*clearsIn * float64(time.Second))
	}
	return stop
}
