package stripe

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	simstripe "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
)

// An account of an older API version delivers events in the older shape. They are not mapped: the objects are fetched.
func TestEventsOfAnotherVersionAreFetched(t *testing.T) {
	w := newWorld(t)
	w.account.SetAPIVersion(simstripe.VersionOld)
	w.sync("")
	old := w.account.AddEndpoint(simstripe.EndpointParams{
		URL: w.door() + "/webhooks/stripe/" + w.c.ID.String(), Secrets: []string{worldSecret}, Manual: true,
	})
	ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	sub := w.subscribe(ana, w.price(3000, "month"))
	w.deliver(old)
	if got := one[string](w, w.c, `SELECT string_agg(DISTINCT outcome, ',') FROM stripe_events_processed WHERE type = 'customer.created'`); got != "refetch" {
		t.Errorf("outcome %q of an event of an older version, want refetch", got)
	}
	w.refetch(w.c)
	if got := one[string](w, w.c, `SELECT source_api_version FROM subscriptions WHERE source_id = $1`, sub); got != simstripe.VersionDahlia {
		t.Errorf("the subscription was rendered by %s", got)
	}
	w.mustEqual(w.c)

	// The account moves on: from one event to the next the version is another.
	w.sim.Advance(time.Minute)
	w.must(w.account.UpdateCustomer(ana, simstripe.CustomerUpdate{Name: word("Ana Lima")}))
	w.account.SetAPIVersion(simstripe.VersionDahlia)
	w.sim.Advance(time.Minute)
	w.must(w.account.UpdateCustomer(ana, simstripe.CustomerUpdate{Name: word("Ana Maria Lima")}))
	old.Shuffle()
	w.deliver(old)
	w.refetch(w.c)
	if got := w.nameOf(w.c, ana); got != "Ana Maria Lima" {
		t.Errorf("the member is %q", got)
	}
	w.mustEqual(w.c)
}

// A deletion counts whatever version its event is of: the object cannot be fetched any more.
func TestADeletionOfAnotherVersion(t *testing.T) {
	w := newWorld(t)
	w.account.SetAPIVersion(simstripe.VersionOld)
	ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	w.sim.Advance(time.Minute)
	w.sync("")
	w.sim.Advance(time.Minute)
	w.must(w.account.DeleteCustomer(ana))
	w.sim.Advance(time.Minute)
	w.sync("")
	if got := one[string](w, w.c, `SELECT membership_status FROM members WHERE source_id = $1`, ana); got != "deleted" {
		t.Errorf("the member is %q", got)
	}
	w.mustEqual(w.c)
}

// The same account read by older versions and by today's gives the same subscriptions and payments, whichever
// comes first.
func TestAllShapesSayTheSame(t *testing.T) {
	for _, versions := range [][]string{
		{simstripe.VersionOld, simstripe.VersionBasil, simstripe.VersionDahlia},
		{simstripe.VersionDahlia, simstripe.VersionBasil, simstripe.VersionOld},
	} {
		w := newWorld(t)
		w.account.SetAPIVersion(simstripe.VersionOld)
		w.account.Club(11, 15, 5)
		type sums struct{ Subscriptions, Items, Paid string }
		read := func() sums {
			return sums{
				one[string](w, w.c, `SELECT md5(string_agg(concat_ws('|', source_id, status, current_period_end, plan_source_id), ',' ORDER BY source_id)) FROM subscriptions`),
				one[string](w, w.c, `SELECT md5(string_agg(concat_ws('|', source_id, unit_amount_minor, period_end), ',' ORDER BY source_id)) FROM subscription_items`),
				one[string](w, w.c, `SELECT md5(string_agg(concat_ws('|', source_id, invoice_source_id, subscription_source_id, amount_minor, status), ',' ORDER BY source_id)) FROM payments`),
			}
		}
		var first sums
		var payments atomic.Int64
		w.sim.Observe(func(r simstripe.Request) {
			if r.Version == simstripe.VersionOld && strings.HasPrefix(r.Path, "/v1/invoice_payments") {
				payments.Add(1)
			}
		})
		for i, version := range versions {
			t.Run(versions[0]+" first, then "+version, func(t *testing.T) {
				w.sim.Advance(time.Minute)
				w.p.Config.APIVersion = version
				if report := w.sync(syncrun.Full); report.Status != syncrun.Succeeded {
					t.Fatalf("%s: %v", report.Status, *report.ErrorMessage)
				}
				w.mustEqual(w.c)
				if i == 0 {
					first = read()
				}
				if diff := cmp.Diff(first, read()); diff != "" {
					t.Error(diff)
				}
				if n := payments.Load(); n > 0 {
					t.Errorf("%d requests for payments of invoices, which %s does not know", n, simstripe.VersionOld)
				}
			})
		}
	}
}
