package schedule

import (
	"container/heap"
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/job"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// The simulation runs the rules over a fleet in memory: turns, pace, retries and a cap, with a clock of its own. What
// a database and a job engine add to that is what TestSixtyDaysOnPostgreSQL sees.

var (
	simFree = flag.Int("sim.free", 50_000, "tenants on the free plan in the simulation")
	simPro  = flag.Int("sim.pro", 5_000, "tenants on the pro plan in the simulation")
)

// simulated is one connection.
type simulated struct {
	id       tenant.ID
	pipeline connection.Pipeline
	plan     tenant.Plan
	sick     bool // its source fails often
	due      time.Time
	asked    time.Time // when a run was last asked for by the schedule
	open     bool      // a run waits or runs
	attempt  int
	gap      time.Duration // the longest between two that were asked for
	starts   int
}

// event is something that happens to a connection.
type event struct {
	at   time.Time
	what int
	c    *simulated
}

const (
	isDue = iota
	mayBegin
	ends
)

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// fleet is the state of the simulation.
type fleet struct {
	now       time.Time
	rng       *rand.Rand
	all       []*simulated
	due       events // of the schedule
	rest      events // of runs
	waiting   []*simulated
	running   int
	peak      int
	pace      Pace
	allowance float64
	minutes   []int // starts in each minute
}

const simCap = 100

func newFleet(free, pro int, from time.Time) *fleet {
	f := &fleet{now: from, rng: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // the same each time
	counts := map[connection.Count]int{}
	add := func(plan tenant.Plan, i int, pipelines ...connection.Pipeline) {
		id := uuid.NewSHA1(uuid.Nil, fmt.Append(nil, plan, i))
		for _, p := range pipelines {
			c := &simulated{id: id, pipeline: p, plan: plan, sick: f.rng.IntN(200) == 0, due: FirstDue(from, connection.Cadence(p, plan), id, p)}
			f.all = append(f.all, c)
			heap.Push(&f.due, event{c.due, isDue, c})
			counts[connection.Count{Pipeline: p, Plan: plan}]++
		}
	}
	for i := range free {
		switch i % 4 {
		case 0, 1:
			add(tenant.Free, i, connection.Stripe)
		case 2:
			add(tenant.Free, i, connection.MemberPress)
		default:
			add(tenant.Free, i, connection.MemberPress, connection.Website)
		}
	}
	for i := range pro {
		add(tenant.Pro, i, connection.Stripe, connection.MemberPress, connection.Website)
	}
	var list []connection.Count
	for c, n := range counts {
		c.N = n
		list = append(list, c)
	}
	f.pace = PaceOf(list)
	f.allowance = f.pace.Burst(DefaultEvery)
	return f
}

// trouble is what befalls a fleet.
type trouble struct {
	from, until time.Time // no tick comes
	allDue      time.Time // everything is made due, as after a switch for all
}

// run lets time pass until then.
func (f *fleet) run(until time.Time, trouble trouble) {
	from := f.now
	f.minutes = make([]int, int(until.Sub(from)/time.Minute)+1)
	tick := f.now
	last := f.now
	for f.now.Before(until) {
		if len(f.rest) > 0 && f.rest[0].at.Before(tick) {
			e := heap.Pop(&f.rest).(event)
			f.now = e.at
			if e.what == ends {
				f.end(e.c)
			} else {
				f.waiting = append(f.waiting, e.c)
			}
			f.begin(from)
			continue
		}
		f.now = tick
		tick = tick.Add(DefaultEvery)
		if f.now.After(trouble.from) && f.now.Before(trouble.until) {
			continue
		}
		if f.now.Equal(trouble.allDue) {
			for i := range f.due {
				f.due[i].at, f.due[i].c.due = f.now, f.now
			}
		}
		f.allowance = f.pace.Allow(f.allowance, f.now.Sub(last), DefaultEvery)
		last = f.now
		f.tick()
		f.begin(from)
	}
}

// tick is Scheduler.Tick.
func (f *fleet) tick() {
	for f.allowance >= 1 && len(f.due) > 0 && !f.due[0].at.After(f.now) {
		c := heap.Pop(&f.due).(event).c
		f.allowance--
		period := connection.Cadence(c.pipeline, c.plan)
		c.due = NextDue(f.now, period, c.id, c.pipeline)
		heap.Push(&f.due, event{c.due, isDue, c})
		if !c.asked.IsZero() {
			c.gap = max(c.gap, f.now.Sub(c.asked))
		}
		c.asked = f.now
		if !c.open {
			c.open, c.attempt = true, 1
			f.waiting = append(f.waiting, c)
		}
	}
}

// begin lets what waits run while there is room.
func (f *fleet) begin(from time.Time) {
	for len(f.waiting) > 0 && f.running < simCap {
		c := f.waiting[0]
		f.waiting = f.waiting[1:]
		f.running++
		f.peak = max(f.peak, f.running)
		c.starts++
		f.minutes[int(f.now.Sub(from)/time.Minute)]++
		took := time.Duration(math.Exp(f.rng.NormFloat64()+math.Log(20)) * float64(time.Second)) // half take over 20 s, some many minutes
		heap.Push(&f.rest, event{f.now.Add(took), ends, c})
	}
}

// end is Follow.
func (f *fleet) end(c *simulated) {
	f.running--
	c.open = false
	chance := 0.01
	if c.sick {
		chance = 0.9
	}
	if f.rng.Float64() > chance {
		return
	}
	next := Follow(syncrun.Ended{Attempt: c.attempt, Err: fault.New(fault.Unavailable, "away")}, f.rng.Float64())
	if next.Again {
		c.open, c.attempt = true, next.Attempt
		heap.Push(&f.rest, event{f.now.Add(next.After), mayBegin, c})
	}
}

// fullest returns the most starts in any window of so many minutes.
func (f *fleet) fullest(minutes int) (most int) {
	sum := 0
	for i, n := range f.minutes {
		sum += n
		if i >= minutes {
			sum -= f.minutes[i-minutes]
		}
		most = max(most, sum)
	}
	return most
}

func TestSixtyDaysOfAFleet(t *testing.T) {
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for name, trouble := range map[string]trouble{
		"calm": {},
		"36 hours without a tick, and later all due at once": {from.Add(20 * day), from.Add(20*day + 36*time.Hour), from.Add(40 * day)},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(*simFree, *simPro, from)
			f.run(from.Add(60*day), trouble)
			starts := 0
			for _, n := range f.minutes {
				starts += n
			}
			mean := float64(starts) / float64(len(f.minutes))
			minute, quarter := f.fullest(1), f.fullest(15)
			t.Logf("%d connections, %d starts, %.1f a minute; at most %d in one (bound %.0f), %d in 15 (bound %.0f); %d at once (cap %d)",
				len(f.all), starts, mean, minute, mean+6*math.Sqrt(mean), quarter, 30*mean, f.peak, simCap)
			if float64(minute) > mean+6*math.Sqrt(mean) {
				t.Errorf("%d starts in one minute", minute)
			}
			if float64(quarter) > 30*mean {
				t.Errorf("%d starts in 15 minutes", quarter)
			}
			if f.peak > simCap {
				t.Errorf("%d ran at once", f.peak)
			}
			f.onTime(t, from, name == "calm")
		})
	}
}

