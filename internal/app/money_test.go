package app

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"memberintel/internal/sim/clock"
	site "memberintel/internal/sim/memberpress"
	sim "memberintel/internal/sim/stripe"
)

// charge is what the tests look at of a charge of the simulated account.
type charge struct {
	ID, Status, Customer string
	Amount               int64
	PaymentIntent        string `json:"payment_intent"`
}

func (d *desk) charges() (all []charge, succeeded int64) {
	d.t.Helper()
	for _, raw := range d.account.State("charges") {
		var c charge
		if err := json.Unmarshal(raw, &c); err != nil {
			d.t.Fatal(err)
		}
		all = append(all, c)
		if c.Status == "succeeded" {
			succeeded += c.Amount
		}
	}
	return all, succeeded
}

// TestTwoPlatformsTellOfOneMoney syncs a club whose site and whose Stripe account tell of the same people and the same money, in whatever
// way MemberPress writes down what Stripe took.
func TestTwoPlatformsTellOfOneMoney(t *testing.T) {
	d := newDesk(t)
	d.env = append(d.env, "MEMBERINTEL_ALLOW_ADDRESSES=127.0.0.0/8")
	d.account = d.sim.NewAccount(sim.AccountOptions{Livemode: true}) // a site's money is no test's
	d.account.Club(1, 12, 4)
	d.key = d.account.RestrictedKey(append(sim.ReadPermissions(), "accounts_kyc_basic_read")...)
	d.hidden = append(d.hidden, d.key)
	now := time.Now().UTC().Truncate(time.Second)
	club := site.New(site.Config{Clock: clock.Follow(time.Now(), 1), Seed: "money", Gateways: []site.Gateway{{ID: "g1", Class: "MeprStripeGateway"}}})
	ends := now.Add(30 * 24 * time.Hour)
	decimal := func(minor int64) string { return fmt.Sprintf("%d.%02d", minor/100, minor%100) }
	pay := func(id int64, member site.Ref, number string, minor int64) site.Transaction {
		return site.Transaction{ID: id, MemberID: member, ProductID: 55, Status: "complete", TransNum: number, Gateway: "g1", Amount: decimal(minor), Total: decimal(minor), CreatedAt: &now, ExpiresAt: &ends}
	}
	members := map[string]site.Ref{}
	for i, customer := range d.account.IDs("customers") {
		members[customer] = site.Ref(101 + i)
		club.Put(site.Member{ID: int64(101 + i), Login: fmt.Sprint("member", i), Email: fmt.Sprintf("somebody%d@else.example", i)})
	}
	past, _ := d.charges()
	for i, c := range past {
		if c.Status == "succeeded" {
			club.Put(pay(int64(1000+i), members[c.Customer], c.ID, c.Amount))
		}
	}
	customer := d.account.IDs("customers")[0]
	take := func(minor int64, metadata map[string]string) string {
		t.Helper()
		id, err := d.account.Charge(sim.ChargeParams{Customer: customer, Amount: minor, Metadata: metadata})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	// A checkout with an order bump, one whose number never came back, and money that Stripe knows nothing of.
	bumps := []site.Transaction{pay(9001, 101, "mi_31_a", 2900), pay(9002, 101, "mi_31_b", 1500)}
	for i := range bumps {
		bumps[i].OrderID = 31
		club.Put(bumps[i])
	}
	club.Put(site.Order{ID: 31, MemberID: 101, PrimaryTransactionID: 9001, TransNum: take(4400, nil), Status: "complete", Gateway: "g1", CreatedAt: &now})
	take(3300, map[string]string{"transaction_id": "9003", "site_url": "https://lakeside.example", "platform": "MemberPress Connect acct_1"})
	cheque := pay(9004, 101, "t_1", 45000)
	cheque.Gateway = "manual"
	club.Put(pay(9003, 101, "mp-txn-1", 3300), cheque)

	d.connected()
	server := httptest.NewServer(club)
	defer server.Close()
	id, secret := club.Key()
	d.hidden = append(d.hidden, secret)
	d.jsonFrom(strings.NewReader("MEMBERINTEL_MEMBERPRESS_SECRET="+secret), exitDone, "connect", "memberpress", "--tenant", "club", "--site", server.URL, "--key-id", id)
	site := func() { t.Helper(); d.json(exitDone, "sync", "--tenant", "club", "--pipeline", "memberpress") }
	must := func(when string, beside int64, events map[string]string) {
		t.Helper()
		if _, taken := d.charges(); d.count(`SELECT sum(amount_minor)::bigint FROM payments WHERE status = 'succeeded'`) != int(taken+beside) {
			t.Errorf("%s: %d of money, want Stripe's %d and %d", when, d.count(`SELECT sum(amount_minor)::bigint FROM payments WHERE status = 'succeeded'`), taken, beside)
		}
		for told, by := range events {
			if d.count(`SELECT count(*) FROM economic_event WHERE source_platform = 'stripe' AND told_by @> jsonb_build_array(jsonb_build_object('source_id', '`+told+`', 'evidence', '`+by+`'))`) != 1 {
				t.Errorf("%s: Stripe's money is not that of %s by %s", when, told, by)
			}
		}
	}
	site()
	d.sync(exitDone)
	must("after the first syncs", 45000, map[string]string{"9001": "id", "9002": "id", "9003": "metadata", "1000": "id"})

	// Somebody pays while both look on: Stripe's charge is there first, and the site names the intent before it names the charge.
	taken := take(5000, nil)
	all, _ := d.charges()
	var intent string
	for _, c := range all {
		if c.ID == taken {
			intent = c.PaymentIntent
		}
	}
	pending := pay(9005, 101, intent, 5000)
	pending.Status = "pending"
	club.Put(pending)
	d.sync(exitDone)
	site()
	must("when the site named the intent", 45000, map[string]string{"9005": "id"})
	club.Put(pay(9005, 101, taken, 5000))
	site()
	must("when it named the charge", 45000, map[string]string{"9005": "id"})
	// The site is first the next time.
	late := take(6000, nil)
	club.Put(pay(9006, 101, late, 6000))
	site()
	must("when the site told first", 45000, nil)
	d.sync(exitDone)
	must("when Stripe told too", 45000, map[string]string{"9006": "id"})
	// Money that goes back goes back once.
	if _, err := d.account.Refund(sim.RefundParams{Charge: late}); err != nil {
		t.Fatal(err)
	}
	back := pay(9006, 101, late, 6000)
	back.Status, back.RefundedAt = "refunded", &now
	club.Put(back)
	refunds := d.count(`SELECT count(*) FROM economic_event WHERE kind = 'refund'`)
	site()
	d.sync(exitDone)
	if n := d.count(`SELECT count(*) FROM economic_event WHERE kind = 'refund'`); n != refunds+1 {
		t.Errorf("%d refunds more, want 1", n-refunds)
	}
	// Whoever paid is one person, by the charges alone: no address and no customer's id is the same.
	paying := map[string]bool{}
	for _, c := range past {
		paying[c.Customer] = paying[c.Customer] || c.Status == "succeeded"
	}
	want := 0
	for _, paid := range paying {
		if paid {
			want++
		}
	}
	if n := d.count(`SELECT count(DISTINCT s.person_id) FROM members s JOIN members m USING (tenant_id, person_id)
		WHERE s.source_platform = 'stripe' AND m.source_platform = 'memberpress'`); n != want {
		t.Errorf("%d persons, want %d", n, want)
	}
	for _, pipeline := range []string{"stripe", "memberpress"} {
		d.must(d.json(exitDone, "verify", "--tenant", "club", "--pipeline", pipeline), map[string]any{"status": "succeeded"})
	}
}
