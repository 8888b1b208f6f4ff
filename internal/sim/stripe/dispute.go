package stripe

import "fmt"

type dispute struct {
	id, charge, intent, currency, reason, status string
	created, amount                              int64
	evidence                                     bool
	txns                                         []string
	metadata                                     metadata
}

func (d *dispute) head() (string, string, int64) { return "disputes", d.id, d.created }

func (d *dispute) facts() facts {
	return facts{charge: d.charge, intent: d.intent, status: d.status, currency: d.currency}
}

func (d *dispute) render(e *enc, v view) {
	e.begin('{')
	e.str("id", d.id)
	e.str("object", "dispute")
	e.num("amount", d.amount)
	e.array("balance_transactions")
	for _, id := range d.txns {
		if st := v.state(id); st != nil {
			e.item()
			st.render(e, v.inside())
		}
	}
	e.endArray()
	v.ref(e, "charge", d.charge)
	e.num("created", d.created)
	e.str("currency", d.currency)
	e.emptyArray("enhanced_eligibility_types")
	e.open("evidence")
	e.null("access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
		"cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name",
		"customer_purchase_ip", "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation",
		"duplicate_charge_id")
	e.emptyObject("enhanced_evidence")
	e.null("product_description", "receipt", "refund_policy", "refund_policy_disclosure", "refund_refusal_explanation",
		"service_date", "service_documentation", "shipping_address", "shipping_carrier", "shipping_date",
		"shipping_documentation", "shipping_tracking_number", "uncategorized_file")
	if d.evidence {
		e.str("uncategorized_text", "The member used the club on the days in question.")
	} else {
		e.null("uncategorized_text")
	}
	e.close()
	e.open("evidence_details")
	e.num("due_by", d.created+9*86400)
	e.emptyObject("enhanced_eligibility")
	e.flag("has_evidence", d.evidence)
	e.flag("past_due", false)
	e.num("submission_count", int64(btoi(d.evidence)))
	e.close()
	e.flag("is_charge_refundable", false)
	e.flag("livemode", v.a.livemode)
	d.metadata.render(e, "metadata")
	v.ref(e, "payment_intent", d.intent)
	e.open("payment_method_details")
	e.open("card")
	e.str("brand", "visa")
	e.str("case_type", "chargeback")
	e.str("network_reason_code", "10.4")
	e.close()
	e.str("type", "card")
	e.close()
	e.str("reason", d.reason)
	e.str("status", d.status)
	e.close()
}

// OpenDispute lets the cardholder dispute a charge for an amount, the whole charge when zero, and returns the dispute's
// id. The money and a fee leave the account at once. A charge can be disputed more than once.
func (a *Account) OpenDispute(charge, reason string, amount int64) (string, error) {
	defer a.change()()
	return a.openDispute(charge, reason, amount)
}

func (a *Account) openDispute(id, reason string, amount int64) (string, error) {
	c, ok := get[*charge](a, id)
	if !ok || c.failure != "" {
		return "", missing("charge", id)
	}
	if amount == 0 {
		amount = c.amount
	}
	d := &dispute{id: a.newID("dp"), charge: c.id, intent: c.intent, currency: c.currency, reason: reason, amount: amount,
		status: "needs_response", created: a.now()}
	a.record("charge.dispute.created", d)
	next := *c
	next.disputed = true
	a.record("charge.updated", &next)
	withdrawn := *d
	withdrawn.txns = []string{a.settle(d.id, "adjustment", "dispute", d.currency, "Chargeback withdrawal for "+c.id, -amount, 1500)}
	a.put(&withdrawn)
	a.emit("charge.dispute.funds_withdrawn", &withdrawn, d)
	return d.id, nil
}

// SubmitEvidence answers a dispute, which is then under review.
func (a *Account) SubmitEvidence(id string) error {
	defer a.change()()
	return update(a, id, "charge.dispute.updated", func(d *dispute) { d.status, d.evidence = "under_review", true })
}

// CloseDispute ends a dispute as won, when the money comes back, or lost.
func (a *Account) CloseDispute(id string, won bool) error {
	defer a.change()()
	return a.closeDispute(id, won)
}

func (a *Account) closeDispute(id string, won bool) error {
	old, ok := get[*dispute](a, id)
	if !ok {
		return missing("dispute", id)
	}
	if old.status == "won" || old.status == "lost" {
		return fmt.Errorf("stripe sim: dispute %s is closed", id)
	}
	next := *old
	next.status = "lost"
	if won {
		next.status = "won"
	}
	a.put(&next)
	a.emit("charge.dispute.closed", &next, nil)
	if won {
		back := next
		back.txns = append(append([]string{}, next.txns...),
			a.settle(id, "adjustment", "dispute_reversal", old.currency, "Chargeback reversal for "+old.charge, old.amount, 0))
		a.put(&back)
		a.emit("charge.dispute.funds_reinstated", &back, nil)
	}
	return nil
}
