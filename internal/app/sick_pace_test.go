package app

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/postgres"
	"memberintel/internal/schedule"
	"memberintel/internal/syncrun"
)

// Two processes sync two tenants that have named the same slow site, both at the same time.
func TestASlowSiteIsNotAskedByTwoNorMoreOftenThanItsLimit(t *testing.T) {
	const perMinute, burst, pages = 12, 2, 12
	var contended sync.Once
	another := make(chan struct{})
	var w *ward
	// The site may take its time: the clock runs on while its answers are under way.
	spared := care.Config{PerMinute: perMinute, Burst: burst, Floor: 2 * time.Minute, Sleep: func(_ context.Context, d time.Duration) error {
		contended.Do(func() { close(another) })
		w.pass(d)
		return nil
	}}
	w = newWard(t, spared)
	w.pages = pages
	first := newClub(t, appearances(t))
	second := first.neighbour()
	w.admit(first, "Oak Hill")
	w.admit(second, "Birch Lane")
	var asked []time.Time // one after another, as is to be shown
	first.site.OnRequest(func(*http.Request) {
		if at := w.pass(0); first.site.MostAtOnce() > 1 {
			contended.Do(func() { close(another) })
		} else {
			asked = append(asked, at)
		}
		<-another // the first answer comes when the other process has wanted to ask too
		w.pass(2 * time.Second)
	})
	w.race(spared)

	if n := first.site.MostAtOnce(); n != 1 {
		t.Errorf("%d requests at once", n)
	}
	if len(asked) < 2*pages {
		t.Fatalf("%d requests", len(asked))
	}
	for i, at := range asked {
		within := 1
		for _, later := range asked[i+1:] {
			if later.Sub(at) < time.Minute {
				within++
			}
		}
		if within > perMinute+burst {
			t.Errorf("%d requests in the minute from %v on: %v", within, at, asked)
		}
	}
	for _, c := range []*patient{first, second} {
		if shown := w.shown(c); shown.State != connection.Connected || shown.ConsecutiveFailures != 0 || w.runs(c, syncrun.Failed) != 0 {
			t.Errorf("in the end: %+v", shown)
		}
	}
}

// race lets two processes do what waits, side by side, until nothing does.
func (w *ward) race(spared care.Config) {
	w.t.Helper()
	db, err := postgres.Connect(w.t.Context(), w.house.db.AppURL(), w.house.db.OwnerURL(), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(db.Close)
	workers := []*schedule.Worker{w.worker, w.workerOf(w.another(db), spared)}
	for round := 0; ; round++ {
		var working sync.WaitGroup
		n := 0
		for due, waits := w.queue.take(); waits; due, waits = w.queue.take() {
			w.pass(due.NotBefore.Sub(w.pass(0)))
			worker := workers[n%len(workers)]
			n++
			working.Go(func() {
				if err := worker.Handle(w.t.Context(), due); err != nil {
					w.t.Error(err)
				}
			})
		}
		working.Wait()
		if n == 0 || w.t.Failed() {
			return
		}
		if round == 50 {
			w.t.Fatal("it comes to no end")
		}
	}
}
