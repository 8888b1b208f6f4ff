package alert_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/alert"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
)

const (
	failingMail  = "waiting: Oak Hill: the Stripe sync does not work"
	personMail   = "waiting: Oak Hill: the Stripe connection needs you"
	overdueMail  = "waiting: Oak Hill: the Stripe sync is overdue"
	recoveryMail = "waiting: Oak Hill: the Stripe sync works again"
)

func (w *world) expect(what string, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), w.outbox()); diff != "" {
		w.t.Errorf("%s: the outbox (-want +got):\n%s", what, diff)
	}
}

// allSent lets the mails be gone, as a Sender would.
func (w *world) allSent() {
	w.t.Helper()
	w.exec(`UPDATE alert_outbox SET status = 'sent', sent_at = memberintel_now() WHERE status = 'waiting'`)
}

func TestThreeFailuresInARowAreToldOnceAndSoIsTheirEnd(t *testing.T) {
	w := newWorld(t)
	w.succeeds(24 * time.Hour)
	w.pass(24 * time.Hour)
	w.fails(2, errDown)
	w.watch()
	w.expect("after two")
	if got := w.banners(); len(got) != 0 {
		t.Errorf("after two: banners %v", got)
	}

	w.pass(5 * time.Minute)
	w.fails(1, errDown)
	w.watch()
	w.expect("after three", failingMail)
	want := []alert.Banner{{
		ConnectionID: w.connection, Pipeline: connection.Stripe, Level: alert.Warning, Sentence: "Stripe did not answer.",
		Since: w.now.Add(-5 * time.Minute), Checklist: connection.Stripe.Checklist(fault.Unavailable), Next: "memberintel goes on trying by itself.",
	}}
	if diff := cmp.Diff(want, w.banners()); diff != "" {
		t.Errorf("banners: %s", diff)
	}
	list := w.support()
	if len(list) != 1 || list[0].Tenant != "Oak Hill" || list[0].Incident.Reason != alert.Failing || *list[0].Connection.LastErrorCause !=
		"Stripe did not answer. (503)" || len(list[0].Mails) != 1 || list[0].Mails[0].Recipient != anna || list[0].Mails[0].Status != "waiting" {
		t.Errorf("support reads %+v", list)
	}

	w.pass(time.Hour)
	w.fails(5, errDown)
	w.watch()
	w.expect("while it lasts", failingMail)

	w.allSent()
	w.pass(time.Hour)
	w.succeeds(24 * time.Hour)
	if got := w.banners(); len(got) != 0 {
		t.Errorf("a banner over a connection that works: %v", got)
	}
	w.watch()
	w.expect("when it works again", "sent: Oak Hill: the Stripe sync does not work", recoveryMail)
	if got := w.support(); len(got) != 0 {
		t.Errorf("support still reads %+v", got)
	}
}

func TestWhatNeedsAPersonIsToldAtOnce(t *testing.T) {
	w := newWorld(t)
	w.fails(1, errRefused)
	w.watch()
	w.expect("a refused key", personMail)
	if got := w.banners(); len(got) != 1 || got[0].Level != alert.Alarm || got[0].Sentence != "Stripe refuses the key." ||
		cmp.Diff(connection.Stripe.Checklist(fault.Unauthorized), got[0].Checklist) != "" {
		t.Errorf("banners %+v", got)
	}
	w.allSent()

	// A new key that is refused too is the same outage; one that works ends it.
	w.as(w.tenant, func(ctx context.Context, tx *postgres.TenantTx) error {
		_, _, err := w.store.Connect(ctx, tx, connection.Request{Pipeline: connection.Stripe, SourceAccountID: "acct_Oak Hill"})
		return err
	})
	w.watch()
	w.fails(1, errRefused)
	w.watch()
	w.expect("refused again", "sent: Oak Hill: the Stripe connection needs you")
	w.succeeds(time.Hour)
	w.watch()
	w.expect("taken", "sent: Oak Hill: the Stripe connection needs you", recoveryMail)
}

func TestSpentRetriesNeedAPerson(t *testing.T) {
	w := newWorld(t)
	w.fails(1, errDown)
	w.exec(`UPDATE connection SET state = 'failed'`)
	w.watch()
	w.expect("failed", personMail)
}

