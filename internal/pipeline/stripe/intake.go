package stripe

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// Intake commits deliveries in groups: whoever arrives while a commit is under way waits for it and goes
// with the next, so that the cost of a durable commit is shared. One transaction serves several tenants,
// each statement under its own tenant's policy; a group that fails is tried again tenant by tenant and then
// event by event, so that one poisonous event harms nobody else. While one
// committer waits for the disk, the other one works; rows that both write are written last. A tenant whose rows
// somebody else holds gives way to the others; see lanes.
type Intake struct {
	p       *Pipeline
	doors   *doors
	waiting chan *arrival
	lanes   *lanes
	closed  chan struct{}
	workers sync.WaitGroup
}

// arrival is one event that waits for its commit.
type arrival struct {
	door *door
	d    *collector
	done chan error
}

const (
	committers = 2   // transactions at a time
	groupLimit = 256 // events in one commit

	commitTime   = 30 * time.Second
	lockPatience = 250 * time.Millisecond // of a commit that others wait for
)

var (
	errClosing  = errors.New("stripe: the server is shutting down")
	errOutdated = errors.New("stripe: the connection has changed")
)

// NewIntake starts the committers. Close ends them.
func NewIntake(p *Pipeline) *Intake {
	in := &Intake{p: p, doors: newDoors(p), waiting: make(chan *arrival, 4*groupLimit), lanes: newLanes(), closed: make(chan struct{})}
	for range committers {
		in.workers.Go(in.work)
	}
	return in
}

// Close lets the commits under way end and refuses what comes later.
func (in *Intake) Close() {
	close(in.closed)
	in.workers.Wait()
}

// submit waits until the event's effect is durable. errOutdated asks the caller to look at the connection
// again.
func (in *Intake) submit(ctx context.Context, door *door, d *collector) error {
	a := &arrival{door: door, d: d, done: make(chan error, 1)}
	select {
	case in.waiting <- a:
	case <-in.closed:
		return errClosing
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-a.done:
		return err
	case <-in.closed:
		select { // it may have been committed at the last moment
		case err := <-a.done:
			return err
		case <-time.After(time.Second):
			return errClosing
		}
	}
}

func (in *Intake) work() {
	for {
		select {
		case <-in.closed:
			return
		case first := <-in.waiting:
			if group := in.lanes.divert(gather(first, in.waiting)); len(group) > 0 {
				in.commit(context.Background(), group, lockPatience)
			}
		}
	}
}

// gather takes whatever has arrived by now.
func gather(first *arrival, waiting <-chan *arrival) []*arrival {
	group := []*arrival{first}
	for len(group) < groupLimit {
		select {
		case a := <-waiting:
			group = append(group, a)
		default:
			return group
		}
	}
	return group
}

// commit writes a group and tells everyone in it. It waits for a lock for as long as patience, or to the end
// of its time when that is 0.
func (in *Intake) commit(parent context.Context, group []*arrival, patience time.Duration) {
	ctx, cancel := context.WithTimeout(parent, commitTime)
	defer cancel()
	start := time.Now()
	at, err := in.write(ctx, group, patience)
	in.p.Metrics.WebhookBatch(len(group), time.Since(start))
	parts := byConnection(group)
	switch {
	case patience > 0 && postgres.LockTimeout(err):
		in.giveWay(parts[at])
		if rest := slices.Concat(slices.Delete(parts, at, at+1)...); len(rest) > 0 {
			in.commit(parent, rest, patience)
		}
		return
	case patience > 0 && errors.Is(err, context.DeadlineExceeded) && len(parts) > 1:
		for _, part := range parts { // who was slow is not known
			in.giveWay(part)
		}
		return
	case err == nil || postgres.Unavailable(err) || len(group) == 1:
		for _, a := range group {
			a.done <- in.last(ctx, a, err, patience)
		}
		return
	}
	if len(parts) == 1 {
		parts = slices.Collect(slices.Chunk(group, 1))
	}
	for _, part := range parts {
		in.commit(parent, part, patience)
	}
}

