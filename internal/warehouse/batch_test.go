package warehouse_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/canonical"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
	"memberintel/internal/warehouse"
)

// many is a batch of n records of each table, all observed at a second.
func many(n, s int, content string) *canonical.Batch {
	b := &canonical.Batch{}
	for _, k := range kinds() {
		for i := range n {
			k.add(b, head(fmt.Sprintf("id_%03d", i), event(s), content), fmt.Sprint(content, i))
		}
	}
	return b
}

func (w *world) everything() string {
	w.t.Helper()
	var all []string
	for _, k := range kinds() {
		all = append(all, w.rows(`SELECT to_jsonb(t) - '{tenant_id,id,first_seen_at,last_verified_at,synced_at}'::text[] FROM `+k.table+` t ORDER BY source_id`)...)
	}
	return strings.Join(all, "\n")
}

func TestLargeAndSmallBatchesEndTheSame(t *testing.T) {
	whole, inParts := newWorld(t), newWorld(t)
	for i, b := range []*canonical.Batch{many(200, 10, "a"), many(150, 20, "b"), many(200, 15, "c"), many(200, 20, "b")} {
		result := whole.apply(b)
		written, ties := 0, 0
		for from := 0; from < 200; from += 30 {
			part := &canonical.Batch{}
			part.Members = cut(b.Members, from)
			part.Plans = cut(b.Plans, from)
			part.Subscriptions = cut(b.Subscriptions, from)
			part.Invoices = cut(b.Invoices, from)
			part.Transactions = cut(b.Transactions, from)
			part.Allocations = cut(b.Allocations, from)
			part.PaymentIntents = cut(b.PaymentIntents, from)
			r := inParts.apply(part)
			written, ties = written+r.Written, ties+len(r.Ties)
		}
		if result.Written != written || len(result.Ties) != ties {
			t.Errorf("batch %d: %d written and %d ties, in parts %d and %d", i, result.Written, len(result.Ties), written, ties)
		}
		if diff := cmp.Diff(inParts.everything(), whole.everything()); diff != "" {
			t.Fatalf("batch %d (-in parts +whole):\n%s", i, diff)
		}
	}
}

func cut[T any](rows []T, from int) []T {
	return slices.Clone(rows[min(from, len(rows)):min(from+30, len(rows))])
}

func TestTenantsInOneTransactionKeepTheirOwnRows(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	other, err := identity.CreateTenant(ctx, w.db, "Hillside", tenant.Pro)
	if err != nil {
		t.Fatal(err)
	}
	err = w.db.SharedTx(ctx, func(shared *postgres.SharedTx) error {
		for id, content := range map[tenant.ID]string{w.tenant: "ours ", other.ID: "theirs "} {
			b := many(100, 10, content)
			b.Source = w.src
			if err := shared.As(id, func(tx *postgres.TenantTx) error {
				_, err := w.w.Apply(ctx, tx, b, warehouse.DeriveNow)
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds() {
		if mixed := w.rows(`SELECT DISTINCT tenant_id, split_part(` + k.column + `, ' ', 1) FROM ` + k.table); len(mixed) != 2 {
			t.Errorf("%s: %q", k.table, mixed)
		}
	}
}

// TestACommitIsNotCompiled has a server that compiles what looks dear, as most do, and which the tests' own does not.
func TestACommitIsNotCompiled(t *testing.T) {
	w := newWorld(t)
	var compiles string
	err := w.db.TenantTx(t.Context(), w.tenant, func(tx *postgres.TenantTx) error {
		if _, err := tx.Exec(t.Context(), `SET LOCAL jit = on`); err != nil {
			return err
		}
		b := many(100, 10, "a")
		b.Source = w.src
		if _, err := w.w.Apply(t.Context(), tx, b, warehouse.DeriveNow); err != nil {
			return err
		}
		return tx.QueryRow(t.Context(), `SHOW jit`).Scan(&compiles)
	})
	if err != nil || compiles != "off" {
		t.Errorf("jit is %q: %v", compiles, err)
	}
}

func TestAnUnchangedRecordIsNotWrittenAnew(t *testing.T) {
	w := newWorld(t)
	super := pgtest.Superuser(t, w.db)
	batch := func(s int) *canonical.Batch {
		b := &canonical.Batch{}
		for i := range 100 {
			h := head(fmt.Sprintf("cus_%d", i), event(s), "")
			h.Raw = fmt.Appendf(nil, `{"id": "cus_%d", "long": %q}`, i, incompressible(i, 6000))
			b.Members = append(b.Members, canonical.Member{Head: h, Name: ptr(fmt.Sprint("Anna ", i))})
		}
		return b
	}
	toast := func() (state string) {
		t.Helper()
		var name string
		if err := super.QueryRow(t.Context(), `SELECT reltoastrelid::regclass::text FROM pg_class WHERE relname = 'members'`).Scan(&name); err != nil {
			t.Fatal(err)
		}
		if err := super.QueryRow(t.Context(), `SELECT count(*) || ' chunks, last value ' || coalesce(max(chunk_id)::text, '-') FROM `+name).Scan(&state); err != nil {
			t.Fatal(err)
		}
		return state
	}
	w.apply(batch(10))
	first, versions := toast(), w.rows(`SELECT sum(xmin::text::bigint) FROM members`)
	if strings.HasPrefix(first, "0 ") {
		t.Fatal("the raw records are not stored apart, so this test shows nothing")
	}
	if r := w.apply(batch(10)); r.Written != 0 || cmp.Diff(versions, w.rows(`SELECT sum(xmin::text::bigint) FROM members`)) != "" {
		t.Errorf("%d rows of the very same batch were written", r.Written)
	}
	if r := w.apply(batch(20)); r.Written != 100 || toast() != first {
		t.Errorf("%d confirmed; the raw records were %s and are %s", r.Written, first, toast())
	}
}

func incompressible(seed, n int) string {
	var b strings.Builder
	x := uint64(seed)*0x9E3779B97F4A7C15 + 1
	for b.Len() < n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		fmt.Fprintf(&b, "%016x", x)
	}
	return b.String()
}
