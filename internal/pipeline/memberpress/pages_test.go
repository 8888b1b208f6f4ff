package memberpress

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	site "memberintel/internal/sim/memberpress"
	"memberintel/internal/syncrun"
)

// The site is asked on while the database is behind, for the changes as well, and these are taken in after the pages:
// a member whose page waits and who is deleted meanwhile does not come to life with the page.
func TestTheSiteIsReadWhileTheDatabaseIsBehind(t *testing.T) {
	c := newClub(t)
	for id := int64(1001); id <= 1100; id++ {
		c.site.Put(site.Member{ID: id, Login: fmt.Sprint("late", id), Email: fmt.Sprintf("late%d@club.example", id), RegisteredAt: at("2026-01-05T09:15:00Z")})
	}
	held, err := pgtest.Owner(t, c.db).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.Exec(t.Context(), `LOCK TABLE members IN SHARE MODE`); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	c.site.OnRequest(func(r *http.Request) {
		if !strings.Contains(r.URL.Query().Get("rest_route"), "/changes") {
			return
		}
		once.Do(func() {
			c.site.Vanish("members", 1100)
			if err := held.Rollback(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
	if report := c.sync(""); report.Status != syncrun.Succeeded || report.Mode != syncrun.Full {
		t.Fatalf("%+v", report)
	}
	if got := value[string](c, `SELECT coalesce(string_agg(source_id, ' '), 'nobody') FROM members WHERE source_id = '1100' AND deleted_at IS NULL`); got != "nobody" {
		t.Error("a member who is gone lives")
	}
	c.mustEqual()
}

// A service that mirrors more than the last changes told of reads everything anew.
func TestAWatermarkIsGoodForTheEntitiesThatWereAskedFor(t *testing.T) {
	c := newClub(t)
	c.sync("")
	former := c.membersAlone()
	err := c.db.TenantTx(t.Context(), c.c.TenantID, func(tx *postgres.TenantTx) error {
		return c.p.Ledger.SetCursor(t.Context(), tx, c.c.ID, changesCursor, position{former.Watermark, former.Epoch})
	})
	if err != nil {
		t.Fatal(err)
	}
	if report := c.sync(""); report.Mode != syncrun.Full || report.Status != syncrun.Succeeded {
		t.Errorf("%+v", report)
	}
	c.mustEqual()
}

// So does a full pass that goes on from where a service which mirrored less was stopped.
func TestAPassGoesNotOnFromAWatermarkOfOtherEntities(t *testing.T) {
	c := newClub(t)
	c.sync(syncrun.Full)
	former := c.membersAlone()
	_, err := pgtest.Owner(t, c.db).Exec(t.Context(), `
		WITH stopped AS (UPDATE sync_run SET status = 'stopped' RETURNING run_id)
		UPDATE sync_checkpoint SET position = jsonb_build_object('watermark', $1::text, 'epoch', $2::text) WHERE stream = $3`,
		former.Watermark, former.Epoch, changesStream)
	if err != nil {
		t.Fatal(err)
	}
	if report := c.sync(syncrun.Full); report.Status != syncrun.Succeeded {
		t.Errorf("%+v", report)
	}
	c.mustEqual()
}

// membersAlone are the changes as a service is told them that mirrors members and nothing else.
func (c *club) membersAlone() Envelope {
	c.t.Helper()
	client, err := c.p.client(c.t.Context(), c.current())
	if err != nil {
		c.t.Fatal(err)
	}
	h, err := client.handshake(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := client.ask(c.t.Context(), question{path: "/sync/changes", query: []pair{{"since", h.Watermark}, {"sweep", "1"}, {"entities", "members"}}})
	if err != nil {
		c.t.Fatal(err)
	}
	told, err := decodeChanges(body)
	if err != nil {
		c.t.Fatal(err)
	}
	return told
}

// A pass whose turn ends before it has got any further than the one before has failed, or it would go on for ever.
func TestATurnThatOnlyGreetsTheSiteLeadsNowhere(t *testing.T) {
	c := newClub(t)
	c.sync(syncrun.Full)
	_, err := pgtest.Owner(t, c.db).Exec(t.Context(), `
		WITH stopped AS (UPDATE sync_run SET status = 'stopped' RETURNING run_id) DELETE FROM sync_checkpoint WHERE stream = $1`, changesStream)
	if err != nil {
		t.Fatal(err)
	}
	turn, end := context.WithCancelCause(t.Context())
	c.site.OnRequest(func(r *http.Request) {
		if strings.Contains(r.URL.Query().Get("rest_route"), "/changes") {
			end(syncrun.ErrTurnOver)
		}
	})
	report, err := c.p.Sync(turn, c.current(), syncrun.Full, nil)
	if err == nil || report.Status != syncrun.Failed {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestPagesAreGatheredInTheirOrder(t *testing.T) {
	of := func(entity string, id, bytes int) gathered {
		row := json.RawMessage(fmt.Sprintf(`{"id":%d,"x":"%s"}`, id, strings.Repeat("x", bytes)))
		return gathered{entity: entity, rows: []json.RawMessage{row}, place: reached{int64(id)}}
	}
	ids := func(load []gathered) (found []int64) {
		for _, p := range load {
			found = append(found, p.place.After)
		}
		return found
	}
	g := newGathering()
	g.put(of(transactions, 1, 100))
	g.put(of(transactions, 2, maxLoad-1000))
	g.put(of(transactions, 3, 2000))
	g.put(of(members, 4, 100))
	g.put(of(members, 5, maxLoad+1))
	g.end(true)
	var got [][]int64
	for load, ok := g.take(); ok; load, ok = g.take() {
		got = append(got, ids(load))
	}
	if diff := cmp.Diff([][]int64{{1, 2}, {3}, {4}, {5}}, got); diff != "" {
		t.Errorf("loads (-want +got)\n%s", diff)
	}
}

// Memory does not grow with the site: the reader waits where the writer is behind, and goes on after a commit.
func TestTheReaderWaitsForTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGathering()
		page := gathered{entity: members, rows: []json.RawMessage{make([]byte, 1<<20)}}
		read := make(chan int, 100)
		go func() {
			for n := 1; g.room(); n++ {
				g.put(page)
				read <- n
			}
			close(read)
		}()
		synctest.Wait()
		if len(read) != maxGathered>>20 {
			t.Errorf("%d MB were read and none written", len(read))
		}
		load, _ := g.take()
		synctest.Wait()
		if len(read) != maxGathered>>20 {
			t.Errorf("%d MB were read while a load was on its way", len(read))
		}
		g.written(load)
		synctest.Wait()
		if len(read) != maxGathered>>20+len(load) {
			t.Errorf("%d MB were read after %d had been written", len(read), len(load))
		}
		g.abandon()
		synctest.Wait()
		if _, more := g.take(); more {
			t.Error("there is more to write after all was given up")
		}
	})
}