// onTime checks that everybody was asked for in each period, and shows how late the latest was.
func (f *fleet) onTime(t *testing.T, from time.Time, calm bool) {
	t.Helper()
	longest := map[time.Duration]time.Duration{}
	for _, c := range f.all {
		period := connection.Cadence(c.pipeline, c.plan)
		if c.asked.IsZero() || c.asked.Before(f.now.Add(-period*3/2)) {
			t.Errorf("%s %s was forgotten: last asked for %v", c.plan, c.pipeline, c.asked)
		}
		gap := max(c.gap, f.now.Sub(c.asked), 0)
		longest[period] = max(longest[period], gap)
		if late := gap - period; calm && late > 5*time.Minute {
			t.Errorf("%s %s was %v late", c.plan, c.pipeline, late)
		}
		if calm && c.starts < int(f.now.Sub(from)/period) {
			t.Errorf("%s %s ran %d times", c.plan, c.pipeline, c.starts)
		}
	}
	for period, gap := range longest {
		t.Logf("each %v: at most %v between two", period, gap.Round(time.Second))
	}
}

// TestSixtyDaysOnPostgreSQL is the same with the real tick, queue, worker and sweep, for a few tenants.
func TestSixtyDaysOnPostgreSQL(t *testing.T) {
	w := newWorld(t)
	set := w.settableClock()
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	set(from)
	w.scheduler.Every = time.Hour
	for i := range 24 {
		plan := tenant.Free
		if i%8 == 0 {
			plan = tenant.Pro
		}
		c := w.connect([]connection.Pipeline{connection.Stripe, connection.MemberPress, connection.Website}[i%3], plan)
		w.request(c, syncrun.Connecting, "")
	}
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	w.pull = func(context.Context, *syncrun.Run) (syncrun.Outcome, error) {
		if rng.IntN(5) == 0 {
			return syncrun.Outcome{}, fault.New(fault.Unavailable, "away")
		}
		return syncrun.Outcome{}, nil
	}
	var later []job.Job
	for now := from; now.Before(from.Add(60 * day)); now = now.Add(time.Hour) {
		set(now)
		if now.Before(from.Add(20*day)) || now.After(from.Add(21*day)) { // a day without a tick
			w.tick()
		}
		w.sweep()
		jobs := slices.Concat(later, w.engine.take())
		later = nil
		for _, j := range jobs {
			if j.NotBefore.After(now) {
				later = append(later, j)
				continue
			}
			if rng.IntN(50) == 0 {
				continue // it is lost
			}
			if err := w.worker.Handle(t.Context(), j); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := w.text(`SELECT count(*)::text FROM sync_run WHERE status = 'running'`); got != "0" {
		t.Errorf("%s runs are left open", got)
	}
	// Between two successes of a connection lies its cadence, with the half more after the day without ticks, the
	// tries that failed in between, and the hours of this test's clock.
	rows, err := w.owner.Query(t.Context(), `
		SELECT format('%s every %s: %s', r.pipeline_type, r.cadence, max(r.gap)) FROM (
		    SELECT connection_id, pipeline_type, cadence,
		           lead(finished_at, 1, $1) OVER (PARTITION BY connection_id ORDER BY finished_at) - finished_at AS gap
		      FROM sync_run WHERE status = 'succeeded') r
		 GROUP BY r.connection_id, r.pipeline_type, r.cadence HAVING max(r.gap) > r.cadence * 1.5 + interval '1 day'`, from.Add(60*day))
	if err != nil {
		t.Fatal(err)
	}
	late, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(late) > 0 {
		t.Errorf("late: %q, %v", late, err)
	}
	if got := w.text(`SELECT count(DISTINCT connection_id)::text FROM sync_run WHERE status = 'succeeded'`); got != "24" {
		t.Errorf("%s of 24 connections were ever synced", got)
	}
	t.Log(w.text(`SELECT string_agg(format('%s %s', n, status), ', ' ORDER BY status) FROM (SELECT status, count(*) AS n FROM sync_run GROUP BY 1) s`))
}
