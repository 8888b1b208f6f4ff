package club

import (
	"context"
	"fmt"
	"time"

	"memberintel/internal/sim/cast"
	"memberintel/internal/sim/memberpress"
)

// firstInvented is the number of the first member whom Stripe does not know; its own come before.
const firstInvented = 90001

// joinInCash lets somebody join who pays at the desk: a member of the site alone.
func (c *Club) joinInCash(at time.Time) {
	who := cast.New(c.rnd, firstInvented+c.invented, at)
	c.invented++
	email := who.Email
	if email == "" { // the site asks for one
		email = fmt.Sprintf("member%d@club.example", firstInvented+c.invented)
	}
	id := c.fresh("members")
	c.putMember(memberpress.Member{
		ID: id, Login: login(email), Email: email, FirstName: who.First, LastName: who.Last, DisplayName: who.First + " " + who.Last,
		RegisteredAt: &at, Roles: []string{"subscriber"}, Custom: custom(who.Fields, who.Phone),
		Address: &memberpress.Address{One: who.Line1, City: who.City, Zip: who.PostalCode, Country: who.Country},
	})
	c.cash = append(c.cash, id)
	c.payInCash(id, at)
}

// payInCash buys half a year.
func (c *Club) payInCash(member int64, at time.Time) {
	id := c.fresh("transactions")
	t := memberpress.Transaction{
		ID: id, MemberID: memberpress.Ref(member), ProductID: memberpress.Ref(c.id("products", desk)), Type: "payment", Status: "complete",
		TransNum: fmt.Sprintf("mp-txn-%08x", id*2654435761%(1<<32)), Gateway: "manual", Amount: "120.00", Total: "120.00",
		CreatedAt: &at, ExpiresAt: endOfDay(at.AddDate(0, 6, 0)),
	}
	c.paid[member] = append(c.paid[member], t)
	c.put("transactions", id, t)
}

// Act lets one thing happen on the site alone.
func (c *Club) Act() {
	now := c.now()
	m, known := c.someone(c.order)
	payer, paying := c.someone(c.cash)
	switch n := c.rnd.IntN(100); {
	case n < 15 || !known:
		c.joinInCash(now)
	case n < 45: // edits the profile
		m.Custom = with(m.Custom, "mepr_favourite_day", []string{"Monday", "Wednesday", "Friday", "Saturday"}[c.rnd.IntN(4)])
		c.putMember(m)
	case n < 65: // signs in
		m.LastLoginAt, m.LoginCount = &now, m.LoginCount+1
		c.putMember(m)
	case n < 75: // becomes a coach, or is none any more
		if len(m.Roles) == 1 {
			m.Roles = append([]string{"coach"}, m.Roles...)
		} else {
			m.Roles = m.Roles[1:]
		}
		c.putMember(m)
	case n < 85: // an import writes past MemberPress
		m.Custom = with(m.Custom, "mepr_import", now.Format(time.DateTime))
		c.members[m.ID] = m
		c.board.Slip(m)
	case n < 95 && paying:
		c.payInCash(payer.ID, now)
	case paying && len(c.cash) > 1:
		c.leave(payer.ID)
	}
}

// leave deletes a member who paid in cash; the payments stay, and are nobody's.
func (c *Club) leave(member int64) {
	c.order, c.cash = without(c.order, member), without(c.cash, member)
	c.board.Delete("members", member)
	for _, t := range c.paid[member] {
		t.MemberID = 0
		c.board.Slip(t)
	}
	delete(c.members, member)
	delete(c.paid, member)
}

// someone picks one of the members.
func (c *Club) someone(of []int64) (memberpress.Member, bool) {
	if len(of) == 0 {
		return memberpress.Member{}, false
	}
	m, known := c.members[of[c.rnd.IntN(len(of))]]
	return m, known
}

// Live keeps the site busy until ctx ends: each pace it follows the account, each second time something happens on the
// site alone as well. settle is called after whatever changed; its error ends it.
func (c *Club) Live(ctx context.Context, pace time.Duration, settle func(context.Context) error) error {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for turn := 0; ; turn++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		rows := c.Follow()
		if turn%2 == 1 {
			c.Act()
			rows++
		}
		if rows == 0 {
			continue
		}
		if err := settle(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// with is a copy of the fields with one more.
func with(fields map[string]any, key, value string) map[string]any {
	out := map[string]any{key: value}
	for k, v := range fields {
		if k != key {
			out[k] = v
		}
	}
	return out
}

// without is a copy of the ids without one.
func without(ids []int64, id int64) []int64 {
	var out []int64
	for _, other := range ids {
		if other != id {
			out = append(out, other)
		}
	}
	return out
}
