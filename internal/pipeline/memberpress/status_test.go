package memberpress

import (
	"fmt"
	"testing"
	"time"

	"memberintel/internal/postgres/pgtest"
	site "memberintel/internal/sim/memberpress"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// stands are the statuses of the subscriptions from 710 on and of their members.
func (c *club) stands() string {
	c.t.Helper()
	return value[string](c, `SELECT string_agg(s.source_id || ' ' || s.status || coalesce(' ' || m.membership_status, ''), ', ' ORDER BY s.source_id)
		FROM subscriptions s LEFT JOIN members m ON m.source_id = s.member_source_id WHERE s.source_id >= '710'`)
}

// MemberPress calls active what is in trial, past due or expired. The warehouse tells them apart, by the transactions and by the clock.
func TestStatusesThatMemberPressDoesNotTell(t *testing.T) {
	c := newClub(t)
	agree := func(id int64, member site.Ref, more func(*site.Subscription)) {
		s := site.Subscription{
			ID: id, MemberID: member, ProductID: 55, Status: "active", SubscrID: fmt.Sprint("sub_", id), Gateway: "g1",
			Price: "29.00", Total: "29.00", Period: 1, PeriodType: "months", CreatedAt: at("2026-11-01T09:00:00Z"),
		}
		if more != nil {
			more(&s)
		}
		if member != 0 {
			c.site.Put(site.Member{ID: int64(member), Login: fmt.Sprint("member", member), Email: fmt.Sprintf("m%d@club.example", member)})
		}
		c.site.Put(s)
	}
	pay := func(id int64, member, sub site.Ref, status, created, ends string) {
		c.site.Put(site.Transaction{
			ID: id, MemberID: member, ProductID: 55, SubscriptionID: sub, Status: status, TransNum: fmt.Sprint("ch_", id), Gateway: "g1",
			Amount: "29.00", Total: "29.00", CreatedAt: at(created), ExpiresAt: at(ends),
		})
	}
	trial := func(s *site.Subscription) { s.Trial, s.TrialDays = true, 14 }
	agree(710, 210, trial)
	c.site.Put(site.Transaction{
		ID: 9710, MemberID: 210, ProductID: 55, SubscriptionID: 710, Type: "subscription_confirmation", Status: "confirmed", TransNum: "sub_710", Gateway: "g1",
		CreatedAt: at("2026-11-01T09:00:00Z"), ExpiresAt: at("2026-11-16T23:59:59Z"),
	})
	agree(711, 211, nil)
	pay(9711, 211, 711, "complete", "2026-10-02T09:00:00Z", "2026-11-20T23:59:59Z")
	agree(712, 0, nil) // whose user is gone
	pay(9712, 0, 712, "complete", "2026-10-05T09:00:00Z", "2026-11-05T23:59:59Z")
	agree(713, 213, func(s *site.Subscription) { trial(s); s.ProratedTrial = true })
	pay(9713, 213, 713, "complete", "2026-11-01T09:00:00Z", "2026-12-01T23:59:59Z")

	must := func(when, want string) {
		t.Helper()
		if got := c.stands(); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", when, got, want)
		}
	}
	keeper := warehouse.Keeper{DB: c.db, Warehouse: c.p.Ledger.Warehouse, Log: c.p.Log}
	strike := func(now string) {
		t.Helper()
		pgtest.SetNow(t, c.db, *at(now))
		if err := keeper.Keep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c.sync("")
	must("after a full sync", "710 trialing trialing, 711 active active, 712 active, 713 active active")
	c.mustEqual()
	pay(9721, 211, 711, "failed", "2026-11-02T08:00:00Z", "2026-11-20T23:59:59Z")
	pay(9722, 211, 711, "pending", "2026-11-02T08:30:00Z", "2026-11-20T23:59:59Z")
	c.sync("")
	must("when a renewal failed", "710 trialing trialing, 711 past_due past_due, 712 active, 713 active active")
	c.sync(syncrun.Full)
	must("after another full sync", "710 trialing trialing, 711 past_due past_due, 712 active, 713 active active")
	c.mustEqual()
	strike("2026-11-06T00:00:00Z")
	must("when access ended", "710 trialing trialing, 711 past_due past_due, 712 expired, 713 active active")
	strike("2026-11-15T09:00:01Z")
	must("when the trial ended", "710 active active, 711 past_due past_due, 712 expired, 713 active active")
	strike("2026-11-17T00:00:00Z")
	must("when nothing was paid after the trial", "710 expired expired, 711 past_due past_due, 712 expired, 713 active active")
	strike("2026-11-21T00:00:00Z")
	must("when access ended that is past due", "710 expired expired, 711 past_due past_due, 712 expired, 713 active active")
	pay(9722, 211, 711, "complete", "2026-11-02T08:30:00Z", "2026-12-20T23:59:59Z")
	c.sync("")
	must("when it was paid at last", "710 expired expired, 711 active active, 712 expired, 713 active active")
	stopped, _ := site.Find[site.Subscription](c.site, 711)
	stopped.Status, stopped.StoppedAt = "cancelled", at("2026-11-02T09:30:00Z")
	c.site.Put(stopped)
	c.sync("")
	must("when it was stopped", "710 expired expired, 711 canceled active, 712 expired, 713 active active")
	c.mustEqual()
	got := value[string](c, `SELECT string_agg(status, ' ' ORDER BY history_id) || ' ' || count(*) FILTER (WHERE valid_to IS NULL) FROM subscription_item_history WHERE item_source_id = '710'`)
	if got != "active trialing active expired 1" {
		t.Errorf("the history of what it was worth: %s", got)
	}
	if got := value[string](c, `SELECT string_agg(source_id || ' ' || native_status || ' ' || told_status, ', ' ORDER BY source_id) FROM subscriptions WHERE source_id >= '710'`); got !=
		"710 active active, 711 cancelled canceled, 712 active active, 713 active active" {
		t.Errorf("what the site says itself: %s", got)
	}
	owner := pgtest.Owner(t, c.db)
	if _, err := owner.Exec(t.Context(), `UPDATE subscriptions SET status = 'active' WHERE source_id = '710'`); err != nil {
		t.Fatal(err)
	}
	verdict, err := c.p.Verify(t.Context(), c.current(), true, nil)
	if err != nil || len(verdict.Different) != 1 || verdict.Different[0].Field != "status" || verdict.Different[0].Source != "expired" {
		t.Errorf("a wrong status: %+v, %v", verdict, err)
	}
	c.mustEqual()
}

// Nobody stays past due for ever: once no platform tries any more, access decides, by the clock and with nothing written.
func TestPastDueEnds(t *testing.T) {
	c := newClub(t)
	c.failsToPay(710, "2026-11-20T23:59:59Z") // the last attempt was on 2 November
	c.failsToPay(711, "2027-03-31T23:59:59Z") // access outlasts what may be tried again
	c.failsToPay(712, "")                     // nothing was ever paid
	c.sync("")
	keeper := warehouse.Keeper{DB: c.db, Warehouse: c.p.Ledger.Warehouse, Log: c.p.Log}
	for _, step := range []struct{ now, want string }{
		{"2026-11-02T09:00:00Z", "710 past_due past_due, 711 past_due past_due, 712 past_due past_due"},
		{"2027-01-01T07:59:59Z", "710 past_due past_due, 711 past_due past_due, 712 past_due past_due"},
		{"2027-01-01T08:00:00Z", "710 expired expired, 711 past_due past_due, 712 expired expired"},
		{"2027-03-31T23:59:58Z", "710 expired expired, 711 past_due past_due, 712 expired expired"},
		{"2027-03-31T23:59:59Z", "710 expired expired, 711 expired expired, 712 expired expired"},
	} {
		pgtest.SetNow(t, c.db, *at(step.now))
		if err := keeper.Keep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := c.stands(); got != step.want {
			t.Errorf("at %s\ngot  %s\nwant %s", step.now, got, step.want)
		}
		c.mustEqual()
	}
}

// failsToPay has a member agree to a subscription whose first payment, if there was any, gave access until ends, and whose last
// attempt failed.
func (c *club) failsToPay(id int64, ends string) {
	c.t.Helper()
	sub := site.Subscription{
		ID: id, MemberID: site.Ref(id - 500), ProductID: 55, Status: "active", SubscrID: fmt.Sprint("sub_", id), Gateway: "g1",
		Price: "29.00", Total: "29.00", Period: 1, PeriodType: "months", CreatedAt: at("2026-10-01T09:00:00Z"),
	}
	attempt := site.Transaction{
		ID: 9700 + id, MemberID: sub.MemberID, ProductID: 55, SubscriptionID: site.Ref(id), Status: "failed", TransNum: fmt.Sprint("ch_f", id), Gateway: "g1",
		Amount: "29.00", Total: "29.00", CreatedAt: at("2026-11-02T08:00:00Z"), ExpiresAt: at("2026-12-02T23:59:59Z"),
	}
	c.site.Put(site.Member{ID: int64(sub.MemberID), Login: fmt.Sprint("member", id)}, sub, attempt)
	if ends != "" {
		paid := attempt
		paid.ID, paid.Status, paid.TransNum, paid.CreatedAt, paid.ExpiresAt = 9600+id, "complete", fmt.Sprint("ch_", id), at("2026-10-01T09:00:00Z"), at(ends)
		c.site.Put(paid)
	}
}

// Whoever owns a plan for life, or has paid for longer, is active also while they try another.
func TestATrialTakesNothingFromWhatIsPaid(t *testing.T) {
	c := newClub(t)
	owned := map[site.Ref]*time.Time{210: nil, 211: at("2027-06-01T23:59:59Z")}
	for member, ends := range owned {
		c.site.Put(
			site.Member{ID: int64(member), Login: fmt.Sprint("member", member), Email: fmt.Sprintf("m%d@club.example", member)},
			site.Transaction{
				ID: 9500 + int64(member), MemberID: member, ProductID: 55, Status: "complete", TransNum: fmt.Sprint("ch_", member), Gateway: "g1",
				Amount: "299.00", Total: "299.00", CreatedAt: at("2026-06-01T09:00:00Z"), ExpiresAt: ends,
			},
			site.Subscription{
				ID: 500 + int64(member), MemberID: member, ProductID: 55, Status: "active", SubscrID: fmt.Sprint("sub_", member), Gateway: "g1",
				Price: "29.00", Total: "29.00", Period: 1, PeriodType: "months", CreatedAt: at("2026-11-01T09:00:00Z"), Trial: true, TrialDays: 14,
			},
			site.Transaction{
				ID: 9700 + int64(member), MemberID: member, ProductID: 55, SubscriptionID: 500 + member, Type: "subscription_confirmation", Status: "confirmed",
				TransNum: fmt.Sprint("sub_", member), Gateway: "g1", CreatedAt: at("2026-11-01T09:00:00Z"), ExpiresAt: at("2026-11-15T23:59:59Z"),
			})
	}
	for _, mode := range []syncrun.Mode{syncrun.Full, ""} {
		c.sync(mode)
		if got := c.stands(); got != "710 trialing active, 711 trialing active" {
			t.Errorf("after %q: %s", mode, got)
		}
		for member := range owned {
			m, _ := site.Find[site.Member](c.site, int64(member))
			m.FirstName = "Changed"
			c.site.Put(m)
		}
	}
	c.mustEqual()
}

// What is paid through a gateway in test mode is no money, and gives access as MemberPress lets it.
func TestTestModeIsNoMoney(t *testing.T) {
	gateways := []site.Gateway{
		{ID: "g1", Class: "MeprStripeGateway"}, {ID: "g2", Class: "MeprStripeGateway", Test: true}, {ID: "g3", Class: "MeprArtificialGateway", Test: true},
	}
	db := pgtest.New(t)
	pgtest.SetNow(t, db, clubStart)
	c := openClub(t, db, "club", site.Config{Gateways: gateways})
	for i, gateway := range []string{"g2", "g3", "manual", "gone"} {
		member := site.Ref(301 + i)
		c.site.Put(
			site.Member{ID: int64(member), Login: fmt.Sprint("member", member)},
			site.Subscription{
				ID: int64(730 + i), MemberID: member, ProductID: 55, Status: "active", SubscrID: fmt.Sprint("ts_", i), Gateway: gateway,
				Price: "1000.00", Total: "1000.00", Period: 1, PeriodType: "months", CreatedAt: at("2026-11-01T09:00:00Z"),
			},
			site.Transaction{
				ID: int64(9930 + i), MemberID: member, ProductID: 55, SubscriptionID: site.Ref(730 + i), Status: "complete", TransNum: fmt.Sprint("t_", i), Gateway: gateway,
				Amount: "1000.00", Total: "1000.00", CreatedAt: at("2026-11-01T09:00:00Z"), ExpiresAt: at("2026-12-01T23:59:59Z"),
			})
	}
	refunded := site.Transaction{ID: 9940, MemberID: 301, ProductID: 55, Status: "refunded", Gateway: "g2", Total: "1000.00", CreatedAt: at("2026-11-01T09:00:00Z"), ExpiresAt: at("2026-12-01T23:59:59Z")}
	c.site.Put(refunded)
	c.sync("")
	for sql, want := range map[string]string{
		`SELECT string_agg(source_id, ' ' ORDER BY source_id) FROM payments WHERE amount_minor = 100000`:                          "9931 9932 9933",
		`SELECT count(*)::text FROM economic_event WHERE kind = 'refund' AND amount_minor = 100000`:                               "0",
		`SELECT string_agg(source_id || ' ' || test, ' ' ORDER BY source_id) FROM subscriptions WHERE source_id > '729'`:          "730 true 731 false 732 false 733 false",
		`SELECT string_agg(source_id, ' ' ORDER BY source_id) FROM billed_subscriptions WHERE source_id > '729'`:                  "731 732 733",
		`SELECT string_agg(membership_status, ' ' ORDER BY source_id) FROM members WHERE source_id > '300'`:                       "active active active active",
		`SELECT string_agg(kind || ' ' || test, ', ' ORDER BY kind) FROM transactions WHERE source_id = '9940'`:                   "payment true, refund true",
		`SELECT count(*)::text FROM transactions WHERE kind = 'payment' AND livemode AND deleted_at IS NULL AND test IS NOT NULL`: "12",
	} {
		if got := value[string](c, sql); got != want {
			t.Errorf("%s\ngot %q, want %q", sql, got, want)
		}
	}
	c.mustEqual()
}
