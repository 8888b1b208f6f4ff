package stripe

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"memberintel/internal/canonical"
)

// withoutRaw leaves out what must differ between shapes.
var withoutRaw = cmp.Options{
	cmpopts.IgnoreFields(canonical.Head{}, "Raw"),
	cmpopts.IgnoreFields(canonical.SubscriptionItem{}, "Raw"),
}

func TestASubscriptionIsTheSameInItsOldAndNewShape(t *testing.T) {
	recent := change(t, fixture(t, "subscription"), map[string]any{
		"items.data.0.current_period_start": 1700000000, "items.data.0.current_period_end": 1702592000,
	})
	older := change(t, recent, map[string]any{
		"items.data.0.current_period_start": gone{}, "items.data.0.current_period_end": gone{},
		"current_period_start": 1700000000, "current_period_end": 1702592000,
		"customer": map[string]any{"id": "cus_QXg1o8vcGmoR32", "object": "customer"},
	})
	plan := change(t, fixture(t, "plan"), map[string]any{"product": "prod_QXg1hqf4jFNsqG"})
	legacy := change(t, older, map[string]any{"items.data.0.price": gone{}, "items.data.0.plan": asAny(t, plan)})

	want := mapOne(t, "subscriptions", recent).Batch
	if diff := cmp.Diff(want, mapOne(t, "subscriptions", older).Batch, withoutRaw); diff != "" {
		t.Errorf("period on the subscription: %s", diff)
	}
	if diff := cmp.Diff(want.Subscriptions, mapOne(t, "subscriptions", legacy).Batch.Subscriptions, withoutRaw); diff != "" {
		t.Errorf("plan in place of the price: %s", diff)
	}
	s := want.Subscriptions[0]
	if s.AccessUntil.Unix() != 1702592000 || s.CurrentPeriodEnd.Unix() != 1702592000 || s.CurrentPeriodStart.Unix() != 1700000000 {
		t.Errorf("period %v to %v, access until %v", s.CurrentPeriodStart, s.CurrentPeriodEnd, s.AccessUntil)
	}
}

func TestTheOldestSubscriptionsHaveOnePlanAndNoItems(t *testing.T) {
	raw := change(t, fixture(t, "subscription"), map[string]any{
		"items": gone{}, "plan": asAny(t, change(t, fixture(t, "plan"), map[string]any{"id": "gold", "product": gone{}})),
		"quantity": 3, "current_period_start": 1700000000, "current_period_end": 1702592000, "currency": gone{},
		"start_date": gone{}, "start": 1600000000,
	})
	m := mapOne(t, "subscriptions", raw)
	s := m.Batch.Subscriptions[0]
	item := s.Items[0]
	got := []any{*s.PlanSourceID, *s.Currency, s.StartedAt.Unix(), item.SourceID, *item.Quantity, *item.UnitAmountMinor, *item.IntervalUnit,
		*item.IntervalCount, item.PeriodEnd.Unix(), len(m.Batch.Plans)}
	wantSame(t, got, []any{"gold", "usd", int64(1600000000), s.SourceID, int64(3), int64(2000), "month", int32(1), int64(1702592000), 0})
}

func TestASubscriptionWithMixedIntervals(t *testing.T) {
	item := func(id string, start, end int64) any {
		return asAny(t, change(t, fixture(t, "subscription_item"), map[string]any{
			"id": id, "current_period_start": start, "current_period_end": end,
		}))
	}
	build := func(items ...any) canonical.Subscription {
		raw := change(t, fixture(t, "subscription"), map[string]any{"items.data": items, "pause_collection": nil})
		return mapOne(t, "subscriptions", raw).Batch.Subscriptions[0]
	}
	s := build(item("si_month", 2000, 3000), item("si_year", 1000, 9000))
	got := []any{s.CurrentPeriodStart.Unix(), s.CurrentPeriodEnd.Unix(), s.AccessUntil.Unix(), len(s.Items), s.CollectionPaused}
	wantSame(t, got, []any{int64(1000), int64(3000), int64(9000), 2, false})

	if other := build(item("si_year", 1000, 9000), item("si_month", 2000, 3000)); other.ItemsDigest != s.ItemsDigest {
		t.Error("the digest depends on the order of the items")
	}
	if other := build(item("si_year", 1000, 9000), item("si_month", 2000, 3001)); other.ItemsDigest == s.ItemsDigest {
		t.Error("the digest does not see a changed period")
	}
}

