package stripe

import "fmt"

// scheduleRenewal plans the end of the current period, and the announcement of its invoice a week before.
func (a *Account) scheduleRenewal(s *subscription) {
	id, end := s.id, s.periodEnd()
	due := func() (*subscription, bool) {
		now, ok := get[*subscription](a, id)
		return now, ok && !now.ended() && now.status != "paused" && now.periodEnd() == end
	}
	if end-a.now() > 7*86400 {
		a.schedule(end-7*86400, func() {
			if now, ok := due(); ok && !now.cancelAtPeriodEnd && now.pause == "" {
				a.upcoming(now)
			}
		})
	}
	a.schedule(end, func() {
		now, ok := due()
		switch {
		case !ok:
		case now.cancelAtPeriodEnd:
			a.cancel(now, "cancellation_requested")
		default:
			a.renew(now, end, a.outcome(id))
		}
	})
}

// upcoming announces the next invoice, which has no id yet.
func (a *Account) upcoming(s *subscription) {
	if a.now() < a.reach() {
		return
	}
	inv := a.draft(s, s.items, "upcoming")
	inv.id = ""
	inv.created = s.periodEnd()
	a.emit("invoice.upcoming", inv, nil)
}

// renew starts the next period of the items that are due and bills them. A paused collection moves the period alone.
func (a *Account) renew(s *subscription, at int64, how Payment) {
	old := s.periodEnd()
	next := *s
	items := next.withItems()
	if at != old {
		next.anchor = at
	}
	if s.trialEnd == old && s.status == "trialing" {
		next.status, next.trialEnd = "active", at
	}
	var due []item
	for i := range items {
		p, ok := get[*price](a, items[i].price)
		if ok && items[i].stop == old {
			items[i].start = at
			items[i].stop = nextPeriod(at, next.anchor, p.interval, p.count)
			due = append(due, items[i])
		}
	}
	if next.pause != "" || len(due) == 0 {
		a.record("customer.subscription.updated", &next)
		a.scheduleRenewal(&next)
		return
	}
	inv := a.draft(&next, due, "subscription_cycle")
	next.latestInvoice, next.pending = inv.id, nil
	a.record("customer.subscription.updated", &next)
	a.scheduleRenewal(&next)
	if err := a.collect(a.finalize(inv), how); err != nil {
		panic(err) // an invoice made a line above is open
	}
}

// Renew starts the next period now and bills it, with the given end of the payment. Before the period's end this moves
// the billing cycle to now.
func (a *Account) Renew(id string, how Payment) error {
	defer a.change()()
	s, err := a.living(id)
	if err != nil {
		return err
	}
	if s.status == "incomplete" || s.status == "paused" {
		return fmt.Errorf("stripe sim: subscription %s is %s", id, s.status)
	}
	a.renew(s, min(s.periodEnd(), a.now()), how)
	return nil
}

// FailPayment renews with a payment that is declined: the subscription is past_due afterwards.
func (a *Account) FailPayment(id string) error { return a.Renew(id, InsufficientFunds) }

// Recover pays the open invoice of an incomplete, past_due or unpaid subscription.
func (a *Account) Recover(id string) error {
	defer a.change()()
	s, err := a.living(id)
	if err != nil {
		return err
	}
	return a.collect(s.latestInvoice, Succeeds)
}

// Retry tries the open invoice of a subscription again with a given end.
func (a *Account) Retry(id string, how Payment) error {
	defer a.change()()
	s, err := a.living(id)
	if err != nil {
		return err
	}
	return a.collect(s.latestInvoice, how)
}

// Cancel ends a subscription at once.
func (a *Account) Cancel(id string) error {
	defer a.change()()
	s, err := a.living(id)
	if err != nil {
		return err
	}
	a.cancel(s, "cancellation_requested")
	return nil
}

func (a *Account) cancel(s *subscription, reason string) {
	next := *s
	next.status, next.endedAt, next.reason = "canceled", a.now(), reason
	if next.canceledAt == 0 {
		next.canceledAt = a.now()
	}
	a.put(&next)
	a.emit("customer.subscription.deleted", &next, nil)
}

// CancelAtPeriodEnd lets a subscription end with its period, or takes that back.
func (a *Account) CancelAtPeriodEnd(id string, yes bool) error {
	return a.changeSubscription(id, func(s *subscription) error {
		s.cancelAtPeriodEnd, s.cancelAt, s.canceledAt, s.reason = yes, 0, 0, ""
		if yes {
			s.cancelAt, s.canceledAt, s.reason = s.periodEnd(), a.now(), "cancellation_requested"
		}
		return nil
	})
}

// Pause stops collecting payments with a behaviour: void, keep_as_draft or mark_uncollectible. The status stays as it is,
// as in Stripe; an empty behaviour resumes.
func (a *Account) Pause(id, behavior string) error {
	return a.changeSubscription(id, func(s *subscription) error {
		s.pause = behavior
		return nil
	})
}

// SetStatus moves a subscription to a status that only settings of the account lead to: paused after a trial without a
// payment method, unpaid after the last retry. A subscription that was paused resumes with active.
func (a *Account) SetStatus(id, status string) error {
	defer a.change()()
	s, err := a.living(id)
	if err != nil {
		return err
	}
	next := *s
	next.status = status
	a.record("customer.subscription.updated", &next)
	switch {
	case status == "paused":
		a.emit("customer.subscription.paused", &next, nil)
	case s.status == "paused" && status == "active":
		a.emit("customer.subscription.resumed", &next, nil)
		a.scheduleRenewal(&next)
	}
	return nil
}

// UpdateMetadata merges metadata into a customer, product, price, subscription or charge; an empty value removes a key.
func (a *Account) UpdateMetadata(id string, changes map[string]string) error {
	defer a.change()()
	o := a.objects[id]
	if o == nil {
		return missing("object", id)
	}
	switch o.resource {
	case "customers":
		return a.updateCustomer(id, CustomerUpdate{Metadata: changes})
	case "products":
		return update(a, id, "product.updated", func(p *product) { p.metadata, p.updated = p.metadata.merge(changes), a.now() })
	case "prices":
		return update(a, id, "price.updated", func(p *price) { p.metadata = p.metadata.merge(changes) })
	case "charges":
		return update(a, id, "charge.updated", func(c *charge) { c.metadata = c.metadata.merge(changes) })
	case "subscriptions":
		return update(a, id, "customer.subscription.updated", func(s *subscription) { s.metadata = s.metadata.merge(changes) })
	}
	return fmt.Errorf("stripe sim: metadata of %s cannot be edited", o.resource)
}

func (a *Account) changeSubscription(id string, change func(*subscription) error) error {
	defer a.change()()
	s, err := a.living(id)
	if err != nil {
		return err
	}
	next := *s
	if err := change(&next); err != nil {
		return err
	}
	a.record("customer.subscription.updated", &next)
	if next.periodEnd() != s.periodEnd() {
		a.scheduleRenewal(&next)
	}
	return nil
}

func (a *Account) living(id string) (*subscription, error) {
	s, ok := get[*subscription](a, id)
	if !ok {
		return nil, missing("subscription", id)
	}
	if s.ended() {
		return nil, fmt.Errorf("stripe sim: subscription %s is %s", id, s.status)
	}
	return s, nil
}