func TestASuccessThatIsTwoDaysLateIsTold(t *testing.T) {
	for name, late := range map[string]func(*world){
		"nobody began a sync": func(w *world) { w.succeeds(0) },
		"a sync was asked for and never ended": func(w *world) {
			w.succeeds(0)
			if err := w.db.ServiceTx(t.Context(), func(tx *postgres.ServiceTx) error { return w.store.Await(t.Context(), tx, w.connection) }); err != nil {
				t.Fatal(err)
			}
			w.exec(`UPDATE connection SET next_sync_at = memberintel_now() + interval '30 days'`)
		},
		"an attempt failed and none followed": func(w *world) {
			w.succeeds(0)
			w.fails(1, errDown)
			w.exec(`UPDATE connection SET next_sync_at = memberintel_now() + interval '30 days'`)
		},
		"it was connected and that was all": func(*world) {},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.pass(24 * time.Hour)
			late(w)
			if name == "it was connected and that was all" {
				w.pass(-24 * time.Hour)
			}
			w.pass(48*time.Hour - time.Minute)
			w.watch()
			w.expect("a minute before")
			w.pass(time.Minute)
			w.watch()
			w.expect("after 48 h", overdueMail)
			if got := w.banners(); len(got) != 1 || got[0].Level != alert.Warning || len(got[0].Checklist) == 0 || got[0].Sentence == "" {
				t.Errorf("banners %+v", got)
			}
			w.allSent()
			w.succeeds(24 * time.Hour)
			w.watch()
			w.expect("at last", "sent: Oak Hill: the Stripe sync is overdue", recoveryMail)
		})
	}
}

func TestWhatIsNotDueYetIsNotLate(t *testing.T) {
	w := newWorld(t)
	w.succeeds(30 * 24 * time.Hour)
	w.pass(31 * 24 * time.Hour)
	w.watch()
	w.expect("a day late")
	w.succeeds(30 * 24 * time.Hour)
	w.pass(29 * 24 * time.Hour)
	w.watch()
	w.expect("a monthly plan")
}

func TestNothingIsToldWhileASwitchStopsTheWork(t *testing.T) {
	for _, kind := range []string{"all", "pipeline:stripe", "tenant:"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t)
			if kind == "tenant:" {
				kind += w.tenant.String()
			}
			w.succeeds(24 * time.Hour)
			w.pass(time.Hour)
			w.throw(kind)
			w.fails(4, errDown)
			w.watch()
			w.expect("failures under a switch")
			if got := w.support(); len(got) != 0 {
				t.Errorf("support reads %+v", got)
			}
			w.lift(kind)
			w.watch()
			w.expect("afterwards", failingMail)
			w.allSent()

			w.throw(kind)
			if got := w.banners(); len(got) != 1 || got[0].Level != alert.Info || len(got[0].Checklist) != 0 {
				t.Errorf("banners %+v", got)
			}
			w.succeeds(24 * time.Hour)
			w.watch()
			w.expect("a recovery under a switch", "sent: Oak Hill: the Stripe sync does not work")
			w.lift(kind)
			w.watch()
			w.expect("the recovery afterwards", "sent: Oak Hill: the Stripe sync does not work", recoveryMail)
		})
	}
}

func TestAPausedConnectionIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.fails(3, errDown)
	w.exec(`UPDATE connection SET state = 'paused'`)
	w.pass(49 * time.Hour)
	w.watch()
	w.expect("paused")
}

func TestASourceThatAsksForPatienceHasTwoDays(t *testing.T) {
	w := newWorld(t)
	w.succeeds(0)
	for range 47 {
		w.fails(1, fault.New(fault.RateLimited, "Stripe asks for patience."))
		w.pass(time.Hour)
		w.watch()
	}
	w.expect("before")
	w.pass(time.Hour)
	w.watch()
	w.expect("after", overdueMail)
}

func TestTimeUnderASwitchIsNobodysDelay(t *testing.T) {
	w := newWorld(t)
	w.succeeds(24 * time.Hour)
	w.throw("pipeline:stripe")
	for range 10 {
		w.pass(24 * time.Hour)
		w.watch()
		w.pass(12 * time.Hour)
		w.watch()
	}
	w.lift("pipeline:stripe")
	w.pass(48*time.Hour - time.Minute)
	w.watch()
	w.expect("before 48 h of work")
	w.pass(time.Minute)
	w.watch()
	w.expect("after 48 h of work", overdueMail)
}

func TestAnotherSwitchHoldsNothingUp(t *testing.T) {
	w := newWorld(t)
	other, _ := w.newTenant("Abbey", "")
	w.throw("pipeline:website")
	w.throw("tenant:" + other.String())
	w.fails(3, errDown)
	w.watch()
	w.expect("others are stopped", failingMail)
}

