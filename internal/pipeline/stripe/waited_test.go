package stripe

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"memberintel/internal/syncrun"
)

// Whoever connects an account while a server runs, and asks for a sync then, waits for the server's first pass; all that
// is left after it is what changed.
func TestASyncThatWaitedForAFullPassReadsWhatChanged(t *testing.T) {
	w := newWorld(t)
	w.account.Club(7, 20, 3)
	reading, goOn := make(chan struct{}), make(chan struct{})
	var first sync.Once
	w.sim.OnRead(func(r *http.Request) {
		if r.URL.Path == "/v1/charges" {
			first.Do(func() { close(reading); <-goOn })
		}
	})
	done := make(chan syncrun.Report, 1)
	go func() {
		report, _ := w.p.Sync(t.Context(), w.c, "", nil)
		done <- report
	}()
	<-reading
	time.AfterFunc(time.Second, func() { close(goOn) }) // by then the other one waits
	report, err := w.p.Sync(t.Context(), w.c, "", nil)
	if pass := <-done; pass.Mode != syncrun.Full || pass.Status != syncrun.Succeeded {
		t.Fatalf("the first: %+v", pass)
	}
	if err != nil || report.Mode != syncrun.Incremental || report.Status != syncrun.Succeeded {
		t.Errorf("%+v, %v", report, err)
	}
	w.mustEqual(w.c)
}
