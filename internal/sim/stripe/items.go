package stripe

import "slices"

// ChangeItem moves an item to a price and quantity; an empty price or zero quantity stays. The difference for the rest of
// the period waits for the next invoice; a change of the interval bills at once and starts a new period.
func (a *Account) ChangeItem(id, itemID, priceID string, quantity int64) error {
	defer a.change()()
	s, err := a.living(id)
	if err != nil {
		return err
	}
	return a.changeItem(s, itemID, priceID, quantity)
}

func (a *Account) changeItem(s *subscription, itemID, priceID string, quantity int64) error {
	n := slices.IndexFunc(s.items, func(i item) bool { return i.id == itemID })
	if n < 0 {
		return missing("subscription item", itemID)
	}
	next := *s
	was := s.items[n]
	is := &next.withItems()[n]
	if priceID != "" {
		is.price = priceID
	}
	if quantity != 0 {
		is.quantity = quantity
	}
	p, ok := get[*price](a, is.price)
	old, _ := get[*price](a, was.price)
	if !ok || old == nil || p.interval == "" || p.currency != s.currency {
		return missing("recurring price in "+s.currency, is.price)
	}
	if p.interval == old.interval && p.count == old.count {
		next.pending = append(slices.Clone(s.pending), a.proration(was, true), a.proration(*is, false))
		a.record("customer.subscription.updated", &next)
		return nil
	}
	is.start, is.stop = a.now(), nextPeriod(a.now(), a.now(), p.interval, p.count)
	next.anchor = a.now()
	if next.status == "trialing" {
		next.status, next.trialEnd = "active", a.now()
	}
	inv := a.draft(&next, []item{*is}, "subscription_update")
	inv.lines = append([]line{a.proration(was, true)}, inv.lines...)
	inv.due = max(0, inv.total())
	next.latestInvoice, next.pending = inv.id, nil
	a.record("customer.subscription.updated", &next)
	if next.status != "incomplete" {
		a.scheduleRenewal(&next)
	}
	return a.collect(a.finalize(inv), Succeeds)
}

// proration is the line that gives back, or charges, what is left of an item's period.
func (a *Account) proration(i item, back bool) line {
	from := min(max(a.now(), i.start), i.stop)
	l := a.newLine(i, from, i.stop)
	l.proration = true
	l.amount = l.amount * (i.stop - from) / max(1, i.stop-i.start)
	if back {
		l.amount, l.description = -l.amount, "Unused time on "+l.description
	} else {
		l.description = "Remaining time on " + l.description
	}
	return l
}

// AddItem adds an item to a subscription and returns its id. It is billed with the next invoice.
func (a *Account) AddItem(id string, p ItemParams) (string, error) {
	added := ""
	err := a.changeSubscription(id, func(s *subscription) error {
		i, err := a.newItem(s, p)
		added = i.id
		s.items = append(s.withItems(), i)
		return err
	})
	return added, err
}

// RemoveItem takes an item off a subscription, which must keep one.
func (a *Account) RemoveItem(id, itemID string) error {
	return a.changeSubscription(id, func(s *subscription) error {
		n := slices.IndexFunc(s.items, func(i item) bool { return i.id == itemID })
		if n < 0 || len(s.items) == 1 {
			return missing("removable subscription item", itemID)
		}
		s.items = slices.Delete(s.withItems(), n, n+1)
		return nil
	})
}
