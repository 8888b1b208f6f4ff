package stripe_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	simstripe "memberintel/internal/sim/stripe"
)

func types(l list) []string {
	var out []string
	for _, e := range l.Data {
		out = append(out, e["type"].(string))
	}
	slices.Reverse(out)
	return out
}

func TestARenewalMakesStripesEventsInOneSecond(t *testing.T) {
	w := newWorld(t)
	_, sub := w.member()
	w.sim.Advance(day.AddDate(0, 1, 0).Sub(day))
	l := w.list("/v1/events?limit=100&created[gte]=" + itoa(w.clock.Now().Unix()))
	want := []string{"customer.subscription.updated", "invoice.created", "payment_intent.created", "invoice.finalized",
		"payment_intent.succeeded", "charge.succeeded", "invoice.updated", "invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid"}
	if diff := cmp.Diff(want, types(l)); diff != "" {
		t.Fatal(diff)
	}
	created := map[any]bool{}
	for _, e := range l.Data {
		created[e["created"]] = true
	}
	if len(created) != 1 {
		t.Fatalf("the events fall into %d seconds", len(created))
	}
	up := w.list("/v1/events?type=customer.subscription.updated").Data[0]
	if dig(up, "data", "object", "id") != sub || dig(up, "data", "previous_attributes", "latest_invoice") == nil ||
		dig(up, "data", "previous_attributes", "items", "data", 0, "current_period_end") != float64(day.AddDate(0, 1, 0).Unix()) ||
		has(dig(up, "data", "previous_attributes"), "status") {
		t.Fatalf("previous_attributes: %v", dig(up, "data", "previous_attributes"))
	}
	two := w.list("/v1/events?types[]=invoice.paid&types[]=charge.succeeded")
	if diff := cmp.Diff([]string{"charge.succeeded", "invoice.paid", "charge.succeeded", "invoice.paid"}, types(two)); diff != "" {
		t.Fatal(diff)
	}
	if l := w.list("/v1/events?type=invoice.upcoming"); len(l.Data) != 1 || has(dig(l.Data[0], "data", "object"), "id") {
		t.Fatalf("upcoming: %v", l.Data)
	}
}

func TestPreviousAttributesGoIntoObjects(t *testing.T) {
	w := newWorld(t)
	id := w.acct.CreateCustomer(simstripe.CustomerParams{Name: "Old", Metadata: map[string]string{"kept": "1", "edited": "a", "gone": "x"}})
	name := "New"
	w.must(w.acct.UpdateCustomer(id, simstripe.CustomerUpdate{Name: &name, Metadata: map[string]string{"edited": "b", "gone": "", "added": "y"}}))
	got := dig(w.list("/v1/events?type=customer.updated").Data[0], "data", "previous_attributes")
	want := map[string]any{"name": "Old", "metadata": map[string]any{"edited": "a", "gone": "x", "added": nil}}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Fatal(diff)
	}
}

func TestEventsReachBackThirtyDaysInTheVersionOfTheirDay(t *testing.T) {
	w := newWorld(t)
	w.acct.SetAPIVersion(simstripe.VersionOld)
	_, _ = w.member()
	first := w.list("/v1/events?type=charge.succeeded").Data[0]
	w.clock.Advance(10 * 24 * time.Hour)
	w.acct.SetAPIVersion(simstripe.VersionDahlia)
	_, _ = w.member()
	l := w.list("/v1/events?type=charge.succeeded", "Stripe-Version", simstripe.VersionBasil)
	if len(l.Data) != 2 || l.Data[0]["api_version"] != simstripe.VersionDahlia || l.Data[1]["api_version"] != simstripe.VersionOld {
		t.Fatalf("versions: %v, %v", l.Data[0]["api_version"], l.Data[1]["api_version"])
	}
	if has(dig(l.Data[0], "data", "object"), "invoice") || !has(dig(l.Data[1], "data", "object"), "invoice") {
		t.Fatal("an event is not rendered in the version of its day")
	}
	w.clock.Advance(20*24*time.Hour + time.Second)
	if l := w.list("/v1/events?type=charge.succeeded"); len(l.Data) != 1 {
		t.Fatalf("%d events after the first is 30 days old", len(l.Data))
	}
	w.refused("/v1/events/"+first["id"].(string), 404)
	if p := w.refused("/v1/events?starting_after="+first["id"].(string), 400); p.Error.Code != "resource_missing" {
		t.Fatalf("a cursor that is too old: %+v", p)
	}
}

func TestSnapshotsAreThoseOfTheirMoment(t *testing.T) {
	w := newWorld(t)
	p := w.price(4500, "month")
	customer := w.acct.CreateCustomer(simstripe.CustomerParams{Name: "Before"})
	w.subscribe(simstripe.SubscriptionParams{Customer: customer, Prices: []string{p}})
	w.list("/v1/subscriptions")
	renamed := "Gold"
	w.must(w.acct.UpdatePrice(p, simstripe.PriceUpdate{Nickname: &renamed}))
	name := "After"
	w.must(w.acct.UpdateCustomer(customer, simstripe.CustomerUpdate{Name: &name}))
	if got := dig(w.list("/v1/events?type=customer.created").Data[0], "data", "object", "name"); got != "Before" {
		t.Errorf("the event of the creation shows %v", got)
	}
	event := w.list("/v1/events?type=customer.subscription.created").Data[0]
	if got := dig(event, "data", "object", "items", "data", 0, "price", "nickname"); got != nil {
		t.Errorf("the event of the subscription shows the later nickname %v", got)
	}
	if got := dig(event, "data", "object", "status"); got != "incomplete" {
		t.Errorf("the event of the subscription shows the later status %v", got)
	}
	sub := w.list("/v1/subscriptions").Data[0] // a page that was rendered before
	if got := dig(sub, "items", "data", 0, "price", "nickname"); got != "Gold" {
		t.Errorf("the subscription shows the nickname %v", got)
	}
}
