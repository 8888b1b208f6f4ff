package stripe

import (
	"context"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"memberintel/internal/canonical"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

const sweepBatch = 100

// sweep looks up, after a full pass, each row of the streams that were read whole that the pass did not
// show, and buries those that Stripe no longer knows. Nothing is buried on a list's word alone.
func (s *pass) sweep(ctx context.Context, began time.Time, complete map[string]bool) error {
	unknown, err := s.unknownMembers(ctx)
	if err != nil {
		return err
	}
	if err := s.lookUpAll(ctx, "customers", unknown); err != nil {
		return err
	}
	if err := s.sweepQuarantine(ctx, began); err != nil {
		return err
	}
	for _, stream := range Streams() {
		if complete[stream.Name] {
			if err := s.sweepStream(ctx, stream, began.Add(-canonical.Margin)); err != nil {
				return err
			}
		}
	}
	return nil
}

// sweepQuarantine looks up what is in quarantine and was not shown by the pass: it may be gone, or better.
func (s *pass) sweepQuarantine(ctx context.Context, began time.Time) error {
	var after int64
	for {
		var held []syncrun.Held
		err := s.p.DB.TenantTx(ctx, s.c.TenantID, func(tx *postgres.TenantTx) (err error) {
			held, err = syncrun.ListQuarantine(ctx, tx, s.c.Pipeline, after, sweepBatch)
			return err
		})
		if err != nil || len(held) == 0 {
			return err
		}
		for _, h := range held {
			after = h.ID
			if _, known := StreamNamed(h.Stream); !known || !h.ObservedUntil.Before(began) || strings.HasPrefix(h.SourceID, unnamed) {
				continue
			}
			if err := s.lookUpAll(ctx, h.Stream, []string{h.SourceID}); err != nil {
				return err
			}
		}
	}
}

// unknownMembers are those whom only other records name: lists leave deleted customers out.
func (s *pass) unknownMembers(ctx context.Context) (ids []string, err error) {
	err = s.p.DB.TenantTx(ctx, s.c.TenantID, func(tx *postgres.TenantTx) error {
		s.p.Ledger.Warehouse.UnknownMembers(tx, source(s.c), nil, func(unknown []string) { ids = unknown })
		return tx.Flush(ctx)
	})
	return ids, err
}

func (s *pass) sweepStream(ctx context.Context, stream Stream, since time.Time) error {
	after := ""
	for {
		var ids []string
		err := s.p.DB.TenantTx(ctx, s.c.TenantID, func(tx *postgres.TenantTx) (err error) {
			ids, err = s.p.Ledger.Warehouse.Unseen(ctx, tx, source(s.c), tableOf(stream.Name), variantOf(stream.Name), since, after, sweepBatch)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := s.lookUpAll(ctx, stream.Name, ids); err != nil {
			return err
		}
		after = ids[len(ids)-1]
	}
}

// lookUpAll fetches the objects and writes what Stripe says of each.
func (s *pass) lookUpAll(ctx context.Context, stream string, ids []string) error {
	for len(ids) > 0 {
		some := ids[:min(len(ids), sweepBatch)]
		ids = ids[len(some):]
		looks := make([]look, len(some))
		group, fetchCtx := errgroup.WithContext(ctx)
		group.SetLimit(s.p.Config.InFlight)
		for i, id := range some {
			group.Go(func() error {
				looks[i] = s.p.lookUp(fetchCtx, s.client, stream, id)
				if fault.Is(looks[i].err, fault.NotPermitted) {
					return nil // it stays as it is
				}
				return looks[i].err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		d := s.p.collect(s.c)
		d.passing = true
		for _, l := range looks {
			if l.err == nil {
				l.into(d, canonical.DeletedBySweep)
			}
		}
		work := d.work()
		work.Deriving = warehouse.DeriveLater
		work.Checkpoints = []syncrun.Checkpoint{{Stream: "sweep", Position: map[string]string{"stream": stream}}}
		if err := s.run.Commit(ctx, work); err != nil {
			return err
		}
	}
	return nil
}

// variantOf is what tells a stream's records apart from others in the same table.
func variantOf(stream string) string {
	switch stream {
	case "products":
		return "product"
	case "prices":
		return "price"
	case "charges":
		return "payment"
	case "refunds":
		return "refund"
	case "disputes":
		return "dispute"
	default:
		return ""
	}
}

// bury adds the tombstone of an object that Stripe does not know.
func (d *collector) bury(stream Stream, id string, at canonical.Observation, reason canonical.Deletion) {
	head := canonical.Head{SourceID: id, Observed: at, Deleted: reason}
	d.understood = append(d.understood, syncrun.Understood{Stream: stream.Name, SourceID: id, Settles: at.From.Add(-2 * canonical.Margin)})
	switch stream.Name {
	case "customers":
		d.batch.Members = append(d.batch.Members, canonical.Member{Head: head})
	case "products", "prices":
		d.batch.Plans = append(d.batch.Plans, canonical.Plan{Head: head, Level: variantOf(stream.Name)})
	case "subscriptions":
		d.batch.Subscriptions = append(d.batch.Subscriptions, canonical.Subscription{Head: head})
	case "invoices":
		d.batch.Invoices = append(d.batch.Invoices, canonical.Invoice{Head: head})
	case "charges", "refunds", "disputes":
		d.batch.Transactions = append(d.batch.Transactions, canonical.Transaction{Head: head, Kind: variantOf(stream.Name)})
	case "payment_intents":
		d.batch.PaymentIntents = append(d.batch.PaymentIntents, canonical.PaymentIntent{Head: head})
	case "invoice_payments":
		d.batch.Allocations = append(d.batch.Allocations, canonical.PaymentAllocation{Head: head})
	}
}
