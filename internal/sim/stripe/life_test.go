package stripe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"memberintel/internal/sim/clock"
	simstripe "memberintel/internal/sim/stripe"
)

func resources() []string {
	return []string{"customers", "products", "prices", "subscriptions", "invoices", "charges", "refunds", "disputes", "payment_intents",
		"balance_transactions", "invoice_payments", "events"}
}

func TestSubscriptionsGoThroughStripesStates(t *testing.T) {
	w := newWorld(t)
	p := w.price(4500, "month")
	who := w.acct.CreateCustomer(simstripe.CustomerParams{Name: "Ruth"})
	delinquent := func() bool { return w.object("/v1/customers/" + who)["delinquent"].(bool) }
	sub := w.subscribe(simstripe.SubscriptionParams{Customer: who, Prices: []string{p}, Payment: simstripe.Declined})
	if got := w.status(sub); got != "incomplete" || delinquent() {
		t.Fatalf("after a failed first payment: %s", got)
	}
	w.must(w.acct.Recover(sub))
	w.must(w.acct.FailPayment(sub))
	if got := w.status(sub); got != "past_due" || !delinquent() {
		t.Fatalf("after a failed renewal: %s", got)
	}
	w.must(w.acct.Recover(sub))
	if got := w.status(sub); got != "active" || delinquent() {
		t.Fatalf("after the recovery: %s", got)
	}
	w.must(w.acct.Pause(sub, "void"))
	if o := w.object("/v1/subscriptions/" + sub); o["status"] != "active" || dig(o, "pause_collection", "behavior") != "void" {
		t.Fatalf("paused: %v %v", o["status"], o["pause_collection"])
	}
	w.must(w.acct.Pause(sub, ""))
	w.must(w.acct.CancelAtPeriodEnd(sub, true))
	w.sim.Advance(40 * 24 * time.Hour)
	if o := w.object("/v1/subscriptions/" + sub); o["status"] != "canceled" || o["ended_at"] == nil {
		t.Fatalf("after the period's end: %v", o["status"])
	}
	never := w.subscribe(simstripe.SubscriptionParams{Customer: who, Prices: []string{p}, Payment: simstripe.ExpiredCard})
	trial := w.subscribe(simstripe.SubscriptionParams{Customer: who, Prices: []string{p}, TrialDays: 14})
	if got := w.status(trial); got != "trialing" {
		t.Fatalf("in trial: %s", got)
	}
	w.sim.Advance(15 * 24 * time.Hour)
	if got := []string{w.status(never), w.status(trial)}; got[0] != "incomplete_expired" || got[1] != "active" {
		t.Fatalf("never paid and after the trial: %v", got)
	}
	w.acct.SetPaymentPolicy(func(string) simstripe.Payment { return simstripe.InsufficientFunds })
	w.sim.Advance(60 * 24 * time.Hour)
	if o := w.object("/v1/subscriptions/" + trial); o["status"] != "canceled" || dig(o, "cancellation_details", "reason") != "payment_failed" {
		t.Fatalf("after the last retry: %v", o["status"])
	}
}

func TestPeriodsKeepTheirDay(t *testing.T) {
	w := newWorld(t)
	w.clock.Set(time.Date(2027, 1, 31, 8, 0, 0, 0, time.UTC))
	_, sub := w.member()
	var ends []string
	for range 4 {
		o := w.object("/v1/subscriptions/" + sub)
		end := time.Unix(int64(dig(o, "items", "data", 0, "current_period_end").(float64)), 0).UTC()
		ends = append(ends, end.Format(time.DateOnly))
		w.sim.Advance(end.Sub(w.clock.Now()))
	}
	if diff := cmp.Diff([]string{"2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"}, ends); diff != "" {
		t.Fatal(diff)
	}
}

