package club

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"memberintel/internal/sim/memberpress"
	"memberintel/internal/sim/stripe"
)

// These stand for the two products that Stripe has no recurring price for.
const (
	life = "life"
	desk = "desk"
)

// catalogue writes a product for each price by which members subscribe, and for each membership of another kind.
func (c *Club) catalogue() {
	for _, offer := range c.account.Offers() {
		if !strings.HasSuffix(offer.Name, " membership") {
			continue // a locker comes with a membership
		}
		c.product(offer.Price, offer.Name+", by the "+offer.Interval, offer.Amount, memberpress.Product{Period: int(offer.Count), PeriodType: offer.Interval + "s"})
	}
	c.product(life, "Lifetime membership", 250_000, memberpress.Product{Period: 1, PeriodType: "lifetime"})
	c.product(desk, "Season pass", 12_000, memberpress.Product{Period: 1, PeriodType: "lifetime", ExpireType: "delay", ExpireAfter: 6, ExpireUnit: "months"})
	booking := memberpress.Rule{ID: 41, Title: "Court booking", Type: "all_pages", CreatedAt: c.opened(), ModifiedAt: c.opened()}
	for id := range c.next["products"] - firstProduct {
		booking.Conditions = append(booking.Conditions, memberpress.Condition{
			ID: id + 1, Type: "membership", Operator: "is", Condition: strconv.FormatInt(firstProduct+id, 10),
		})
	}
	c.board.Put(booking)
}

// opened is when the site was made.
func (c *Club) opened() *time.Time {
	at := c.now().AddDate(-3, 0, 0)
	return &at
}

func (c *Club) product(of, title string, amount int64, p memberpress.Product) {
	p.ID, p.Title, p.Price, p.CreatedAt, p.ModifiedAt = c.id("products", of), title, decimal(amount), c.opened(), c.opened()
	p.Slug = strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(title, ",", "")), " ", "-")
	c.put("products", p.ID, p)
}

// Follow writes what happened in the account since it was called last, and returns how many rows changed.
func (c *Club) Follow() (changed int) {
	people, mark := c.account.People(c.mark)
	for _, p := range people {
		if !p.Gone && c.ids["members "+p.Customer] == 0 && !c.onSite(p) {
			changed += c.alsoThere(p)
			continue
		}
		if c.ids["members "+p.Customer] == 0 && p.Gone {
			continue // who was forgotten before the site knew
		}
		changed += c.person(p)
	}
	c.mark = mark
	return changed
}

// number is that of the membership, which the cast gave.
func number(p stripe.Person) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(p.Metadata["member_number"], "M-")) // 0 where there is none
	return n
}

// onSite reports whether somebody joined on the site, which asks for an e-mail address.
func (c *Club) onSite(p stripe.Person) bool { return number(p)%5 != 0 && p.Email != "" }

// alsoThere writes somebody who joined at the desk and has an account on the site as well, of whom nothing but the
// address tells that they are the same.
func (c *Club) alsoThere(p stripe.Person) int {
	if number(p)%15 != 0 || p.Email == "" {
		return 0
	}
	first, last, _ := strings.Cut(p.Name, " ")
	return c.putMember(c.kept(memberpress.Member{
		ID: c.id("members", "the same address as "+p.Customer), Login: login(p.Email), Email: p.Email, FirstName: first, LastName: last,
		DisplayName: p.Name, RegisteredAt: &p.Joined, Roles: []string{"subscriber"},
	}))
}

// person writes a member, what was agreed and what was paid.
func (c *Club) person(p stripe.Person) (changed int) {
	id := c.id("members", p.Customer)
	if !p.Gone {
		changed += c.putMember(c.kept(memberOf(id, p)))
	}
	for _, a := range p.Agreements {
		changed += c.agreement(id, a)
	}
	for _, paid := range p.Payments {
		changed += c.payment(id, paid)
	}
	return changed
}

func memberOf(id int64, p stripe.Person) memberpress.Member {
	first, last, _ := strings.Cut(p.Name, " ")
	m := memberpress.Member{
		ID: id, Login: login(p.Email), Email: p.Email, FirstName: first, LastName: last, DisplayName: cmp.Or(p.Name, login(p.Email)),
		RegisteredAt: &p.Joined, Roles: []string{"subscriber"}, Custom: custom(p.Metadata, p.Phone),
		GatewayCustomers: []memberpress.GatewayCustomer{{Gateway: Gateway, Currency: "USD", Customer: p.Customer}},
	}
	if a := p.Address; a != nil {
		m.Address = &memberpress.Address{One: a.Line1, Two: a.Line2, City: a.City, State: a.State, Zip: a.PostalCode, Country: a.Country}
	}
	return m
}