func TestAnOutageThatComesBackSoonWaitsWithItsMail(t *testing.T) {
	w := newWorld(t)
	w.fails(3, errDown)
	w.watch()
	w.allSent()
	w.pass(time.Hour)
	w.succeeds(24 * time.Hour)
	w.watch()
	w.allSent()
	before := w.outbox()
	if len(before) != 2 {
		t.Fatalf("the first outage: %q", before)
	}

	// Ten more within half a day: each is an incident that support sees, and none is mailed.
	for range 10 {
		w.pass(30 * time.Minute)
		w.fails(3, errDown)
		w.watch()
		if got := w.support(); len(got) != 1 || len(got[0].Mails) != 0 {
			t.Errorf("support reads %+v", got)
		}
		if got := w.banners(); len(got) != 1 {
			t.Errorf("banners %+v", got)
		}
		w.pass(30 * time.Minute)
		w.succeeds(24 * time.Hour)
		w.watch()
	}
	w.expect("within half a day", before...)
	if got := w.texts(`SELECT 'x' FROM alert_incident`); len(got) != 11 {
		t.Errorf("%d incidents", len(got))
	}

	// One that lasts is told when half a day has gone.
	w.fails(3, errDown)
	w.watch()
	w.pass(2*time.Hour - time.Minute)
	w.watch()
	w.expect("a minute before", before...)
	w.pass(time.Minute)
	w.watch()
	w.expect("when it lasts", append(before, failingMail)...)
	w.allSent()
	w.succeeds(24 * time.Hour)
	w.watch()
	w.allSent()

	// What needs a person does not wait, not even when it began as something else.
	before = w.outbox()
	w.pass(time.Minute)
	w.fails(3, errDown)
	w.watch()
	w.expect("again", before...)
	w.fails(1, errRefused)
	w.watch()
	w.expect("a person", append(before, personMail)...)
}

func TestWhatIsOverBeforeItsMailLeftIsNotTold(t *testing.T) {
	w := newWorld(t)
	w.fails(3, errDown)
	w.watch()
	w.succeeds(24 * time.Hour)
	w.watch()
	w.expect("over", "dropped: Oak Hill: the Stripe sync does not work")
	w.pass(time.Minute)
	w.fails(3, errDown)
	w.watch()
	w.expect("nobody was told of the first", "dropped: Oak Hill: the Stripe sync does not work", failingMail)
}

func TestWithoutAnAddressSupportAloneKnows(t *testing.T) {
	w := newWorld(t)
	if _, err := identity.SetContact(t.Context(), w.db, w.tenant, "", "test"); err != nil {
		t.Fatal(err)
	}
	w.fails(3, errDown)
	w.watch()
	w.expect("nobody to tell")
	if got := w.support(); len(got) != 1 || len(got[0].Mails) != 0 {
		t.Errorf("support reads %+v", got)
	}
	if _, err := identity.SetContact(t.Context(), w.db, w.tenant, anna, "test"); err != nil {
		t.Fatal(err)
	}
	w.pass(10 * time.Minute)
	w.watch()
	w.expect("somebody", failingMail)
}

func TestAnEndedConnectionIsNotTalkedAbout(t *testing.T) {
	w := newWorld(t)
	w.fails(3, errDown)
	w.watch()
	w.as(w.tenant, func(ctx context.Context, tx *postgres.TenantTx) error {
		_, err := w.store.Disconnect(ctx, tx, w.connection, "")
		return err
	})
	w.watch()
	w.expect("disconnected", "dropped: Oak Hill: the Stripe sync does not work")
	if got := w.texts(`SELECT outcome FROM alert_incident`); len(got) != 1 || got[0] != "disconnected" || len(w.support()) != 0 || len(w.banners()) != 0 {
		t.Errorf("outcomes %q", got)
	}
}

func TestOldIncidentsAreForgotten(t *testing.T) {
	w := newWorld(t)
	w.fails(3, errDown)
	w.watch()
	w.allSent()
	w.succeeds(300 * 24 * time.Hour)
	w.watch()
	w.pass(91 * 24 * time.Hour)
	w.watch()
	if got := append(w.texts(`SELECT 'incident' FROM alert_incident`), w.outbox()...); len(got) != 0 {
		t.Errorf("kept: %q", got)
	}
}

func TestManyProcessesTellOnce(t *testing.T) {
	w := newWorld(t)
	s := newSink(t)
	for i := range 20 {
		w.tenant, w.connection = w.newTenant(fmt.Sprintf("Club %02d", i), fmt.Sprintf("owner%02d@club.example", i))
		w.fails(3, errDown)
	}
	together := func(want int) {
		t.Helper()
		for range 2 { // the second time nothing is new
			var waits []func()
			for range 4 {
				command, said := w.another("watch", s.url())
				waits = append(waits, func() {
					if err := command.Wait(); err != nil {
						t.Errorf("%v: %s", err, said)
					}
				})
			}
			for _, wait := range waits {
				wait()
			}
		}
		seen := map[string]int{}
		for _, m := range s.got() {
			seen[m.to+" "+m.header.Get("Subject")]++
		}
		for mail, times := range seen {
			if times != 1 {
				t.Errorf("%d times %s", times, mail)
			}
		}
		if len(seen) != want {
			t.Errorf("%d different mails, want %d", len(seen), want)
		}
	}
	together(20)
	w.succeeds(24 * time.Hour)
	together(21)
}
