package warehouse

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
)

//go:embed derive_links.sql
var deriveLinksSQL string

// invoicedSQL asks whether the source tells of invoices at all.
const invoicedSQL = `SELECT EXISTS (SELECT FROM invoices WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4)
	OR EXISTS (SELECT FROM payment_allocations WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4)`

//go:embed derive_members.sql
var deriveMembersSQL string

//go:embed derive_members_of.sql
var deriveMembersOfSQL string

//go:embed unknown_members.sql
var unknownMembersSQL string

//go:embed unknown_members_of.sql
var unknownMembersOfSQL string

//go:embed derive_related.sql
var deriveRelatedSQL string

//go:embed derive_parents.sql
var deriveParentsSQL string

//go:embed members_of_gone.sql
var membersOfGoneSQL string

// derive brings up to date what follows from the batch's records, once they are merged.
func (m *merging) derive(b *canonical.Batch) {
	m.deriveLinks(b)
	members := MembersOf(b)
	m.touch(b.Source, members)
	if bySubscriptions(b) {
		m.deriveAccess(members)
		m.then(func() {
			m.touch(b.Source, m.former)
			lockMembers(m.tx, m.former)
			m.deriveAccess(m.former)
			m.deriveMembers(m.former)
		})
	}
	m.membersOfGone(b, func(others []string) {
		m.touch(b.Source, others)
		lockMembers(m.tx, others)
		m.deriveAccess(others)
		m.deriveMembers(others)
	})
	m.deriveMembers(members)
}

func (m *merging) touch(src canonical.Source, members []string) {
	for _, id := range members {
		m.result.Touched = append(m.result.Touched, Whose{src, id})
	}
}

