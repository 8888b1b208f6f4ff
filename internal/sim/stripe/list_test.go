package stripe_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	simstripe "memberintel/internal/sim/stripe"
)

func TestListPagesForwardAndBackward(t *testing.T) {
	w := newWorld(t)
	var made []string
	for i := range 37 {
		made = append(made, w.acct.CreateCustomer(simstripe.CustomerParams{Name: fmt.Sprint("Member ", i)}))
		if i%5 == 0 {
			w.clock.Advance(time.Second)
		}
	}
	slices.Reverse(made)
	first := w.list("/v1/customers")
	if first.Object != "list" || first.URL != "/v1/customers" || !first.HasMore {
		t.Fatalf("first page: %+v", first)
	}
	if diff := cmp.Diff(made[:10], first.ids()); diff != "" {
		t.Fatalf("the default page is the ten newest (-want +got)\n%s", diff)
	}
	for _, limit := range []int{1, 7, 10, 36, 37, 100} {
		if diff := cmp.Diff(made, w.all(fmt.Sprintf("/v1/customers?limit=%d", limit))); diff != "" {
			t.Fatalf("limit %d (-want +got)\n%s", limit, diff)
		}
	}
	back := w.list("/v1/customers?limit=5&ending_before=" + made[20])
	if diff := cmp.Diff(made[15:20], back.ids()); diff != "" || !back.HasMore {
		t.Fatalf("the page before a cursor (has_more %v)\n%s", back.HasMore, diff)
	}
	if back = w.list("/v1/customers?limit=5&ending_before=" + made[3]); back.HasMore || len(back.Data) != 3 {
		t.Fatalf("the page before the newest: %v", back.ids())
	}
}

func TestListFilters(t *testing.T) {
	w := newWorld(t)
	at := map[int64]string{}
	for range 5 {
		at[w.clock.Now().Unix()] = w.acct.CreateCustomer(simstripe.CustomerParams{Email: "a@club.example"})
		w.clock.Advance(10 * time.Second)
	}
	base := day.Unix()
	for query, want := range map[string]int{
		"created=%d": 1, "created[gt]=%d": 2, "created[gte]=%d": 3, "created[lt]=%d": 2, "created[lte]=%d": 3,
		"created[gte]=%d&created[lt]=9999999999": 3, "email=a@club.example&created[lte]=%d": 3, "email=b@club.example&created=%d": 0,
	} {
		if got := w.list("/v1/customers?" + fmt.Sprintf(query, base+20)); len(got.Data) != want {
			t.Errorf("%s: %d customers, want %d", query, len(got.Data), want)
		}
	}
	_, sub := w.member()
	w.must(w.acct.Cancel(sub))
	customer, other := w.member()
	for path, want := range map[string][]string{
		"/v1/subscriptions":                       {other},
		"/v1/subscriptions?status=canceled":       {sub},
		"/v1/subscriptions?status=all":            {other, sub},
		"/v1/subscriptions?customer=" + customer:  {other},
		"/v1/subscriptions?customer=cus_stranger": nil,
	} {
		if diff := cmp.Diff(want, w.list(path).ids()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", path, diff)
		}
	}
	for _, resource := range []string{"invoices", "charges", "payment_intents"} {
		if got := w.list("/v1/" + resource + "?customer=" + customer); len(got.Data) != 1 {
			t.Errorf("%s of a customer: %v", resource, got.ids())
		}
	}
	intent := w.list("/v1/payment_intents?customer=" + customer).ids()[0]
	for _, path := range []string{"/v1/charges?payment_intent=" + intent, "/v1/invoices?subscription=" + other,
		"/v1/invoice_payments?payment[type]=payment_intent&payment[payment_intent]=" + intent} {
		if got := w.list(path); len(got.Data) != 1 {
			t.Errorf("%s: %v", path, got.ids())
		}
	}
}

func TestActiveAndInactivePrices(t *testing.T) {
	w := newWorld(t)
	on, off := w.price(100, "month"), w.price(200, "")
	no := false
	w.must(w.acct.UpdatePrice(off, simstripe.PriceUpdate{Active: &no}))
	for path, want := range map[string][]string{
		"/v1/prices": {off, on}, "/v1/prices?active=true": {on}, "/v1/prices?active=false": {off}, "/v1/prices?type=recurring": {on},
	} {
		if diff := cmp.Diff(want, w.list(path).ids()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", path, diff)
		}
	}
}

