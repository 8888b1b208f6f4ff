package stripe

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"memberintel/internal/fault"
	simstripe "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
)

// rewinding answers a list of 250 objects in pages of 100, and says that the cursor is gone as often as told.
func rewinding(gone int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.RawQuery, "starting_after=x_200") && gone > 0 {
			gone--
			refuse(400, "invalid_request_error", "resource_missing", "starting_after", "No such object")(w, r)
			return
		}
		after, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Query().Get("starting_after"), "x_"))
		var objects []string
		for i := after + 1; i <= min(after+100, 250); i++ {
			objects = append(objects, fmt.Sprintf(`{"id": "x_%d"}`, i))
		}
		fmt.Fprintf(w, `{"object": "list", "has_more": %t, "data": [%s]}`, after+100 < 250, strings.Join(objects, ","))
	}
}

func TestAListWhoseCursorIsGoneIsReadAgain(t *testing.T) {
	seen := map[string]bool{}
	gather := func(p Page) error {
		for _, raw := range p.Objects {
			seen[string(raw)] = true
		}
		return nil
	}
	q := url.Values{"active": {"true"}}
	if err := newStage(t, rewinding(3)).ListAll(t.Context(), "/v1/customers", q, gather); err != nil || len(seen) != 250 {
		t.Errorf("%d objects of 250: %v", len(seen), err)
	}
	s := newStage(t, rewinding(1000))
	if err := s.ListAll(t.Context(), "/v1/customers", q, gather); !fault.Is(err, fault.BadCursor) || len(s.asked) > 20 {
		t.Errorf("a list that never holds still: %v after %d requests", err, len(s.asked))
	}
}

func TestANestedListThatIsReadAgainHoldsEachElementOnce(t *testing.T) {
	stream, _ := StreamNamed("subscriptions")
	o := Object{Raw: []byte(`{"id": "sub_1", "items": {"object": "list", "has_more": true, "data": []}}`)}
	o, err := newStage(t, rewinding(1)).Whole(t.Context(), stream, o)
	if n := strings.Count(string(o.Raw), `"x_`); err != nil || n != 250 {
		t.Errorf("%d elements of 250: %v", n, err)
	}
}

func TestVerifySurvivesADeletionBetweenTwoPages(t *testing.T) {
	w := newWorld(t)
	for i := range 230 {
		w.account.CreateCustomer(simstripe.CustomerParams{Name: fmt.Sprint("Member ", i)})
	}
	w.sim.Advance(time.Minute)
	w.sync("")
	w.account.Fault(simstripe.Fault{Kind: simstripe.CursorGone, Endpoint: "/v1/customers", Skip: 1, Count: 1})
	w.mustEqual(w.c)
}

// paused counts how often the pipeline waits.
func (w *world) paused() *int {
	n, sleep := new(int), w.p.Config.Sleep
	w.p.Config.Sleep = func(ctx context.Context, d time.Duration) error {
		*n++
		return sleep(ctx, d)
	}
	return n
}

// abreast holds the first look-up of a customer until a second one comes, or too much time has gone by.
type abreast struct {
	mu    sync.Mutex
	came  int
	both  chan struct{}
	alone bool
}

