package warehouse

import (
	"context"
	_ "embed"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
)

//go:embed derive_links.sql
var deriveLinksSQL string

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

// deriveLock is the first key of the advisory locks that keep concurrent commits from deriving a column
// from records that the other has not committed yet.
const deriveLock = 0x6d69 // "mi"

// lockMembers makes commits that touch the same member take turns, and keeps DeriveAll out. The locks are
// the transaction's.
func lockMembers(ctx context.Context, tx *postgres.TenantTx, ids []string) error {
	keys := make([]int32, 0, len(ids))
	for _, id := range ids {
		keys = append(keys, lockKey(tx, id))
	}
	slices.Sort(keys)
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared($1, $2), (SELECT count(pg_advisory_xact_lock($1 + 1, k)) FROM unnest($3::int[]) k)`,
		deriveLock, lockKey(tx, ""), slices.Compact(keys))
	if err != nil {
		return fmt.Errorf("warehouse: lock the members: %w", err)
	}
	return nil
}

// lockTenant keeps out the live commits of the tenant.
func lockTenant(ctx context.Context, tx *postgres.TenantTx) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, $2)`, deriveLock, lockKey(tx, "")); err != nil {
		return fmt.Errorf("warehouse: lock the tenant: %w", err)
	}
	return nil
}

func lockKey(tx *postgres.TenantTx, member string) int32 {
	h := fnv.New32a()
	_, _ = h.Write(tx.Tenant[:])
	_, _ = h.Write([]byte(member))
	return int32(h.Sum32()) //nolint:gosec // a hash, any bits do
}

// contendedBy lists what commits take turns over: the members, and the invoices, since an allocation names no
// member and writes the same payment's links as its invoice does.
func contendedBy(b *canonical.Batch) []string {
	names := MembersOf(b)
	for i := range b.Invoices {
		names = append(names, b.Invoices[i].SourceID)
	}
	for i := range b.Allocations {
		if id := b.Allocations[i].InvoiceSourceID; id != nil {
			names = append(names, *id)
		}
	}
	return names
}

// MembersOf lists the members whom the batch's records are or belong to, each once; it is never nil.
func MembersOf(b *canonical.Batch) []string {
	ids := []string{}
	add := func(id *string) {
		if id != nil {
			ids = append(ids, *id)
		}
	}
	for i := range b.Members {
		add(&b.Members[i].SourceID)
	}
	for i := range b.Subscriptions {
		add(b.Subscriptions[i].MemberSourceID)
	}
	for i := range b.Invoices {
		add(b.Invoices[i].MemberSourceID)
	}
	for i := range b.Transactions {
		add(b.Transactions[i].MemberSourceID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// derive brings up to date what follows from the batch's records.
func derive(ctx context.Context, tx *postgres.TenantTx, b *canonical.Batch) error {
	ids := identityOf(tx.Tenant, b.Source)
	related, err := membersOfGone(ctx, tx, ids, b)
	if err != nil {
		return err
	}
	related = append(related, MembersOf(b)...)
	if len(b.Transactions)+len(b.Invoices)+len(b.Allocations) > 0 {
		payments, err := relatedPayments(ctx, tx, ids, b)
		if err != nil {
			return err
		}
		if err := deriveLinks(ctx, tx, ids, payments); err != nil {
			return err
		}
	}
	return deriveMembers(ctx, tx, ids, related)
}

// membersOfGone lists the members whose subscriptions and transactions the batch buries: a tombstone names
// nobody. They are locked late, so two commits may wait for each other in a circle, which PostgreSQL ends.
func membersOfGone(ctx context.Context, tx *postgres.TenantTx, ids []any, b *canonical.Batch) ([]string, error) {
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
		return members, nil
	}
	err := tx.QueryRow(ctx, `SELECT coalesce(array_agg(DISTINCT member_source_id), '{}') FROM (
		SELECT member_source_id FROM subscriptions
		 WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4 AND source_id = ANY ($5::text[])
		UNION ALL
		SELECT member_source_id FROM transactions
		 WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4 AND source_id = ANY ($6::text[])
		) AS m WHERE member_source_id IS NOT NULL`, append(ids[:4:4], subscriptions, transactions)...).Scan(&members)
	if err != nil {
		return nil, fmt.Errorf("warehouse: look for the members of what is gone: %w", err)
	}
	return members, lockMembers(ctx, tx, members)
}

// DeriveAll brings up to date every derived column of the source's records. It waits for the live commits
// of the tenant and they wait for it.
func (w *Warehouse) DeriveAll(ctx context.Context, tx *postgres.TenantTx, src canonical.Source) error {
	if err := lockTenant(ctx, tx); err != nil {
		return err
	}
	// Without statistics of a new tenant the planner takes its rows for few and compares each with each.
	if _, err := tx.Exec(ctx, `SET LOCAL enable_nestloop = off`); err != nil {
		return fmt.Errorf("warehouse: derive: %w", err)
	}
	ids := identityOf(tx.Tenant, src)
	if err := deriveLinks(ctx, tx, ids, nil); err != nil {
		return err
	}
	if err := deriveMembers(ctx, tx, ids, nil); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `SET LOCAL enable_nestloop = on`); err != nil {
		return fmt.Errorf("warehouse: derive: %w", err)
	}
	return nil
}

// UnknownMembers returns those of ids, or with nil those that any record of the source names, that are no
// member in the warehouse, not even a deleted one.
func (w *Warehouse) UnknownMembers(ctx context.Context, tx *postgres.TenantTx, src canonical.Source, ids []string) ([]string, error) {
	if ids != nil && len(ids) == 0 {
		return nil, nil
	}
	sql := unknownMembersSQL
	if ids != nil {
		sql = unknownMembersOfSQL
	}
	rows, err := tx.Query(ctx, sql, planned(len(ids), append(identityOf(tx.Tenant, src), ids))...)
	if err != nil {
		return nil, fmt.Errorf("warehouse: look for members: %w", err)
	}
	unknown, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("warehouse: look for members: %w", err)
	}
	return unknown, nil
}

