package fetch_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/fetch"
	"memberintel/internal/sim/site"
)

// on puts a connection of the kind into the house, on a machine of its own that does not wait for its turn.
func (h *house) on(name string, kind connection.Pipeline, p *place) *bed {
	h.t.Helper()
	return h.bed(name, kind, h.process(care.Config{PerMinute: 60, Burst: 4, Patience: time.Nanosecond}), p)
}

func TestASlowSiteIsNeverAskedByTwoAtOnce(t *testing.T) {
	h := newHouse(t)
	p := open(t, nil, nil)
	sync1, sync2 := h.on("Lakeside", connection.MemberPress, p), h.on("Hillside", connection.Website, p)
	asked, answer := make(chan struct{}), make(chan struct{})
	p.site.OnRequest(func(*http.Request) {
		close(asked)
		<-answer
	})
	first := make(chan error, 1)
	go func() { first <- sync1.ask() }()
	<-asked
	for range 5 { // another machine, another tenant, another pipeline: it is one server
		_, err := sync2.where.Ask(t.Context(), func(care.Permit) (fetch.Request, error) { return fetch.Request{URL: p.url}, nil })
		if !fault.Is(err, fault.RateLimited) || !errors.Is(err, care.ErrNotAsked) {
			t.Errorf("got %v", err)
		}
	}
	p.site.OnRequest(nil)
	close(answer)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if err := sync2.ask(); err != nil {
		t.Error(err)
	}
	if n := len(p.site.Requests()); n != 2 || p.site.MostAtOnce() != 1 {
		t.Errorf("%d requests, %d at once", n, p.site.MostAtOnce())
	}
}

func TestASiteIsNeverAskedMoreOftenThanItsLimit(t *testing.T) {
	h := newHouse(t)
	p := open(t, nil, nil)
	machines := []*bed{h.on("Lakeside", connection.MemberPress, p), h.on("Hillside", connection.Website, p)}
	for second, want := range []int{4, 5, 6, 7} {
		var group sync.WaitGroup
		for i := range 6 {
			group.Go(func() {
				for range 5 {
					_, err := machines[i%2].where.Ask(t.Context(), func(care.Permit) (fetch.Request, error) { return fetch.Request{URL: p.url}, nil })
					if err != nil && !errors.Is(err, care.ErrNotAsked) {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if n := len(p.site.Requests()); n != want || p.site.MostAtOnce() != 1 {
			t.Errorf("after %d s: %d requests, %d at once", second, n, p.site.MostAtOnce())
		}
		h.pass(time.Second)
	}
}

func TestARequestThatIsNotSentGivesItsTurnBack(t *testing.T) {
	h := newHouse(t)
	p := open(t, nil, nil)
	b := h.on("Lakeside", connection.MemberPress, p)
	wrong := errors.New("no key")
	for _, build := range []func(care.Permit) (fetch.Request, error){
		func(care.Permit) (fetch.Request, error) { return fetch.Request{}, wrong },
		func(care.Permit) (fetch.Request, error) { return fetch.Request{URL: "http://hillside.example/"}, nil },
	} {
		_, err := b.where.Ask(t.Context(), build)
		if !errors.Is(err, wrong) && !fault.Is(err, fault.Invalid) || errors.Is(err, care.ErrNotAsked) {
			t.Errorf("got %v", err)
		}
	}
	if err := b.ask(); err != nil || p.asked.Load() != 1 {
		t.Errorf("%d requests, %v", p.asked.Load(), err)
	}
	if _, err := fetch.NewSite(p.client, b.known, b.who, b.what, "nonsense"); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

func TestAnInterruptedRequestTeachesNothing(t *testing.T) {
	h := newHouse(t)
	p := open(t, nil, nil)
	b := h.on("Lakeside", connection.MemberPress, p)
	before := b.condition()
	p.site.Be(site.Hanging)
	ctx, cancel := context.WithCancel(t.Context())
	p.site.OnRequest(func(*http.Request) { cancel() })
	_, err := b.where.Ask(ctx, func(care.Permit) (fetch.Request, error) { return fetch.Request{URL: p.url}, nil })
	if !errors.Is(err, context.Canceled) || b.condition() != before {
		t.Errorf("%v, %+v", err, b.condition())
	}
	b.be(site.Healthy)
	if err := b.ask(); err != nil {
		t.Errorf("the turn was not given back: %v", err)
	}
}