func TestSubscriptionStates(t *testing.T) {
	for native, want := range map[string]struct {
		status string
		access int64
	}{
		"incomplete": {"pending", 0}, "incomplete_expired": {"expired", 0}, "trialing": {"trialing", 5000},
		"active": {"active", 5000}, "past_due": {"past_due", 5000}, "unpaid": {"past_due", 5000}, "paused": {"paused", 0},
		"canceled": {"canceled", 4000},
	} {
		raw := change(t, fixture(t, "subscription"), map[string]any{
			"status": native, "items.data.0.current_period_end": 5000, "ended_at": nil, "canceled_at": 4000,
		})
		s := mapOne(t, "subscriptions", raw).Batch.Subscriptions[0]
		access := int64(0)
		if s.AccessUntil != nil {
			access = s.AccessUntil.Unix()
		}
		wantSame(t, []any{s.Status, s.NativeStatus, access}, []any{want.status, native, want.access})
	}
}

func TestAnItemsListThatIsCutOffIsIncomplete(t *testing.T) {
	raw := change(t, fixture(t, "subscription"), map[string]any{"items.has_more": true})
	if m := mapOne(t, "subscriptions", raw); m.Incomplete != IncompleteItems {
		t.Errorf("got %q", m.Incomplete)
	}
}

func TestAnInvoiceIsTheSameInItsOldAndNewShape(t *testing.T) {
	recent := change(t, fixture(t, "invoice"), map[string]any{
		"parent":   map[string]any{"type": "subscription_details", "subscription_details": map[string]any{"subscription": "sub_1"}},
		"payments": list(false),
	})
	older := change(t, recent, map[string]any{
		"parent": gone{}, "payments": gone{}, "subscription": map[string]any{"id": "sub_1", "object": "subscription"},
		"charge": nil, "payment_intent": nil, "paid": false,
	})
	want := mapOne(t, "invoices", recent)
	got := mapOne(t, "invoices", older)
	if diff := cmp.Diff(want.Batch, got.Batch, withoutRaw); diff != "" {
		t.Error(diff)
	}
	if inv := want.Batch.Invoices[0]; *inv.SubscriptionSourceID != "sub_1" || !*inv.AllocationsKnown || want.Incomplete != "" {
		t.Errorf("%+v", inv)
	}
	linked := mapOne(t, "invoices", change(t, older, map[string]any{"charge": "ch_1", "payment_intent": map[string]any{"id": "pi_1"}}))
	if inv := linked.Batch.Invoices[0]; *inv.PaymentSourceID != "ch_1" || *inv.IntentSourceID != "pi_1" {
		t.Errorf("%+v", inv)
	}
}

func TestAnInvoicesPaymentsAreAllocations(t *testing.T) {
	paid := change(t, fixture(t, "invoice"), map[string]any{
		"status": "paid", "amount_paid": 1000, "status_transitions.paid_at": 1700000000,
		"payments": list(false, payment(t, "inpay_1", map[string]any{"payment.payment_intent": "pi_1"}),
			payment(t, "inpay_2", map[string]any{"payment": map[string]any{"type": "charge", "charge": map[string]any{"id": "ch_1"}}})),
	})
	m := mapOne(t, "invoices", paid)
	a, b := m.Batch.Allocations[0], m.Batch.Allocations[1]
	wantSame(t, []any{m.Incomplete, a.SourceID, *a.InvoiceSourceID, *a.IntentSourceID, a.PaymentSourceID, *a.AmountMinor, a.Status, *b.PaymentSourceID},
		[]any{"", "inpay_1", "in_1", "pi_1", (*string)(nil), int64(600), "paid", "ch_1"})
	wantSame(t, []any{*m.Batch.Invoices[0].AllocationsKnown, m.Batch.Invoices[0].PaidAt.Unix()}, []any{true, int64(1700000000)})

	for name, fields := range map[string]map[string]any{
		"not shown": {"payments": gone{}},
		"cut off":   {"payments.has_more": true},
	} {
		m := mapOne(t, "invoices", change(t, paid, fields))
		if m.Incomplete != IncompletePayments || m.Batch.Invoices[0].AllocationsKnown != nil {
			t.Errorf("%s: %q, %v", name, m.Incomplete, m.Batch.Invoices[0].AllocationsKnown)
		}
	}
	free := mapOne(t, "invoices", change(t, paid, map[string]any{"payments": gone{}, "amount_paid": 0, "amount_due": 0}))
	if free.Incomplete != "" {
		t.Errorf("an invoice of nothing: %q", free.Incomplete)
	}
	alone := mapOne(t, "invoice_payments", asJSON(t, payment(t, "inpay_1", nil)))
	if alone.Batch.Allocations[0].IntentSourceID != nil {
		t.Errorf("%+v", alone)
	}
}

