package warehouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
)

// Stands reports whether a suspect has a live row, and until when on the source's clock that was observed.
func (w *Warehouse) Stands(ctx context.Context, session *postgres.Session, src canonical.Source, s Suspect) (present bool, until time.Time, err error) {
	if _, err := w.compareSQL(s.Table); err != nil {
		return false, until, err // not one of ours, and about to be put into a statement
	}
	err = session.TenantTx(ctx, func(tx *postgres.TenantTx) error {
		return tx.QueryRow(ctx, fmt.Sprintf(`SELECT bool_or(deleted_at IS NULL), max(observed_until) FROM %s
			 WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4 AND source_id = $5
			HAVING count(*) > 0`, s.Table), append(identityOf(tx.Tenant, src), s.SourceID)...).Scan(&present, &until)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return false, until, nil
	}
	if err != nil {
		return false, until, fmt.Errorf("warehouse: %s: look at a row: %w", s.Table, err)
	}
	return present, until, nil
}

// Living lists the records of a batch that are not tombstones, items included.
func Living(b *canonical.Batch) []Ref {
	var refs []Ref
	refs = addLiving(refs, "plans", b.Plans, func(r *canonical.Plan) *canonical.Head { return &r.Head })
	refs = addLiving(refs, "members", b.Members, func(r *canonical.Member) *canonical.Head { return &r.Head })
	refs = addLiving(refs, "subscriptions", b.Subscriptions, func(r *canonical.Subscription) *canonical.Head { return &r.Head })
	for _, item := range itemsOf(b.Subscriptions) {
		refs = append(refs, Ref{"subscription_items", item.SourceID})
	}
	refs = addLiving(refs, "invoices", b.Invoices, func(r *canonical.Invoice) *canonical.Head { return &r.Head })
	refs = addLiving(refs, "payment_intents", b.PaymentIntents, func(r *canonical.PaymentIntent) *canonical.Head { return &r.Head })
	refs = addLiving(refs, "transactions", b.Transactions, func(r *canonical.Transaction) *canonical.Head { return &r.Head })
	refs = addLiving(refs, "payment_allocations", b.Allocations, func(r *canonical.PaymentAllocation) *canonical.Head { return &r.Head })
	refs = addLiving(refs, "orders", b.Orders, func(r *canonical.Order) *canonical.Head { return &r.Head })
	refs = addLiving(refs, "content_rules", b.Rules, func(r *canonical.Rule) *canonical.Head { return &r.Head })
	return addLiving(refs, "sites", b.Sites, func(r *canonical.Site) *canonical.Head { return &r.Head })
}

func addLiving[T any](refs []Ref, table string, rows []T, head func(*T) *canonical.Head) []Ref {
	for i := range rows {
		if h := head(&rows[i]); h.Deleted == "" {
			refs = append(refs, Ref{table, h.SourceID})
		}
	}
	return refs
}