// last handles what is left of an error when the event stands alone: a broken database is the caller's to
// tell, and an event that the database refuses is kept aside.
func (in *Intake) last(ctx context.Context, a *arrival, err error, patience time.Duration) error {
	if err == nil || postgres.Unavailable(err) || errors.Is(err, errOutdated) || fault.KindOf(err) != "" || !postgres.Refused(err) {
		return err
	}
	aside := in.p.collect(a.door.c)
	for _, line := range a.d.ledger {
		env := Envelope{APIVersion: line.event.APIVersion, EventID: line.event.ID}
		env.Observed.From, env.Observed.Until = line.event.Created, line.event.Created
		stream, _, _ := EventObject(line.event.Type)
		aside.quarantine(stream, line.ref.SourceID, line.event.Object, env, err)
		line.outcome = outcomeQuarantined
		aside.ledger = append(aside.ledger, line)
	}
	in.p.Log.ErrorContext(ctx, "the database refused an event; it is in quarantine", "tenant_id", a.door.c.TenantID, "error", err)
	_, err = in.write(ctx, []*arrival{{door: a.door, d: aside}}, patience)
	return err
}

// byConnection divides a group, tenants in a fixed order.
func byConnection(group []*arrival) [][]*arrival {
	parts := map[connection.ID][]*arrival{}
	for _, a := range group {
		parts[a.door.c.ID] = append(parts[a.door.c.ID], a)
	}
	return slices.SortedFunc(maps.Values(parts), func(a, b []*arrival) int {
		return bytes.Compare(a[0].door.c.TenantID[:], b[0].door.c.TenantID[:])
	})
}

// write commits the events of all connections in one transaction, connections in a fixed order, and counts them
// last. With an error it returns at which of them it ended.
func (in *Intake) write(ctx context.Context, group []*arrival, patience time.Duration) (at int, err error) {
	parts := byConnection(group)
	tenants := make([]tenant.ID, len(parts))
	for i, part := range parts {
		tenants[i] = part[0].door.c.TenantID
	}
	pushes := make([]syncrun.Push, len(parts))
	err = postgres.Retry(3, func() error {
		var shared *postgres.SharedTx
		err := in.p.DB.SharedTx(ctx, func(tx *postgres.SharedTx) error {
			shared = tx
			at, err = tx.Each(ctx, tenants, func(i int, tx *postgres.TenantTx) (err error) {
				if patience > 0 { // how long each statement waits for a lock
					tx.Set("lock_timeout", strconv.FormatInt(patience.Milliseconds(), 10))
				}
				pushes[i], err = in.writePart(ctx, tx, parts[i])
				return err
			})
			if err != nil {
				return err
			}
			at, err = tx.Each(ctx, tenants, func(i int, tx *postgres.TenantTx) error {
				in.p.Ledger.CountLive(tx, parts[i][0].door.c, pushes[i]) // on its way with the commit
				return nil
			})
			return err
		})
		if i := slices.Index(tenants, shared.Failed()); i >= 0 {
			at = i
		}
		return err
	})
	if errors.Is(err, errOutdated) {
		in.doors.forget(parts[at][0].door.c.ID)
	}
	return at, err
}

// writePart writes one connection's events, unless its door has changed since they were read.
func (in *Intake) writePart(ctx context.Context, tx *postgres.TenantTx, part []*arrival) (syncrun.Push, error) {
	c := part[0].door.c
	merged := in.p.collect(c)
	for _, a := range part {
		if a.door.c.Generation != c.Generation {
			return syncrun.Push{}, errOutdated
		}
		merged.batch.Append(&a.d.batch)
		merged.quarantined = append(merged.quarantined, a.d.quarantined...)
		merged.understood = append(merged.understood, a.d.understood...)
		merged.wants = append(merged.wants, a.d.wants...)
		merged.ledger = append(merged.ledger, a.d.ledger...)
	}
	in.p.Connections.Require(tx, c.ID, c.Generation, errOutdated)
	work := merged.work()
	if _, err := in.p.Ledger.CommitLive(ctx, tx, c, work); err != nil {
		return syncrun.Push{}, err
	}
	var asOf time.Time
	if slices.ContainsFunc(merged.ledger, func(line entry) bool { return line.outcome == outcomeApplied }) {
		asOf = in.p.Config.Now()
	}
	if len(merged.quarantined) > 0 {
		reason := fault.New(fault.Schema, "%s", merged.quarantined[0].Reason)
		if err := in.p.Connections.Troubled(ctx, tx, c.ID, connection.Push, reason); err != nil {
			return syncrun.Push{}, err
		}
	}
	return syncrun.PushOf(work, len(part), asOf), nil
}
