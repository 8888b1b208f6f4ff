package stripe

import (
	"context"
	"time"
)

// Live keeps an account busy until ctx ends: about once every pace of real time somebody joins, pays, fails, edits or
// leaves, and what falls due on the clock happens. It opens a club where there is none. It blocks; one at a time.
func (a *Account) Live(ctx context.Context, pace time.Duration) {
	c := a.resume()
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			a.Tick()
			c.act()
		}
	}
}

// resume takes up the club that the account has, or opens one.
func (a *Account) resume() *club {
	defer a.change()()
	if a.club == nil {
		a.club = a.newClub(a.sim.seed)
		a.club.open()
	}
	return a.club
}

// act lets one thing happen.
func (c *club) act() {
	defer c.a.change()()
	switch n := c.rnd.IntN(100); {
	case n < 30:
		c.join()
	case n < 55:
		c.edit(c.any("customers"))
	case n < 75:
		c.pay(c.any("subscriptions"))
	case n < 82:
		c.leave(c.any("subscriptions"), n < 78)
	case n < 90:
		c.refundOne(c.any("customers"))
	case n < 92:
		c.disputeOne(c.any("customers"))
	default:
		c.must(c.a.charge(ChargeParams{Customer: c.anyCustomer(), Amount: 1500, Description: "Guest fee"}))
	}
}

// pay lets an overdue member pay, or a member in good standing fail.
func (c *club) pay(id string) {
	s, err := c.a.living(id)
	if err != nil {
		return
	}
	inv, ok := get[*invoice](c.a, s.latestInvoice)
	switch {
	case ok && inv.status == "open":
		c.done(c.a.collect(inv.id, Succeeds))
	case s.status == "active" && c.rnd.IntN(3) == 0:
		c.a.renew(s, min(s.periodEnd(), c.a.now()), InsufficientFunds)
	case s.status == "active":
		c.a.renew(s, min(s.periodEnd(), c.a.now()), Succeeds)
	}
}

// any returns the id of some object, perhaps a deleted one; empty where there is none.
func (c *club) any(resource string) string {
	list := c.a.lists[indexKey{resource: resource}]
	if len(list) == 0 {
		return ""
	}
	return list[c.rnd.IntN(len(list))].id
}

// anyCustomer returns a customer that is there, or none for a walk-in.
func (c *club) anyCustomer() string {
	id := c.any("customers")
	if _, ok := get[*customer](c.a, id); !ok {
		return ""
	}
	return id
}