// relatedPayments lists the payments, refunds and disputes whose links the batch can change.
func relatedPayments(ctx context.Context, tx *postgres.TenantTx, ids []any, b *canonical.Batch) ([]string, error) {
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
	related := []string{}
	err := tx.QueryRow(ctx, deriveRelatedSQL, append(ids[:4:4], transactions, invoices, allocations)...).Scan(&related)
	if err != nil {
		return nil, fmt.Errorf("warehouse: find the related payments: %w", err)
	}
	return related, nil
}

// narrowed is the statement for those of $5 alone. A plan that must also serve "all" would not use an index.
func narrowed(sql string) string { return strings.ReplaceAll(sql, "$5::text[] IS NULL OR ", "") }

// deriveLinks fills the links of the payments; nil means all.
func deriveLinks(ctx context.Context, tx *postgres.TenantTx, ids []any, payments []string) error {
	if payments != nil && len(payments) == 0 {
		return nil
	}
	for _, step := range []string{deriveLinksSQL, deriveParentsSQL} {
		if payments != nil {
			step = narrowed(step)
		}
		if _, err := tx.Exec(ctx, step, planned(rowsOf(payments), append(ids[:4:4], payments))...); err != nil {
			return fmt.Errorf("warehouse: link the payments: %w", err)
		}
	}
	return nil
}

// rowsOf is how many rows a list of ids stands for; nil is all.
func rowsOf(ids []string) int {
	if ids == nil {
		return stageFrom
	}
	return len(ids)
}

//go:embed derive_parents.sql
var deriveParentsSQL string

// deriveMembers fills the status, plan and dates of the members; nil means all.
func deriveMembers(ctx context.Context, tx *postgres.TenantTx, ids []any, members []string) error {
	if members == nil {
		if _, err := tx.Exec(ctx, deriveMembersSQL, planned(stageFrom, append(ids[:4:4], members))...); err != nil {
			return fmt.Errorf("warehouse: derive the members' status: %w", err)
		}
		return nil
	}
	if len(members) == 0 {
		return nil
	}
	found, err := tx.Query(ctx, deriveMembersOfSQL, planned(len(members), append(ids[:4:4], members))...)
	if err != nil {
		return fmt.Errorf("warehouse: derive the members' status: %w", err)
	}
	changed, err := pgx.CollectRows(found, pgx.RowToStructByPos[derived])
	if err != nil {
		return fmt.Errorf("warehouse: derive the members' status: %w", err)
	}
	if len(changed) == 0 {
		return nil
	}
	// One statement a row, all in one round trip: with its whole key given, a row is always found by it.
	b := &pgx.Batch{}
	for _, d := range changed {
		b.Queue(`UPDATE members SET membership_status = $6, plan_source_id = $7, access_until = $8, last_activity_at = $9
			WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4 AND source_id = $5`,
			append(ids[:4:4], d.ID, d.Status, d.Plan, d.AccessUntil, d.LastActivityAt)...)
	}
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("warehouse: write the members' status: %w", err)
	}
	return nil
}

// derived is what follows for one member.
type derived struct {
	ID, Status                  string
	Plan                        *string
	AccessUntil, LastActivityAt *time.Time
}