func TestAChargeSettles(t *testing.T) {
	bt := map[string]any{"id": "txn_1", "object": "balance_transaction", "amount": 110, "currency": "eur", "fee": 9, "net": 101}
	charge := change(t, fixture(t, "charge"), map[string]any{
		"captured": true, "balance_transaction": bt, "invoice": "in_1", "customer": "cus_1", "payment_intent": "pi_1",
	})
	m := mapOne(t, "charges", charge)
	c := m.Batch.Transactions[0]
	wantSame(t, []any{m.Incomplete, c.Kind, c.Status, c.AmountMinor, c.Currency, *c.SettlementSourceID, *c.SettlementAmountMinor, *c.SettlementCurrency,
		*c.FeeMinor, *c.NetMinor, *c.InvoiceSourceID, *c.MemberSourceID, *c.IntentSourceID},
		[]any{"", "payment", "succeeded", int64(100), "usd", "txn_1", int64(110), "eur", int64(9), int64(101), "in_1", "cus_1", "pi_1"})

	named := mapOne(t, "charges", change(t, charge, map[string]any{"balance_transaction": "txn_1"}))
	if c := named.Batch.Transactions[0]; named.Incomplete != IncompleteSettlement || *c.SettlementSourceID != "txn_1" || c.FeeMinor != nil {
		t.Errorf("%+v", named)
	}
	none := mapOne(t, "charges", change(t, charge, map[string]any{"balance_transaction": nil, "status": "failed", "failure_code": "card_declined"}))
	if c := none.Batch.Transactions[0]; none.Incomplete != "" || c.SettlementSourceID != nil || *c.FailureCode != "card_declined" {
		t.Errorf("%+v", none)
	}
}

func TestWhoHadAChargeMade(t *testing.T) {
	for want, metadata := range map[string]map[string]any{
		"9 https://x.example memberpress": {"transaction_id": "9", "site_url": "https://x.example", "platform": "MemberPress Connect acct_1"},
		"9 https://y.example memberpress": {"transaction_id": "9", "site_url": "https://y.example", "memberpress_product": "Adult"},
		"9 - memberpress":                 {"transaction_id": "9", "memberpress_product_id": "55"},
		"9 https://z.example -":           {"transaction_id": "9", "site_url": "https://z.example"},
		"- - -":                           {"transaction_id": "9"},
	} {
		c := mapOne(t, "charges", change(t, fixture(t, "charge"), map[string]any{"metadata": metadata})).Batch.Transactions[0]
		var told []string
		for _, text := range []*string{c.OriginID, c.OriginSite, c.OriginPlatform} {
			if text == nil {
				told = append(told, "-")
			} else {
				told = append(told, *text)
			}
		}
		if got := strings.Join(told, " "); got != want {
			t.Errorf("%v: %s, want %s", metadata, got, want)
		}
	}
}

func TestMoneyThatIsOnlyHeldIsPending(t *testing.T) {
	for want, fields := range map[string]map[string]any{
		"pending":   {"captured": false, "amount_refunded": 0},
		"succeeded": {"captured": false, "amount_refunded": 100}, // released: a refund stands against it
	} {
		c := mapOne(t, "charges", change(t, fixture(t, "charge"), fields)).Batch.Transactions[0]
		wantSame(t, []any{c.Status, c.NativeStatus}, []any{want, "succeeded"})
	}
}

func TestARefund(t *testing.T) {
	bt := map[string]any{"id": "txn_1", "object": "balance_transaction", "amount": -110, "currency": "eur", "fee": 0, "net": -110}
	raw := change(t, fixture(t, "refund"), map[string]any{"balance_transaction": bt, "status": "requires_action", "charge": map[string]any{"id": "ch_1"}})
	r := mapOne(t, "refunds", raw).Batch.Transactions[0]
	wantSame(t, []any{r.Kind, r.Status, r.NativeStatus, *r.ParentSourceID, r.AmountMinor, *r.SettlementAmountMinor, *r.NetMinor},
		[]any{"refund", "pending", "requires_action", "ch_1", int64(100), int64(110), int64(-110)})
}

