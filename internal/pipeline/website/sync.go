package website

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// withoutKey is when to look again whether the operator has given a key.
const withoutKey = 24 * time.Hour

// Checkpoints' streams.
const (
	streamSite    = "site"
	streamProfile = "profile"
)

// Report is what is told about a sync of a website.
type Report struct {
	syncrun.Report
	Site          SiteState  `json:"site,omitempty"`  // what the reading found, "" when there was none
	Cached        bool       `json:"cached"`          // the profile is the one that was there: none was due, or none may be made now
	NextAllowedAt *time.Time `json:"next_allowed_at"` // when another may be made; nil when one may be now
	Unchanged     bool       `json:"unchanged"`       // the site shows what it showed, so nobody was asked
	Waiting       bool       `json:"waiting"`         // the question travels in a batch
	Calls         int        `json:"calls"`           // to Claude, that this run made and waited for
	Profile       *Profile   `json:"profile"`         // the newest version, nil before the first
}

// Sync reads the connection's site and describes it anew if it changed, for a person who waits. Where the day's analyses
// are spent, or the plan has none on demand, nothing is read: the report has the profile that is there. watch may be nil;
// it is called with the run once it has begun. Both modes are one: a site is always read as a whole.
func (p *Pipeline) Sync(ctx context.Context, c connection.Connection, mode syncrun.Mode, watch func(*syncrun.Run)) (Report, error) {
	home, err := p.home(ctx, c)
	if err != nil {
		return Report{}, err
	}
	if report, spared, err := p.spared(ctx, c); spared || err != nil {
		return report, err
	}
	if mode == "" {
		mode = syncrun.Incremental
		if c.MappingVersion == 0 {
			mode = syncrun.Full
		}
	}
	run, runCtx, err := p.Ledger.Begin(ctx, c, mode, syncrun.BusyWait)
	if err != nil {
		return Report{}, err
	}
	if watch != nil {
		watch(run)
	}
	s := &pass{p: p, c: c, run: run, home: home, cause: syncrun.Button}
	outcome, err := s.describe(runCtx)
	report, finishErr := run.Finish(runCtx, outcome, err)
	s.report.Report = report
	return s.report, errors.Join(err, finishErr, s.shown(ctx))
}

// SyncQueued is Sync for a run that waits in the queue: by the clock the question goes with a batch, and the answer, when
// it is there, is what the next run takes. Whatever hinders it is the run's failure. An error without a report means
// that it did not begin. A site that is down is looked at once more, and then not before its next turn.
func (p *Pipeline) SyncQueued(ctx context.Context, c connection.Connection, ticket syncrun.Ticket) (syncrun.Report, error) {
	if follow := ticket.Follow; follow != nil {
		ticket.Follow = func(e syncrun.Ended) syncrun.Next {
			if errors.Is(e.Err, errDown) && e.Attempt > 1 {
				return syncrun.Next{}
			}
			return follow(e)
		}
	}
	run, runCtx, err := p.Ledger.BeginQueued(ctx, c, ticket)
	if err != nil {
		return syncrun.Report{}, err
	}
	s := &pass{p: p, c: run.Connection, run: run, queued: true, cause: cmp.Or(run.Cause, syncrun.Button)}
	var outcome syncrun.Outcome
	s.home, err = p.home(runCtx, run.Connection)
	if err == nil && s.c.MappingVersion == 0 {
		err = run.Become(runCtx, syncrun.Full)
	}
	if err == nil {
		outcome, err = s.describe(runCtx)
	}
	report, finishErr := run.Finish(runCtx, outcome, err)
	return report, errors.Join(err, finishErr)
}

// spared answers with the profile that is there when none may be made on demand. One that was never made is no matter of
// demand.
func (p *Pipeline) spared(ctx context.Context, c connection.Connection) (report Report, spared bool, err error) {
	err = p.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		before, err := pastOf(ctx, tx, c.ID)
		if err != nil || before.Profile == nil {
			return err
		}
		var refused *guard.Refusal
		if err := guard.MayAsk(ctx, tx, guard.OnDemand); !errors.As(err, &refused) {
			return err
		}
		var now time.Time
		if err := tx.QueryRow(ctx, `SELECT memberintel_now()`).Scan(&now); err != nil {
			return err
		}
		spared = true
		report = Report{Cached: true, NextAllowedAt: refused.FreesAt, Profile: before.Profile}
		report.Report = syncrun.Report{
			PipelineType: string(connection.Website), Mode: syncrun.Incremental, Status: syncrun.Succeeded, StartedAt: now, FinishedAt: &now,
		}
		return nil
	})
	return report, spared, err
}