// custom is what the site's own fields hold, under the keys that MemberPress gives them.
func custom(fields map[string]string, phone string) map[string]any {
	out := map[string]any{}
	for name, value := range fields {
		out["mepr_"+name] = value
	}
	if phone != "" {
		out["mepr_phone"] = phone
	}
	return out
}

// kept adds what the site alone knows of a member, and nobody else may take away.
func (c *Club) kept(m memberpress.Member) memberpress.Member {
	was, known := c.members[m.ID]
	if !known {
		return m
	}
	m.Roles, m.LastLoginAt, m.LoginCount = was.Roles, was.LastLoginAt, was.LoginCount
	for _, key := range slices.Sorted(maps.Keys(was.Custom)) {
		if m.Custom == nil {
			m.Custom = map[string]any{}
		}
		if _, told := m.Custom[key]; !told {
			m.Custom[key] = was.Custom[key]
		}
	}
	return m
}

// agreement writes a subscription. MemberPress calls one that was cancelled so at once, while access lasts to the end of what was
// paid for.
func (c *Club) agreement(member int64, a stripe.Agreement) (changed int) {
	id := c.id("subscriptions", a.ID)
	s := memberpress.Subscription{
		ID: id, MemberID: memberpress.Ref(member), ProductID: memberpress.Ref(c.id("products", a.Offer.Price)), SubscrID: a.ID, Gateway: Gateway,
		Status: "active", Price: decimal(a.Amount), Total: decimal(a.Amount), Period: int(a.Offer.Count), PeriodType: a.Offer.Interval + "s", CreatedAt: &a.Started,
	}
	switch {
	case !a.Stopped.IsZero():
		s.Status, s.StoppedAt = "cancelled", &a.Stopped
	case strings.HasPrefix(a.Status, "incomplete"):
		s.Status = "pending"
	case a.Status == "paused":
		s.Status = "suspended"
	}
	if !a.TrialEnd.IsZero() {
		s.Trial, s.TrialDays = true, int(a.TrialEnd.Sub(a.Started).Hours()/24)
		changed += c.transaction("trial of "+a.ID, memberpress.Transaction{
			MemberID: s.MemberID, ProductID: s.ProductID, SubscriptionID: memberpress.Ref(id), Type: "subscription_confirmation", Status: "confirmed",
			TransNum: a.ID, Gateway: Gateway, CreatedAt: &a.Started, ExpiresAt: endOfDay(a.TrialEnd),
		})
	}
	return changed + c.put("subscriptions", id, s)
}

// payment writes a payment for a membership. What else members pay for is not the site's business.
func (c *Club) payment(member int64, p stripe.Paid) int {
	t := memberpress.Transaction{
		MemberID: memberpress.Ref(member), Type: "payment", Status: "complete", TransNum: p.ID, Gateway: Gateway,
		Amount: decimal(p.Amount), Total: decimal(p.Amount), CreatedAt: &p.At,
	}
	switch {
	case p.Subscription != "":
		t.SubscriptionID, t.ProductID = memberpress.Ref(c.id("subscriptions", p.Subscription)), memberpress.Ref(c.id("products", p.Offer.Price))
		t.ExpiresAt = endOfDay(p.Until)
	case p.Metadata["membership"] == "lifetime":
		t.ProductID = memberpress.Ref(c.id("products", life))
	default:
		return 0
	}
	switch {
	case p.Failed:
		t.Status, t.ExpiresAt = "failed", &p.At
	case !p.Refunded.IsZero():
		t.Status, t.RefundedAt = "refunded", &p.Refunded
	}
	return c.transaction(p.ID, t)
}

func (c *Club) transaction(of string, t memberpress.Transaction) int {
	t.ID = c.id("transactions", of)
	return c.put("transactions", t.ID, t)
}

// login is what WordPress calls somebody: the address without its domain.
func login(email string) string {
	name, _, _ := strings.Cut(email, "@")
	return name
}

// endOfDay is the second at which MemberPress lets access end.
func endOfDay(at time.Time) *time.Time {
	end := time.Date(at.Year(), at.Month(), at.Day(), 23, 59, 59, 0, time.UTC)
	return &end
}

// decimal is an amount as MemberPress writes it.
func decimal(minor int64) string { return fmt.Sprintf("%d.%02d", minor/100, minor%100) }
