package stripe

import (
	"time"

	"memberintel/internal/canonical"
)

// dispute maps a dispute, and what Stripe gave back after it as a reversal with the same id.
func (m *mapper) dispute(head canonical.Head) {
	d := m.top
	head.CreatedAt = d.mustTime("created")
	native := d.mustOneOf("status", "needs_response", "under_review", "won", "lost", "prevented", "charge_refunded",
		"warning_needs_response", "warning_under_review", "warning_closed")
	t := canonical.Transaction{
		Head:           head,
		Kind:           "dispute",
		ParentSourceID: d.ref("charge"),
		IntentSourceID: d.ref("payment_intent"),
		AmountMinor:    d.mustAmount("amount", 0),
		Currency:       d.mustCurrency("currency"),
		Status:         disputeStatus(native),
		NativeStatus:   native,
		OccurredAt:     head.CreatedAt,
		Reason:         d.text("reason"),
		Metadata:       d.metadata(),
	}
	taken, returned := m.disputeMoves()
	taken.fill(&t, -1)
	m.out.Batch.Transactions = append(m.out.Batch.Transactions, t)
	if returned.id != nil {
		m.out.Batch.Transactions = append(m.out.Batch.Transactions, reversal(t, returned))
	}
}

func disputeStatus(native string) string {
	switch native {
	case "needs_response", "under_review":
		return "open"
	case "warning_needs_response", "warning_under_review":
		return "warning"
	case "warning_closed", "charge_refunded":
		return "closed"
	}
	return native
}

// reversal is the money that came back. Where it settled in another currency than the one disputed, the
// disputed amount came back.
func reversal(dispute canonical.Transaction, returned move) canonical.Transaction {
	t := dispute
	t.Kind, t.Status, t.OccurredAt = "dispute_reversal", "succeeded", returned.at
	returned.fill(&t, 1)
	if *t.SettlementCurrency == t.Currency {
		t.AmountMinor = returned.amount
	}
	return t
}

// move is what the balance transactions of a dispute took from the balance or gave back to it, added up.
type move struct {
	id               *string // of the first of them, nil when there are none
	at               *time.Time
	currency         string
	amount, fee, net int64
}

// disputeMoves adds up what was taken and what was returned. A dispute that was only inquired about moved
// nothing.
func (m *mapper) disputeMoves() (taken, returned move) {
	for _, b := range m.top.elements("balance_transactions") {
		if amount := b.mustAmount("amount", minMoney); amount > 0 {
			returned.add(b, amount)
		} else {
			taken.add(b, amount)
		}
	}
	return taken, returned
}

func (v *move) add(b *object, amount int64) {
	b.mustOneOf("object", "balance_transaction")
	id, currency, at := b.mustID("id"), b.mustCurrency("currency"), b.mustTime("created")
	if v.id == nil {
		v.id, v.currency, v.at = &id, currency, at
	}
	if currency != v.currency {
		b.refuse("currency", "another currency than the one before it", "one currency")
	}
	v.amount = b.sum("amount", v.amount, amount)
	v.fee = b.sum("fee", v.fee, b.mustAmount("fee", minMoney))
	v.net = b.sum("net", v.net, b.mustAmount("net", minMoney))
}

// sum adds without wrapping round.
func (o *object) sum(key string, a, b int64) int64 {
	if b > 0 && a > maxMoney-b || b < 0 && a < minMoney-b {
		o.refuse(key, "a number out of range", "a sum of 64 bits")
		return 0
	}
	return a + b
}

func (v move) fill(t *canonical.Transaction, direction int64) {
	if v.id == nil {
		return
	}
	amount := direction * v.amount
	t.SettlementSourceID, t.SettlementAmountMinor, t.SettlementCurrency = v.id, &amount, &v.currency
	t.FeeMinor, t.NetMinor = &v.fee, &v.net
}
