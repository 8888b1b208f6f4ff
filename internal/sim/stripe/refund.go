package stripe

import "fmt"

type refund struct {
	id, charge, intent, currency, reason, status, txn, failure, failureTxn string
	created, amount                                                        int64
	metadata                                                               metadata
}

func (r *refund) head() (string, string, int64) { return "refunds", r.id, r.created }

func (r *refund) facts() facts {
	return facts{charge: r.charge, intent: r.intent, status: r.status, currency: r.currency}
}

func (r *refund) render(e *enc, v view) {
	e.begin('{')
	e.str("id", r.id)
	e.str("object", "refund")
	e.num("amount", r.amount)
	v.ref(e, "balance_transaction", r.txn)
	v.ref(e, "charge", r.charge)
	e.num("created", r.created)
	e.str("currency", r.currency)
	e.open("destination_details")
	e.open("card")
	e.str("reference", "7901352802291512")
	e.str("reference_status", "available")
	e.str("reference_type", "acquirer_reference_number")
	e.str("type", "refund")
	e.close()
	e.str("type", "card")
	e.close()
	if r.failure != "" {
		v.ref(e, "failure_balance_transaction", r.failureTxn)
		e.str("failure_reason", r.failure)
	}
	r.metadata.render(e, "metadata")
	v.ref(e, "payment_intent", r.intent)
	e.text("reason", r.reason)
	e.null("receipt_number", "source_transfer_reversal")
	e.str("status", r.status)
	e.null("transfer_reversal")
	e.close()
}

// RefundParams describe a refund. An amount of zero refunds what is left of the charge. Pending leaves the refund
// pending, to be ended with FailRefund or SettleRefund.
type RefundParams struct {
	Charge   string
	Amount   int64
	Reason   string
	Pending  bool
	Metadata map[string]string
}

// Refund gives money back on a charge and returns the refund's id.
func (a *Account) Refund(p RefundParams) (string, error) {
	defer a.change()()
	return a.refund(p)
}

func (a *Account) refund(p RefundParams) (string, error) {
	c, ok := get[*charge](a, p.Charge)
	if !ok {
		return "", missing("charge", p.Charge)
	}
	amount := p.Amount
	if amount == 0 {
		amount = c.amount - c.refunded
	}
	if c.failure != "" || amount <= 0 || amount > c.amount-c.refunded {
		return "", fmt.Errorf("stripe sim: charge %s: cannot refund %d of %d", c.id, amount, c.amount-c.refunded)
	}
	r := &refund{id: a.newID("re"), charge: c.id, intent: c.intent, currency: c.currency, reason: p.Reason, amount: amount,
		status: "succeeded", created: a.now(), metadata: newMetadata(p.Metadata)}
	if p.Pending {
		r.status = "pending"
	}
	r.txn = a.settle(r.id, "refund", "refund", c.currency, "REFUND FOR CHARGE ("+c.description+")", -amount, 0)
	next := *c
	next.refunded += amount
	a.record("charge.refunded", &next)
	a.record("refund.created", r)
	return r.id, nil
}

// SettleRefund lets a pending refund succeed.
func (a *Account) SettleRefund(id string) error {
	defer a.change()()
	return a.endRefund(id, func(r *refund) { r.status = "succeeded" })
}

// FailRefund lets a refund fail, as banks do days later: the money comes back to the account, and the charge counts as
// not refunded by that much.
func (a *Account) FailRefund(id, reason string) error {
	defer a.change()()
	old, ok := get[*refund](a, id)
	if !ok || old.status == "failed" {
		return missing("refund", id)
	}
	back := a.settle(id, "refund_failure", "refund_failure", old.currency, "REFUND FAILURE", old.amount, 0)
	err := a.endRefund(id, func(r *refund) { r.status, r.failure, r.failureTxn = "failed", reason, back })
	if err != nil {
		return err
	}
	r, _ := get[*refund](a, id)
	a.emit("refund.failed", r, nil)
	return update(a, old.charge, "charge.updated", func(c *charge) { c.refunded -= old.amount })
}

func (a *Account) endRefund(id string, change func(*refund)) error {
	before, _ := get[*refund](a, id)
	if err := update(a, id, "refund.updated", change); err != nil {
		return err
	}
	after, _ := get[*refund](a, id)
	a.emit("charge.refund.updated", after, before)
	return nil
}