func TestADisputeAndWhatCameBack(t *testing.T) {
	move := func(id string, amount, fee int64) any {
		return map[string]any{"id": id, "object": "balance_transaction", "amount": amount, "currency": "usd", "fee": fee,
			"net": amount - fee, "created": 1700000000}
	}
	raw := change(t, fixture(t, "dispute"), map[string]any{
		"status": "won", "balance_transactions": []any{move("txn_1", -1000, 1500), move("txn_2", 1000, -1500)},
	})
	got := mapOne(t, "disputes", raw).Batch.Transactions
	lost, back := got[0], got[1]
	wantSame(t, []any{len(got), lost.Kind, lost.Status, lost.AmountMinor, *lost.FeeMinor, *lost.NetMinor, *lost.SettlementAmountMinor},
		[]any{2, "dispute", "won", int64(1000), int64(1500), int64(-2500), int64(1000)})
	wantSame(t, []any{back.SourceID, back.Kind, back.Status, back.NativeStatus, back.AmountMinor, *back.FeeMinor, *back.NetMinor, back.OccurredAt.Unix()},
		[]any{lost.SourceID, "dispute_reversal", "succeeded", "won", int64(1000), int64(-1500), int64(2500), int64(1700000000)})

	for native, want := range map[string]string{
		"needs_response": "open", "under_review": "open", "won": "won", "lost": "lost", "prevented": "prevented",
		"warning_needs_response": "warning", "warning_under_review": "warning", "warning_closed": "closed", "charge_refunded": "closed",
	} {
		d := mapOne(t, "disputes", change(t, fixture(t, "dispute"), map[string]any{"status": native})).Batch.Transactions
		wantSame(t, []any{len(d), d[0].Status, d[0].SettlementSourceID}, []any{1, want, (*string)(nil)})
	}
}

func TestAPaymentIntent(t *testing.T) {
	for native, want := range map[string]string{
		"requires_payment_method": "pending", "requires_confirmation": "pending", "requires_action": "pending", "requires_source": "pending",
		"processing": "processing", "requires_capture": "requires_capture", "succeeded": "succeeded", "canceled": "canceled",
	} {
		raw := change(t, fixture(t, "payment_intent"), map[string]any{"status": native, "latest_charge": "ch_1"})
		i := mapOne(t, "payment_intents", raw).Batch.PaymentIntents[0]
		wantSame(t, []any{i.Status, i.NativeStatus, *i.PaymentSourceID}, []any{want, native, "ch_1"})
		if strings.Contains(string(i.Raw), "secret") {
			t.Error("the client's secret was kept")
		}
	}
	older := change(t, fixture(t, "payment_intent"), map[string]any{
		"latest_charge": gone{}, "charges": list(false, map[string]any{"id": "ch_2"}, map[string]any{"id": "ch_1"}),
	})
	if i := mapOne(t, "payment_intents", older).Batch.PaymentIntents[0]; *i.PaymentSourceID != "ch_2" {
		t.Errorf("%+v", i)
	}
}

func TestPlans(t *testing.T) {
	product := mapOne(t, "products", fixture(t, "product")).Batch.Plans[0]
	wantSame(t, []any{product.Level, *product.Name, product.Active, product.UpdatedAt.Unix()}, []any{"product", "T-shirt", true, int64(1234567890)})
	price := mapOne(t, "prices", fixture(t, "price")).Batch.Plans[0]
	wantSame(t, []any{price.Level, *price.BillingType, *price.AmountMinor, *price.UnitAmountDecimal, *price.IntervalUnit, *price.IntervalCount, *price.ProductSourceID},
		[]any{"price", "recurring", int64(2000), "2000", "month", int32(1), "prod_QXg1hqf4jFNsqG"})
	tiered := mapOne(t, "prices", change(t, fixture(t, "price"), map[string]any{
		"unit_amount": nil, "unit_amount_decimal": nil, "billing_scheme": "tiered", "type": "one_time", "recurring": nil,
	})).Batch.Plans[0]
	wantSame(t, []any{tiered.AmountMinor, *tiered.BillingType, tiered.IntervalUnit}, []any{(*int64)(nil), "one_time", (*string)(nil)})

	shown := mapOne(t, "subscriptions", fixture(t, "subscription")).Batch.Plans[0]
	price.Mentioned = true
	if diff := cmp.Diff(price, shown, withoutRaw, cmpopts.IgnoreFields(canonical.Head{}, "CreatedAt")); diff != "" {
		t.Errorf("a price within a subscription differs from the price alone: %s", diff)
	}
}

// list is a Stripe list as an object nests it.
func list(more bool, data ...any) any {
	if data == nil {
		data = []any{}
	}
	return map[string]any{"object": "list", "data": data, "has_more": more}
}

func payment(t *testing.T, id string, fields map[string]any) any {
	t.Helper()
	all := map[string]any{
		"id": id, "currency": "usd", "status": "paid", "amount_paid": 600, "invoice": "in_1",
		"status_transitions.paid_at": 1700000000,
	}
	for k, v := range fields {
		all[k] = v
	}
	return asAny(t, change(t, fixture(t, "invoice_payment"), all))
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func wantSame(t *testing.T, got, want []any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
