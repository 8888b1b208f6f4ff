package club_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/sim/clock"
	"memberintel/internal/sim/club"
	"memberintel/internal/sim/memberpress"
	"memberintel/internal/sim/stripe"
)

var now = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func open(members int) (*stripe.Account, *memberpress.Site, *club.Club, *clock.Clock) {
	c := clock.At(now)
	account := stripe.New(c, 1).NewAccount(stripe.AccountOptions{ID: "acct_1Riverside", Livemode: true})
	account.Club(1, members, 12)
	site := memberpress.New(memberpress.Config{Clock: c, Seed: "club"})
	return account, site, club.Open(account, site, c, 1), c
}

// shown is the whole site as text.
func shown(s *memberpress.Site) (lines []string) {
	for _, entity := range []string{"members", "subscriptions", "transactions", "products", "rules"} {
		for _, row := range s.Shown(entity) {
			lines = append(lines, entity+" "+string(row))
		}
	}
	return lines
}

func rows[T memberpress.Row](s *memberpress.Site, entity string) (found []T) {
	for _, row := range s.Rows(entity) {
		if is, ok := row.(T); ok {
			found = append(found, is)
		}
	}
	return found
}

// Whoever is at both places bears Stripe's ids on the site; some are at one of them alone, and some share no more than
// an address.
func TestOneCast(t *testing.T) {
	account, site, _, _ := open(60)
	stripes := map[string]stripe.Person{}
	people, _ := account.People(0)
	emails := map[string]string{}
	for _, p := range people {
		stripes[p.Customer] = p
		emails[p.Email] = p.Customer
	}
	var linked, candidates, cash int
	for _, m := range rows[memberpress.Member](site, "members") {
		switch {
		case len(m.GatewayCustomers) > 0:
			linked++
			p := stripes[m.GatewayCustomers[0].Customer]
			if p.Email != m.Email || p.Metadata["membership_type"] != m.Custom["mepr_membership_type"] {
				t.Errorf("%s is %s there", m.Email, p.Email)
			}
		case emails[m.Email] != "":
			candidates++
		default:
			cash++
		}
	}
	if linked < 40 || linked >= len(people) || candidates == 0 || cash != 6 {
		t.Errorf("%d customers, on the site %d linked, %d by their address alone, %d unknown to Stripe", len(people), linked, candidates, cash)
	}
	charges, agreements := map[string]bool{}, map[string]bool{}
	for _, p := range people {
		for _, paid := range p.Payments {
			charges[paid.ID] = true
		}
		for _, a := range p.Agreements {
			agreements[a.ID] = true
		}
	}
	kinds := map[string]int{}
	for _, x := range rows[memberpress.Transaction](site, "transactions") {
		kinds[x.Type+" "+x.Status]++
		if known := charges[x.TransNum] || agreements[x.TransNum]; known == (x.Gateway == "manual") {
			t.Errorf("the transaction %s of %s is known at Stripe: %t", x.TransNum, x.Gateway, known)
		}
	}
	for _, s := range rows[memberpress.Subscription](site, "subscriptions") {
		if !agreements[s.SubscrID] {
			t.Errorf("the subscription %s is not Stripe's", s.SubscrID)
		}
	}
	if kinds["payment complete"] == 0 || kinds["payment failed"] == 0 || kinds["subscription_confirmation confirmed"] == 0 {
		t.Errorf("too little happened: %v", kinds)
	}
}

func TestTheSameSeedTellsTheSame(t *testing.T) {
	tell := func() []string {
		_, site, club, c := open(20)
		for range 50 {
			c.Advance(time.Minute)
			club.Act()
		}
		return shown(site)
	}
	if diff := cmp.Diff(tell(), tell()); diff != "" {
		t.Error(diff)
	}
}

// What happens at Stripe is written to the site, once, and takes nothing from what the site alone knows.
func TestTheSiteFollows(t *testing.T) {
	account, site, club, c := open(20)
	before := shown(site)
	if n := club.Follow(); n != 0 {
		t.Errorf("%d rows changed, and nothing happened", n)
	}
	m := rows[memberpress.Member](site, "members")[0]
	c.Advance(time.Minute)
	name := "Renamed Person"
	customer := m.GatewayCustomers[0].Customer
	if err := account.UpdateCustomer(customer, stripe.CustomerUpdate{Name: &name}); err != nil {
		t.Fatal(err)
	}
	if n := club.Follow(); n != 1 {
		t.Errorf("%d rows changed", n)
	}
	if after, _ := memberpress.Find[memberpress.Member](site, m.ID); after.FirstName != "Renamed" || after.LastName != "Person" || after.Email != m.Email {
		t.Errorf("%+v", after)
	}
	for range 200 { // somebody on the site does each of the things that people do there
		club.Act()
	}
	alone := func() (lines []string) {
		for _, m := range rows[memberpress.Member](site, "members") {
			lines = append(lines, fmt.Sprint(m.ID, m.Custom["mepr_favourite_day"], m.Roles, m.LoginCount))
		}
		return lines
	}
	knew := alone()
	if err := account.DeleteCustomer(customer); err != nil {
		t.Fatal(err)
	}
	c.Advance(time.Hour)
	club.Follow()
	if diff := cmp.Diff(knew, alone()); diff != "" {
		t.Errorf("what the site alone knows (-before +after):\n%s", diff)
	}
	for _, s := range rows[memberpress.Subscription](site, "subscriptions") {
		if s.MemberID == memberpress.Ref(m.ID) && s.Status != "cancelled" {
			t.Errorf("a subscription of a customer that was deleted: %+v", s)
		}
	}
	if gone := slices.DeleteFunc(shown(site), func(line string) bool { return slices.Contains(before, line) }); len(gone) == 0 || !strings.Contains(strings.Join(gone, ""), "favourite_day") {
		t.Errorf("nothing happened on the site: %v", gone)
	}
}