// pass is one run's work on one connection.
type pass struct {
	p      *Pipeline
	c      connection.Connection
	run    *syncrun.Run
	home   *url.URL
	cause  syncrun.Cause
	queued bool
	before past
	took   time.Duration // that the site needed
	asOf   time.Time
	report Report
	// described: there is a version, of this run or of one before.
	described bool
}

// described is the connection's mapping version from its first profile on.
const described = 1

// describe is the whole story: take an answer that came by a batch; read the site; stop where it is not to be read or shows
// what it showed; ask; write what the answer bears out.
func (s *pass) describe(ctx context.Context) (syncrun.Outcome, error) {
	if err := s.mayAsk(ctx); err != nil {
		return syncrun.Outcome{}, err
	}
	taken, err := s.collect(ctx)
	if err != nil {
		return s.outcome(""), err
	}
	if s.ends(taken) {
		o := s.outcome(taken.problem)
		o.Unasked = s.cause == syncrun.Knock
		return o, nil
	}
	if err := s.load(ctx); err != nil {
		return syncrun.Outcome{}, err
	}
	reading, changed, err := s.look(ctx)
	if err != nil {
		return s.outcome(""), err
	}
	if !changed {
		s.report.Unchanged, s.report.Cached = true, true
		return s.outcome(taken.problem), nil
	}
	problem, err := s.ask(ctx, reading)
	if taken.again && err == nil && !s.report.Cached { // another answer is there, or on its way
		taken.problem = ""
	}
	return s.outcome(cmp.Or(problem, taken.problem)), err
}

// ends reports whether an answer that was there is all that this run is for: a knock says that one came, and a worker that died
// had read the site. A site of which a person has to hear first is not read for an answer of no use.
func (s *pass) ends(t taken) bool {
	if s.cause == syncrun.Knock {
		return !t.again || s.c.State == connection.Failed
	}
	return t.written && t.heard && s.run.Resumed
}

// mayAsk asks for key and switches before a site is troubled.
func (s *pass) mayAsk(ctx context.Context) error {
	if s.p.claude == nil {
		f := fault.New(fault.Stopped, "Websites are not described here: the operator has given no key for Claude (ANTHROPIC_API_KEY).")
		f.RetryAfter = withoutKey
		f.Checklist = []string{
			"Whoever runs memberintel: give `memberintel serve` a key of Claude's API in the environment as ANTHROPIC_API_KEY, and start it again.",
			"Then run `memberintel sync --pipeline website` with the same environment, or wait: it is tried again within a day.",
		}
		return s.hindered(ctx, f)
	}
	return s.p.DB.TenantTx(ctx, s.c.TenantID, func(tx *postgres.TenantTx) error {
		if err := guard.Check(ctx, tx, string(connection.Website), guard.Claude); err != nil {
			return err
		}
		return s.p.Connections.Eased(ctx, tx, s.c.ID, connection.Describe)
	})
}

// hindered lets the connection tell what the operator has to mend. The run is stopped by it, and a run that is stopped says
// nothing about its connection.
func (s *pass) hindered(ctx context.Context, f *fault.Error) error {
	err := s.p.DB.TenantTx(context.WithoutCancel(ctx), s.c.TenantID, func(tx *postgres.TenantTx) error {
		return s.p.Connections.Troubled(ctx, tx, s.c.ID, connection.Describe, f)
	})
	if err != nil {
		return err
	}
	return f
}

func (s *pass) load(ctx context.Context) error {
	return s.p.DB.TenantTx(ctx, s.c.TenantID, func(tx *postgres.TenantTx) (err error) {
		s.before, err = pastOf(ctx, tx, s.c.ID)
		s.described = s.before.Profile != nil
		return err
	})
}

// now is the database's time, by which profiles and readings are compared.
func (p *Pipeline) now(ctx context.Context, id tenant.ID) (now time.Time, err error) {
	err = p.DB.TenantTx(ctx, id, func(tx *postgres.TenantTx) error { return tx.QueryRow(ctx, `SELECT memberintel_now()`).Scan(&now) })
	return now, err
}

func (s *pass) outcome(problem string) syncrun.Outcome {
	o := syncrun.Outcome{DataAsOf: s.asOf, ResponseMS: int(s.took.Milliseconds()), Problem: problem, ProblemKind: fault.Schema}
	if s.described {
		o.MappingVersion = described
	}
	return o
}

// shown completes the report with the newest version.
func (s *pass) shown(ctx context.Context) error {
	return s.p.DB.TenantTx(context.WithoutCancel(ctx), s.c.TenantID, func(tx *postgres.TenantTx) error {
		k, err := pastOf(ctx, tx, s.c.ID)
		s.report.Profile = k.Profile
		return err
	})
}
