package ui_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
)

func collect(rows pgx.Rows) ([]string, error) { return pgx.CollectRows(rows, pgx.RowTo[string]) }

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); !holds(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func TestASiteThatCannotCallOutIsBroughtItsKey(t *testing.T) {
	w := newWorld(t, settings{push: 300 * time.Millisecond})
	w.wp.mute = true
	b := w.signedIn(anna)
	w.arrive(b.post("/connect/memberpress", b.consents(w.wp.request(), w.club)).Header.Get("Location"))
	w.asked()
	c, err := w.connection()
	if err != nil || !c.AccountConfirmed || w.wp.screen() != "Connected to Lakeside Tennis Club" {
		t.Errorf("%+v, %v; the site says %q", c, err, w.wp.screen())
	}
	if err := w.flow.Confirm(t.Context(), c, w.ask.handshake); err != nil {
		t.Error(err)
	}
}

func TestAKeyIsBroughtToNobodyElse(t *testing.T) {
	for name, spoil := range map[string]func(w *world){
		"a site with another verifier": func(w *world) { w.wp.lies = true },
		"a site that does not wait":    func(w *world) { w.wp.state = "" },
		"a site that is away":          func(w *world) { w.wp.Close() },
		"an owner who is none any more": func(w *world) {
			if _, err := w.users.SetRole(w.t.Context(), w.club, anna, identity.RoleViewer, "test"); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, settings{push: 500 * time.Millisecond})
			w.wp.mute = true
			b := w.signedIn(anna)
			location := b.post("/connect/memberpress", b.consents(w.wp.request(), w.club)).Header.Get("Location")
			if name != "a site that does not wait" {
				w.arrive(location)
			}
			spoil(w)
			until(t, "refused", func() bool {
				return w.one(`SELECT count(*)::text FROM audit_event WHERE action = 'connect.refuse'`) == "1"
			})
			if _, err := w.connection(); !fault.Is(err, fault.NotFound) {
				t.Errorf("there is a connection: %v", err)
			}
		})
	}
}

// The site has taken the key, and its answer is lost on the way.
func TestAKeyWhoseReceiptIsLostIsBroughtAgain(t *testing.T) {
	w := newWorld(t, settings{push: 300 * time.Millisecond})
	w.wp.mute, w.wp.loses = true, 1
	b := w.signedIn(anna)
	w.arrive(b.post("/connect/memberpress", b.consents(w.wp.request(), w.club)).Header.Get("Location"))
	w.asked()
	c, err := w.connection()
	if err != nil || !c.AccountConfirmed || w.wp.screen() != "Connected to Lakeside Tennis Club" {
		t.Errorf("%+v, %v; the site says %q", c, err, w.wp.screen())
	}
}

// What the site took and the service could not keep is taken back, so that both say the same.
func TestAKeyThatIsNotKeptIsTakenBack(t *testing.T) {
	for name, loses := range map[string]int{"whose receipt comes": 0, "whose receipts are lost": 9} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, settings{push: 300 * time.Millisecond})
			w.wp.mute, w.wp.loses = true, loses
			w.wp.taken = func() {
				if _, err := w.users.SetRole(t.Context(), w.club, anna, identity.RoleViewer, "test"); err != nil {
					t.Error(err)
				}
			}
			b := w.signedIn(anna)
			w.arrive(b.post("/connect/memberpress", b.consents(w.wp.request(), w.club)).Header.Get("Location"))
			until(t, "refused", func() bool {
				return w.one(`SELECT count(*)::text FROM audit_event WHERE action = 'connect.refuse'`) == "1"
			})
			if _, err := w.connection(); !fault.Is(err, fault.NotFound) || w.wp.screen() != "Not connected" {
				t.Errorf("%v; the site says %q", err, w.wp.screen())
			}
		})
	}
}

func TestAKeyThatWasFetchedIsNotBroughtToo(t *testing.T) {
	w := newWorld(t, settings{push: 200 * time.Millisecond})
	b := w.signedIn(anna)
	w.arrive(b.post("/connect/memberpress", b.consents(w.wp.request(), w.club)).Header.Get("Location"))
	w.asked()
	before, _ := w.connection()
	w.wp.mu.Lock()
	key := w.wp.keyID
	w.wp.mu.Unlock()
	until(t, "the time for bringing it is over", func() bool {
		return w.one(`SELECT (now() > max(created_at) + interval '400 milliseconds')::text FROM connect_code`) == "true"
	})
	after, err := w.connection()
	if err != nil || before.ID != after.ID || w.wp.keyID != key || after.State != connection.Pending {
		t.Errorf("%+v, then %+v, %v", before, after, err)
	}
}

func TestTheExchangeIsLimited(t *testing.T) {
	w := newWorld(t, settings{})
	statuses := map[int]int{}
	for range 62 {
		status, _ := trade(t, w.base, map[string]string{"code": "mic_" + text(32)})
		statuses[status]++
	}
	if statuses[http.StatusBadRequest] != 60 || statuses[http.StatusTooManyRequests] != 2 {
		t.Errorf("got %v", statuses)
	}
}
