package memberpress_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/sim/clock"
	"memberintel/internal/sim/memberpress"
)

// replica is what a reader knows of a site: each row as it was shown, by entity and id.
type replica map[string]string

// full reads a site's pages, and returns the watermark of before them.
func full(t *testing.T, s *memberpress.Site, limit int) (replica, string) {
	t.Helper()
	watermark := ask(t, s, "/sync", nil).watermark
	r := replica{}
	for _, entity := range []string{"members", "transactions", "subscriptions", "products", "rules", "coupons", "groups", "orders", "events", "corporate_accounts"} {
		for after := 0.0; ; {
			a := ask(t, s, "/sync/"+entity, map[string]string{"after": fmt.Sprint(int64(after)), "limit": fmt.Sprint(limit)})
			if len(a.rows) > limit {
				t.Errorf("%d rows instead of %d", len(a.rows), limit)
			}
			for _, row := range a.rows {
				r.put(entity, row)
			}
			after, _ = a.fields["next"].(float64)
			if !a.more {
				break
			}
		}
	}
	return r, watermark
}

func (r replica) put(entity string, row any) {
	fields, _ := row.(map[string]any)
	text, _ := json.Marshal(fields)
	r[fmt.Sprint(entity, " ", fields["id"])] = string(text)
}

// follow reads the changes since a watermark, and returns the one after them and how many requests it took.
func (r replica) follow(t *testing.T, s *memberpress.Site, since string, limit int, sweep string) (string, int) {
	t.Helper()
	for n := 1; ; n++ {
		a := ask(t, s, "/sync/changes", map[string]string{"since": since, "limit": fmt.Sprint(limit), "sweep": sweep})
		if a.status != 200 || n > 1000 {
			t.Fatalf("%d: %v", a.status, a.fields)
		}
		told := map[float64]func(){}
		for _, row := range a.rows {
			change, _ := row.(map[string]any)
			told[change["seq"].(float64)] = func() { r.put(change["entity"].(string), change["row"]) }
		}
		gone, _ := a.fields["deleted"].([]any)
		for _, row := range gone {
			change, _ := row.(map[string]any)
			told[change["seq"].(float64)] = func() { delete(r, fmt.Sprint(change["entity"], " ", change["id"])) }
		}
		if len(told) != len(a.rows)+len(gone) || len(told) > limit {
			t.Errorf("%d numbers for %d rows and %d deletions", len(told), len(a.rows), len(gone))
		}
		for seq := 0.0; len(told) > 0; seq++ {
			if apply := told[seq]; apply != nil {
				apply()
				delete(told, seq)
			}
		}
		since = a.watermark
		if !a.more {
			return since, n
		}
	}
}

