package memberpress

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/care"
	"memberintel/internal/fault"
	sim "memberintel/internal/sim/memberpress"
)

// members reads all pages of members, and says how many rows came with each.
func (p *place) members() (ids []string, pages []int, err error) {
	for after := int64(0); ; {
		e, err := p.page(p.house.t.Context(), "members", after)
		if err != nil {
			return ids, pages, err
		}
		for _, row := range e.Rows {
			ids = append(ids, string(row))
		}
		pages = append(pages, len(e.Rows))
		if after = e.Next; !e.More {
			return ids, pages, nil
		}
	}
}

func TestASiteIsRead(t *testing.T) {
	h := newHouse(t, care.Config{PageStart: 16, PageMax: 16, PageMin: 2})
	for what, cfg := range map[string]sim.Config{
		"pretty permalinks": {}, "plain permalinks": {PlainPermalinks: true}, "no query at the home page": {NoRouteQuery: true},
		"small budget": {PageRows: 16, SweepRows: 10},
	} {
		for _, path := range []string{"", "/club"} {
			p := h.open(cfg, path)
			hello, err := p.handshake(t.Context())
			if err != nil {
				t.Errorf("%s%s: %v", what, path, err)
				continue
			}
			if hello.SiteID != p.site.ID() || hello.Epoch != p.site.Epoch() || hello.Site.Entities[0] != (Extent{"members", 40, 40}) {
				t.Errorf("%s: %+v", what, hello)
			}
			ids, pages, err := p.members()
			if diff := cmp.Diff([]int{16, 16, 8}, pages); err != nil || diff != "" || len(slices.Compact(ids)) != 40 {
				t.Errorf("%s: %v, %s", what, err, diff)
			}
			p.site.Slip(sim.Member{ID: 50, Login: "slipped"})
			p.site.Delete("members", 3)
			var told []string
			since, more := hello.Watermark, true
			for more {
				e, err := p.changes(t.Context(), since)
				if err != nil {
					t.Fatal(what, err)
				}
				for _, c := range e.Changes {
					told = append(told, c.Entity+" "+string(c.Row[:7]))
				}
				for _, d := range e.Deleted {
					told = append(told, fmt.Sprint("gone ", d.Entity, " ", d.ID))
				}
				since, more = e.Watermark, e.More
			}
			slices.Sort(told)
			if diff := cmp.Diff([]string{"gone members 3", `members {"id":5`, `transactions {"id":7`}, told); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
			if e, err := p.marks(t.Context(), since); err != nil || e.More || len(e.Changes) != 0 {
				t.Errorf("%s: %+v, %v", what, e, err)
			}
			sums, err := p.checksums(t.Context(), "members", 100)
			if err != nil || len(sums.Runs) != 1 || sums.Runs[0].Count != 40 || sums.Runs[0].XOR == 0 {
				t.Errorf("%s: %+v, %v", what, sums, err)
			}
			if err := p.disconnect(t.Context()); err != nil || p.site.Connected() {
				t.Errorf("%s: %v", what, err)
			}
			if err := p.disconnect(t.Context()); err != nil {
				t.Errorf("%s: the second time: %v", what, err)
			}
			for _, asked := range p.requests() {
				if strings.Contains(asked, p.at.KeyID) || strings.Contains(asked, "ignature") {
					t.Errorf("an address holds a credential: %s", asked)
				}
			}
		}
	}
}

// TestPagesShrinkAndGrow has a site die under pages of more than 10 rows, and get well again.
func TestPagesShrinkAndGrow(t *testing.T) {
	for _, kind := range []sim.FaultKind{sim.OutOfMemory, sim.OutOfTime} {
		cfg := care.Config{PageStart: 16, PageMax: 16, PageMin: 2, GrowAfter: 3, PerMinute: 6000, Burst: 100}
		if kind == sim.OutOfTime {
			cfg.Initial, cfg.Floor, cfg.Ceiling = 300e6, 300e6, 1e9
		}
		p := newHouse(t, cfg).open(sim.Config{}, "")
		end := p.site.Fault(sim.Fault{Kind: kind, Limit: 10})
		ids, pages, err := p.members()
		if err != nil || len(ids) != 40 || pages[0] != 8 {
			t.Errorf("%s: pages of %v, %v", kind, pages, err)
		}
		if n := p.condition().PageSize; n > 12 {
			t.Errorf("%s: care asks for %d", kind, n)
		}
		end()
		for range 6 {
			if _, pages, err = p.members(); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]int{16, 16, 8}, pages); diff != "" {
			t.Errorf("%s, afterwards: %s", kind, diff)
		}
	}
}

// TestASiteThatIsTooWeakIsLeftInPeace has it die under any page: the client gives up after three, and care goes on.
func TestASiteThatIsTooWeakIsLeftInPeace(t *testing.T) {
	p := newHouse(t, care.Config{PageStart: 500, PerMinute: 6000, Burst: 100}).open(sim.Config{}, "")
	p.site.Fault(sim.Fault{Kind: sim.OutOfMemory})
	_, err := p.page(t.Context(), "members", 0)
	if n := len(p.requests()); !fault.Is(err, fault.Unavailable) || n != 3 || p.condition().PageSize != 62 {
		t.Errorf("%d requests, next %d: %v", n, p.condition().PageSize, err)
	}
	for range 3 {
		_, err = p.page(t.Context(), "members", 0)
	}
	if !errors.Is(err, care.ErrNotAsked) || p.condition().Breaker != care.Open || len(p.requests()) != 2 {
		t.Errorf("%+v: %v", p.condition(), err)
	}
}

func TestAnotherEpochMeansReadingAnew(t *testing.T) {
	h := newHouse(t, care.Config{PerMinute: 6000, Burst: 100})
	p := h.open(sim.Config{}, "")
	hello, err := p.handshake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	early := p.site.Backup()
	p.site.Put(sim.Member{ID: 60})
	e, err := p.changes(t.Context(), hello.Watermark)
	if err != nil {
		t.Fatal(err)
	}
	p.site.Restore(early)
	_, err = p.changes(t.Context(), e.Watermark)
	if !errors.Is(err, ErrResync) || !fault.Is(err, fault.BadCursor) || !strings.Contains(fault.Sentence(err), "restored from a backup") {
		t.Errorf("got %v", err)
	}
	if _, err := p.page(t.Context(), "members", 0); !errors.Is(err, ErrResync) {
		t.Errorf("a page of another epoch: %v", err)
	}
	if _, err := p.handshake(t.Context()); err != nil {
		t.Errorf("a handshake begins anew: %v", err)
	}
	if _, err := p.page(t.Context(), "members", 0); err != nil {
		t.Error(err)
	}
	if _, err := p.changes(t.Context(), "2020-01-01T00:00:00Z"); !errors.Is(err, ErrResync) {
		t.Errorf("got %v", err)
	}
}

func TestACopyOfASiteIsNotTakenForIt(t *testing.T) {
	p := newHouse(t, care.Config{PerMinute: 6000, Burst: 100}).open(sim.Config{}, "")
	p.at.ID = p.site.ID()
	p.anew()
	if _, err := p.handshake(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.site.SetID("11111111-2222-4333-8444-555555555555")
	if _, err := p.handshake(t.Context()); !fault.Is(err, fault.Conflict) {
		t.Errorf("got %v", err)
	}
}
