package stripe

import (
	"fmt"
	"math/rand/v2"
	"time"

	"memberintel/internal/sim/cast"
)

// club is the life of a sports club in an account.
type club struct {
	a       *Account
	rnd     *rand.Rand
	members int
	prices  map[string]string
}

// Club fills a fresh account with the history of a club, up to the clock's now: members who join over the months, on
// monthly and yearly plans, for life or on trial, who pay, fail, recover, get refunds, dispute, change plans and leave.
// Afterwards some automatic payments go on failing, as SetPaymentPolicy would make them. The same seed gives the same
// history. In an account that already did something, history cannot begin before that.
func (a *Account) Club(seed uint64, members, months int) {
	defer a.change()()
	end := a.sim.clock.Now()
	c := a.newClub(seed)
	start := end.AddDate(0, -months, 0)
	a.schedule(start.Unix(), c.open)
	span := max(1, end.Unix()-start.Unix()-7200)
	for range members {
		a.schedule(start.Unix()+3600+c.rnd.Int64N(span), c.join)
	}
	a.catchUp(end.Unix())
}

func (a *Account) newClub(seed uint64) *club {
	c := &club{a: a, rnd: newRand(seed, 11), prices: map[string]string{}}
	a.policy, a.club = c.payment, c
	return c
}

// payment lets three of a hundred payments fail, and four of ten retries.
func (c *club) payment(id string) Payment {
	odds := 0.03
	if s, ok := get[*subscription](c.a, id); ok && s.status == "past_due" {
		odds = 0.4
	}
	if !chance(c.rnd, odds) {
		return Succeeds
	}
	return Payment(pick(c.rnd, string(Declined), string(InsufficientFunds), string(ExpiredCard)))
}

// open sets up the catalogue.
func (c *club) open() {
	for _, kind := range []struct {
		name           string
		monthly, annum int64
	}{{"Adult", 4500, 45000}, {"Junior", 2000, 20000}, {"Family", 8000, 80000}, {"Student", 2500, 25000}, {"Senior", 3000, 30000}} {
		p := &product{id: c.a.newID("prod"), name: kind.name + " membership", created: c.a.now(), updated: c.a.now(),
			metadata: newMetadata(map[string]string{"level": kind.name})}
		c.a.record("product.created", p)
		c.price(kind.name+"/month", p.id, "month", kind.monthly)
		c.price(kind.name+"/year", p.id, "year", kind.annum)
	}
	p := &product{id: c.a.newID("prod"), name: "Locker", created: c.a.now(), updated: c.a.now()}
	c.a.record("product.created", p)
	c.price("locker", p.id, "month", 500)
}

func (c *club) price(key, product, interval string, amount int64) {
	p := &price{id: c.a.newID("price"), product: product, currency: c.a.options.Currency, nickname: key, interval: interval,
		count: 1, amount: amount, created: c.a.now()}
	c.a.record("price.created", p)
	c.prices[key] = p.id
}

// join lets one more person become a member.
func (c *club) join() {
	c.members++
	who := cast.New(c.rnd, c.members, time.Unix(c.a.now(), 0).UTC())
	kind := who.Kind
	id := c.a.createCustomer(CustomerParams{
		Name: who.Name, Email: who.Email, Phone: who.Phone, Description: who.Description, Metadata: who.Fields,
		Address: &Address{City: who.City, Country: who.Country, Line1: who.Line1, PostalCode: who.PostalCode},
	})
	if chance(c.rnd, 0.05) {
		c.must(c.a.charge(ChargeParams{Customer: id, Amount: 250_000, Description: "Lifetime membership",
			Metadata: map[string]string{"membership": "lifetime", "membership_type": kind}}))
		return
	}
	p := SubscriptionParams{Customer: id, Prices: []string{c.prices[kind+"/month"]}, Metadata: map[string]string{"source": "website"}}
	switch {
	case chance(c.rnd, 0.35):
		p.Prices = []string{c.prices[kind+"/year"]}
	case chance(c.rnd, 0.12):
		p.Prices = append(p.Prices, c.prices["locker"])
	}
	if chance(c.rnd, 0.08) {
		p.TrialDays = 14
	}
	if chance(c.rnd, 0.04) {
		p.Payment = Declined
	}
	sub := c.must(c.a.subscribe(p))
	if p.Payment != Succeeds && chance(c.rnd, 0.6) {
		c.a.schedule(c.a.now()+600+c.rnd.Int64N(7200), func() { c.pay(sub) })
	}
	c.live(id, sub, kind)
}

