package warehouse

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
)

// driftLimit bounds how many wrong derived values are listed for each kind; all are repaired.
const driftLimit = 1000

// derivation is one statement that derives columns, and the columns that it writes.
type derivation struct {
	table, sql string
	columns    string
	kind       string // of the transactions that it writes, "" for all
	further    []any  // its parameters behind the ids
}

func derivations(src canonical.Source, all []canonical.Source) []derivation {
	links, event := "invoice_source_id, subscription_source_id", "event_platform, event_account_id, event_source_id, event_evidence"
	others := beside(src, all)
	return []derivation{
		{table: "transactions", sql: deriveLinksSQL, columns: links},
		{table: "transactions", sql: deriveParentsSQL, columns: "member_source_id, " + links},
		{table: "subscriptions", sql: deriveAccessSQL, columns: "access_until, status, status_until"},
		{table: "members", sql: deriveMembersSQL, columns: "membership_status, plan_source_id, access_until, lifetime, status_until, last_activity_at"},
		{table: "transactions", sql: deriveEventsSQL, columns: event, kind: "payment", further: []any{others.platforms, others.accounts}},
		{table: "transactions", sql: deriveRefundEventsSQL, columns: event, kind: "refund"},
	}
}

// qualify writes the alias before each column.
func qualify(alias, columns string) string {
	return alias + "." + strings.ReplaceAll(columns, ", ", ", "+alias+".")
}

// DerivedDrift recomputes every derived column of the source's records and returns those that were wrong,
// up to 1,000 of a kind. With repair they are right afterwards.
func (w *Warehouse) DerivedDrift(ctx context.Context, tx *postgres.TenantTx, src canonical.Source, repair bool) ([]Difference, error) {
	if err := lockTenant(ctx, tx); err != nil {
		return nil, err
	}
	all, err := eventSources(ctx, tx, src.Livemode)
	if err != nil {
		return nil, err
	}
	var found []Difference
	for _, d := range derivations(src, all) {
		wrong, err := d.drift(ctx, tx, identityOf(tx.Tenant, src), repair)
		if err != nil {
			return nil, fmt.Errorf("warehouse: %s: recompute: %w", d.table, err)
		}
		found = append(found, wrong...)
	}
	return found, nil
}

// drift runs the statement, remembers what it wrote, and takes it back to read what stood there before.
func (d derivation) drift(ctx context.Context, tx *postgres.TenantTx, ids []any, repair bool) ([]Difference, error) {
	args := append(append(ids[:4:4], nil), d.further...)
	if _, err := tx.Exec(ctx, `SAVEPOINT recompute`); err != nil {
		return nil, err
	}
	object := "(SELECT to_jsonb(c) FROM (SELECT %s) c)"
	alias := "t"
	if d.table == "members" {
		alias = "m"
	}
	written, err := tx.Query(ctx, d.sql+fmt.Sprintf("\nRETURNING %s.source_id, ", alias)+
		fmt.Sprintf(object, qualify(alias, d.columns)), args...)
	if err != nil {
		return nil, err
	}
	right := map[string]map[string]any{}
	var keys []string
	var id string
	var values map[string]any
	_, err = pgx.ForEachRow(written, []any{&id, &values}, func() error {
		if len(keys) < driftLimit {
			keys, right[id] = append(keys, id), values
		}
		values = nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `ROLLBACK TO recompute`); err != nil {
		return nil, err
	}
	before, err := tx.Query(ctx, fmt.Sprintf(`SELECT %s.source_id, `+object+` FROM %s %s
		 WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4 AND source_id = ANY ($5)`,
		alias, qualify(alias, d.columns), d.table, alias)+d.only(), append(ids[:4:4], keys)...)
	if err != nil {
		return nil, err
	}
	var found []Difference
	_, err = pgx.ForEachRow(before, []any{&id, &values}, func() error {
		for field, want := range right[id] {
			if have := values[field]; fmt.Sprint(have) != fmt.Sprint(want) {
				found = append(found, Difference{d.table, id, field, want, have})
			}
		}
		values = nil
		return nil
	})
	if err != nil || !repair || len(keys) == 0 {
		return found, err
	}
	_, err = tx.Exec(ctx, d.sql, args...)
	return found, err
}

// only narrows to the kind of transaction that is written: a payment and its refund may share an id.
func (d derivation) only() string {
	if d.kind == "" {
		return ""
	}
	return " AND kind = '" + d.kind + "'"
}
