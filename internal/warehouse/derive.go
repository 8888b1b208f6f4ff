package warehouse

import (
	"context"
	_ "embed"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
)

//go:embed derive_links.sql
var deriveLinksSQL string

//go:embed derive_members.sql
var deriveMembersSQL string

//go:embed unknown_members.sql
var unknownMembersSQL string

//go:embed derive_related.sql
var deriveRelatedSQL string

// deriveLock is the first key of the advisory locks that keep concurrent commits from deriving a column
// from records that the other has not committed yet.
const deriveLock = 0x6d69 // "mi"

// lockMembers makes commits that touch the same member take turns, and keeps DeriveAll out. The locks are
// the transaction's.
func lockMembers(ctx context.Context, tx *postgres.TenantTx, b *canonical.Batch) error {
	keys := make([]int32, 0, b.Len())
	for _, id := range MembersOf(b) {
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

// MembersOf lists the members whom the batch's records are or belong to, each once.
func MembersOf(b *canonical.Batch) []string {
	var ids []string
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
	related := MembersOf(b)
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

// DeriveAll brings up to date every derived column of the source's records. It waits for the live commits
// of the tenant and they wait for it.
func (w *Warehouse) DeriveAll(ctx context.Context, tx *postgres.TenantTx, src canonical.Source) error {
	if err := lockTenant(ctx, tx); err != nil {
		return err
	}
	ids := identityOf(tx.Tenant, src)
	if err := deriveLinks(ctx, tx, ids, nil); err != nil {
		return err
	}
	return deriveMembers(ctx, tx, ids, nil)
}

// UnknownMembers returns those of ids, or with nil those that any record of the source names, that are no
// member in the warehouse, not even a deleted one.
func (w *Warehouse) UnknownMembers(ctx context.Context, tx *postgres.TenantTx, src canonical.Source, ids []string) ([]string, error) {
	if ids != nil && len(ids) == 0 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, unknownMembersSQL, append(identityOf(tx.Tenant, src), ids)...)
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

// deriveLinks fills the links of the payments; nil means all.
func deriveLinks(ctx context.Context, tx *postgres.TenantTx, ids []any, payments []string) error {
	if payments != nil && len(payments) == 0 {
		return nil
	}
	for _, step := range []string{deriveLinksSQL, deriveParentsSQL} {
		if _, err := tx.Exec(ctx, step, append(ids[:4:4], payments)...); err != nil {
			return fmt.Errorf("warehouse: link the payments: %w", err)
		}
	}
	return nil
}

//go:embed derive_parents.sql
var deriveParentsSQL string

// deriveMembers fills the status, plan and dates of the members; nil means all.
func deriveMembers(ctx context.Context, tx *postgres.TenantTx, ids []any, members []string) error {
	if members != nil && len(members) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, deriveMembersSQL, append(ids[:4:4], members)...); err != nil {
		return fmt.Errorf("warehouse: derive the members' status: %w", err)
	}
	return nil
}