// membersOfGone looks for the members whose subscriptions and transactions the batch buries: a tombstone names
// nobody. They are locked late, so two commits may wait for each other in a circle, which PostgreSQL ends.
func (m *merging) membersOfGone(b *canonical.Batch, then func([]string)) {
	subscriptions, transactions, members := []string{}, []string{}, []string{}
	for i := range b.Subscriptions {
		if s := &b.Subscriptions[i]; s.Deleted != "" {
			subscriptions = append(subscriptions, s.SourceID)
		}
	}
	for i := range b.Transactions {
		if t := &b.Transactions[i]; t.Deleted != "" {
			transactions = append(transactions, t.SourceID)
		}
	}
	if len(subscriptions)+len(transactions) == 0 {
		return
	}
	m.query("members", membersOfGoneSQL, append(m.ids[:4:4], subscriptions, transactions), func(rows pgx.Rows) (err error) {
		members, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	m.then(func() { then(members) })
}

// DeriveAll brings up to date every derived column of the source's records. It waits for the live commits
// of the tenant and they wait for it.
func (w *Warehouse) DeriveAll(ctx context.Context, tx *postgres.TenantTx, src canonical.Source) error {
	if err := lockTenant(ctx, tx); err != nil {
		return err
	}
	// Without statistics of a new tenant the planner takes its rows for few and compares each with each. To compile a
	// statement that runs once takes longer than it.
	if _, err := tx.Exec(ctx, `SET LOCAL enable_nestloop = off; SET LOCAL jit = off`); err != nil {
		return fmt.Errorf("warehouse: derive: %w", err)
	}
	ids := append(identityOf(tx.Tenant, src), []string(nil))
	statements := []string{deriveParentsSQL, deriveAccessSQL + turnedSQL, deriveMembersSQL}
	var invoiced bool
	if err := tx.QueryRow(ctx, invoicedSQL, ids[:4]...).Scan(&invoiced); err != nil {
		return fmt.Errorf("warehouse: derive: %w", err)
	}
	if invoiced { // of a source that tells of no invoices nothing is linked by one
		statements = slices.Insert(statements, 0, deriveLinksSQL)
	}
	// Planned anew, for the sizes that the tables have by now.
	args := append([]any{pgx.QueryExecModeDescribeExec}, ids...)
	var changed []turned
	for _, sql := range statements {
		rows, err := tx.Query(ctx, sql, args...)
		if err == nil && sql == deriveAccessSQL+turnedSQL {
			changed, err = pgx.CollectRows(rows, pgx.RowToStructByPos[turned])
		} else if err == nil {
			rows.Close()
			err = rows.Err()
		}
		if err != nil {
			return fmt.Errorf("warehouse: derive: %w", err)
		}
	}
	if _, err := tx.Exec(ctx, `SET LOCAL enable_nestloop = on`); err != nil {
		return fmt.Errorf("warehouse: derive: %w", err)
	}
	if ids := turnedIDs(changed); len(ids) > 0 {
		tx.Queue(itemHistoryNow(), append(identityOf(tx.Tenant, src), ids)...)
	}
	windClock(tx)
	if err := tx.Flush(ctx); err != nil {
		return err
	}
	return deriveAllEvents(ctx, tx, src.Livemode)
}

// UnknownMembers finds, with the transaction's next round trip, those of ids, or with nil those that any record
// of the source names, that are no member in the warehouse, not even a deleted one.
func (w *Warehouse) UnknownMembers(tx *postgres.TenantTx, src canonical.Source, ids []string, found func([]string)) {
	if ids != nil && len(ids) == 0 {
		return
	}
	sql := unknownMembersSQL
	if ids != nil {
		sql = unknownMembersOfSQL
	}
	tx.Queue(sql, append(identityOf(tx.Tenant, src), ids)...).Query(func(rows pgx.Rows) error {
		unknown, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("warehouse: look for members: %w", err)
		}
		found(unknown)
		return nil
	})
}

// deriveLinks fills the links of the payments, refunds and disputes that the batch can change.
func (m *merging) deriveLinks(b *canonical.Batch) {
	if len(b.Transactions)+len(b.Invoices)+len(b.Allocations) == 0 {
		return
	}
	transactions, invoices, allocations := []string{}, []string{}, []string{}
	for i := range b.Transactions {
		transactions = append(transactions, b.Transactions[i].SourceID)
	}
	for i := range b.Invoices {
		invoices = append(invoices, b.Invoices[i].SourceID)
	}
	for i := range b.Allocations {
		allocations = append(allocations, b.Allocations[i].SourceID)
	}
	var related []string
	m.query("transactions", deriveRelatedSQL, append(m.ids[:4:4], transactions, invoices, allocations), func(rows pgx.Rows) (err error) {
		related, err = pgx.CollectRows(rows, pgx.RowTo[string])
		others := slices.Index(related, "")
		if m.several = others >= 0; m.several {
			related = slices.Delete(related, others, others+1)
		}
		return err
	})
	m.then(func() {
		if len(related) > 0 {
			m.tx.Queue(narrowed(deriveLinksSQL), append(m.ids[:4:4], related)...)
			m.tx.Queue(narrowed(deriveParentsSQL), append(m.ids[:4:4], related)...)
		}
	})
}

// narrowed is the statement for those of $5 alone. A plan that must also serve "all" would not use an index.
func narrowed(sql string) string { return strings.ReplaceAll(sql, "$5::text[] IS NULL OR ", "") }

// bySubscriptions reports whether the batch has records of a source that leaves access to its transactions. Such a
// source may also give a record to another member.
func bySubscriptions(b *canonical.Batch) bool {
	return slices.ContainsFunc(b.Subscriptions, func(s canonical.Subscription) bool { return s.AccessDerived }) ||
		slices.ContainsFunc(b.Transactions, func(t canonical.Transaction) bool { return t.LinksTold })
}

// formerMembers looks, before anything is merged, for the members whose the batch's records have been so far.
func (m *merging) formerMembers(b *canonical.Batch) {
	if !bySubscriptions(b) {
		return
	}
	subscriptions, transactions := []string{}, []string{}
	for i := range b.Subscriptions {
		subscriptions = append(subscriptions, b.Subscriptions[i].SourceID)
	}
	for i := range b.Transactions {
		transactions = append(transactions, b.Transactions[i].SourceID)
	}
	m.query("members", membersOfGoneSQL, append(m.ids[:4:4], subscriptions, transactions), func(rows pgx.Rows) (err error) {
		m.former, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
}

// deriveMembers fills the status, plan and dates of the members.
func (m *merging) deriveMembers(members []string) {
	if len(members) == 0 {
		return
	}
	var changed []derived
	m.query("members", deriveMembersOfSQL, append(m.ids[:4:4], members), func(rows pgx.Rows) (err error) {
		changed, err = pgx.CollectRows(rows, pgx.RowToStructByPos[derived])
		return err
	})
	m.then(func() {
		// One statement a row: with its whole key given, a row is always found by it.
		timed := false
		for _, d := range changed {
			timed = timed || d.StatusUntil != nil
			m.tx.Queue(`UPDATE members SET membership_status = $6, plan_source_id = $7, access_until = $8, lifetime = $9,
				       status_until = $10, last_activity_at = $11
				WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4 AND source_id = $5`,
				append(m.ids[:4:4], d.ID, d.Status, d.Plan, d.AccessUntil, d.Lifetime, d.StatusUntil, d.LastActivityAt)...)
		}
		if timed {
			windClock(m.tx)
		}
	})
}

// derived is what follows for one member.
type derived struct {
	ID, Status                  string
	Plan                        *string
	AccessUntil                 *time.Time
	Lifetime                    bool
	StatusUntil, LastActivityAt *time.Time
}
