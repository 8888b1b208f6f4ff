package memberpress

import (
	"fmt"
	"testing"
	"time"

	"memberintel/internal/postgres/pgtest"
	site "memberintel/internal/sim/memberpress"
	"memberintel/internal/syncrun"
)

// paysByG2 has a member pay at a time through the gateway g2.
func (c *club) paysByG2(id int64, when time.Time) {
	c.t.Helper()
	ends := when.AddDate(0, 1, 0)
	c.site.Put(site.Transaction{
		ID: id, MemberID: 101, ProductID: 55, Status: "complete", TransNum: fmt.Sprint("t_", id), Gateway: "g2",
		Amount: "1000.00", Total: "1000.00", CreatedAt: &when, ExpiresAt: &ends,
	})
}

// A club whose gateway is in test mode when it is first read has lost nothing: once the gateway is live, what was paid before
// anybody looked is money, and what was paid in test mode since is none, whatever the mode is later.
func TestTestModeEnds(t *testing.T) {
	db := pgtest.New(t)
	pgtest.SetNow(t, db, clubStart)
	mode := func(test bool) site.Gateway {
		return site.Gateway{ID: "g2", Class: "MeprStripeGateway", Test: test}
	}
	c := openClub(t, db, "club", site.Config{Gateways: []site.Gateway{{ID: "g1", Class: "MeprStripeGateway"}, mode(true)}})
	step := func(what string, test bool, full bool, money string) {
		t.Helper()
		c.site.SetGateways(site.Gateway{ID: "g1", Class: "MeprStripeGateway"}, mode(test))
		report := c.sync("")
		if report.Status != syncrun.Succeeded || (report.Mode == syncrun.Full) != full {
			t.Errorf("%s: %+v", what, report)
		}
		got := value[string](c, `SELECT coalesce(string_agg(source_id, ' ' ORDER BY source_id), '') FROM payments WHERE amount_minor = 100000`)
		if got != money {
			t.Errorf("%s: %s is money, want %s", what, got, money)
		}
		c.mustEqual()
		c.clock.Advance(time.Hour)
	}
	c.paysByG2(8001, clubStart.AddDate(0, -1, 0))
	step("first read in test mode", true, true, "")
	c.paysByG2(8002, c.clock.Now())
	step("paid in test mode", true, false, "")
	c.paysByG2(8003, c.clock.Now())
	step("live for the first time", false, true, "8001 8003")
	c.paysByG2(8004, c.clock.Now())
	step("paid live", false, false, "8001 8003 8004")
	c.paysByG2(8005, c.clock.Now())
	step("in test mode for an hour", true, false, "8001 8003 8004")
	c.paysByG2(8006, c.clock.Now())
	step("live again", false, false, "8001 8003 8004 8006")
	c.site.Reinstall()
	step("everything read anew", false, true, "8001 8003 8004 8006")
}

// A first pass that stops in test mode and goes on when the gateway is live has read nothing as a test that is money, nor the
// other way round.
func TestTestModeEndsWithinAPass(t *testing.T) {
	for name, c := range map[string]struct {
		first, then bool // in test mode
		money       string
	}{
		"live on the way":         {true, false, "8001 8003"},
		"in test mode on the way": {false, true, "8001"},
	} {
		t.Run(name, func(t *testing.T) {
			db := pgtest.New(t)
			pgtest.SetNow(t, db, clubStart)
			mode := func(test bool) []site.Gateway {
				return []site.Gateway{{ID: "g1", Class: "MeprStripeGateway"}, {ID: "g2", Class: "MeprStripeGateway", Test: test}}
			}
			club := openClub(t, db, "club", site.Config{Gateways: mode(c.first)})
			club.paysByG2(8001, clubStart.AddDate(0, -1, 0))
			cure := club.site.Fault(site.Fault{Kind: site.FatalHTML, Path: "/sync/members"}) // which come after the transactions
			if report, err := club.p.Sync(t.Context(), club.current(), "", nil); err == nil {
				t.Fatalf("%+v", report)
			}
			cure()
			club.clock.Advance(time.Hour)
			club.site.SetGateways(mode(c.then)...)
			club.paysByG2(8003, club.clock.Now())
			if report := club.sync(syncrun.Full); report.Status != syncrun.Succeeded {
				t.Fatalf("%+v", report)
			}
			got := value[string](club, `SELECT coalesce(string_agg(source_id, ' ' ORDER BY source_id), '') FROM payments WHERE amount_minor = 100000`)
			if got != c.money {
				t.Errorf("%s is money, want %s", got, c.money)
			}
			club.mustEqual()
		})
	}
}

// What is bought to try out a gateway that an owner has just added, is a test also when it is live later: it was not there
// when the site told of its gateways before.
func TestWhatTriesOutANewGatewayIsATest(t *testing.T) {
	tells := func(at time.Time, gateways ...Gateway) Handshake {
		return Handshake{ServerTime: at, Site: Description{Gateways: gateways}}
	}
	g1, g2 := Gateway{ID: "g1", Class: "MeprStripeGateway"}, Gateway{ID: "g2", Class: "MeprStripeGateway", Test: true}
	all := gateways(nil).told(tells(clubStart, g1)).told(tells(clubStart.Add(time.Hour), g1, g2))
	g2.Test = false
	all = all.told(tells(clubStart.Add(2*time.Hour), g1, g2))
	for after, want := range map[time.Duration]bool{-time.Hour: false, time.Hour / 2: true, time.Hour: true, 2 * time.Hour: false} {
		if got := all["g2"].tested(clubStart.Add(after)); got != want {
			t.Errorf("bought %s after the start: a test is %t", after, got)
		}
	}
}