func TestWrongParametersAreRefused(t *testing.T) {
	w := newWorld(t)
	gone := w.acct.CreateCustomer(simstripe.CustomerParams{})
	kept := w.acct.CreateCustomer(simstripe.CustomerParams{})
	w.must(w.acct.DeleteCustomer(gone))
	types := strings.Repeat("types[]=charge.failed&", 21)
	for path, want := range map[string]struct {
		status      int
		code, param string
	}{
		"/v1/customers?limit=0":                    {400, "parameter_invalid_integer", "limit"},
		"/v1/customers?limit=101":                  {400, "parameter_invalid_integer", "limit"},
		"/v1/customers?limit=ten":                  {400, "parameter_invalid_integer", "limit"},
		"/v1/customers?starting_after=cus_x":       {400, "resource_missing", "starting_after"},
		"/v1/customers?starting_after=" + gone:     {400, "resource_missing", "starting_after"},
		"/v1/customers?ending_before=" + gone:      {400, "resource_missing", "ending_before"},
		"/v1/products?starting_after=" + kept:      {400, "resource_missing", "starting_after"},
		"/v1/customers?created[after]=1":           {400, "parameter_unknown", "created[after]"},
		"/v1/customers?status=all":                 {400, "parameter_unknown", "status"},
		"/v1/subscription_items?created[gt]=1":     {400, "parameter_unknown", "created[gt]"},
		"/v1/subscription_items":                   {400, "parameter_missing", "subscription"},
		"/v1/customers?created=yesterday":          {400, "parameter_invalid_integer", "created"},
		"/v1/subscriptions?status=alive":           {400, "", "status"},
		"/v1/events?" + types:                      {400, "", "types"},
		"/v1/customers/cus_never":                  {404, "resource_missing", "id"},
		"/v1/charges/ch_never/refunds":             {404, "resource_missing", "charge"},
		"/v1/charges?expand[]=customer":            {400, "", "expand"},
		"/v1/charges?expand[]=data.nothing":        {400, "", "expand"},
		"/v1/invoices?expand[]=data.charge":        {400, "", "expand"},
		"/v1/unicorns":                             {404, "", ""},
		"/v1/customers/" + kept + "/subscriptions": {404, "", ""},
	} {
		p := w.refused(path, want.status)
		if p.Error.Type != "invalid_request_error" || p.Error.Code != want.code || p.Error.Param != want.param || p.Error.Message == "" {
			t.Errorf("%s: %+v, want %+v", path, p, want)
		}
	}
}

func TestDeletedAndTestClockObjectsAreHidden(t *testing.T) {
	w := newWorld(t)
	customer, sub := w.member()
	clocked := w.acct.CreateCustomer(simstripe.CustomerParams{TestClock: "clock_1"})
	timed := w.subscribe(simstripe.SubscriptionParams{Customer: clocked, Prices: []string{w.price(900, "week")}})
	w.must(w.acct.DeleteCustomer(customer))
	if got := w.list("/v1/customers"); len(got.Data) != 0 {
		t.Fatalf("a deleted and a test-clock customer are listed: %v", got.ids())
	}
	if got := w.list("/v1/customers?test_clock=clock_1").ids(); !slices.Equal(got, []string{clocked}) {
		t.Fatalf("customers of the clock: %v", got)
	}
	if got := w.list("/v1/subscriptions?status=all").ids(); !slices.Equal(got, []string{sub}) {
		t.Fatalf("subscriptions: %v, want %s without %s", got, sub, timed)
	}
	want := map[string]any{"id": customer, "object": "customer", "deleted": true}
	if diff := cmp.Diff(want, w.object("/v1/customers/"+customer)); diff != "" {
		t.Fatal(diff)
	}
	if got := w.status(sub); got != "canceled" {
		t.Fatalf("the deleted customer's subscription is %s", got)
	}
	if got := w.acct.State("customers"); len(got) != 0 {
		t.Fatalf("State shows %d customers that lists never show", len(got))
	}
}

func TestAnIDThatWasChosenLivesAgain(t *testing.T) {
	w := newWorld(t)
	w.acct.CreateProduct(simstripe.ProductParams{ID: "gold", Name: "Gold"})
	w.must(w.acct.DeleteProduct("gold"))
	w.clock.Advance(time.Minute)
	w.acct.CreateProduct(simstripe.ProductParams{ID: "silver", Name: "Silver"})
	w.clock.Advance(time.Minute)
	w.acct.CreateProduct(simstripe.ProductParams{ID: "gold", Name: "New gold"})
	got := w.list("/v1/products")
	if diff := cmp.Diff([]string{"gold", "silver"}, got.ids()); diff != "" {
		t.Fatal(diff)
	}
	if created := got.Data[0]["created"].(float64); int64(created) != day.Add(2*time.Minute).Unix() {
		t.Fatalf("created %v", created)
	}
}