func TestRefundsAndDisputesMoveTheMoney(t *testing.T) {
	w := newWorld(t)
	ch, err := w.acct.Charge(simstripe.ChargeParams{Amount: 10_000, Description: "Lifetime membership"})
	w.must(err)
	half, err := w.acct.Refund(simstripe.RefundParams{Charge: ch, Amount: 4000})
	w.must(err)
	if o := w.object("/v1/charges/" + ch); o["amount_refunded"] != 4000.0 || o["refunded"] != false {
		t.Fatalf("half refunded: %v %v", o["amount_refunded"], o["refunded"])
	}
	w.must(w.acct.FailRefund(half, "lost_or_stolen_card"))
	if o := w.object("/v1/refunds/" + half); o["status"] != "failed" || o["failure_balance_transaction"] == nil {
		t.Fatalf("failed refund: %v", o)
	}
	if _, err := w.acct.Refund(simstripe.RefundParams{Charge: ch, Amount: 10_001}); err == nil {
		t.Fatal("more than the charge is refunded")
	}
	for _, won := range []bool{true, false} {
		d, err := w.acct.OpenDispute(ch, "fraudulent", 3000)
		w.must(err)
		w.must(w.acct.SubmitEvidence(d))
		w.must(w.acct.CloseDispute(d, won))
	}
	var net float64
	for _, txn := range w.list("/v1/balance_transactions?limit=100").Data {
		net += txn["net"].(float64)
	}
	if want := 10_000.0 - (10_000*29/1000 + 30) - 4000 + 4000 - 3000 - 1500 + 3000 - 3000 - 1500; net != want {
		t.Fatalf("the balance moved by %v, want %v", net, want)
	}
	yen, err := w.acct.Charge(simstripe.ChargeParams{Amount: 15_000, Currency: "jpy"})
	w.must(err)
	txn := w.object("/v1/charges/" + yen + "?expand[]=balance_transaction")["balance_transaction"]
	if dig(txn, "amount") != 9999.0 && dig(txn, "amount") != 10_000.0 || dig(txn, "currency") != "usd" || dig(txn, "exchange_rate") == nil {
		t.Fatalf("15000 yen settle as %v", txn)
	}
}

func TestALateTickChangesNothingThatWasShown(t *testing.T) {
	w := newWorld(t)
	_, sub := w.member()
	w.clock.Advance(45 * 24 * time.Hour)
	w.object("/v1/subscriptions/" + sub)
	shown := w.clock.Now()
	w.clock.Advance(time.Hour)
	w.sim.Tick()
	h := w.acct.History(sub)
	if last := h[len(h)-1]; last.At.Before(shown) {
		t.Fatalf("the renewal is dated %v, before %v, when the old state was shown", last.At, shown)
	}
}

func TestTheSameSeedGivesTheSameBytes(t *testing.T) {
	run := func() []byte {
		s := simstripe.New(clock.At(day), 7)
		a := s.NewAccount(simstripe.AccountOptions{})
		a.Club(3, 40, 8)
		s.Advance(60 * 24 * time.Hour)
		var b bytes.Buffer
		for _, r := range resources() {
			for _, o := range a.State(r) {
				b.Write(o)
			}
		}
		return b.Bytes()
	}
	first, second := run(), run()
	if !bytes.Equal(first, second) {
		t.Fatal("two runs differ")
	}
	if len(first) < 100_000 {
		t.Fatalf("a club of only %d bytes", len(first))
	}
}

func TestAClubIsBelievable(t *testing.T) {
	s := simstripe.New(clock.At(day), 1)
	a := s.NewAccount(simstripe.AccountOptions{})
	a.Club(1, 400, 24)
	status, kinds := map[any]int{}, map[any]int{}
	for _, raw := range a.State("subscriptions") {
		var o map[string]any
		if err := json.Unmarshal(raw, &o); err != nil {
			t.Fatal(err)
		}
		status[o["status"]]++
	}
	nameless := 0
	for _, raw := range a.State("customers") {
		var o map[string]any
		if err := json.Unmarshal(raw, &o); err != nil {
			t.Fatal(err)
		}
		kinds[dig(o, "metadata", "membership_type")]++
		if o["name"] == nil || o["email"] == nil {
			nameless++
		}
	}
	if status["active"] < 100 || status["canceled"] < 20 || kinds["Adult"] < 50 || kinds["Junior"] < 20 || nameless == 0 {
		t.Fatalf("statuses %v, kinds %v, without name or e-mail %d", status, kinds, nameless)
	}
	for _, r := range []string{"refunds", "disputes"} {
		if a.Count(r) == 0 {
			t.Errorf("no %s in two years", r)
		}
	}
	if n := a.Count("customers"); n != 400 {
		t.Fatalf("%d members", n)
	}
}

func TestLiveKeepsAClubBusy(t *testing.T) {
	s := simstripe.New(clock.Follow(day, 3600), 1)
	a := s.NewAccount(simstripe.AccountOptions{})
	srv := httptest.NewServer(s)
	defer srv.Close()
	busy := make(chan struct{}, 1)
	in := newInbox(t, func(n int) int {
		if n == 200 {
			busy <- struct{}{}
		}
		return http.StatusOK
	})
	a.AddEndpoint(simstripe.EndpointParams{URL: in.url})
	ctx, cancel := context.WithCancel(t.Context())
	s.Start(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.Live(ctx, time.Millisecond)
	}()
	<-busy
	cancel()
	<-done
	s.Close()
}