func (r replica) equals(t *testing.T, s *memberpress.Site, what string) {
	t.Helper()
	want, _ := full(t, s.Copy(), 2000)
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

func TestEveryWayOfChangingReachesTheReader(t *testing.T) {
	all := contracts(t)
	if n := len(memberpress.Operations()); n != 19 {
		t.Errorf("%d operations", n)
	}
	for _, limit := range []int{1, 1000} {
		s := world(t, all)
		r, since := full(t, s, 3)
		for _, op := range memberpress.Operations() {
			if !s.Do(op) {
				t.Errorf("%s: no row fits", op.Name)
			}
			hooked := s.Copy()
			quick := replica{}
			for key, row := range r {
				quick[key] = row
			}
			quick.follow(t, hooked, since, limit, "0")
			want, _ := full(t, s.Copy(), 2000)
			if whole := cmp.Equal(want, quick); whole != op.Hooked {
				t.Errorf("%s: hooks told of all of it: %v", op.Name, whole)
			}
			if cmp.Equal(want, r) {
				t.Errorf("%s: changed nothing", op.Name)
			}
			since, _ = r.follow(t, s, since, limit, "1")
			r.equals(t, s, op.Name)
		}
	}
}

func TestASweepMayTakeSeveralRequests(t *testing.T) {
	s := memberpress.New(memberpress.Config{Clock: clock.At(start), SweepRows: 40})
	for i := range int64(100) {
		s.Put(memberpress.Member{ID: i + 1, Login: fmt.Sprint("m", i)})
		s.Put(memberpress.Transaction{ID: 2*i + 1, MemberID: memberpress.Ref(i + 1)})
	}
	r, since := full(t, s, 30)
	since, n := r.follow(t, s, since, 1000, "1")
	if n < 5 {
		t.Errorf("%d requests for 200 rows, 40 at a time", n)
	}
	s.Slip(memberpress.Member{ID: 100, Login: "changed"}, memberpress.Member{ID: 500, Login: "new"})
	s.Vanish("transactions", 1, 199)
	s.Delete("members", 7)
	r.follow(t, s, since, 3, "1")
	r.equals(t, s, "after the sweep")
}

func TestWatermarksEndWithWhatTheyBelongTo(t *testing.T) {
	reason := func(a reply) string {
		data, _ := a.fields["data"].(map[string]any)
		return fmt.Sprint(a.status, " ", a.fields["code"], " ", data["reason"])
	}
	all := contracts(t)
	s := world(t, all)
	_, since := full(t, s, 100)
	early := s.Backup()
	s.Put(memberpress.Member{ID: 900, Login: "new"})
	late := ask(t, s, "/sync/changes", map[string]string{"since": since}).watermark
	for what, f := range map[string]struct {
		since string
		do    func(*memberpress.Site)
		want  string
	}{
		"reinstalled":     {late, (*memberpress.Site).Reinstall, "410 mi_resync_required epoch"},
		"connected anew":  {late, (*memberpress.Site).Reconnect, "410 mi_resync_required epoch"},
		"restored":        {late, func(s *memberpress.Site) { s.Restore(early) }, "410 mi_resync_required ahead"},
		"tampered":        {strings.Replace(late, "mw1.ey", "mw1.eY", 1), nil, "410 mi_resync_required epoch"},
		"before baseline": {"2026-11-21T00:00:00Z", nil, "410 mi_resync_required before_baseline"},
		"nonsense":        {"yesterday", nil, "400 mi_bad_request <nil>"},
		"good":            {late, nil, "200 <nil> <nil>"},
		"early and good":  {since, nil, "200 <nil> <nil>"},
	} {
		twin := s.Copy()
		if f.do != nil {
			f.do(twin)
		}
		if got := reason(ask(t, twin, "/sync/changes", map[string]string{"since": f.since})); got != f.want {
			t.Errorf("%s: %s", what, got)
		}
	}
}

func TestChecksumsAreThoseOfTheRows(t *testing.T) {
	s := memberpress.New(memberpress.Config{Clock: clock.At(start), PageRows: 2})
	for _, id := range []int64{1, 100, 101, 250, 251, 900, 100000} {
		s.Put(memberpress.Transaction{ID: id})
	}
	got := map[string]any{}
	for after, requests := 0.0, 0; ; requests++ {
		a := ask(t, s, "/sync/checksums", map[string]string{"entity": "transactions", "bucket": "100", "after": fmt.Sprint(int64(after))})
		for _, row := range a.rows {
			run, _ := row.(map[string]any)
			got[fmt.Sprint(run["from"], "-", run["to"])] = run["count"]
		}
		after, _ = a.fields["next"].(float64)
		if !a.more {
			if requests != 2 {
				t.Errorf("%d requests", requests)
			}
			break
		}
	}
	want := map[string]any{"1-100": 2.0, "101-200": 1.0, "201-300": 2.0, "801-900": 1.0, "99901-100000": 1.0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTombstonesAreForgotten(t *testing.T) {
	c := clock.At(start)
	s := memberpress.New(memberpress.Config{Clock: c})
	s.Put(memberpress.Member{ID: 1}, memberpress.Member{ID: 2})
	_, since := full(t, s, 10)
	s.Delete("members", 1)
	before := ask(t, s, "/sync/changes", map[string]string{"since": since})
	after := ask(t, s, "/sync/changes", map[string]string{"since": before.watermark})
	c.Advance(91 * 24 * time.Hour)
	for _, old := range []struct {
		since  string
		status int
	}{{after.watermark, 200}, {since, 410}, {start.Format(time.RFC3339), 410}} {
		if got := ask(t, s, "/sync/changes", map[string]string{"since": old.since}); got.status != old.status {
			t.Errorf("since %s: %v", old.since, got.fields)
		}
	}
}

var start = time.Date(2026, 11, 22, 4, 30, 0, 0, time.UTC)

func TestAReaderIsToldOfTheEntitiesThatItNamesAlone(t *testing.T) {
	s := world(t, contracts(t))
	_, since := full(t, s, 1000)
	s.Slip(memberpress.Transaction{ID: 9801, TransNum: "ch_asked"}, memberpress.Member{ID: 801, Login: "not asked"})
	of := func(since, entities string) reply {
		return ask(t, s, "/sync/changes", map[string]string{"since": since, "entities": entities})
	}
	some := of(since, "transactions,wombats")
	if len(some.rows) != 1 || some.rows[0].(map[string]any)["entity"] != "transactions" || some.more {
		t.Errorf("told is %v", some.rows)
	}
	if again := of(some.watermark, "transactions,wombats"); again.status != 200 || len(again.rows) != 0 {
		t.Errorf("told again is %d %v", again.status, again.rows)
	}
	for _, entities := range []string{"members,transactions", ""} {
		a := of(some.watermark, entities)
		if data, _ := a.fields["data"].(map[string]any); a.status != 410 || data["reason"] != "entities" {
			t.Errorf("%q after fewer: %d %v", entities, a.status, a.fields)
		}
	}
	if all := of(since, ""); len(all.rows) != 2 {
		t.Errorf("of all is told %v", all.rows)
	}
	if a := of(since, "members;transactions"); a.status != 400 {
		t.Errorf("no list of names: %d", a.status)
	}
}
