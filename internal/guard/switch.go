package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/audit"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Switch is a switch as an operator sees it. One that ran out stays in the list, off, until it is cleared
// or thrown again.
type Switch struct {
	Name      string
	On        bool
	Reason    string
	By        string
	Since     time.Time
	ExpiresAt *time.Time // nil: until somebody clears it
}

// Throw turns a switch on and waits for the commits under way that had asked before: when it returns, nothing more
// is written of the work that it names. The wait cannot be starved, because new commits queue behind it. With an
// error in the wait the switch is on all the same.
func Throw(ctx context.Context, db *postgres.DB, name, reason, by string, lasting time.Duration) error {
	err := db.OperatorTx(ctx, func(tx *postgres.OperatorTx) error { return On(ctx, tx, name, reason, by, lasting) })
	if err != nil {
		return err
	}
	stored, of, _ := subject(name)
	locks := []string{stored}
	if of != audit.Everyone() {
		locks = append(locks, everyTenant)
	}
	for _, lock := range locks { // one at a time: whoever holds none waits in no ring
		err := db.OperatorTx(ctx, func(tx *postgres.OperatorTx) error {
			_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, hashtext($2))`, switchLock, lock)
			return err
		})
		if err != nil {
			return fmt.Errorf("guard: wait for the commits under way: %w", err)
		}
	}
	return nil
}

// On throws a switch, which stops the work that it names; lasting is how long, 0 until it is cleared. One
// that is on already takes the new reason and end, and keeps since when it is on. The act is audited: under
// the tenant whose switch it is, else under audit.Everyone.
func On(ctx context.Context, tx *postgres.OperatorTx, name, reason, by string, lasting time.Duration) error {
	name, of, err := subject(name)
	if err != nil {
		return err
	}
	reason = strings.TrimSpace(reason)
	if reason == "" {
		return fault.New(fault.Invalid, "A switch needs a reason: whoever finds the work stopped will read it.")
	}
	if lasting < 0 {
		return fault.New(fault.Invalid, "A switch cannot be thrown for less than no time.")
	}
	if err := exists(ctx, tx, of); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO switch AS s (name, reason, thrown_by, since, expires_at)
		VALUES ($1, $2, $3, memberintel_now(), memberintel_now() + make_interval(secs => nullif($4::float8, 0)))
		ON CONFLICT (name) DO UPDATE SET reason = excluded.reason, thrown_by = excluded.thrown_by,
		    expires_at = excluded.expires_at,
		    since = CASE WHEN s.expires_at <= memberintel_now() THEN excluded.since ELSE s.since END`,
		name, reason, by, lasting.Seconds())
	if err != nil {
		return fmt.Errorf("guard: throw %s: %w", name, err)
	}
	detail := map[string]any{"reason": reason}
	if lasting > 0 {
		detail["for"] = lasting.String()
	}
	return audit.RecordFor(ctx, tx, of, by, "switch.on", name, detail)
}

// Off clears a switch, so that the work goes on. It reports false, and records nothing, when the switch
// was not thrown.
func Off(ctx context.Context, tx *postgres.OperatorTx, name, by string) (cleared bool, err error) {
	name, of, err := subject(name)
	if err != nil {
		return false, err
	}
	var reason string
	err = tx.QueryRow(ctx, `DELETE FROM switch WHERE name = $1 RETURNING reason`, name).Scan(&reason)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("guard: clear %s: %w", name, err)
	}
	return true, audit.RecordFor(ctx, tx, of, by, "switch.off", name, map[string]any{"reason": reason})
}

// List returns the switches that were thrown and not cleared, by name; it is never nil.
func List(ctx context.Context, tx *postgres.OperatorTx) ([]Switch, error) {
	rows, err := tx.Query(ctx, `
		SELECT name, coalesce(expires_at > memberintel_now(), true), reason, thrown_by, since, expires_at
		  FROM switch ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("guard: list the switches: %w", err)
	}
	switches, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Switch])
	if err != nil {
		return nil, fmt.Errorf("guard: list the switches: %w", err)
	}
	return switches, nil
}

// subject returns the name as it is stored and whose work it stops.
func subject(name string) (string, tenant.ID, error) {
	kind, what, _ := strings.Cut(name, ":")
	switch {
	case name == All,
		kind == "pipeline" && couldBePipeline(what),
		kind == "subsystem" && slices.Contains([]string{"claude", "mail", "webhooks"}, what):
		return name, audit.Everyone(), nil
	case kind == "tenant":
		if id, err := tenant.Parse(what); err == nil && id != audit.Everyone() {
			return "tenant:" + id.String(), id, nil
		}
	}
	return "", tenant.ID{}, fault.New(fault.Invalid, "There is no switch %q; there are all, pipeline:NAME such as pipeline:stripe, "+
		"subsystem:claude, subsystem:mail, subsystem:webhooks and tenant:ID.", name)
}

// couldBePipeline leaves it to whoever knows the pipelines whether there is one of that name.
func couldBePipeline(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

func exists(ctx context.Context, tx *postgres.OperatorTx, id tenant.ID) error {
	if id == audit.Everyone() {
		return nil
	}
	var known bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM tenant WHERE tenant_id = $1)`, id).Scan(&known); err != nil {
		return fmt.Errorf("guard: look up the tenant: %w", err)
	}
	if !known {
		return fault.New(fault.NotFound, "There is no tenant %s; `memberintel tenant list` shows them.", id)
	}
	return nil
}