func TestNestedListsEndAfterTen(t *testing.T) {
	w := newWorld(t)
	customer := w.acct.CreateCustomer(simstripe.CustomerParams{})
	p := simstripe.SubscriptionParams{Customer: customer}
	for range 13 {
		p.Prices = append(p.Prices, w.price(1000, "month"))
	}
	sub := w.subscribe(p)
	o := w.object("/v1/subscriptions/" + sub)
	if n := len(dig(o, "items", "data").([]any)); n != 10 || dig(o, "items", "has_more") != true {
		t.Fatalf("%d items inside, has_more %v", n, dig(o, "items", "has_more"))
	}
	items := w.all("/v1/subscription_items?limit=5&subscription=" + sub)
	if len(items) != 13 || items[0] != dig(o, "items", "data", 0, "id") {
		t.Fatalf("items: %v", items)
	}
	invoice := dig(o, "latest_invoice").(string)
	in := w.object("/v1/invoices/" + invoice)
	if lines := w.all("/v1/invoices/" + invoice + "/lines"); len(lines) != 13 || dig(in, "lines", "has_more") != true {
		t.Fatalf("%d lines, has_more %v", len(lines), dig(in, "lines", "has_more"))
	}
	charge := w.list("/v1/charges").ids()[0]
	for range 12 {
		_, err := w.acct.Refund(simstripe.RefundParams{Charge: charge, Amount: 100})
		w.must(err)
	}
	o = w.object("/v1/charges/" + charge + "?expand[]=refunds")
	if refunds := w.all("/v1/charges/" + charge + "/refunds"); len(refunds) != 12 || dig(o, "refunds", "has_more") != true ||
		len(dig(o, "refunds", "data").([]any)) != 10 || dig(o, "refunds", "data", 0, "id") != refunds[0] {
		t.Fatalf("refunds: %v of %v", dig(o, "refunds"), refunds)
	}
}

func TestExpand(t *testing.T) {
	w := newWorld(t)
	customer, sub := w.member()
	l := w.list("/v1/charges?expand[]=data.balance_transaction&expand[]=data.customer&expand[]=data.refunds")
	if got := dig(l.Data[0], "balance_transaction", "fee"); got != float64(4500*29/1000+30) {
		t.Errorf("fee of the balance transaction: %v", got)
	}
	if got := dig(l.Data[0], "customer", "id"); got != customer {
		t.Errorf("customer: %v", got)
	}
	if got := dig(l.Data[0], "refunds", "object"); got != "list" {
		t.Errorf("refunds: %v", got)
	}
	l = w.list("/v1/invoices?expand[]=data.payments.data.payment.payment_intent&expand[]=data.parent.subscription_details.subscription")
	if got := dig(l.Data[0], "payments", "data", 0, "payment", "payment_intent", "latest_charge"); got == nil {
		t.Errorf("payments: %v", dig(l.Data[0], "payments"))
	}
	if got := dig(l.Data[0], "parent", "subscription_details", "subscription", "id"); got != sub {
		t.Errorf("subscription: %v", got)
	}
	o := w.object("/v1/payment_intents/" + w.list("/v1/payment_intents").ids()[0] + "?expand[]=latest_charge.balance_transaction")
	if got := dig(o, "latest_charge", "balance_transaction", "object"); got != "balance_transaction" {
		t.Errorf("latest_charge: %v", dig(o, "latest_charge"))
	}
	plain := w.list("/v1/invoices")
	if _, there := plain.Data[0]["payments"]; there {
		t.Error("invoice.payments is shown without being asked for")
	}
	if _, there := w.list("/v1/charges").Data[0]["refunds"]; there {
		t.Error("charge.refunds is shown without being asked for")
	}
}

func TestDateAndHeaders(t *testing.T) {
	w := newWorld(t)
	w.clock.Advance(700 * time.Millisecond)
	var l list
	resp := w.get("/v1/customers", &l)
	if got := resp.Header.Get("Date"); got != day.Format(http.TimeFormat) {
		t.Errorf("Date %q, want the sim's clock in whole seconds", got)
	}
	if !strings.HasPrefix(resp.Header.Get("Request-Id"), "req_") || resp.Header.Get("Stripe-Version") != simstripe.VersionDahlia {
		t.Errorf("headers: %v", resp.Header)
	}
}
