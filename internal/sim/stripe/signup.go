package stripe

import "fmt"

// Payment is how a payment ends: Succeeds, or a decline code of the bank.
type Payment string

// The ends of a payment that the sim knows; any other decline code may be used too.
const (
	Succeeds          Payment = ""
	Declined          Payment = "generic_decline"
	InsufficientFunds Payment = "insufficient_funds"
	ExpiredCard       Payment = "expired_card"
)

// SubscriptionParams describe a new subscription. Prices is the short form of Items with one of each; their intervals may
// differ. With TrialDays the first payment is due at the trial's end. A first payment that fails leaves the subscription
// incomplete, and it expires after 23 hours unless it is recovered.
type SubscriptionParams struct {
	Customer    string
	Prices      []string
	Items       []ItemParams
	TrialDays   int
	Payment     Payment
	Description string
	Metadata    map[string]string
}

// ItemParams describe one item; a quantity of zero means one.
type ItemParams struct {
	Price    string
	Quantity int64
	Metadata map[string]string
}

// CreateSubscription subscribes a customer and returns the subscription's id.
func (a *Account) CreateSubscription(p SubscriptionParams) (string, error) {
	defer a.change()()
	return a.subscribe(p)
}

func (a *Account) subscribe(p SubscriptionParams) (string, error) {
	c, ok := get[*customer](a, p.Customer)
	if !ok {
		return "", missing("customer", p.Customer)
	}
	for _, id := range p.Prices {
		p.Items = append(p.Items, ItemParams{Price: id})
	}
	now := a.now()
	s := &subscription{id: a.newID("sub"), customer: c.id, method: c.method, clock: c.clock, description: p.Description,
		status: "incomplete", created: now, started: now, anchor: now, metadata: newMetadata(p.Metadata)}
	for _, ip := range p.Items {
		i, err := a.newItem(s, ip)
		if err != nil {
			return "", err
		}
		s.items = append(s.items, i)
	}
	if len(s.items) == 0 {
		return "", fmt.Errorf("stripe sim: a subscription needs a price")
	}
	a.setCurrency(c.id, s.currency)
	if p.TrialDays > 0 {
		a.startTrial(s, p.TrialDays)
		return s.id, nil
	}
	inv := a.draft(s, s.items, "subscription_create")
	s.latestInvoice = inv.id
	a.record("customer.subscription.created", s)
	a.schedule(now+23*3600, func() { a.expire(s.id) })
	return s.id, a.collect(a.finalize(inv), p.Payment)
}

func (a *Account) newItem(s *subscription, ip ItemParams) (item, error) {
	p, ok := get[*price](a, ip.Price)
	if !ok || p.interval == "" {
		return item{}, missing("recurring price", ip.Price)
	}
	if s.currency == "" {
		s.currency = p.currency
	}
	if p.currency != s.currency {
		return item{}, fmt.Errorf("stripe sim: price %s is in %s, the subscription in %s", p.id, p.currency, s.currency)
	}
	now := a.now()
	i := item{id: a.newID("si"), price: p.id, quantity: max(1, ip.Quantity), created: now, start: now,
		metadata: newMetadata(ip.Metadata), stop: nextPeriod(now, now, p.interval, p.count)}
	for _, other := range s.items {
		if q, ok := get[*price](a, other.price); ok && q.interval == p.interval && q.count == p.count {
			i.stop = other.stop
		}
	}
	return i, nil
}

// setCurrency gives a customer the currency of its first subscription or invoice.
func (a *Account) setCurrency(id, currency string) {
	if c, ok := get[*customer](a, id); ok && c.currency == "" {
		next := *c
		next.currency = currency
		a.record("customer.updated", &next)
	}
}

func (a *Account) startTrial(s *subscription, days int) {
	s.status, s.trialStart = "trialing", s.created
	s.trialEnd = s.created + int64(days)*86400
	s.anchor = s.trialEnd
	for i := range s.items {
		s.items[i].stop = s.trialEnd
	}
	inv := a.draft(s, s.items, "subscription_create")
	for i := range inv.lines {
		inv.lines[i].amount, inv.lines[i].description = 0, "Free trial for "+inv.lines[i].description
	}
	inv.due = 0
	s.latestInvoice = inv.id
	a.record("customer.subscription.created", s)
	if err := a.collect(a.finalize(inv), Succeeds); err != nil {
		panic(err) // an invoice made a line above is there
	}
	a.schedule(s.trialEnd-3*86400, func() {
		if now, ok := get[*subscription](a, s.id); ok && now.status == "trialing" {
			a.emit("customer.subscription.trial_will_end", now, nil)
		}
	})
	a.scheduleRenewal(s)
}

// expire ends a subscription whose first payment never came.
func (a *Account) expire(id string) {
	s, ok := get[*subscription](a, id)
	if !ok || s.status != "incomplete" {
		return
	}
	if inv, ok := get[*invoice](a, s.latestInvoice); ok {
		void := *inv
		void.status, void.voided, void.next = "void", a.now(), 0
		a.record("invoice.voided", &void)
	}
	next := *s
	next.status, next.endedAt = "incomplete_expired", a.now()
	a.record("customer.subscription.updated", &next)
}
