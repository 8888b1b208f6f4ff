package website

import (
	"context"
	"errors"
	"hash/fnv"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/fetch"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
	"memberintel/internal/warehouse"
)

const (
	// retryDown is after which a site that is down is looked at once more; retrySpread spreads that.
	retryDown, retrySpread = 30 * time.Minute, 20 * time.Minute
	// goOnFor is how old a reading may be for a later try to go on with it.
	goOnFor = time.Hour
	// freshEvery is how often a profile is written without a look at the one before.
	freshEvery = 13 * 7 * 24 * time.Hour
	// partialFor is for how long readings may miss a page before they are judged all the same: the second weekly one is.
	partialFor = 5 * 24 * time.Hour
)

// look reads the site, keeps what it found, and asks the gate. A reading that an earlier try of this run left serves again.
func (s *pass) look(ctx context.Context) (kept, bool, error) {
	if s.queued || s.run.Resumed {
		var left kept
		var found bool
		err := s.p.DB.TenantTx(ctx, s.c.TenantID, func(tx *postgres.TenantTx) (err error) {
			left, found, err = undescribed(ctx, tx, s.c.ID, goOnFor)
			return err
		})
		if err != nil || found {
			s.report.Site, s.asOf = Up, left.FetchedAt
			return left, found, err
		}
	}
	r, err := s.read(ctx)
	if err != nil {
		return kept{}, false, err
	}
	s.report.Site, s.asOf = r.State, r.FetchedAt
	gate, why, isNew := "", "", false
	if r.State == Up {
		now, err := s.fingerprint(ctx, r)
		if err != nil {
			return kept{}, false, err
		}
		isNew, why = changed(s.before.Print, now)
		if isNew, why = s.due(isNew, why, r); isNew {
			gate = "changed"
		} else {
			gate = "unchanged"
		}
	}
	var k kept
	err = s.run.Commit(ctx, syncrun.Work{
		Checkpoints: []syncrun.Checkpoint{{Stream: streamSite, Done: true, Records: len(r.Pages)}},
		Also: func(ctx context.Context, tx *postgres.TenantTx, _ warehouse.Result) (err error) {
			k, err = keep(ctx, tx, s.c.ID, s.run.ID, r, gate, why)
			return err
		},
	})
	if err == nil && r.State != Up {
		err = s.trouble(r)
	}
	return k, isNew, err
}

// fingerprint takes a reading that misses a page as it is once that has lasted: a page that never comes would keep every
// other change from being seen.
func (s *pass) fingerprint(ctx context.Context, r Reading) (Fingerprint, error) {
	now := r.Fingerprint(recipe())
	if !now.Partial {
		return now, nil
	}
	err := s.p.DB.TenantTx(ctx, s.c.TenantID, func(tx *postgres.TenantTx) error {
		since, err := partialSince(ctx, tx, s.c.ID)
		now.Partial = since.IsZero() || r.FetchedAt.Sub(since) < partialFor
		return err
	})
	return now, err
}

// due lets a profile be written afresh each quarter, whatever the gate says.
func (s *pass) due(isNew bool, why string, r Reading) (bool, string) {
	if !isNew && s.before.Profile != nil && r.FetchedAt.Sub(s.before.FreshAt) >= freshEvery && len(r.Missed) == 0 {
		return true, "a fresh profile each quarter"
	}
	return isNew, why
}

func (s *pass) read(ctx context.Context) (Reading, error) {
	site, err := fetch.NewSite(s.p.Fetch, s.p.Care, s.c.TenantID, s.c.ID, s.home.String())
	if err != nil {
		return Reading{}, err
	}
	now, err := s.p.now(ctx, s.c.TenantID)
	if err != nil {
		return Reading{}, err
	}
	reader := crawler{manners: s.p.Crawler, send: site.Send, now: func() time.Time { return now }}
	start := time.Now()
	r, err := reader.read(ctx, s.home)
	s.took = time.Since(start) / time.Duration(max(1, len(r.Pages)))
	return r, err
}

// errDown is the cause of the fault about a site that does not answer.
var errDown = errors.New("website: the site is down")

// trouble tells why a site was not to be read.
func (s *pass) trouble(r Reading) error {
	var f *fault.Error
	switch r.State {
	case Down:
		f = fault.Wrap(fault.Unavailable, errDown, "%s", r.Detail)
		f.RetryAfter = retryDown + spread(s.c.TenantID, retrySpread)
	case Blocked, Disallowed:
		f = fault.New(fault.NotPermitted, "%s", r.Detail)
	default: // parked, elsewhere, or nothing to describe: a person has to look
		f = fault.New(fault.Invalid, "%s", r.Detail)
	}
	f.Checklist = r.Checklist
	return f
}

// spread is a time of up to most, always the same for a tenant.
func spread(id tenant.ID, most time.Duration) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write(id[:])
	return time.Duration(h.Sum32()) % most
}
