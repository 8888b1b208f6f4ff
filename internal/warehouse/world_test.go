package warehouse_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/canonical"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
	"memberintel/internal/warehouse"
)

// world is a warehouse with one tenant.
type world struct {
	t      testing.TB
	db     *postgres.DB
	owner  *pgxpool.Pool
	w      *warehouse.Warehouse
	tenant tenant.ID
	src    canonical.Source
}

func newWorld(t testing.TB) *world {
	t.Helper()
	db := pgtest.New(t)
	created, err := identity.CreateTenant(t.Context(), db, "Lakeside Tennis", tenant.Pro)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, db: db, owner: pgtest.Owner(t, db), w: warehouse.New(), tenant: created.ID,
		src: canonical.Source{Platform: "stripe", AccountID: "acct_1", Livemode: true}}
}

// apply writes a batch in a transaction of its own, trying again where PostgreSQL says so.
func (w *world) apply(b *canonical.Batch) (result warehouse.Result) {
	w.t.Helper()
	result, err := w.tryApply(w.t.Context(), b)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

func (w *world) tryApply(ctx context.Context, b *canonical.Batch) (result warehouse.Result, err error) {
	if b.Source == (canonical.Source{}) {
		b.Source = w.src
	}
	for range 50 {
		err = w.db.TenantTx(ctx, w.tenant, func(tx *postgres.TenantTx) (err error) {
			result, err = w.w.Apply(ctx, tx, b, warehouse.DeriveNow)
			return err
		})
		if !postgres.Retryable(err) {
			return result, err
		}
	}
	return result, err
}

// rows runs a query as the owner and returns one line a row, its columns side by side.
func (w *world) rows(sql string, args ...any) []string {
	w.t.Helper()
	found, err := w.owner.Query(w.t.Context(), sql, args...)
	if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	lines, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		line := ""
		for i, v := range values {
			if i > 0 {
				line += " "
			}
			if at, ok := v.(time.Time); ok {
				v = int(at.Sub(epoch) / time.Second)
			}
			line += fmt.Sprint(v)
		}
		return line, err
	})
	if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return lines
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.owner.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

// epoch is second 0 on the source's clock of these tests.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func second(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }

func at(s int) *time.Time { t := second(s); return &t }

func ptr[T any](v T) *T { return &v }

// event is what a snapshot told at a second, fetched what was read between two.
func event(s int) canonical.Observation {
	return canonical.Observation{From: second(s), Until: second(s)}
}

func fetched(from, until int) canonical.Observation {
	return canonical.Observation{From: second(from), Until: second(until), Fetched: true}
}

// head is a record's head; without fetched it came by an event.
func head(id string, o canonical.Observation, content string) canonical.Head {
	h := canonical.Head{SourceID: id, APIVersion: "v1", Observed: o, Raw: fmt.Appendf(nil, `{"id": %q, "content": %q}`, id, content)}
	if !o.Fetched {
		h.EventID = fmt.Sprintf("evt_%d", o.From.Unix())
	}
	return h
}

// kind is one canonical table, with the column in which these tests tell contents apart.
type kind struct {
	table, column string
	reusable      bool
	add           func(*canonical.Batch, canonical.Head, string)
}

func kinds() []kind {
	return []kind{
		{"members", "name", false, func(b *canonical.Batch, h canonical.Head, v string) {
			b.Members = append(b.Members, canonical.Member{Head: h, Name: &v})
		}},
		{"plans", "name", true, func(b *canonical.Batch, h canonical.Head, v string) {
			b.Plans = append(b.Plans, canonical.Plan{Head: h, Name: &v, Level: "product"})
		}},
		{"subscriptions", "native_status", false, func(b *canonical.Batch, h canonical.Head, v string) {
			b.Subscriptions = append(b.Subscriptions, canonical.Subscription{Head: h, Status: "active", NativeStatus: v})
		}},
		{"invoices", "number", false, func(b *canonical.Batch, h canonical.Head, v string) {
			b.Invoices = append(b.Invoices, canonical.Invoice{Head: h, Status: "open", Number: &v})
		}},
		{"transactions", "description", false, func(b *canonical.Batch, h canonical.Head, v string) {
			b.Transactions = append(b.Transactions, canonical.Transaction{Head: h, Kind: "payment", Status: "pending", Currency: "usd", Description: &v})
		}},
		{"payment_allocations", "native_status", false, func(b *canonical.Batch, h canonical.Head, v string) {
			b.Allocations = append(b.Allocations, canonical.PaymentAllocation{Head: h, Status: "open", NativeStatus: v})
		}},
		{"payment_intents", "description", false, func(b *canonical.Batch, h canonical.Head, v string) {
			b.PaymentIntents = append(b.PaymentIntents, canonical.PaymentIntent{Head: h, Status: "pending", Currency: "usd", Description: &v})
		}},
	}
}

// look is one observation of a record.
type look struct {
	canonical.Observation
	content string
	deleted canonical.Deletion
	created *time.Time
}

func (l look) record(k kind, id string) *canonical.Batch {
	h := head(id, l.Observation, l.content)
	h.Deleted, h.CreatedAt, h.Reusable = l.deleted, l.created, k.reusable
	b := &canonical.Batch{}
	if l.deleted == "" {
		k.add(b, h, l.content)
		return b
	}
	h.Raw = nil // nothing is known of a deleted record but its id
	switch k.table {
	case "members":
		b.Members = []canonical.Member{{Head: h}}
	case "plans":
		b.Plans = []canonical.Plan{{Head: h, Level: "product"}}
	case "subscriptions":
		b.Subscriptions = []canonical.Subscription{{Head: h}}
	case "invoices":
		b.Invoices = []canonical.Invoice{{Head: h}}
	case "transactions":
		b.Transactions = []canonical.Transaction{{Head: h, Kind: "payment"}}
	case "payment_allocations":
		b.Allocations = []canonical.PaymentAllocation{{Head: h}}
	case "payment_intents":
		b.PaymentIntents = []canonical.PaymentIntent{{Head: h}}
	}
	return b
}

// row says how a record stands: content, span, and why it is gone.
func (w *world) row(k kind, id string) string {
	w.t.Helper()
	rows := w.rows(`SELECT coalesce(nullif(`+k.column+`, ''), '-'), observed_at, observed_until, coalesce(delete_reason, 'alive') FROM `+k.table+` WHERE source_id = $1`, id)
	if len(rows) != 1 {
		w.t.Fatalf("%s %s: %d rows", k.table, id, len(rows))
	}
	return rows[0]
}
