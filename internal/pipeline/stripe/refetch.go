package stripe

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"memberintel/internal/canonical"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
)

// The refetch list holds objects whose stored state cannot be trusted to be the latest. One entry an object:
// asking twice is asking once. An entry is closed by a state that was read clearly after its `after`.

// reading names an object that was read, and the beginning of its observation.
type reading struct {
	stream, id string
	from       time.Time
}

// due is an entry of the list that is to be worked off.
type due struct {
	Stream   string
	SourceID string
	After    time.Time
	Attempts int
}

// openRefetch puts objects on the list, with the transaction's next round trip.
func openRefetch(tx *postgres.TenantTx, c connection.Connection, connections *connection.Store, wants []want) {
	if len(wants) == 0 {
		return
	}
	n := len(wants)
	streams, ids, reasons, after, delays := make([]string, n), make([]string, n), make([]string, n), make([]time.Time, n), make([]time.Duration, n)
	for i, w := range wants {
		streams[i], ids[i], reasons[i], after[i], delays[i] = w.stream, w.id, w.reason, w.after, w.delay
	}
	tx.Queue(`
		INSERT INTO stripe_refetch AS q (tenant_id, connection_id, stream, source_id, reason, after, due_at)
		SELECT $1::uuid, $2::uuid, s.stream, s.id, min(s.reason), max(s.after), memberintel_now() + min(s.delay)
		  FROM unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::interval[]) AS s (stream, id, reason, after, delay)
		 GROUP BY s.stream, s.id ORDER BY s.stream, s.id
		ON CONFLICT (connection_id, stream, source_id) DO UPDATE
		   SET after = greatest(q.after, excluded.after), due_at = least(q.due_at, excluded.due_at)`,
		tx.Tenant, c.ID, streams, ids, reasons, after, delays)
	connections.MarkRefetchDue(tx, c.ID, slices.Min(delays))
}

// closeRefetch takes objects off the list that were read clearly after the moment in doubt.
func closeRefetch(ctx context.Context, tx *postgres.TenantTx, c connection.Connection, connections *connection.Store, objects []reading, delay time.Duration) error {
	if len(objects) == 0 {
		return nil
	}
	streams, ids, from := make([]string, len(objects)), make([]string, len(objects)), make([]time.Time, len(objects))
	for i, o := range objects {
		streams[i], ids[i], from[i] = o.stream, o.id, o.from.Add(-canonical.Margin)
	}
	_, err := tx.Exec(ctx, `
		DELETE FROM stripe_refetch q USING unnest($2::text[], $3::text[], $4::timestamptz[]) AS s (stream, id, from_time)
		 WHERE q.connection_id = $1 AND q.stream = s.stream AND q.source_id = s.id AND q.after < s.from_time`,
		c.ID, streams, ids, from)
	if err != nil {
		return fmt.Errorf("stripe: close entries of the refetch list: %w", err)
	}
	// What was read too early to settle the matter is read again as soon as it can.
	_, err = tx.Exec(ctx, `
		UPDATE stripe_refetch q SET due_at = memberintel_now() + $4, last_error = NULL
		  FROM unnest($2::text[], $3::text[]) AS s (stream, id)
		 WHERE q.connection_id = $1 AND q.stream = s.stream AND q.source_id = s.id`, c.ID, streams, ids, delay)
	if err != nil {
		return fmt.Errorf("stripe: postpone entries of the refetch list: %w", err)
	}
	return noteDue(ctx, tx, c, connections)
}

// noteDue tells the connection when its list is next due, which is what the worker looks at. It locks the
// connection first, so that an entry that is added meanwhile is not forgotten.
func noteDue(ctx context.Context, tx *postgres.TenantTx, c connection.Connection, connections *connection.Store) error {
	if found, err := connections.Lock(ctx, tx, c.ID); err != nil || !found {
		return err
	}
	var at *time.Time
	if err := tx.QueryRow(ctx, `SELECT min(due_at) FROM stripe_refetch WHERE connection_id = $1`, c.ID).Scan(&at); err != nil {
		return fmt.Errorf("stripe: read the refetch list: %w", err)
	}
	return connections.ResetRefetchDue(ctx, tx, c.ID, at)
}

