package stripe

import (
	"sync"
	"testing"
	"time"

	"memberintel/internal/fault"
	simstripe "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
)

func TestAClubIsSyncedAndVerified(t *testing.T) {
	w := newWorld(t)
	w.account.Club(7, 60, 14)
	report := w.sync("")
	if report.Mode != syncrun.Full || report.Status != syncrun.Succeeded {
		t.Fatalf("the first sync was %s and %s: %v", report.Mode, report.Status, report.ErrorMessage)
	}
	w.mustEqual(w.c)
	if n := one[int](w, w.c, `SELECT count(*) FROM members WHERE membership_status = 'active'`); n == 0 {
		t.Error("no active members")
	}

	w.sim.Advance(20 * 24 * time.Hour)
	report = w.sync("")
	if report.Mode != syncrun.Incremental || report.Status != syncrun.Succeeded {
		t.Fatalf("the second sync was %s and %s: %v", report.Mode, report.Status, report.ErrorMessage)
	}
	w.mustEqual(w.c)
}

func TestAFailedPassGoesOnWhereItWas(t *testing.T) {
	w := newWorld(t)
	w.account.Club(7, 60, 14)
	w.p.Config.InFlight = 1 // one list after the other
	remove := w.sim.Fault(simstripe.Fault{Kind: simstripe.ServerError, Endpoint: "/v1/charges"})
	if report, _ := w.p.Sync(t.Context(), w.c, "", nil); report.Status != syncrun.Failed {
		t.Fatalf("with charges out of order the sync %s", report.Status)
	}
	remove()
	var mu sync.Mutex
	asked := map[string]int{}
	w.sim.Observe(func(r simstripe.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked[r.Path]++
	})
	if report := w.sync(""); report.Status != syncrun.Succeeded {
		t.Fatalf("the second sync %s: %v", report.Status, report.ErrorMessage)
	}
	if asked["/v1/charges"] == 0 || asked["/v1/products"] > 0 {
		t.Errorf("charges were listed %d times and products %d times, want what was missing alone", asked["/v1/charges"], asked["/v1/products"])
	}
	w.mustEqual(w.c)
}

func TestASwitchKeepsAPassFromDeriving(t *testing.T) {
	w := newWorld(t)
	w.account.Club(1, 2, 1)
	w.sync("")
	w.owner(`UPDATE members SET membership_status = 'left as it is'`)
	run, ctx, err := w.p.Ledger.Begin(t.Context(), w.c, syncrun.Full, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	w.throw("pipeline:stripe", true)
	s := &pass{p: w.p, c: w.c, run: run}
	if err = s.derive(ctx); !fault.Is(err, fault.Stopped) {
		t.Errorf("got %v", err)
	}
	if got := one[string](w, w.c, `SELECT DISTINCT membership_status FROM members`); got != "left as it is" {
		t.Errorf("members were derived: %q", got)
	}
	_, err = run.Finish(ctx, syncrun.Outcome{}, err)
	w.must(err)
}
