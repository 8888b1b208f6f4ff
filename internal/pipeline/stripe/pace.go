package stripe

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits is how fast one Stripe account may be asked, in requests a second. A zero field takes Stripe's own
// default. A sandbox allows no more than 25 for the account.
type Limits struct {
	Endpoint float64 // one endpoint, default 25
	Account  float64 // all endpoints together, default 100
	Burst    int     // requests that may go at once after a rest, default 5
}

// Pacer holds the pace of every account that the process talks to. One is made for a process and given to all
// its clients, because Stripe counts an account's requests together.
type Pacer struct {
	limits Limits

	mu      sync.Mutex
	paces   map[string]*Pace
	sweptAt time.Time
}

// NewPacer makes an empty Pacer.
func NewPacer(limits Limits) *Pacer {
	if limits.Endpoint <= 0 {
		limits.Endpoint = 25
	}
	if limits.Account <= 0 {
		limits.Account = 100
	}
	if limits.Burst <= 0 {
		limits.Burst = 5
	}
	return &Pacer{limits: limits, paces: map[string]*Pace{}, sweptAt: time.Now()}
}

// idleAfter is when a pace that nobody used is forgotten: its buckets are long full and its pauses over, so a
// new one is the same.
const idleAfter = 10 * time.Minute

// For returns the pace of an account, the same one for the same key while it is in use.
func (p *Pacer) For(accountKey string) *Pace {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.sweptAt) > idleAfter {
		p.sweptAt = now
		for key, pace := range p.paces {
			if pace.idleSince(now.Add(-idleAfter)) {
				delete(p.paces, key)
			}
		}
	}
	pace := p.paces[accountKey]
	if pace == nil {
		pace = &Pace{limits: p.limits, endpoints: map[string]*bucket{}}
		pace.account = newBucket(p.limits.Account, p.limits.Burst)
		p.paces[accountKey] = pace
	}
	pace.use(now)
	return pace
}

// Pace spreads the requests to one account over time. It is safe for concurrent use.
type Pace struct {
	limits  Limits
	account *bucket

	mu        sync.Mutex
	endpoints map[string]*bucket
	usedAt    time.Time
}

// Scope is what a rate limit of Stripe's counts.
type Scope string

// The scopes of a limit.
const (
	ScopeEndpoint Scope = "endpoint"
	ScopeAccount  Scope = "account"
)

// Wait returns when a request to the endpoint may be sent, or with the context's error.
func (p *Pace) Wait(ctx context.Context, endpoint string) error { return p.wait(ctx, endpoint, sleep) }

// Pause holds back the requests to the endpoint, or to the whole account, for d. A longer pause that is on
// already stays.
func (p *Pace) Pause(scope Scope, endpoint string, d time.Duration) {
	b := p.account
	if scope == ScopeEndpoint {
		b = p.endpoint(endpoint)
	}
	b.pause(time.Now().Add(d))
}

// wait takes the endpoint's turn before the account's, so that requests that wait for a slow endpoint do not
// use up what others may send.
func (p *Pace) wait(ctx context.Context, endpoint string, sleep sleeper) error {
	if err := p.endpoint(endpoint).wait(ctx, sleep); err != nil {
		return err
	}
	return p.account.wait(ctx, sleep)
}

func (p *Pace) endpoint(name string) *bucket {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.endpoints[name]
	if b == nil {
		b = newBucket(p.limits.Endpoint, p.limits.Burst)
		p.endpoints[name] = b
	}
	return b
}

func (p *Pace) use(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.usedAt = now
}

func (p *Pace) idleSince(moment time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.usedAt.Before(moment)
}

// bucket is a rate limit that can be paused.
type bucket struct {
	limiter *rate.Limiter

	mu     sync.Mutex
	paused time.Time // until when
}

func newBucket(perSecond float64, burst int) *bucket {
	return &bucket{limiter: rate.NewLimiter(rate.Limit(perSecond), burst)}
}

func (b *bucket) pause(until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(b.paused) {
		b.paused = until
	}
}

func (b *bucket) pausedUntil() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.paused
}

// wait takes one turn of the limiter and sits out every pause, also one that begins while it waits.
func (b *bucket) wait(ctx context.Context, sleep sleeper) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	turn := b.limiter.Reserve()
	if d := turn.Delay(); d > 0 {
		if err := sleep(ctx, d); err != nil {
			turn.Cancel()
			return err
		}
	}
	for waited := (time.Time{}); ; {
		until := b.pausedUntil()
		d := time.Until(until)
		if d <= 0 || until.Equal(waited) {
			return nil
		}
		if err := sleep(ctx, d); err != nil {
			return err
		}
		waited = until
	}
}

// sleeper waits for a time or until the context ends, whose error it then returns.
type sleeper func(ctx context.Context, d time.Duration) error

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
