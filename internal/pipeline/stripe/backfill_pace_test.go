package stripe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"memberintel/internal/syncrun"
)

// stock is an account that answers lists after a while: so many objects of each, spread over three years.
type stock struct {
	objects  map[string]int
	latency  time.Duration
	requests atomic.Int64
}

const (
	stockFrom = 1_700_000_000
	stockSpan = 3 * 365 * 86_400
)

func (s *stock) RoundTrip(r *http.Request) (*http.Response, error) {
	s.requests.Add(1)
	<-time.After(s.latency)
	total := s.objects[strings.TrimPrefix(r.URL.Path, "/v1/")]
	at := func(n int) int64 { return stockFrom + int64(n)*stockSpan/int64(total) }
	bound := func(name string, otherwise int64) int64 {
		if n, err := strconv.ParseInt(r.URL.Query().Get(name), 10, 64); err == nil {
			return n
		}
		return otherwise
	}
	from := bound("created[gte]", 0)
	before := sort.Search(total, func(n int) bool { return at(n) >= bound("created[lt]", 1<<40) })
	next := min(int(bound("starting_after", int64(total))), before)
	var data []string
	for ; len(data) < 100 && next > 0 && at(next-1) >= from; next-- {
		data = append(data, fmt.Sprintf(`{"id":"%d","created":%d}`, next-1, at(next-1)))
	}
	body := fmt.Sprintf(`{"object":"list","has_more":%t,"data":[%s]}`, next > 0 && at(next-1) >= from, strings.Join(data, ","))
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}},
		Body: io.NopCloser(bytes.NewReader([]byte(body))), Request: r,
	}, nil
}

// readAllOf reads an account as a pass does, but for writing, and returns how long that took and what was read.
func readAllOf(t *testing.T, s *stock, limits Limits) (took time.Duration, read int) {
	t.Helper()
	client, err := NewClient(ClientConfig{
		BaseURL: "http://stripe.test", Credential: Credential{Key: "rk_test_pace"}, Pacer: NewPacer(limits),
		HTTP: &http.Client{Transport: s}, InFlight: 8,
	})
	if err != nil {
		t.Fatal(err)
	}
	p := &pass{client: client, run: &syncrun.Run{}}
	q, g := newSpanQueue(8), newGathering()
	for _, stream := range Streams() {
		for _, v := range stream.Variants {
			to := int64(stockFrom + stockSpan + 86_400)
			q.add([]span{{stream: stream, part: q.nextPart(stream.Name), Variant: v.Name, To: to, Start: to}})
		}
	}
	start := time.Now()
	readers, ctx := errgroup.WithContext(context.Background())
	for range q.readers {
		readers.Go(func() error { return p.readSpans(ctx, q, g) })
	}
	written := make(chan int)
	for range writers {
		go func() {
			n := 0
			for load, ok := g.take(); ok; load, ok = g.take() {
				<-time.After(time.Duration(len(load.objects())) * 100 * time.Microsecond)
				n += len(load.objects())
				g.written(load)
			}
			written <- n
		}()
	}
	if err := readers.Wait(); err != nil {
		t.Fatal(err)
	}
	g.end()
	for range writers {
		read += <-written
	}
	return time.Since(start), read
}

// The longest list bounds a pass at Stripe's limit of 25 requests a second, and 8 requests at once where there is none.
func TestAPassKeepsItsPace(t *testing.T) {
	for name, c := range map[string]struct {
		objects map[string]int
		limits  Limits
		ideal   time.Duration
	}{
		"the longest list at Stripe's limit": {
			map[string]int{"customers": 50_000, "subscriptions": 50_000, "invoices": 100_000}, Limits{}, 40 * time.Second,
		},
		"nearly all in one list": {
			map[string]int{"customers": 1000, "subscriptions": 1000, "charges": 100_000}, Limits{}, 40 * time.Second,
		},
		"members most of all": {
			map[string]int{"customers": 100_000, "subscriptions": 3000, "invoices": 9000}, Limits{}, 40 * time.Second,
		},
		"no limit": {
			map[string]int{"customers": 50_000, "subscriptions": 50_000, "invoices": 100_000},
			Limits{Endpoint: 1e6, Account: 1e6, Burst: 1000}, 25 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stock{objects: c.objects, latency: 100 * time.Millisecond}
				took, read := readAllOf(t, s, c.limits)
				want := 0
				for _, n := range c.objects {
					want += n
				}
				if read != want {
					t.Errorf("%d objects read, want %d, each once", read, want)
				}
				share := c.ideal.Seconds() / took.Seconds()
				t.Logf("%s for %d requests, %.3f of the ideal", took, s.requests.Load(), share)
				if share < 0.93 { // 0.96 to 0.98 as a rule; who comes first is left to chance
					t.Errorf("%.3f of the ideal, want nearly all", share)
				}
			})
		})
	}
}
