package website

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/sim/claude"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// A scheduler with a bug: for a week, by day and night, 16 workers are sent again and again to sites that change each time. Answers come
// by batches in between. Each site is described once when it was connected, and once in that week.
func TestASchedulerThatFiresAllWeekPaysOnceASite(t *testing.T) {
	const sites, workers = 3, 16
	s := newStreet(t, claude.Config{})
	var revision atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, fmt.Sprintf("<title>Oak Hill</title><h1>Season %d for everyone</h1><p>Adults pay $%d a month.</p>%s", revision.Load(), 40+revision.Load(), filler))
	}))
	t.Cleanup(server.Close)
	s.port = must(url.Parse(server.URL)).Port()
	clubs := make([]connection.Connection, sites)
	for i := range clubs {
		host := fmt.Sprintf("club-%d.example", i)
		s.names.Set(host, netip.MustParseAddr("127.0.0.1"))
		clubs[i] = s.club(host, tenant.Pro)
	}
	fire := func(cause syncrun.Cause) (began int64) {
		t.Helper()
		var all sync.WaitGroup
		var ran atomic.Int64
		for n := range workers {
			all.Go(func() {
				for i := range clubs {
					err := s.turn(clubs[(n+i)%sites], cause)
					if err == nil {
						ran.Add(1)
					} else if !fault.Is(err, fault.Busy) && !errors.Is(err, syncrun.ErrGone) { // another worker has it, or had it
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		return ran.Load()
	}
	fire(syncrun.Connecting)
	ran := int64(0)
	for range 12 { // Monday 9:00 to Sunday 3:00
		revision.Add(1)
		ran += fire(syncrun.Scheduled)
		s.carry()
		s.pass(20 * time.Minute)
		s.carry()
		s.pass(11*time.Hour + 10*time.Minute)
	}
	count := func(batch bool) (n int) {
		for _, b := range s.api.Bills() {
			if b.Batch == batch {
				n++
			}
		}
		return n
	}
	if first, weekly := count(false), count(true); first != sites || weekly != sites {
		t.Errorf("%d first and %d weekly answers were paid for, want one of each for each of %d sites", first, weekly, sites)
	}
	if ran < 12*sites {
		t.Errorf("%d syncs ran; nothing was shown", ran)
	}
	s.balanced()
	s.pass(24 * time.Hour) // another week
	revision.Add(1)
	fire(syncrun.Scheduled)
	s.carry()
	s.pass(20 * time.Minute)
	s.carry()
	if weekly := count(true); weekly != 2*sites {
		t.Errorf("%d weekly answers after the next week's, want %d", weekly, 2*sites)
	}
	if n := s.count(`SELECT count(*) FROM (SELECT 1 FROM customer_brain.site_profile GROUP BY tenant_id HAVING count(*) = 3) AS three`); n != sites {
		t.Errorf("%d sites have three versions, want %d", n, sites)
	}
	t.Logf("%d syncs, %d answers", ran, len(s.api.Bills()))
}
