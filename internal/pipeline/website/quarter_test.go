package website

import (
	"flag"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"memberintel/internal/connection"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/sim/claude"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

var (
	quarterTenants = flag.Int("quarter.tenants", 4, "tenants of the simulated quarter")
	quarterLines   = flag.Int("quarter.lines", 300, "lines of each site's text; 300 are more than a model reads of one")
)

// weeks is how long a quarter is.
const weeks = 13

// revision is what a tenant's site is like in a week: in four of five weeks what it was the week before.
func revision(host string, week int) (n int) {
	for w := 1; w <= week; w++ {
		h := fnv.New32a()
		_, _ = fmt.Fprintf(h, "%s in week %d", host, w)
		if h.Sum32()%5 == 0 {
			n++
		}
	}
	return n
}

// longSite fills, with 300 lines, what a model reads of a site to its last byte, so that no site costs more.
func longSite(host string, revision int) string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, `<html><head><title>%s</title></head><body><h1>A club for people who row</h1><h2>Season %d</h2><p>Membership is $%d a month for everyone who lives near the lake.</p>`,
		host, revision, 40+revision)
	for i := range *quarterLines {
		_, _ = fmt.Fprintf(&b, "<p>In session %d of %s members meet at the boathouse, look at boat %d and row as far as lamp post %d.</p>", i, host, i*7, i*i)
	}
	b.WriteString(`</body></html>`)
	return b.String()
}

// A quarter of many tenants, from the first profile on, in which a site changes in one week of five: what the ledger says that
// it cost.
func TestWhatAQuarterCosts(t *testing.T) {
	s := newStreet(t, claude.Config{Answer: func(q claude.Question) claude.Answer {
		a := claude.Reader(q)
		a.Output = 1200 // of a long profile; the simulated one is shorter
		return a
	}})
	var week atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := strings.Cut(r.Host, ":")
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprint(w, longSite(host, revision(host, int(week.Load()))))
	}))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.port = at.Port()
	clubs := make([]connection.Connection, *quarterTenants)
	for i := range clubs {
		host := fmt.Sprintf("club-%d.example", i)
		s.names.Set(host, netip.MustParseAddr("127.0.0.1"))
		clubs[i] = s.club(host, tenant.Free)
	}
	s.p.Log = slog.New(slog.DiscardHandler)
	turn := func(cause syncrun.Cause) {
		t.Helper()
		var group errgroup.Group
		group.SetLimit(4)
		for _, c := range clubs {
			group.Go(func() error { return s.turn(c, cause) })
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	turn(syncrun.Connecting)
	for w := 1; w <= weeks; w++ {
		s.pass(7 * 24 * time.Hour)
		week.Store(int64(w))
		turn(syncrun.Scheduled)
		s.carry()
		s.pass(20 * time.Minute)
		s.carry()
	}

	changes := int64(0)
	for i := range clubs {
		changes += int64(revision(fmt.Sprintf("club-%d.example", i), weeks))
	}
	calls := s.count(`SELECT count(*) FROM llm_call WHERE batch`)
	if firsts := s.count(`SELECT count(*) FROM llm_call WHERE NOT batch`); firsts != int64(len(clubs)) {
		t.Errorf("%d first analyses of %d tenants", firsts, len(clubs))
	}
	// Beside changes there are what the gate forces after eight weeks and the fresh profile of the quarter's end.
	if calls < changes || calls > changes+2*int64(len(clubs)) {
		t.Errorf("%d calls for %d changes of %d sites", calls, changes, len(clubs))
	}
	if n := s.count(`SELECT count(*) FROM llm_call WHERE status <> 'settled'`); n != 0 {
		t.Errorf("%d calls are not settled", n)
	}
	s.balanced()
	weekly := guard.Micro(s.count(`SELECT coalesce(sum(cost), 0)::bigint FROM llm_call WHERE batch`))
	first := guard.Micro(s.count(`SELECT coalesce(sum(cost), 0)::bigint FROM llm_call WHERE NOT batch`))
	months := int64(3 * len(clubs))
	t.Logf("%d tenants, %d weeks, %d readings, %d changes, %d weekly calls of %d input and %d output tokens on average: %s; first analyses: %s",
		len(clubs), weeks, s.count(`SELECT count(*) FROM fetch_snapshot`), changes, calls, s.count(`SELECT avg(input_tokens)::bigint FROM llm_call WHERE batch`),
		s.count(`SELECT avg(output_tokens)::bigint FROM llm_call WHERE batch`), weekly, first)
	t.Logf("a tenant and month: %s by the clock; the first analysis, once: %s", weekly/guard.Micro(months), first/guard.Micro(len(clubs)))
	if a := weekly / guard.Micro(months); a > guard.Dollars(0.002) {
		t.Errorf("a tenant costs %s a month, want at most $0.002", a)
	}
}

// turn is a sync by the clock in the process that there is.
func (s *street) turn(c connection.Connection, cause syncrun.Cause) error {
	ctx := s.t.Context()
	var deliveries []syncrun.Delivery
	err := s.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) (err error) {
		deliveries, err = syncrun.Queue(ctx, tx, []syncrun.Wanted{{
			TenantID: c.TenantID, ConnectionID: c.ID, Pipeline: connection.Website, Attempt: 1, Cause: cause, Cadence: 7 * 24 * time.Hour,
		}})
		return err
	})
	if err != nil {
		return err
	}
	report, err := s.p.SyncQueued(ctx, c, syncrun.Ticket{RunID: deliveries[0].RunID, Gen: deliveries[0].Gen})
	if err == nil && report.Status != syncrun.Succeeded {
		err = fmt.Errorf("a turn ended as %s: %s", report.Status, deref(report.ErrorMessage))
	}
	return err
}