func (a *abreast) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/v1/customers/") {
		a.mu.Lock()
		a.came++
		n := a.came
		if n == 2 {
			close(a.both)
		}
		a.mu.Unlock()
		if n == 1 {
			select {
			case <-a.both:
			case <-time.After(5 * time.Second):
				a.alone = true
			}
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestVerifyLooksAtAPageOfDriftAtOnce(t *testing.T) {
	w := newWorld(t)
	const drifting = 120
	for i := range drifting {
		w.account.CreateCustomer(simstripe.CustomerParams{Name: fmt.Sprint("Member ", i)})
	}
	w.sim.Advance(time.Minute)
	w.sync("")
	w.owner(`UPDATE members SET name = 'Somebody'`)
	w.sim.Advance(time.Minute)
	pauses, together := w.paused(), &abreast{both: make(chan struct{})}
	w.p.HTTP = &http.Client{Transport: together}
	verdict, err := w.p.Verify(t.Context(), w.current(w.c), true, nil)
	w.must(err)
	if len(verdict.Different) != drifting || verdict.Repaired != drifting {
		t.Errorf("%d differ and %d were repaired, want %d", len(verdict.Different), verdict.Repaired, drifting)
	}
	if pages := (drifting + suspectPage - 1) / suspectPage; *pauses > pages {
		t.Errorf("%d pauses for %d pages of drift", *pauses, pages)
	}
	if together.alone {
		t.Error("the suspects were looked up one after the other")
	}
	w.mustEqual(w.c)
}

func TestRepairedCountsWhatWasWritten(t *testing.T) {
	w := newWorld(t)
	w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	w.sim.Advance(time.Minute)
	w.sync("")
	// A row that claims to be newer than all that can be read is not overwritten.
	w.owner(`UPDATE members SET name = 'Somebody', observed_at = observed_at + interval '1 year', observed_until = observed_until + interval '1 year'`)
	verdict, err := w.p.Verify(t.Context(), w.current(w.c), true, nil)
	w.must(err)
	if len(verdict.Different) != 1 || verdict.Repaired != 0 {
		t.Errorf("%d differ and %d were repaired, want 1 and 0", len(verdict.Different), verdict.Repaired)
	}
}

func TestVerifyRepairsItems(t *testing.T) {
	w := newWorld(t)
	w.subscribe(w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"}), w.price(4500, "month"))
	w.sim.Advance(time.Minute)
	w.sync("")
	w.owner(`UPDATE subscription_items SET quantity = 77`)
	w.sim.Advance(time.Minute)
	verdict, err := w.p.Verify(t.Context(), w.current(w.c), true, nil)
	w.must(err)
	if len(verdict.Different) != 1 || verdict.Repaired != 1 {
		t.Errorf("%+v; want one item that differs and is repaired", verdict)
	}
	w.mustEqual(w.c)
}

func TestVerifySeesADifferenceOfOneInAGreatAmount(t *testing.T) {
	w := newWorld(t)
	w.price(9007199254740992, "month") // the first whole number that a float64 confuses with its neighbour
	w.sim.Advance(time.Minute)
	w.sync("")
	w.owner(`UPDATE plans SET amount_minor = 9007199254740993 WHERE amount_minor IS NOT NULL`)
	w.sim.Advance(time.Minute)
	verdict, err := w.p.Verify(t.Context(), w.current(w.c), false, nil)
	w.must(err)
	if len(verdict.Different) != 1 || fmt.Sprint(verdict.Different[0].Warehouse) != "9007199254740993" || fmt.Sprint(verdict.Different[0].Source) != "9007199254740992" {
		t.Errorf("found %+v", verdict.Different)
	}
}

func TestVerifyBesideAFullPassLeavesDerivedColumnsAlone(t *testing.T) {
	w := newWorld(t)
	w.subscribe(w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"}), w.price(4500, "month"))
	w.sim.Advance(time.Minute)
	w.sync("")
	w.owner(`UPDATE members SET membership_status = 'none'`) // as a full pass leaves it until its end
	run, _, err := w.p.Ledger.Begin(t.Context(), w.current(w.c), syncrun.Full, 0)
	w.must(err)
	verdict, err := w.p.Verify(t.Context(), w.current(w.c), false, nil)
	w.must(err)
	if verdict.Drift() || verdict.Status != syncrun.Partial || verdict.Problem == nil || !strings.Contains(*verdict.Problem, "full sync is running") {
		t.Errorf("beside a full pass: %+v", verdict)
	}
	if state := one[string](w, w.c, `SELECT state FROM connection`); state != "connected" {
		t.Errorf("the connection is %s through no fault of its own", state)
	}
	_, err = run.Finish(t.Context(), syncrun.Outcome{}, nil)
	w.must(err)
	if verdict, err = w.p.Verify(t.Context(), w.current(w.c), false, nil); err != nil || !verdict.Drift() {
		t.Errorf("after it: %+v, %v", verdict, err)
	}
}

// A key that has lost a permission leaves its streams unverified and the others verified: no error, and no drift
// that nobody has seen.
func TestVerifyGoesOnPastWhatTheKeyMayNotRead(t *testing.T) {
	w := newWorld(t)
	w.account.Club(7, 12, 4)
	w.sim.Advance(time.Minute)
	w.sync("")
	w.owner(`UPDATE members SET name = 'Somebody' WHERE source_id = (SELECT min(source_id) FROM members)`)
	w.sim.Advance(time.Minute)
	for name, c := range map[string]struct{ prefix, told string }{
		"invoices and their payments": {"/v1/invoice", "invoices (Invoices: Read); invoice_payments (Invoices: Read)"},
		"payments alone":              {"/v1/invoice_payments", "invoice_payments (Invoices: Read)"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.prefix == "/v1/invoice_payments" { // drift that only a look-up there can judge
				w.owner(`UPDATE payment_allocations SET amount_minor = 1 WHERE source_id = (SELECT min(source_id) FROM payment_allocations)`)
			}
			w.refuse(c.prefix)
			var asked atomic.Int64
			w.p.HTTP = &http.Client{Transport: counting{"/v1/invoice_payments/", &asked}}
			verdict, err := w.p.Verify(t.Context(), w.current(w.c), false, nil)
			w.must(err)
			if verdict.Status != syncrun.Partial || verdict.Problem == nil || !strings.Contains(*verdict.Problem, "may not read "+c.told+".") {
				t.Errorf("the verdict is %s: %v", verdict.Status, verdict.Problem)
			}
			if len(verdict.Missing)+len(verdict.Extra) != 0 || len(verdict.Different) != 1 || verdict.Different[0].Stream != "customers" {
				t.Errorf("found %+v", verdict)
			}
			if asked.Load() > suspectPage {
				t.Errorf("%d payments were asked for, one by one, though the first answer told that none may be read", asked.Load())
			}
		})
	}
}

// counting counts the requests whose path begins with prefix.
type counting struct {
	prefix string
	n      *atomic.Int64
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, c.prefix) {
		c.n.Add(1)
	}
	return http.DefaultTransport.RoundTrip(r)
}
