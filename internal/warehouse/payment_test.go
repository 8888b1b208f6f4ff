package warehouse_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/canonical"
)

func paidInvoice(id string, s int, change func(*canonical.Invoice)) *canonical.Batch {
	i := canonical.Invoice{Head: head(id, event(s), fmt.Sprint(s)), Status: "paid", MemberSourceID: ptr("cus_1"), SubscriptionSourceID: ptr("sub_1"),
		Currency: ptr("usd"), AmountPaidMinor: 500, PaidAt: at(5)}
	if change != nil {
		change(&i)
	}
	return &canonical.Batch{Invoices: []canonical.Invoice{i}}
}

func charge(id string, s int, change func(*canonical.Transaction)) *canonical.Batch {
	c := canonical.Transaction{Head: head(id, event(s), fmt.Sprint(s)), Kind: "payment", Status: "succeeded", MemberSourceID: ptr("cus_1"),
		Currency: "usd", AmountMinor: 500, OccurredAt: at(4), IntentSourceID: ptr("pi_1")}
	if change != nil {
		change(&c)
	}
	return &canonical.Batch{Transactions: []canonical.Transaction{c}}
}

func allocation(id, invoice, payment string, s int) *canonical.Batch {
	return &canonical.Batch{Allocations: []canonical.PaymentAllocation{{Head: head(id, event(s), ""), InvoiceSourceID: &invoice, PaymentSourceID: &payment,
		AmountMinor: ptr(int64(500)), Status: "paid", NativeStatus: "paid"}}}
}

func (w *world) payments() []string {
	w.t.Helper()
	return w.rows(`SELECT source_id, coalesce(invoice_source_id, '-'), coalesce(subscription_source_id, '-'), amount_minor, status, paid_at FROM payments ORDER BY 1`)
}

// TestMoneyIsShownOnce shows the records of a sale in every order; at no moment may the sum be there twice,
// and in the end it is there once, under its invoice.
func TestMoneyIsShownOnce(t *testing.T) {
	viaIntent := allocation("inpay_1", "in_1", "", 10)
	viaIntent.Allocations[0].PaymentSourceID, viaIntent.Allocations[0].IntentSourceID = nil, ptr("pi_1")
	known := func(i *canonical.Invoice) { i.AllocationsKnown = ptr(true) }
	for name, c := range map[string]struct {
		records []*canonical.Batch
		want    []string
	}{
		"linked by an allocation":            {[]*canonical.Batch{paidInvoice("in_1", 10, nil), charge("ch_1", 10, nil), allocation("inpay_1", "in_1", "ch_1", 10)}, []string{"ch_1 in_1 sub_1 500 succeeded 4"}},
		"linked by an intent's allocation":   {[]*canonical.Batch{paidInvoice("in_1", 10, nil), charge("ch_1", 10, nil), viaIntent}, []string{"ch_1 in_1 sub_1 500 succeeded 4"}},
		"linked by the invoice's old shape":  {[]*canonical.Batch{paidInvoice("in_1", 10, func(i *canonical.Invoice) { i.PaymentSourceID = ptr("ch_1") }), charge("ch_1", 10, nil)}, []string{"ch_1 in_1 sub_1 500 succeeded 4"}},
		"linked by the invoice's intent":     {[]*canonical.Batch{paidInvoice("in_1", 10, func(i *canonical.Invoice) { i.IntentSourceID = ptr("pi_1") }), charge("ch_1", 10, nil)}, []string{"ch_1 in_1 sub_1 500 succeeded 4"}},
		"linked by the charge's old shape":   {[]*canonical.Batch{paidInvoice("in_1", 10, nil), charge("ch_1", 10, func(c *canonical.Transaction) { c.InvoiceSourceID = ptr("in_1") })}, []string{"ch_1 in_1 sub_1 500 succeeded 4"}},
		"paid out of band":                   {[]*canonical.Batch{paidInvoice("in_1", 10, known)}, []string{"in_1 in_1 sub_1 500 succeeded 5"}},
		"not listed yet, charge not linked":  {[]*canonical.Batch{paidInvoice("in_1", 10, nil), charge("ch_1", 10, nil)}, []string{"ch_1 - - 500 succeeded 4"}},
		"out of band beside a like charge":   {[]*canonical.Batch{paidInvoice("in_1", 10, known), charge("ch_1", 10, nil)}, []string{"ch_1 - - 500 succeeded 4", "in_1 in_1 sub_1 500 succeeded 5"}},
		"of another sum":                     {[]*canonical.Batch{paidInvoice("in_1", 10, nil), charge("ch_1", 10, func(c *canonical.Transaction) { c.AmountMinor = 700 })}, []string{"ch_1 - - 700 succeeded 4", "in_1 in_1 sub_1 500 succeeded 5"}},
		"the charge failed":                  {[]*canonical.Batch{paidInvoice("in_1", 10, known), charge("ch_1", 10, func(c *canonical.Transaction) { c.Status = "failed" })}, []string{"ch_1 - - 500 failed <nil>", "in_1 in_1 sub_1 500 succeeded 5"}},
		"not paid":                           {[]*canonical.Batch{paidInvoice("in_1", 10, func(i *canonical.Invoice) { i.Status = "open" })}, nil},
		"the invoice is gone":                {[]*canonical.Batch{paidInvoice("in_1", 10, nil), {Invoices: []canonical.Invoice{{Head: gone("in_1", 20, byEvent)}}}}, nil},
		"a refund is no payment, and linked": {[]*canonical.Batch{charge("ch_1", 10, func(c *canonical.Transaction) { c.InvoiceSourceID = ptr("in_1") }), {Transactions: []canonical.Transaction{{Head: head("re_1", event(10), ""), Kind: "refund", Status: "succeeded", Currency: "usd", AmountMinor: 100, ParentSourceID: ptr("ch_1")}}}}, []string{"ch_1 in_1 - 500 succeeded 4"}},
	} {
		for _, order := range permutations(len(c.records)) {
			w := newWorld(t)
			for _, i := range order {
				w.apply(c.records[i])
				if shown := w.payments(); len(shown) > max(1, len(c.want)) {
					t.Errorf("%s, order %v, after %d: %q", name, order, i, shown)
				}
			}
			if diff := cmp.Diff(c.want, w.payments()); diff != "" && (len(c.want) > 0 || len(w.payments()) > 0) {
				t.Errorf("%s, order %v (-want +found)\n%s", name, order, diff)
			}
			if refund := w.rows(`SELECT member_source_id, invoice_source_id FROM transactions WHERE kind = 'refund'`); len(refund) > 0 && refund[0] != "cus_1 in_1" {
				t.Errorf("%s, order %v: the refund is %q", name, order, refund)
			}
		}
	}
}

func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, p := range permutations(n - 1) {
		for i := range n {
			all = append(all, slices.Insert(slices.Clone(p), i, n-1))
		}
	}
	return all
}
