package stripe_test

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	stripego "github.com/stripe/stripe-go/v86"

	simstripe "memberintel/internal/sim/stripe"
)

// everything makes at least one object of each resource and returns the id of one of each.
func everything(w *world) map[string]string {
	w.t.Helper()
	_, sub := w.member()
	w.must(w.acct.FailPayment(sub))
	w.must(w.acct.Recover(sub))
	charge := w.list("/v1/charges").ids()[0]
	_, err := w.acct.Refund(simstripe.RefundParams{Charge: charge, Amount: 500})
	w.must(err)
	_, err = w.acct.OpenDispute(charge, "general", 0)
	w.must(err)
	out := map[string]string{"account": w.acct.ID()}
	for _, r := range []string{"customers", "products", "prices", "subscriptions", "invoices", "charges", "refunds", "disputes",
		"payment_intents", "balance_transactions", "invoice_payments", "events"} {
		out[r] = w.list("/v1/" + r).ids()[0]
	}
	return out
}

func TestDefaultShapesDecodeWithStripesOwnLibrary(t *testing.T) {
	w := newWorld(t)
	ids := everything(w)
	var sub stripego.Subscription
	w.get("/v1/subscriptions/"+ids["subscriptions"]+"?expand[]=latest_invoice&expand[]=customer", &sub)
	item := sub.Items.Data[0]
	if sub.Status != stripego.SubscriptionStatusActive || item.CurrentPeriodEnd <= item.CurrentPeriodStart ||
		item.Price.UnitAmount != 4500 || item.Price.Recurring.Interval != "month" || sub.Customer.Email != "zoe@club.example" {
		t.Errorf("subscription: %+v", sub)
	}
	in := sub.LatestInvoice
	if in.Status != stripego.InvoiceStatusPaid || in.Parent.SubscriptionDetails.Subscription.ID != sub.ID || in.AmountPaid != 4500 ||
		in.Lines.Data[0].Pricing.PriceDetails.Price.ID != item.Price.ID || in.StatusTransitions.PaidAt == 0 {
		t.Errorf("invoice: %+v", in)
	}
	var charges stripego.ChargeList
	w.get("/v1/charges?expand[]=data.refunds&expand[]=data.balance_transaction", &charges)
	if c := charges.Data[len(charges.Data)-1]; c.Status != "succeeded" || c.BalanceTransaction == nil {
		t.Errorf("charge: %+v", c)
	}
	for resource, v := range map[string]any{"account": &stripego.Account{}, "customers": &stripego.Customer{}, "products": &stripego.Product{},
		"prices": &stripego.Price{}, "refunds": &stripego.Refund{}, "disputes": &stripego.Dispute{}, "payment_intents": &stripego.PaymentIntent{},
		"balance_transactions": &stripego.BalanceTransaction{}, "invoice_payments": &stripego.InvoicePayment{}, "events": &stripego.Event{}} {
		path := "/v1/" + resource + "/" + ids[resource]
		if resource == "account" {
			path = "/v1/account"
		}
		w.get(path, v)
		raw, err := json.Marshal(v)
		w.must(err)
		var back map[string]any
		w.must(json.Unmarshal(raw, &back))
		if back["id"] != ids[resource] {
			t.Errorf("%s: decoded to %v", resource, back["id"])
		}
	}
}

// TestKeysAreThoseOfTheOfficialFixtures compares the members of each object with the official fixture. A fixture shows
// what only expansion shows, and some members of older versions; those stand here.
func TestKeysAreThoseOfTheOfficialFixtures(t *testing.T) {
	w := newWorld(t)
	ids := everything(w)
	raw, err := os.ReadFile("testdata/fixtures.json")
	w.must(err)
	var official struct{ Resources map[string]map[string]any }
	w.must(json.Unmarshal(raw, &official))
	differs := map[string]struct{ fixtureOnly, simOnly []string }{
		"charge":          {fixtureOnly: []string{"refunds"}},
		"refund":          {fixtureOnly: []string{"customer", "customer_account", "payment_method"}},
		"invoice":         {fixtureOnly: []string{"subscription"}},
		"event":           {},
		"account":         {},
		"product":         {},
		"invoice_payment": {},
	}
	for resource, object := range map[string]string{"account": "account", "customers": "customer", "products": "product", "prices": "price",
		"subscriptions": "subscription", "invoices": "invoice", "charges": "charge", "refunds": "refund", "disputes": "dispute",
		"payment_intents": "payment_intent", "balance_transactions": "balance_transaction", "invoice_payments": "invoice_payment", "events": "event"} {
		path := "/v1/" + resource + "/" + ids[resource]
		if resource == "account" {
			path = "/v1/account"
		}
		compareKeys(t, object, official.Resources[object], w.object(path), differs[object].fixtureOnly, differs[object].simOnly)
	}
	sub := w.object("/v1/subscriptions/" + ids["subscriptions"])
	item := dig(sub, "items", "data", 0).(map[string]any)
	compareKeys(t, "subscription_item", official.Resources["subscription_item"], item, nil, nil)
	compareKeys(t, "plan", official.Resources["plan"], item["plan"].(map[string]any), nil, nil)
	line := dig(w.object("/v1/invoices/"+ids["invoices"]), "lines", "data", 0).(map[string]any)
	compareKeys(t, "line_item", official.Resources["line_item"], line, nil, nil)
}

