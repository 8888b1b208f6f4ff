package syncrun

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
)

// Health is how a connection fares, as every page, mail and call tells it.
type Health struct {
	Connection connection.Connection // as it is stored, its State too
	// State is the one to tell. A switch pauses the connection, and so does its breaker while the source is left in
	// peace, unless only a person helps; one that works and whose data is too old is degraded.
	State         connection.State
	Paused        string     // why it is paused, a sentence; "" while it is not
	Since         *time.Time // since when a success has been due; nil while all is well or nothing is expected
	NextAttemptAt *time.Time // nil: nobody knows when
	DataAsOf      *time.Time // nil before the first success
	Stale         bool
}

// Well reports whether nothing is wrong with the connection itself: one that failed before it was paused is not well.
func (h Health) Well() bool {
	ill := func(s connection.State) bool { return s == connection.Degraded || s == connection.Failed }
	return !ill(h.State) && !ill(h.Connection.State)
}

// HealthOf returns how the tenant's connections fare at this moment, by pipeline, disconnected ones too. It is never
// nil.
func HealthOf(ctx context.Context, tx *postgres.TenantTx, connections *connection.Store) ([]Health, error) {
	var now time.Time
	if err := tx.QueryRow(ctx, `SELECT memberintel_now()`).Scan(&now); err != nil {
		return nil, fmt.Errorf("syncrun: read the clock: %w", err)
	}
	list, err := connections.List(ctx, tx)
	if err != nil {
		return nil, err
	}
	freshness, err := FreshnessOf(ctx, tx)
	if err != nil {
		return nil, err
	}
	waiting, err := waitingSince(ctx, tx)
	if err != nil {
		return nil, err
	}
	all := make([]Health, 0, len(list))
	for _, c := range list {
		h := Health{Connection: c, State: c.State, Stale: true, NextAttemptAt: earlier(c.NextSyncAt, waiting[c.Pipeline])}
		h.age(freshness)
		if c.State == connection.Disconnected {
			h.NextAttemptAt = nil // whatever is still in the queue
		} else if err := h.hold(ctx, tx, now); err != nil {
			return nil, err
		}
		h.since(now)
		all = append(all, h)
	}
	return all, nil
}

// waitingSince returns from when on the runs that wait may begin.
func waitingSince(ctx context.Context, tx *postgres.TenantTx) (map[connection.Pipeline]*time.Time, error) {
	rows, err := tx.Query(ctx, `SELECT pipeline_type, not_before FROM sync_run WHERE tenant_id = $1 AND status = 'queued' AND mode <> 'live'`, tx.Tenant)
	if err != nil {
		return nil, fmt.Errorf("syncrun: look for what waits: %w", err)
	}
	found := map[connection.Pipeline]*time.Time{}
	var p connection.Pipeline
	var at *time.Time
	_, err = pgx.ForEachRow(rows, []any{&p, &at}, func() error { found[p] = at; at = nil; return nil })
	if err != nil {
		return nil, fmt.Errorf("syncrun: look for what waits: %w", err)
	}
	return found, nil
}

// age joins the connection with its freshness. Before the first attempt there is none but that of an earlier account.
func (h *Health) age(freshness []Freshness) {
	for _, f := range freshness {
		if f.PipelineType == string(h.Connection.Pipeline) && h.Connection.LastAttemptAt != nil {
			h.DataAsOf, h.Stale = f.DataAsOf, f.Stale
		}
	}
	if h.State == connection.Connected && h.Stale {
		h.State = connection.Degraded
	}
}

// hold tells what holds the connection up: a switch, or its breaker.
func (h *Health) hold(ctx context.Context, tx *postgres.TenantTx, now time.Time) error {
	err := guard.Check(ctx, tx, string(h.Connection.Pipeline))
	var stop *fault.Error
	switch {
	case errors.As(err, &stop) && stop.Kind == fault.Stopped:
		var next *time.Time
		if stop.RetryAfter > 0 {
			next = notBefore(h.Connection.NextSyncAt, now.Add(stop.RetryAfter))
		}
		h.pause(stop.Sentence, next)
		return nil
	case err != nil:
		return err
	case h.State == connection.Paused:
		h.pause("An operator holds this connection.", nil)
		return nil
	}
	standing, err := care.StandingOf(ctx, tx, h.Connection.ID)
	if err != nil || !standing.Resting(now) {
		return err
	}
	h.NextAttemptAt = notBefore(h.NextAttemptAt, *standing.RetryAt)
	if h.State != connection.Failed {
		h.pause(standing.Sentence(), h.NextAttemptAt)
	}
	return nil
}

func (h *Health) pause(why string, next *time.Time) {
	h.State, h.Paused, h.NextAttemptAt = connection.Paused, why, next
}

func (h *Health) since(now time.Time) {
	c := h.Connection
	if h.Well() {
		return
	}
	if h.Since = c.DueSince(); h.Since == nil || h.Since.After(now) {
		h.Since = c.LastAttemptAt
	}
}

// earlier returns the earlier of two times, either of which may be nil.
func earlier(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}

// notBefore returns at, or the bound where that is later; nil stays nil.
func notBefore(at *time.Time, bound time.Time) *time.Time {
	if at != nil && at.Before(bound) {
		return &bound
	}
	return at
}