// TestWhateverHappens does random things to an account and checks that lists, State and retrieve agree, that every event
// shows a version that existed, and that the last event of an object shows its present state.
func TestWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		product := w.acct.CreateProduct(simstripe.ProductParams{Name: "Membership"})
		for _, interval := range []string{"month", "year", "week"} {
			w.acct.CreatePrice(simstripe.PriceParams{Product: product, Amount: 1000, Interval: interval})
		}
		fail := simstripe.Succeeds
		w.acct.SetPaymentPolicy(func(string) simstripe.Payment { return fail })
		some := func(resource string) string {
			ids := w.acct.IDs(resource)
			if len(ids) == 0 {
				return ""
			}
			return ids[rapid.IntRange(0, len(ids)-1).Draw(rt, resource)]
		}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			// Errors are part of life: what cannot be done is refused and changes nothing.
			switch rapid.IntRange(0, 15).Draw(rt, "step") {
			case 0, 1:
				w.acct.CreateCustomer(simstripe.CustomerParams{Name: rapid.String().Draw(rt, "name")})
			case 2, 3:
				_, _ = w.acct.CreateSubscription(simstripe.SubscriptionParams{Customer: some("customers"), Prices: []string{some("prices")},
					TrialDays: rapid.SampledFrom([]int{0, 0, 7}).Draw(rt, "trial"), Payment: fail})
			case 4:
				_ = w.acct.Renew(some("subscriptions"), fail)
			case 5:
				_ = w.acct.Recover(some("subscriptions"))
			case 6:
				_ = w.acct.Cancel(some("subscriptions"))
			case 7:
				_ = w.acct.CancelAtPeriodEnd(some("subscriptions"), rapid.Bool().Draw(rt, "at end"))
			case 8:
				_, _ = w.acct.Refund(simstripe.RefundParams{Charge: some("charges"), Amount: 300})
			case 9:
				_, _ = w.acct.OpenDispute(some("charges"), "general", 0)
			case 10:
				_ = w.acct.DeleteCustomer(some("customers"))
			case 11:
				_ = w.acct.UpdateMetadata(some(rapid.SampledFrom([]string{"customers", "prices", "subscriptions"}).Draw(rt, "of")), map[string]string{"k": rapid.StringN(0, 3, -1).Draw(rt, "v")})
			case 12:
				_, _ = w.acct.AddItem(some("subscriptions"), simstripe.ItemParams{Price: some("prices")})
			case 13:
				fail = rapid.SampledFrom([]simstripe.Payment{simstripe.Succeeds, simstripe.Declined}).Draw(rt, "payment")
			default:
				w.sim.Advance(time.Duration(rapid.IntRange(0, 20*24*3600).Draw(rt, "seconds")) * time.Second)
			}
		}
		w.agrees()
	})
}

func (w *world) agrees() {
	w.t.Helper()
	for _, r := range resources() {
		path := "/v1/" + r + "?limit=100"
		if r == "subscriptions" {
			path += "&status=all"
		}
		state := w.acct.State(r)
		if r == "events" {
			continue
		}
		listed := w.all(path)
		if len(listed) != len(state) {
			w.t.Fatalf("%s: %d listed, %d in State", r, len(listed), len(state))
		}
		for i, id := range listed {
			var want map[string]any
			w.must(json.Unmarshal(state[i], &want))
			if diff := cmp.Diff(want, w.object("/v1/"+r+"/"+id)); diff != "" {
				w.t.Fatalf("%s %s (-State +retrieve)\n%s", r, id, diff)
			}
		}
	}
	latest := map[any]map[string]any{}
	path := "/v1/events?limit=100"
	for {
		l := w.list(path)
		for _, e := range l.Data {
			if o, _ := dig(e, "data", "object").(map[string]any); latest[o["id"]] == nil && o["id"] != nil {
				latest[o["id"]] = o
			}
		}
		if !l.HasMore {
			break
		}
		path = fmt.Sprintf("/v1/events?limit=100&starting_after=%s", l.Data[len(l.Data)-1]["id"])
	}
	for _, r := range []string{"customers", "subscriptions", "invoices", "charges", "refunds", "disputes"} {
		for _, raw := range w.acct.State(r) {
			var now map[string]any
			w.must(json.Unmarshal(raw, &now))
			if last := latest[now["id"]]; last != nil {
				delete(last, "items") // prices inside change without an event of the subscription
				delete(now, "items")
				if diff := cmp.Diff(last, now); diff != "" {
					w.t.Fatalf("%s %v (-last event +now)\n%s", r, now["id"], diff)
				}
			}
		}
	}
}
