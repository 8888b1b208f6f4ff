package stripe

import "fmt"

// draft makes the draft invoice for items of a subscription, with prorations that were waiting, without storing it.
func (a *Account) draft(s *subscription, items []item, reason string) *invoice {
	inv := &invoice{id: a.newID("in"), customer: s.customer, subscription: s.id, currency: s.currency, status: "draft",
		reason: reason, clock: s.clock, created: a.now(), start: items[0].start, end: items[0].stop,
		subscriptionMetadata: s.metadata}
	if c, ok := get[*customer](a, s.customer); ok {
		inv.name, inv.email, inv.phone, inv.address = c.name, c.email, c.phone, c.address
	}
	inv.lines = append(inv.lines, s.pending...)
	for _, i := range items {
		inv.lines = append(inv.lines, a.newLine(i, i.start, i.stop))
	}
	inv.due = max(0, inv.total())
	return inv
}

func (a *Account) newLine(i item, from, to int64) line {
	l := line{id: a.newID("il"), item: i.id, price: i.price, quantity: i.quantity, start: from, end: to, metadata: i.metadata}
	if p, ok := get[*price](a, i.price); ok {
		l.product, l.unit, l.amount = p.product, p.amount, p.amount*i.quantity
		name := p.product
		if st, ok := get[*product](a, p.product); ok {
			name = st.name
		}
		l.description = fmt.Sprintf("%d × %s (at %d %s / %s)", i.quantity, name, p.amount, p.currency, p.interval)
	}
	return l
}

// finalize stores a draft and opens it for payment. Since basil the payment that is asked for is an object of its own.
func (a *Account) finalize(inv *invoice) string {
	a.record("invoice.created", inv)
	open := *inv
	a.invoices++
	open.status, open.finalized, open.number = "open", a.now(), numberOf(a.suffix[:8], int64(a.invoices))
	if open.due > 0 {
		pi := &intent{id: a.newID("pi"), customer: inv.customer, currency: inv.currency, status: "requires_confirmation",
			description: "Subscription update", invoice: inv.id, created: a.now(), amount: open.due, email: inv.email}
		if inv.reason == "subscription_create" {
			pi.description = "Subscription creation"
		}
		if c, ok := get[*customer](a, inv.customer); ok {
			pi.method = c.method
		}
		open.intent = pi.id
		a.record("payment_intent.created", pi)
		a.put(&invoicePayment{id: a.newID("inpay"), invoice: inv.id, intent: pi.id, currency: inv.currency, status: "open",
			created: a.now(), requested: open.due})
	}
	a.record("invoice.finalized", &open)
	return inv.id
}

// collect tries to take the money of an open invoice, and moves its subscription accordingly.
func (a *Account) collect(id string, how Payment) error {
	inv, ok := get[*invoice](a, id)
	if !ok || inv.status != "open" {
		return fmt.Errorf("stripe sim: invoice %s is not open", id)
	}
	next := *inv
	next.attempts++
	if inv.due > 0 {
		next.charge = a.try(inv.intent, how, inv.name)
	}
	if how != Succeeds && inv.due > 0 {
		next.next = a.retryAt(next.attempts)
		a.record("invoice.payment_failed", &next)
		a.emit("invoice.updated", &next, inv)
		a.unpaid(&next)
		return nil
	}
	next.status, next.paid, next.paidAt, next.next = "paid", inv.due, a.now(), 0
	a.put(&next)
	a.emit("invoice.updated", &next, inv)
	a.emit("invoice.paid", &next, nil)
	a.emit("invoice.payment_succeeded", &next, nil)
	for _, o := range a.lists[indexKey{"invoice_payments", "invoice", id}] {
		if p, ok := o.last().st.(*invoicePayment); ok && p.status == "open" {
			paid := *p
			paid.status, paid.paid, paid.paidAt = "paid", p.requested, a.now()
			a.put(&paid)
			a.emit("invoice_payment.paid", &paid, nil)
		}
	}
	a.paid(&next)
	return nil
}

// try makes one attempt on a payment intent and returns the charge.
func (a *Account) try(id string, how Payment, name string) string {
	pi, ok := get[*intent](a, id)
	if !ok {
		return ""
	}
	next := *pi
	ch := &charge{id: a.newID("ch"), customer: pi.customer, intent: pi.id, invoice: pi.invoice, currency: pi.currency,
		description: pi.description, method: pi.method, failure: string(how), name: name, email: pi.email, created: a.now(),
		amount: pi.amount, metadata: pi.metadata}
	next.charge, next.failure = ch.id, string(how)
	if how != Succeeds {
		next.status = "requires_payment_method"
		a.record("charge.failed", ch)
		a.put(&next)
		a.emit("payment_intent.payment_failed", &next, nil)
		return ch.id
	}
	next.status, next.received = "succeeded", pi.amount
	ch.txn = a.settle(ch.id, "charge", "charge", pi.currency, pi.description, pi.amount, 0)
	a.put(&next)
	a.emit("payment_intent.succeeded", &next, nil)
	a.record("charge.succeeded", ch)
	return ch.id
}

// paid makes the subscription of a paid invoice active, unless it is ended, in trial or has still something to pay.
func (a *Account) paid(inv *invoice) {
	s, ok := get[*subscription](a, inv.subscription)
	if !ok {
		return
	}
	if c, ok := get[*customer](a, inv.customer); ok && c.delinquent {
		next := *c
		next.delinquent = false
		a.record("customer.updated", &next)
	}
	switch s.status {
	case "incomplete", "past_due", "unpaid":
		first := s.status == "incomplete"
		next := *s
		next.status = "active"
		a.record("customer.subscription.updated", &next)
		if first {
			a.scheduleRenewal(&next)
		}
	}
}

// unpaid marks what a failed payment leaves behind and plans the next attempt. After the last one the subscription is
// canceled, as Stripe does by default.
func (a *Account) unpaid(inv *invoice) {
	s, ok := get[*subscription](a, inv.subscription)
	if !ok || s.ended() {
		return
	}
	if c, ok := get[*customer](a, inv.customer); ok && !c.delinquent && s.status != "incomplete" {
		next := *c
		next.delinquent = true
		a.record("customer.updated", &next)
	}
	if s.status == "incomplete" {
		return
	}
	if inv.next == 0 {
		a.cancel(s, "payment_failed")
		return
	}
	if s.status != "past_due" {
		next := *s
		next.status = "past_due"
		a.record("customer.subscription.updated", &next)
	}
	attempts := inv.attempts
	a.schedule(inv.next, func() {
		if now, ok := get[*invoice](a, inv.id); ok && now.status == "open" && now.attempts == attempts {
			if s, ok := get[*subscription](a, now.subscription); ok && !s.ended() {
				_ = a.collect(inv.id, a.outcome(inv.subscription)) // it is open: the line above says so
			}
		}
	})
}

// retryAt is when a payment is tried again: 3, 5 and 7 days after the failures, and then no more.
func (a *Account) retryAt(attempt int64) int64 {
	if attempt > 3 {
		return 0
	}
	return a.now() + (1+2*attempt)*86400
}

func (a *Account) outcome(subscription string) Payment {
	if a.policy == nil {
		return Succeeds
	}
	return a.policy(subscription)
}
