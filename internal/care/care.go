// Package care spares sites that the service does not control. Before each request a pipeline asks Begin,
// which says how long to wait for the answer and how large a page to ask for, or that now is not the time;
// Permit.Done tells how it went. What is learnt of a site is kept in PostgreSQL, so it holds for all machines:
// response times, the size of pages, a circuit breaker for each connection, and for each site, whoever asks,
// the pace of requests and the one that is under way. It owns the tables connection_care and site_pace.
//
// All time is memberintel_now(), one clock for every machine. A crash between Begin and Done leaves a permit
// that runs out by itself a little after its timeout.
package care

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// ErrNotAsked is the cause of every refusal of Begin: nothing was sent, so no attempt was spent. The fault
// around it tells by its RetryAfter when to come again.
var ErrNotAsked = errors.New("the site was not asked")

// Config is how sites are spared. A zero field takes its default.
type Config struct {
	Initial time.Duration // timeout before a site has ever answered, default 30 s
	Floor   time.Duration // least timeout, default 5 s
	Ceiling time.Duration // longest timeout, default 2 min

	PerMinute int // requests to one site, default 60
	Burst     int // of them at once after a rest, default 5

	Threshold   int           // failures in a row that open the breaker, default 5
	Cooling     time.Duration // first rest, default 1 min; doubles with every probe that fails
	LongCooling time.Duration // longest rest, default 1 h

	PageStart int // default 500
	PageMin   int // default 25
	PageMax   int // default 1000
	GrowAfter int // good answers in a row before the page grows, default 20

	Patience time.Duration // longest wait of Await, default 15 s
	// Sleep waits for Await; nil is a real timer.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Care answers whether and how a site may be asked. It is safe for concurrent use.
type Care struct {
	db  *postgres.DB
	cfg Config
}

// New makes a Care on the database.
func New(db *postgres.DB, cfg Config) *Care { return &Care{db: db, cfg: cfg.complete()} }

// Place is who asks whom.
type Place struct {
	Tenant     tenant.ID
	Connection connection.ID
	Site       string // the host as fetch.SiteName writes it; requests to one site are counted together
}

// Permit is the right to send one request. Each one is given back by Done.
type Permit struct {
	Timeout  time.Duration // up to the answer's last byte, all redirects included
	PageSize int           // objects to ask for at once
	Probe    bool          // the one request that a half-open breaker lets through

	care  *Care
	place Place
	token uuid.UUID
}

// Begin asks for a permit. It refuses with a fault whose cause is ErrNotAsked: of kind Unavailable while the
// breaker is open, of kind RateLimited while the site has asked for patience, another request to it is under
// way or the pace is reached. RetryAfter is always set then. It never waits; see Await.
func (c *Care) Begin(ctx context.Context, at Place) (Permit, error) {
	permit := Permit{care: c, place: at, token: uuid.New()}
	err := postgres.Retry(3, func() error {
		return c.db.TenantTx(ctx, at.Tenant, func(tx *postgres.TenantTx) error {
			now, source, site, err := c.open(ctx, tx, at)
			if err != nil {
				return err
			}
			permit.Timeout, permit.PageSize = c.cfg.timeout(source), source.PageSize
			permit.Probe = source.Breaker != Closed
			if err := c.cfg.admit(now, &source, &site, permit); err != nil {
				return err
			}
			save(tx, source, site)
			return nil
		})
	})
	if err != nil {
		return Permit{}, err
	}
	return permit, nil
}

// Await asks as Begin does, and waits where the pace is all that stands in the way and the wait is short:
// a run of many pages goes on at the site's pace instead of ending at each pause.
func (c *Care) Await(ctx context.Context, at Place) (Permit, error) {
	left := c.cfg.Patience
	for {
		permit, err := c.Begin(ctx, at)
		var refusal *fault.Error
		if !errors.Is(err, ErrNotAsked) || !errors.As(err, &refusal) || refusal.Kind != fault.RateLimited || refusal.RetryAfter > left {
			return permit, err
		}
		left -= refusal.RetryAfter
		if err := c.cfg.Sleep(ctx, refusal.RetryAfter); err != nil {
			return Permit{}, err
		}
	}
}

func (cfg Config) complete() Config {
	fill(&cfg.Initial, 30*time.Second)
	fill(&cfg.Floor, 5*time.Second)
	fill(&cfg.Ceiling, 2*time.Minute)
	fill(&cfg.PerMinute, 60)
	fill(&cfg.Burst, 5)
	fill(&cfg.Threshold, 5)
	fill(&cfg.Cooling, time.Minute)
	fill(&cfg.LongCooling, time.Hour)
	fill(&cfg.PageStart, 500)
	fill(&cfg.PageMin, 25)
	fill(&cfg.PageMax, 1000)
	fill(&cfg.GrowAfter, 20)
	fill(&cfg.Patience, 15*time.Second)
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	return cfg
}

func fill[T int | time.Duration](field *T, otherwise T) {
	if *field <= 0 {
		*field = otherwise
	}
}

// sleep waits for d or until the context ends, whose error it then returns.
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