// waitsForRefetch reports whether the object is on the list and can still be expected to be read soon.
func waitsForRefetch(ctx context.Context, tx *postgres.TenantTx, c connection.Connection, stream, id string) (bool, error) {
	var waits bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM stripe_refetch
		WHERE connection_id = $1 AND stream = $2 AND source_id = $3 AND last_error IS NULL)`, c.ID, stream, id).Scan(&waits)
	if err != nil {
		return false, fmt.Errorf("stripe: look at the refetch list: %w", err)
	}
	return waits, nil
}

// claim takes due entries for half a minute: a worker that dies leaves them to the next.
func claim(ctx context.Context, tx *postgres.TenantTx, c connection.Connection, limit int) ([]due, error) {
	rows, err := tx.Query(ctx, `
		UPDATE stripe_refetch q SET due_at = memberintel_now() + interval '30 seconds', attempts = attempts + 1
		 WHERE q.connection_id = $1 AND (q.stream, q.source_id) IN (
		       SELECT stream, source_id FROM stripe_refetch
		        WHERE connection_id = $1 AND due_at <= memberintel_now() ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
		RETURNING q.stream, q.source_id, q.after, q.attempts`, c.ID, limit)
	if err != nil {
		return nil, fmt.Errorf("stripe: claim from the refetch list: %w", err)
	}
	claimed, err := pgx.CollectRows(rows, pgx.RowToStructByPos[due])
	if err != nil {
		return nil, fmt.Errorf("stripe: claim from the refetch list: %w", err)
	}
	return claimed, nil
}

// refetchBatch is how many objects one round fetches.
const refetchBatch = 50

// refetch works off one round of the connection's due entries and returns how many there were. commit
// writes what was read: a run's Commit, or a live one.
func (p *Pipeline) refetch(ctx context.Context, c connection.Connection, client *Client, commit func(context.Context, syncrun.Work) error) (int, error) {
	var entries []due
	err := p.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) (err error) {
		if entries, err = claim(ctx, tx, c, refetchBatch); err == nil {
			err = noteDue(ctx, tx, c, p.Connections)
		}
		return err
	})
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	looks := make([]look, len(entries))
	group, fetchCtx := errgroup.WithContext(ctx)
	group.SetLimit(p.Config.InFlight)
	for i, entry := range entries {
		group.Go(func() error {
			looks[i] = p.lookUp(fetchCtx, client, entry.Stream, entry.SourceID)
			if fault.Is(looks[i].err, fault.Unauthorized) {
				return looks[i].err
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	if err := p.writeLooks(ctx, c, entries, looks, commit); err != nil {
		return 0, err
	}
	return len(entries), p.postpone(ctx, c, entries, looks)
}

// writeLooks commits what was read. When the database refuses it, each object goes alone, and the one that is
// to blame is left on the list with the reason.
func (p *Pipeline) writeLooks(ctx context.Context, c connection.Connection, entries []due, looks []look, commit func(context.Context, syncrun.Work) error) error {
	d := p.collect(c)
	for i, l := range looks {
		if l.err == nil {
			l.into(d, canonical.DeletedByMissing)
			d.settled = append(d.settled, reading{entries[i].Stream, entries[i].SourceID, l.observed.From})
			p.Metrics.RefetchDone("read")
		}
	}
	err := commit(ctx, d.work())
	if !postgres.Refused(err) {
		return err
	}
	if len(entries) == 1 {
		looks[0].err = fault.Wrap(fault.Schema, err, "The database refuses this object; the operator's log has the details.")
		return nil
	}
	for i := range entries {
		if err := p.writeLooks(ctx, c, entries[i:i+1], looks[i:i+1], commit); err != nil {
			return err
		}
	}
	return nil
}

// look is what Stripe answered about one object.
type look struct {
	stream   Stream
	id       string
	object   Object
	observed canonical.Observation
	gone     bool // Stripe does not know it
	err      error
}

// lookUp fetches one object whole.
func (p *Pipeline) lookUp(ctx context.Context, client *Client, streamName, id string) look {
	stream, ok := StreamNamed(streamName)
	if !ok {
		return look{err: fmt.Errorf("stripe: no stream %q", streamName)}
	}
	stream = stream.at(p.Config.APIVersion)
	l := look{stream: stream, id: id}
	path, query := stream.Fetch(id)
	o, err := client.Get(ctx, path, query)
	if fault.Is(err, fault.NotFound) && o.Observed.Fetched {
		l.gone, l.observed = true, o.Observed
		return l
	}
	if err == nil {
		o, err = client.Whole(ctx, stream, o)
	}
	l.object, l.observed, l.err = o, o.Observed, err
	return l
}

// into gives the collector what was seen: the object, or the tombstone of one that is gone.
func (l look) into(d *collector, reason canonical.Deletion) {
	if l.gone {
		d.bury(l.stream, l.id, l.observed, reason)
		return
	}
	d.fetched(l.stream, l.object)
}

// postpone puts off the entries that could not be fetched, each time for longer. What the key may not read
// is looked at again each hour, and the connection says which permission is missing.
func (p *Pipeline) postpone(ctx context.Context, c connection.Connection, entries []due, looks []look) error {
	if !slices.ContainsFunc(looks, func(l look) bool { return l.err != nil }) {
		return nil
	}
	return p.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		var refused error
		for i, l := range looks {
			if l.err == nil {
				continue
			}
			p.Metrics.RefetchDone("failed")
			wait := min(time.Second<<min(entries[i].Attempts, 12), 10*time.Minute)
			if fault.Is(l.err, fault.NotPermitted) {
				wait, refused = time.Hour, l.err
			}
			if _, err := tx.Exec(ctx, `UPDATE stripe_refetch SET due_at = memberintel_now() + $4, last_error = $5
				WHERE connection_id = $1 AND stream = $2 AND source_id = $3`,
				c.ID, entries[i].Stream, entries[i].SourceID, wait, fault.Sentence(l.err)); err != nil {
				return fmt.Errorf("stripe: put off a refetch: %w", err)
			}
		}
		if refused != nil {
			if err := p.Connections.Troubled(ctx, tx, c.ID, connection.Refetch, refused); err != nil {
				return err
			}
		}
		return noteDue(ctx, tx, c, p.Connections)
	})
}

// settle works the list off until nothing on it is due soon, and returns how many objects could not be
// fetched. What live traffic adds meanwhile is left to the worker.
func (s *pass) settle(ctx context.Context) (left int, err error) {
	deadline := time.Now().Add(settlePatience)
	for {
		if _, err := s.p.refetch(ctx, s.c, s.client, s.run.Commit); err != nil {
			return 0, err
		}
		var next *time.Duration
		err := s.p.DB.TenantTx(ctx, s.c.TenantID, func(tx *postgres.TenantTx) error {
			return tx.QueryRow(ctx, `SELECT min(due_at) - memberintel_now(), count(*) FILTER (WHERE last_error IS NOT NULL)
				FROM stripe_refetch WHERE connection_id = $1`, s.c.ID).Scan(&next, &left)
		})
		if err != nil {
			return 0, fmt.Errorf("stripe: read the refetch list: %w", err)
		}
		if next == nil || time.Now().Add(*next).After(deadline) {
			return left, nil
		}
		if err := s.p.Config.Sleep(ctx, max(*next, 0)); err != nil {
			return 0, err
		}
	}
}

// settlePatience is how long a run waits for its doubtful objects.
const settlePatience = 30 * time.Second