func compareKeys(t *testing.T, name string, fixture, sim map[string]any, fixtureOnly, simOnly []string) {
	t.Helper()
	var less, more []string
	for k := range fixture {
		if _, there := sim[k]; !there {
			less = append(less, k)
		}
	}
	for k := range sim {
		if _, there := fixture[k]; !there {
			more = append(more, k)
		}
	}
	slices.Sort(less)
	slices.Sort(more)
	if !slices.Equal(less, fixtureOnly) || !slices.Equal(more, simOnly) {
		t.Errorf("%s: only in the fixture %v (expected %v), only in the sim %v (expected %v)", name, less, fixtureOnly, more, simOnly)
	}
}

func TestEachVersionShowsItsOwnShape(t *testing.T) {
	w := newWorld(t)
	ids := everything(w)
	for version, want := range map[string]struct{ old, basil, dahlia bool }{
		simstripe.VersionOld: {old: true}, simstripe.VersionBasil: {basil: true}, simstripe.VersionDahlia: {basil: true, dahlia: true},
		"2025-07-30.basil": {basil: true},
	} {
		sub := w.object("/v1/subscriptions/"+ids["subscriptions"], "Stripe-Version", version)
		in := w.object("/v1/invoices/"+ids["invoices"], "Stripe-Version", version)
		ch := w.object("/v1/charges/"+ids["charges"], "Stripe-Version", version)
		for what, got := range map[string]struct{ is, want bool }{
			"subscription.current_period_end": {has(sub, "current_period_end"), want.old},
			"item.current_period_end":         {has(dig(sub, "items", "data", 0), "current_period_end"), want.basil},
			"subscription.billing_mode":       {has(sub, "billing_mode"), want.dahlia},
			"invoice.subscription":            {has(in, "subscription"), want.old},
			"invoice.charge":                  {has(in, "charge"), want.old},
			"invoice.payment_intent":          {has(in, "payment_intent"), want.old},
			"invoice.paid":                    {has(in, "paid"), want.old},
			"invoice.parent":                  {has(in, "parent"), want.basil},
			"invoice.customer_account":        {has(in, "customer_account"), want.dahlia},
			"line.price":                      {has(dig(in, "lines", "data", 0), "price"), want.old},
			"line.pricing":                    {has(dig(in, "lines", "data", 0), "pricing"), want.basil},
			"charge.invoice":                  {has(ch, "invoice"), want.old},
		} {
			if got.is != got.want {
				t.Errorf("%s: %s shown: %v", version, what, got.is)
			}
		}
		if want.old && (in["charge"] == nil || in["subscription"] != ids["subscriptions"] || in["paid"] != true) {
			t.Errorf("old invoice: charge %v, subscription %v, paid %v", in["charge"], in["subscription"], in["paid"])
		}
	}
	if p := w.refused("/v1/customers", 400, "Stripe-Version", "2031-01-01.tulip"); p.Error.Message == "" {
		t.Error("an unknown version is refused without a message")
	}
	w.acct.SetAPIVersion(simstripe.VersionOld)
	if !has(w.object("/v1/charges/"+ids["charges"]), "invoice") {
		t.Error("without a header the account's default does not decide")
	}
}

func has(v any, key string) bool {
	m, _ := v.(map[string]any)
	_, there := m[key]
	return there
}

func TestPlacedObjectsAreServedAsTheyAre(t *testing.T) {
	w := newWorld(t)
	hostile := `{"id":"sub_odd","object":"subscription","customer":{"id":"cus_1","object":"customer"},"status":"hibernating","created":1700000000,"items":null,"metadata":[1,2]}`
	w.must(w.acct.PutObject([]byte(hostile)))
	var want map[string]any
	w.must(json.Unmarshal([]byte(hostile), &want))
	got := w.list("/v1/subscriptions?customer=cus_1")
	if diff := cmp.Diff([]map[string]any{want}, got.Data); diff != "" {
		t.Fatal(diff)
	}
	w.must(w.acct.PutObject([]byte(`{"id":"sub_odd","object":"subscription","customer":"cus_2","status":"active","created":1700000000}`)))
	if l := w.list("/v1/subscriptions?customer=cus_1"); len(l.Data) != 0 {
		t.Fatalf("the object stays listed under its former customer: %v", l.Data)
	}
	if l := w.list("/v1/subscriptions?customer=cus_2"); len(l.Data) != 1 {
		t.Fatalf("the object is not listed under its new customer: %v", l.Data)
	}
	w.must(w.acct.PutObject([]byte(`{"id":"sub_odd","object":"subscription","deleted":true}`)))
	if o := w.object("/v1/subscriptions/sub_odd"); o["deleted"] != true {
		t.Fatalf("deleted: %v", o)
	}
	if err := w.acct.PutObject([]byte(`{"object":"customer"}`)); err == nil {
		t.Fatal("an object without an id is taken")
	}
}

func TestMixedIntervalsHavePeriodsOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	customer := w.acct.CreateCustomer(simstripe.CustomerParams{})
	sub := w.subscribe(simstripe.SubscriptionParams{Customer: customer, Prices: []string{w.price(4500, "month"), w.price(9000, "year")}})
	w.sim.Advance(32 * 24 * 3600 * 1e9)
	o := w.object("/v1/subscriptions/" + sub)
	month, year := dig(o, "items", "data", 0), dig(o, "items", "data", 1)
	if dig(month, "current_period_start") != float64(day.AddDate(0, 1, 0).Unix()) || dig(year, "current_period_end") != float64(day.AddDate(1, 0, 0).Unix()) {
		t.Fatalf("month from %v, year to %v", dig(month, "current_period_start"), dig(year, "current_period_end"))
	}
	in := w.object("/v1/invoices/" + o["latest_invoice"].(string))
	if in["amount_paid"] != float64(4500) || in["billing_reason"] != "subscription_cycle" {
		t.Fatalf("the renewal billed %v for %v", in["amount_paid"], in["billing_reason"])
	}
}
