package care_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a database whose clock stands still, and a tenant with a site in it.
type world struct {
	t     *testing.T
	db    *postgres.DB
	clock *pgtest.Clock
	care  *care.Care
	place care.Place
}

func newWorld(t *testing.T, cfg care.Config) *world {
	t.Helper()
	db := pgtest.New(t)
	w := &world{t: t, db: db, clock: pgtest.NewClock(t, db, start), care: care.New(db, cfg)}
	w.place = care.Place{Tenant: w.newTenant("Lakeside Tennis"), Site: "lakeside.example"}
	w.place.Connection = w.connect(w.place.Tenant, connection.MemberPress)
	return w
}

func (w *world) newTenant(name string) tenant.ID {
	w.t.Helper()
	created, err := identity.CreateTenant(w.t.Context(), w.db, name, tenant.Pro)
	if err != nil {
		w.t.Fatal(err)
	}
	return created.ID
}

func (w *world) connect(id tenant.ID, p connection.Pipeline) connection.ID {
	w.t.Helper()
	vault, err := connection.OpenVault(filepath.Join(w.t.TempDir(), "key"))
	if err != nil {
		w.t.Fatal(err)
	}
	var c connection.Connection
	err = w.db.TenantTx(w.t.Context(), id, func(tx *postgres.TenantTx) error {
		c, _, err = connection.NewStore(vault).Connect(w.t.Context(), tx, connection.Request{Pipeline: p, SourceAccountID: id.String()})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c.ID
}

// pass moves the database's clock on.
func (w *world) pass(d time.Duration) { w.clock.Advance(d) }

// another is a second process: a Care with a pool of its own.
func (w *world) another(cfg care.Config) *care.Care {
	w.t.Helper()
	db, err := postgres.Connect(w.t.Context(), w.db.AppURL(), w.db.OwnerURL(), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(db.Close)
	return care.New(db, cfg)
}

func (w *world) begin() care.Permit {
	w.t.Helper()
	p, err := w.care.Begin(w.t.Context(), w.place)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// once asks and is answered, with a minute of quiet before it.
func (w *world) once(o care.Outcome) care.Permit {
	w.t.Helper()
	w.pass(time.Minute)
	p := w.begin()
	w.done(p, o)
	return p
}

func (w *world) done(p care.Permit, o care.Outcome) {
	w.t.Helper()
	if o.Requests == 0 && o.Verdict != care.Unasked {
		o.Requests = 1
	}
	if err := p.Done(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) refused(kind fault.Kind, retryAfter time.Duration) {
	w.t.Helper()
	_, err := w.care.Begin(w.t.Context(), w.place)
	w.isRefusal(err, kind, retryAfter)
}

func (w *world) isRefusal(err error, kind fault.Kind, retryAfter time.Duration) {
	w.t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != kind || f.RetryAfter != retryAfter || !errors.Is(err, care.ErrNotAsked) {
		w.t.Fatalf("got %v (%+v), want %s after %v", err, f, kind, retryAfter)
	}
}

func (w *world) condition() (c care.Condition) {
	w.t.Helper()
	err := w.db.TenantTx(w.t.Context(), w.place.Tenant, func(tx *postgres.TenantTx) (err error) {
		c, err = w.care.Read(w.t.Context(), tx, w.place.Connection)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func TestASiteThatTakesTwentySecondsGetsThirty(t *testing.T) {
	w := newWorld(t, care.Config{})
	if p := w.begin(); p.Timeout != 30*time.Second || p.PageSize != 500 || p.Probe {
		t.Errorf("before the first answer: %+v", p)
	}
	w.pass(time.Minute) // that one never came back
	for range 40 {
		w.once(care.Outcome{Verdict: care.Well, Took: 20 * time.Second})
	}
	if p := w.once(care.Outcome{Verdict: care.Well, Took: 20 * time.Second}); p.Timeout.Round(time.Second) != 30*time.Second {
		t.Errorf("got %v", p.Timeout)
	}
	if got := w.condition(); got.ResponseMS != 20000 {
		t.Errorf("got %+v", got)
	}
	for range 80 {
		w.once(care.Outcome{Verdict: care.Well, Took: 100 * time.Millisecond})
	}
	if p := w.begin(); p.Timeout != 5*time.Second {
		t.Errorf("a quick site gets %v", p.Timeout)
	}
}

func TestASiteThatBecameSlowRecoversBeforeTheBreakerOpens(t *testing.T) {
	w := newWorld(t, care.Config{})
	for range 30 {
		w.once(care.Outcome{Verdict: care.Well, Took: 500 * time.Millisecond})
	}
	var timeouts []time.Duration
	const slow = 20 * time.Second
	for range 100 {
		w.pass(time.Minute)
		p := w.begin()
		if p.Timeout >= slow {
			w.done(p, care.Outcome{Verdict: care.Well, Took: slow})
			continue
		}
		timeouts = append(timeouts, p.Timeout)
		w.done(p, care.Outcome{Verdict: care.Slow})
	}
	if got := fmt.Sprint(timeouts); got != "[5s 10s]" {
		t.Errorf("timed out after %s", got)
	}
	if got := w.condition(); got.Breaker != care.Closed || got.Failures != 0 || got.ResponseMS < 19900 {
		t.Errorf("got %+v", got)
	}
}

func TestTheTimeoutStaysWithinItsCeiling(t *testing.T) {
	w := newWorld(t, care.Config{Threshold: 100})
	for range 30 {
		w.once(care.Outcome{Verdict: care.Slow})
	}
	if p := w.begin(); p.Timeout != 2*time.Minute {
		t.Errorf("got %v", p.Timeout)
	}
}

func TestThePageHalvesAndGrowsBack(t *testing.T) {
	w := newWorld(t, care.Config{Threshold: 100})
	w.once(care.Outcome{Verdict: care.Broken})
	w.once(care.Outcome{Verdict: care.Slow})
	w.once(care.Outcome{Verdict: care.Sick})
	if p := w.once(care.Outcome{Verdict: care.Well, Took: time.Second}); p.PageSize != 125 {
		t.Errorf("after a 500 and a timeout: %d", p.PageSize)
	}
	for range 19 {
		w.once(care.Outcome{Verdict: care.Well, Took: time.Second})
	}
	var sizes []int
	for range 12 {
		sizes = append(sizes, w.once(care.Outcome{Verdict: care.Well, Took: time.Second}).PageSize)
	}
	if got := fmt.Sprint(sizes); got != "[125 156 195 243 303 378 472 590 737 921 1000 1000]" {
		t.Errorf("got %s", got)
	}
	for range 20 {
		w.once(care.Outcome{Verdict: care.Broken})
	}
	if p := w.begin(); p.PageSize != 25 {
		t.Errorf("the least page is %d", p.PageSize)
	}
}

func TestTheBreakerOpensRestsAndTries(t *testing.T) {
	w := newWorld(t, care.Config{})
	for range 5 {
		if got := w.condition().Breaker; got != care.Closed {
			t.Fatalf("%s too early", got)
		}
		w.once(care.Outcome{Verdict: care.Sick})
	}
	w.refused(fault.Unavailable, time.Minute)
	w.pass(59 * time.Second)
	w.refused(fault.Unavailable, time.Second)
	w.pass(time.Second)
	probe := w.begin()
	if !probe.Probe || w.condition().Breaker != care.HalfOpen {
		t.Errorf("got %+v, %+v", probe, w.condition())
	}
	w.refused(fault.Unavailable, 40*time.Second)
	w.done(probe, care.Outcome{Verdict: care.Broken})
	for _, rest := range []time.Duration{2, 4, 8, 16, 32, 60, 60} {
		w.refused(fault.Unavailable, rest*time.Minute)
		w.pass(rest * time.Minute)
		w.done(w.begin(), care.Outcome{Verdict: care.Sick})
	}
	w.pass(time.Hour)
	w.done(w.begin(), care.Outcome{Verdict: care.Well, Took: time.Second})
	if got := w.condition(); got.Breaker != care.Closed || got.Failures != 0 || got.OpenedAt != nil || got.RetryAt != nil {
		t.Errorf("got %+v", got)
	}
	if p := w.begin(); p.Probe {
		t.Error("a closed breaker has no probe")
	}
}

func TestARefusalIsALifeSign(t *testing.T) {
	w := newWorld(t, care.Config{})
	for range 4 {
		w.once(care.Outcome{Verdict: care.Sick})
	}
	w.once(care.Outcome{Verdict: care.Refused})
	w.once(care.Outcome{Verdict: care.Sick})
	if got := w.condition(); got.Breaker != care.Closed || got.Failures != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestASiteThatIsGoneIsLeftInPeaceAtOnce(t *testing.T) {
	w := newWorld(t, care.Config{})
	w.once(care.Outcome{Verdict: care.Gone})
	w.refused(fault.Unavailable, time.Minute)
}

func TestAPersonClosesTheBreaker(t *testing.T) {
	w := newWorld(t, care.Config{})
	w.once(care.Outcome{Verdict: care.Gone})
	w.pass(time.Minute)
	stale := w.begin()
	err := w.db.TenantTx(t.Context(), w.place.Tenant, func(tx *postgres.TenantTx) error {
		return care.Forgive(t.Context(), tx, w.place.Connection)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.done(stale, care.Outcome{Verdict: care.Sick})
	if got := w.condition(); got.Breaker != care.Closed || got.Failures != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestASiteThatAsksForPatienceGetsIt(t *testing.T) {
	w := newWorld(t, care.Config{})
	w.once(care.Outcome{Verdict: care.Limited, RetryAfter: 10 * time.Minute})
	w.refused(fault.RateLimited, 10*time.Minute)
	w.pass(10 * time.Minute)
	w.done(w.begin(), care.Outcome{Verdict: care.Limited})
	w.refused(fault.RateLimited, time.Minute)
	w.pass(time.Minute)
	w.done(w.begin(), care.Outcome{Verdict: care.Broken, RetryAfter: 365 * 24 * time.Hour})
	w.refused(fault.RateLimited, 6*time.Hour)
	if got := w.condition(); got.Breaker != care.Closed || got.Failures != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestAProbeThatIsAskedForPatienceComesAgainWithoutALongerRest(t *testing.T) {
	w := newWorld(t, care.Config{})
	w.once(care.Outcome{Verdict: care.Gone})
	w.pass(time.Minute)
	w.done(w.begin(), care.Outcome{Verdict: care.Limited, RetryAfter: 3 * time.Minute})
	w.refused(fault.Unavailable, 3*time.Minute)
	w.pass(3 * time.Minute)
	w.done(w.begin(), care.Outcome{Verdict: care.Unasked})
	w.done(w.begin(), care.Outcome{Verdict: care.Sick})
	w.refused(fault.Unavailable, 2*time.Minute)
}

func TestThePaceHoldsOverTheMinuteAndTheBurst(t *testing.T) {
	w := newWorld(t, care.Config{PerMinute: 30, Burst: 3})
	at := map[time.Duration]int{}
	for second := time.Duration(0); second < 60*time.Second; second += time.Second {
		for range 10 {
			p, err := w.care.Begin(t.Context(), w.place)
			if err != nil {
				break
			}
			at[second]++
			w.done(p, care.Outcome{Verdict: care.Well, Took: time.Second})
		}
		w.pass(time.Second)
	}
	total := 0
	for second, n := range at {
		total += n
		if want := 1; second == 0 && n != 3 || second > 0 && n > want {
			t.Errorf("%d at %v", n, second)
		}
	}
	if total != 3+29 {
		t.Errorf("%d in a minute", total)
	}
}

func TestRedirectsCountAsRequests(t *testing.T) {
	w := newWorld(t, care.Config{PerMinute: 60, Burst: 3})
	w.done(w.begin(), care.Outcome{Verdict: care.Well, Took: time.Second, Requests: 3})
	w.refused(fault.RateLimited, time.Second)
}

func TestOneRequestAtATimeToASiteWhoeverAsks(t *testing.T) {
	w := newWorld(t, care.Config{})
	other := w.place
	other.Tenant = w.newTenant("Hillside")
	other.Connection = w.connect(other.Tenant, connection.Website)
	held := w.begin()
	_, err := w.care.Begin(t.Context(), other)
	w.isRefusal(err, fault.RateLimited, time.Second)
	elsewhere := other
	elsewhere.Site = "hillside.example"
	if _, err := w.care.Begin(t.Context(), elsewhere); err != nil {
		t.Errorf("another site: %v", err)
	}
	w.done(held, care.Outcome{Verdict: care.Gone})
	p, err := w.care.Begin(t.Context(), other)
	if err != nil || p.Probe {
		t.Errorf("the other tenant's breaker is its own: %+v, %v", p, err)
	}
}

func TestALostPermitRunsOutAndItsOutcomeCountsForNothing(t *testing.T) {
	w := newWorld(t, care.Config{})
	lost := w.begin()
	w.pass(40*time.Second - time.Millisecond)
	w.refused(fault.RateLimited, time.Millisecond)
	w.pass(time.Millisecond)
	next := w.begin()
	w.done(lost, care.Outcome{Verdict: care.Gone})
	w.refused(fault.RateLimited, time.Second)
	w.done(next, care.Outcome{Verdict: care.Well, Took: time.Second})
	w.done(next, care.Outcome{Verdict: care.Gone})
	if got := w.condition(); got.Breaker != care.Closed || got.ResponseMS != 1000 {
		t.Errorf("got %+v", got)
	}
}

func TestALostProbeIsFollowedByAnother(t *testing.T) {
	w := newWorld(t, care.Config{})
	w.once(care.Outcome{Verdict: care.Gone})
	w.pass(time.Minute)
	lost := w.begin()
	w.pass(40 * time.Second)
	next := w.begin()
	if !next.Probe {
		t.Error("no probe")
	}
	w.done(lost, care.Outcome{Verdict: care.Well, Took: time.Second})
	if got := w.condition().Breaker; got != care.HalfOpen {
		t.Errorf("the lost probe made it %s", got)
	}
	w.done(next, care.Outcome{Verdict: care.Well, Took: time.Second})
	if got := w.condition().Breaker; got != care.Closed {
		t.Errorf("got %s", got)
	}
}

func TestOneProbeAmongProcesses(t *testing.T) {
	w := newWorld(t, care.Config{})
	w.once(care.Outcome{Verdict: care.Gone})
	processes := []*care.Care{w.another(care.Config{}), w.another(care.Config{})}
	for round := range 5 {
		w.pass(time.Hour)
		var granted, notAsked atomic.Int32
		var probe care.Permit
		var group sync.WaitGroup
		for i := range 16 {
			group.Go(func() {
				p, err := processes[i%2].Begin(t.Context(), w.place)
				switch {
				case err == nil:
					probe = p // racing writes would be two probes
					granted.Add(1)
				case fault.Is(err, fault.Unavailable) && errors.Is(err, care.ErrNotAsked):
					notAsked.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		group.Wait()
		if granted.Load() != 1 || notAsked.Load() != 15 || !probe.Probe {
			t.Fatalf("round %d: %d granted, %d refused, %+v", round, granted.Load(), notAsked.Load(), probe)
		}
		w.done(probe, care.Outcome{Verdict: care.Sick})
	}
}

func TestManyProcessesKeepOnePace(t *testing.T) {
	cfg := care.Config{PerMinute: 60, Burst: 4}
	w := newWorld(t, cfg)
	processes := []*care.Care{w.another(cfg), w.another(cfg)}
	for round, want := range []int32{4, 1, 1} {
		var granted, inFlight, most atomic.Int32
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				for range 10 {
					p, err := processes[i%2].Begin(t.Context(), w.place)
					if err != nil {
						if !fault.Is(err, fault.RateLimited) {
							t.Error(err)
						}
						continue
					}
					granted.Add(1)
					most.Store(max(most.Load(), inFlight.Add(1)))
					inFlight.Add(-1)
					if err := p.Done(t.Context(), care.Outcome{Verdict: care.Well, Took: time.Second, Requests: 1}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if granted.Load() != want || most.Load() != 1 {
			t.Errorf("round %d: %d granted, %d at once", round, granted.Load(), most.Load())
		}
		w.pass(time.Second)
	}
}

func TestAwaitGoesOnAtTheSitesPace(t *testing.T) {
	var w *world
	var slept []time.Duration
	cfg := care.Config{PerMinute: 60, Burst: 2, Sleep: func(_ context.Context, d time.Duration) error {
		slept = append(slept, d)
		w.pass(d)
		return nil
	}}
	w = newWorld(t, cfg)
	for range 5 {
		p, err := w.care.Await(t.Context(), w.place)
		if err != nil {
			t.Fatal(err)
		}
		w.done(p, care.Outcome{Verdict: care.Well, Took: time.Second})
	}
	if got := fmt.Sprint(slept); got != "[1s 1s 1s]" {
		t.Errorf("slept %s", got)
	}
	p, err := w.care.Await(t.Context(), w.place)
	if err != nil {
		t.Fatal(err)
	}
	slept = nil
	w.done(p, care.Outcome{Verdict: care.Limited, RetryAfter: time.Minute})
	_, err = w.care.Await(t.Context(), w.place)
	w.isRefusal(err, fault.RateLimited, time.Minute)
	w.once(care.Outcome{Verdict: care.Gone})
	_, err = w.care.Await(t.Context(), w.place)
	w.isRefusal(err, fault.Unavailable, time.Minute)
	if len(slept) > 0 {
		t.Errorf("a long wait is not slept through: %v", slept)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	real := w.another(care.Config{})
	if _, err := real.Await(ctx, w.place); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAnotherTenantsConditionIsNotToBeSeen(t *testing.T) {
	w := newWorld(t, care.Config{})
	w.once(care.Outcome{Verdict: care.Gone})
	other := w.newTenant("Hillside")
	stranger := w.place
	stranger.Tenant = other
	if _, err := w.care.Begin(t.Context(), stranger); err == nil {
		t.Error("it was asked in another tenant's name")
	}
	w.place.Tenant = other
	if got := w.condition(); got.Breaker != care.Closed {
		t.Errorf("got %+v", got)
	}
}
