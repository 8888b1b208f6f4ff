package warehouse

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
)

// deriveLock is the first key of the advisory locks that keep concurrent commits from deriving a column
// from records that the other has not committed yet.
const deriveLock = 0x6d69 // "mi"

// lockMembers makes commits that touch the same member, or whatever else the ids name, take turns, and keeps DeriveAll out, from the
// transaction's next round trip on. The locks are the transaction's.
func lockMembers(tx *postgres.TenantTx, ids []string) {
	keys := make([]int32, 0, len(ids))
	for _, id := range ids {
		keys = append(keys, lockKey(tx, id))
	}
	slices.Sort(keys)
	tx.Queue(`SELECT pg_advisory_xact_lock_shared($1, $2), (SELECT count(pg_advisory_xact_lock($1 + 1, k)) FROM unnest($3::int[]) k)`,
		deriveLock, lockKey(tx, ""), slices.Compact(keys))
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

// contendedBy lists what commits take turns over: the members, and the payments, intents and invoices by which records
// are linked. Two records of which one follows from the other have a name in common, or each would miss the other.
func contendedBy(b *canonical.Batch) []string {
	names := MembersOf(b)
	add := func(ids ...*string) {
		for _, id := range ids {
			if id != nil {
				names = append(names, *id)
			}
		}
	}
	for i := range b.Members {
		var borne []string
		_ = json.Unmarshal(b.Members[i].ForeignIDs, &borne) // what is no list names nobody
		names = append(names, borne...)
	}
	for i := range b.Subscriptions {
		add(&b.Subscriptions[i].SourceID, b.Subscriptions[i].ForeignID)
	}
	for i := range b.Invoices {
		v := &b.Invoices[i]
		add(&v.SourceID, v.PaymentSourceID, v.IntentSourceID)
	}
	for i := range b.Transactions {
		t := &b.Transactions[i]
		add(&t.SourceID, t.ParentSourceID, t.IntentSourceID, t.InvoiceSourceID, t.ForeignID, t.OriginID)
	}
	for i := range b.Orders {
		add(b.Orders[i].ForeignID)
	}
	for i := range b.Allocations {
		a := &b.Allocations[i]
		add(a.InvoiceSourceID, a.PaymentSourceID, a.IntentSourceID)
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