// live plans what will happen to a new member.
func (c *club) live(customer, sub, kind string) {
	for _, event := range []struct {
		odds float64
		days int
		run  func()
	}{
		{0.30, 700, func() { c.leave(sub, false) }},
		{0.05, 300, func() { c.leave(sub, true) }},
		{0.12, 200, func() { c.edit(customer) }},
		{0.05, 90, func() { c.refundOne(customer) }},
		{0.02, 60, func() { c.disputeOne(customer) }},
		{0.04, 250, func() { c.move(sub, kind) }},
		{0.02, 400, func() { c.forget(customer) }},
	} {
		if chance(c.rnd, event.odds) {
			c.a.schedule(c.a.now()+86400+c.rnd.Int64N(int64(event.days)*86400), event.run)
		}
	}
}

func (c *club) leave(id string, atOnce bool) {
	s, err := c.a.living(id)
	if err != nil {
		return
	}
	if atOnce {
		c.a.cancel(s, "cancellation_requested")
		return
	}
	next := *s
	next.cancelAtPeriodEnd, next.cancelAt, next.canceledAt, next.reason = true, s.periodEnd(), c.a.now(), "cancellation_requested"
	c.a.record("customer.subscription.updated", &next)
}

func (c *club) edit(id string) {
	if _, ok := get[*customer](c.a, id); ok {
		c.done(c.a.updateCustomer(id, CustomerUpdate{Metadata: map[string]string{
			"preferred_court": pick(c.rnd, "Court 1", "Court 4", "Clay"), "skill_level": pick(c.rnd, "intermediate", "advanced")}}))
	}
}

// latest returns the customer's newest charge that can be refunded.
func (c *club) latest(id string) (*charge, bool) {
	list := c.a.lists[indexKey{"charges", "customer", id}]
	for i := len(list) - 1; i >= 0; i-- {
		if ch, ok := list[i].last().st.(*charge); ok && ch.failure == "" && ch.refunded == 0 && !ch.disputed {
			return ch, true
		}
	}
	return nil, false
}

func (c *club) refundOne(id string) {
	if ch, ok := c.latest(id); ok {
		p := RefundParams{Charge: ch.id, Reason: "requested_by_customer"}
		if chance(c.rnd, 0.4) {
			p.Amount = ch.amount / 2
		}
		c.must(c.a.refund(p))
	}
}

func (c *club) disputeOne(id string) {
	if ch, ok := c.latest(id); ok {
		dispute := c.must(c.a.openDispute(ch.id, pick(c.rnd, "fraudulent", "subscription_canceled", "general"), 0))
		won := chance(c.rnd, 0.4)
		c.a.schedule(c.a.now()+20*86400, func() { c.done(c.a.closeDispute(dispute, won)) })
	}
}

// move changes a subscription between monthly and yearly.
func (c *club) move(id, kind string) {
	s, err := c.a.living(id)
	if err != nil || s.status != "active" || len(s.items) > 1 {
		return
	}
	to := c.prices[kind+"/year"]
	if s.items[0].price == to {
		to = c.prices[kind+"/month"]
	}
	c.done(c.a.changeItem(s, s.items[0].id, to, 0))
}

// forget deletes a customer who left long ago.
func (c *club) forget(id string) {
	if st, ok := get[*customer](c.a, id); ok {
		c.a.deleteCustomer(st)
	}
}

func (c *club) must(id string, err error) string {
	c.done(err)
	return id
}

// done panics on an error: a club only does what its account allows, so one is a mistake in the sim itself.
func (c *club) done(err error) {
	if err != nil {
		panic(fmt.Sprintf("stripe sim: club: %v", err))
	}
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

func chance(r *rand.Rand, p float64) bool { return r.Float64() < p }
