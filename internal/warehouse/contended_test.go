package warehouse_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/warehouse"
)

// TestRecordsThatComeAtOnceAreLinked commits two records side by side, the second before the first can be seen. What
// follows from both of them must not fall between.
func TestRecordsThatComeAtOnceAreLinked(t *testing.T) {
	charge := func(c canonical.Transaction) *canonical.Batch {
		c.Head, c.Kind, c.Status, c.Currency = head("ch_1", event(10), ""), "payment", "succeeded", "usd"
		return &canonical.Batch{Transactions: []canonical.Transaction{c}}
	}
	refund := func(r canonical.Transaction) *canonical.Batch {
		r.Head, r.Kind, r.Status, r.Currency, r.ParentSourceID = head("re_1", event(10), ""), "refund", "succeeded", "usd", ptr("ch_1")
		return &canonical.Batch{Transactions: []canonical.Transaction{r}}
	}
	allocation := func(a canonical.PaymentAllocation) *canonical.Batch {
		a.Head, a.Status, a.InvoiceSourceID = head("inpay_1", event(10), ""), "paid", ptr("in_1")
		return &canonical.Batch{Allocations: []canonical.PaymentAllocation{a}}
	}
	invoice := func(i canonical.Invoice) *canonical.Batch {
		i.Head, i.Status, i.SubscriptionSourceID = head("in_1", event(10), ""), "paid", ptr("sub_1")
		return &canonical.Batch{Invoices: []canonical.Invoice{i}}
	}
	for name, c := range map[string]struct {
		before, one, two *canonical.Batch
		want             []string
	}{
		"a charge and who says by its intent what it paid": {
			one: charge(canonical.Transaction{IntentSourceID: ptr("pi_1")}), two: allocation(canonical.PaymentAllocation{IntentSourceID: ptr("pi_1")}),
			want: []string{"ch_1 <nil> in_1 <nil>"},
		},
		"a charge and who says by its id what it paid": {
			one: charge(canonical.Transaction{}), two: allocation(canonical.PaymentAllocation{PaymentSourceID: ptr("ch_1")}),
			want: []string{"ch_1 <nil> in_1 <nil>"},
		},
		"a charge and its refund": {
			one: charge(canonical.Transaction{MemberSourceID: ptr("cus_1"), InvoiceSourceID: ptr("in_1")}), two: refund(canonical.Transaction{}),
			want: []string{"ch_1 cus_1 in_1 <nil>", "re_1 cus_1 in_1 <nil>"},
		},
		"a charge and its invoice": {
			one: charge(canonical.Transaction{InvoiceSourceID: ptr("in_1")}), two: invoice(canonical.Invoice{}),
			want: []string{"ch_1 <nil> in_1 sub_1"},
		},
		"a charge and an invoice that names it": {
			one: charge(canonical.Transaction{}), two: invoice(canonical.Invoice{PaymentSourceID: ptr("ch_1")}),
			want: []string{"ch_1 <nil> in_1 sub_1"},
		},
		"a charge and an invoice of the same intent": {
			one: charge(canonical.Transaction{IntentSourceID: ptr("pi_1")}), two: invoice(canonical.Invoice{IntentSourceID: ptr("pi_1")}),
			want: []string{"ch_1 <nil> in_1 sub_1"},
		},
		"a refund and what its charge paid": {
			before: charge(canonical.Transaction{IntentSourceID: ptr("pi_1")}),
			one:    refund(canonical.Transaction{IntentSourceID: ptr("pi_1")}), two: allocation(canonical.PaymentAllocation{IntentSourceID: ptr("pi_1")}),
			want: []string{"ch_1 <nil> in_1 <nil>", "re_1 <nil> in_1 <nil>"},
		},
		"an invoice and what it was paid by": {
			before: charge(canonical.Transaction{}),
			one:    invoice(canonical.Invoice{}), two: allocation(canonical.PaymentAllocation{PaymentSourceID: ptr("ch_1")}),
			want: []string{"ch_1 <nil> in_1 sub_1"},
		},
	} {
		for order, pair := range map[string][2]*canonical.Batch{"": {c.one, c.two}, ", the other way round": {c.two, c.one}} {
			w := newWorld(t)
			if c.before != nil {
				w.apply(c.before)
			}
			w.applySideBySide(pair[0], pair[1])
			got := w.rows(`SELECT source_id, member_source_id, invoice_source_id, subscription_source_id FROM transactions ORDER BY 1`)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s%s (-want +found)\n%s", name, order, diff)
			}
		}
	}
}

// applySideBySide applies one batch, and then another before the first is committed, unless it waits for that.
func (w *world) applySideBySide(first, second *canonical.Batch) {
	w.t.Helper()
	ctx := w.t.Context()
	if first.Source == (canonical.Source{}) {
		first.Source = w.src
	}
	done := make(chan error, 1)
	err := w.db.TenantTx(ctx, w.tenant, func(tx *postgres.TenantTx) error {
		if _, err := w.w.Apply(ctx, tx, first, warehouse.DeriveNow); err != nil {
			return err
		}
		if err := tx.Flush(ctx); err != nil {
			return err
		}
		go func() { _, err := w.tryApply(ctx, second); done <- err }()
		for len(done) == 0 {
			var waits bool
			err := pgtest.Superuser(w.t, w.db).QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&waits)
			if err != nil || waits {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = <-done
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
