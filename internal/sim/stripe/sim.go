// Package stripe is Stripe as seen from outside: a stateful HTTP server that answers in Stripe's shapes, parameters,
// defaults and errors, keeps every version of every object, makes the events that Stripe makes and delivers them, signed,
// to webhook endpoints. Tests mount it in httptest, the demo on loopback.
//
// What it plays faithfully, because readers get it wrong: lists omit deleted objects, test-clock objects and, for
// subscriptions, canceled ones; nested lists end after ten; several changes fall into one second; events carry the
// version of the API of their day and reach back 30 days; deliveries come late, twice and in any order; a page can be
// read before a change and arrive after it. The Date header is the sim's clock and nothing else.
//
// Everything is deterministic from the seed as long as calls to one account come one after another.
package stripe

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"memberintel/internal/sim/clock"
)

// Sim is one Stripe with any number of accounts. It is an http.Handler for api.stripe.com.
type Sim struct {
	clock *clock.Clock
	seed  uint64

	mu        sync.RWMutex
	accounts  []*Account
	keys      map[string]*key
	revoked   map[string]bool
	observers []func(Request)
	onRead    []func(*http.Request)
	connectTo map[*Account][]*Endpoint

	faults faults
	limits limits
	sender sender
}

// New returns a Stripe without accounts that reads its time from c.
func New(c *clock.Clock, seed uint64) *Sim {
	s := &Sim{clock: c, seed: seed, keys: map[string]*key{}, revoked: map[string]bool{},
		connectTo: map[*Account][]*Endpoint{}}
	s.faults.rnd = newRand(seed, 0)
	return s
}

// Clock returns the clock that the sim reads.
func (s *Sim) Clock() *clock.Clock { return s.clock }

// Account returns the account with an id in one mode, or nil.
func (s *Sim) Account(id string, livemode bool) *Account {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, a := range s.accounts {
		if a.id == id && a.livemode == livemode {
			return a
		}
	}
	return nil
}

// Advance moves the clock and then lets every account do what has fallen due: renewals, retries, trial ends.
func (s *Sim) Advance(d time.Duration) {
	s.clock.Advance(d)
	s.Tick()
}

// Tick lets every account do what has fallen due on the clock. A sim whose clock runs by itself needs it now and then.
func (s *Sim) Tick() {
	s.mu.RLock()
	accounts := s.accounts
	s.mu.RUnlock()
	for _, a := range accounts {
		a.Tick()
	}
}

// Request is what an observer is told about an answered request.
type Request struct {
	Method, Path, Query string
	// Account is empty where the request was refused before it reached one.
	Account  string
	Livemode bool
	// Version is the version of the API that the answer was rendered in.
	Version string
	// Status is 0 where a fault broke the connection.
	Status int
}

// Observe calls f after every request, from the goroutine that served it.
func (s *Sim) Observe(f func(Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observers = append(s.observers, f)
}

// OnRead calls f for every request after the state was read and rendered and before anything is written. A test that
// blocks in f holds a page that grows stale meanwhile. The Date of the answer is that of the reading, unless the clock
// keeps the pace of real time: then it is that of the writing, as Stripe's is.
func (s *Sim) OnRead(f func(*http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onRead = append(s.onRead, f)
}

// RateLimits makes the sim refuse what comes faster than so many requests a second, on one endpoint and on one account,
// in real time. Zero means no limit, which is the default.
func (s *Sim) RateLimits(endpoint, account float64) {
	s.limits.set(endpoint, account)
}

// Start delivers the events of automatic endpoints in the background until Close or the end of ctx.
func (s *Sim) Start(ctx context.Context) {
	s.sender.start(ctx)
}

// Close stops the background deliveries and waits for those under way.
func (s *Sim) Close() {
	s.sender.close()
}

func (s *Sim) enter(a *Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts = append(s.accounts, a)
}

func (s *Sim) count() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return uint64(len(s.accounts)) + 1
}

func (s *Sim) observed(r Request) {
	s.mu.RLock()
	observers := s.observers
	s.mu.RUnlock()
	for _, f := range observers {
		f(r)
	}
}

func (s *Sim) read(r *http.Request) {
	s.mu.RLock()
	hooks := s.onRead
	s.mu.RUnlock()
	for _, f := range hooks {
		f(r)
	}
}

func mode(livemode bool) string {
	if livemode {
		return "live"
	}
	return "test"
}

func masked(secret string) string {
	if len(secret) <= 12 {
		return strings.Repeat("*", len(secret))
	}
	return secret[:8] + strings.Repeat("*", len(secret)-12) + secret[len(secret)-4:]
}
