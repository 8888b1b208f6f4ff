package stripe

import (
	"slices"
	"time"
)

// Person is what somebody who sells memberships through the account knows of a customer. Amounts are in minor units;
// a zero time is none.
type Person struct {
	Customer           string
	Joined             time.Time
	Gone               bool // deleted, so that nothing is known of who it was
	Name, Email, Phone string
	Address            *Address
	Metadata           map[string]string
	Agreements         []Agreement // oldest first
	Payments           []Paid      // oldest first
}

// Agreement is a subscription, as its first item has it.
type Agreement struct {
	ID, Status        string
	Offer             Offer
	Amount            int64 // of all items
	Started, TrialEnd time.Time
	Stopped           time.Time // when somebody cancelled it, to end then or with its period
}

// Offer is a price by which members subscribe.
type Offer struct {
	Price, Product, Name string
	Interval             string
	Count, Amount        int64
	Created              time.Time
}

// Paid is an attempt to pay, which may have failed.
type Paid struct {
	ID           string
	Subscription string // "" for a payment for itself
	Offer        Offer  // of the invoice's first line that is no proration
	Description  string
	Metadata     map[string]string
	Amount       int64
	Failed       bool
	At, Until    time.Time // Until is the end of what was paid for
	Refunded     time.Time // when all of it was given back
}

// Offers returns the recurring prices, oldest first.
func (a *Account) Offers() []Offer {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var offers []Offer
	for _, o := range a.lists[indexKey{resource: "prices"}] {
		if offer := a.offer(o.id); offer.Interval != "" {
			offers = append(offers, offer)
		}
	}
	return offers
}

// People returns the customers about whom anything has changed behind a mark, oldest first, and the mark up to which that
// is true. Mark 0 is the beginning.
func (a *Account) People(since uint64) (changed []Person, mark uint64) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, o := range a.lists[indexKey{resource: "customers"}] {
		if a.touched(o) > since {
			changed = append(changed, a.person(o))
		}
	}
	return changed, a.seq
}

// touched is the number of the last change of a customer, or of what was agreed with or paid by it.
func (a *Account) touched(o *object) uint64 {
	last := o.last().seq
	for _, resource := range []string{"subscriptions", "charges", "invoices"} {
		for _, of := range a.lists[indexKey{resource, "customer", o.id}] {
			last = max(last, of.last().seq)
		}
	}
	return last
}

func (a *Account) person(o *object) Person {
	p := Person{Customer: o.id, Joined: moment(o.created)}
	if c, ok := o.last().st.(*customer); ok {
		p.Name, p.Email, p.Phone, p.Address, p.Metadata = c.name, c.email, c.phone, c.address, c.metadata.plain()
	} else {
		p.Gone = true
	}
	for _, of := range a.lists[indexKey{"subscriptions", "customer", o.id}] {
		if s, ok := of.last().st.(*subscription); ok {
			p.Agreements = append(p.Agreements, a.agreement(s))
		}
	}
	for _, of := range a.lists[indexKey{"charges", "customer", o.id}] {
		if c, ok := of.last().st.(*charge); ok {
			p.Payments = append(p.Payments, a.payment(c))
		}
	}
	return p
}

func (a *Account) agreement(s *subscription) Agreement {
	is := Agreement{ID: s.id, Status: s.status, Offer: a.offer(s.items[0].price), Started: moment(s.started), TrialEnd: moment(s.trialEnd), Stopped: moment(s.canceledAt)}
	for _, i := range s.items {
		is.Amount += a.offer(i.price).Amount * i.quantity
	}
	return is
}

func (a *Account) payment(c *charge) Paid {
	is := Paid{ID: c.id, Description: c.description, Metadata: c.metadata.plain(), Amount: c.amount, Failed: c.failure != "", At: moment(c.created)}
	if inv, ok := get[*invoice](a, c.invoice); ok && len(inv.lines) > 0 {
		is.Subscription = inv.subscription
		for _, l := range inv.lines {
			is.Until = latest(is.Until, moment(l.end))
		}
		if first := slices.IndexFunc(inv.lines, func(l line) bool { return !l.proration }); first >= 0 {
			is.Offer = a.offer(inv.lines[first].price)
		}
	}
	if c.refunded == c.amount && c.amount > 0 {
		for _, of := range a.lists[indexKey{"refunds", "charge", c.id}] {
			is.Refunded = latest(is.Refunded, moment(of.created))
		}
	}
	return is
}

func (a *Account) offer(id string) Offer {
	p, ok := get[*price](a, id)
	if !ok {
		return Offer{Price: id}
	}
	is := Offer{Price: p.id, Product: p.product, Name: p.product, Interval: p.interval, Count: p.count, Amount: p.amount, Created: moment(p.created)}
	if of, ok := get[*product](a, p.product); ok {
		is.Name = of.name
	}
	return is
}

// plain is the metadata as a map.
func (m metadata) plain() map[string]string {
	out := make(map[string]string, len(m))
	for _, p := range m {
		out[p.k] = p.v
	}
	return out
}

func moment(second int64) time.Time {
	if second == 0 {
		return time.Time{}
	}
	return time.Unix(second, 0).UTC()
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }
