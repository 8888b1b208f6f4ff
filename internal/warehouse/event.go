package warehouse

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
)

// Two platforms may tell of the same money: the one that took it, and the one that had it taken. The row of the latter
// names, in its columns event_*, the row that counts in its place; a row without them counts itself, as the view
// economic_event shows. The link follows from the rows, in whatever order they come, and goes when they no longer say so.

//go:embed event_sources.sql
var eventSourcesSQL string

//go:embed event_tellers.sql
var eventTellersSQL string

//go:embed derive_events.sql
var deriveEventsSQL string

//go:embed derive_refund_events.sql
var deriveRefundEventsSQL string

// teller is a payment that may tell of money which another platform's record counts for.
type teller struct {
	Platform, Account, ID string
	Bears                 *string // the id of another platform
	Member                *string
}

// deriveEvents links the payments that the batch's records can link. Where the tenant has one platform, a live commit
// costs nothing more: deriveLinks has found out on its way.
func (m *merging) deriveEvents(b *canonical.Batch) {
	if len(b.Transactions)+len(b.Invoices)+len(b.Allocations)+len(b.Orders) == 0 {
		return
	}
	names := namesOf(b)
	link := func() {
		m.eventSources(b.Source.Livemode, func(all []canonical.Source) { m.linkTellers(b, names, all) })
	}
	if m.passing || len(names.own)+len(names.orders) > 0 {
		link()
		return
	}
	m.then(func() {
		if m.several {
			link()
		}
	})
}

// eventSources has the sources of one mode whose money the tenant knows of, where they are of several platforms.
func (m *merging) eventSources(livemode bool, then func([]canonical.Source)) {
	var all []canonical.Source
	m.query("transactions", eventSourcesSQL, []any{m.ids[0], livemode}, func(rows pgx.Rows) (err error) {
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[canonical.Source])
		return err
	})
	m.then(func() {
		if slices.ContainsFunc(all, func(s canonical.Source) bool { return s.Platform != all[0].Platform }) {
			then(all)
		}
	})
}

// names are those under which records of several platforms may know of each other.
type names struct {
	shared []string // ids of the batch that another platform's record may bear
	own    []string // payments that may bear one, and
	orders []string // orders
	origin []string // what others call the payments, as their metadata tell
}

func namesOf(b *canonical.Batch) names {
	n := names{shared: []string{}, own: []string{}, orders: []string{}, origin: []string{}}
	add := func(ids ...*string) {
		for _, id := range ids {
			if id != nil {
				n.shared = append(n.shared, *id)
			}
		}
	}
	for i := range b.Transactions {
		t := &b.Transactions[i]
		if t.LinksTold || t.ForeignID != nil || t.OrderSourceID != nil {
			n.own = append(n.own, t.SourceID)
			if t.Kind == "refund" && t.ParentSourceID != nil {
				n.own = append(n.own, *t.ParentSourceID)
			}
			continue
		}
		add(&t.SourceID, t.ParentSourceID, t.IntentSourceID, t.InvoiceSourceID)
		if t.OriginID != nil {
			n.origin = append(n.origin, *t.OriginID)
		}
	}
	for i := range b.Invoices {
		v := &b.Invoices[i]
		add(&v.SourceID, v.PaymentSourceID, v.IntentSourceID)
	}
	for i := range b.Allocations {
		a := &b.Allocations[i]
		add(a.InvoiceSourceID, a.PaymentSourceID, a.IntentSourceID)
	}
	for i := range b.Orders {
		n.orders = append(n.orders, b.Orders[i].SourceID)
	}
	return n
}

// linkTellers finds the payments in question and derives what they tell of. Two commits of which one brings a payment and the
// other what it bears take turns: the second finds what the first has written.
func (m *merging) linkTellers(b *canonical.Batch, n names, all []canonical.Source) {
	others := beside(b.Source, all)
	var found []teller
	args := slices.Concat(m.ids[:4], []any{n.shared, n.own, n.orders, others.platforms, others.accounts, n.origin})
	m.query("transactions", eventTellersSQL, args, func(rows pgx.Rows) (err error) {
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[teller])
		return err
	})
	m.then(func() {
		bySource := map[canonical.Source][]string{}
		var contended []string
		for _, t := range found {
			src := canonical.Source{Platform: t.Platform, AccountID: t.Account, Livemode: b.Source.Livemode}
			bySource[src] = append(bySource[src], t.ID)
			if t.Member != nil && !m.passing {
				m.result.Tellers = append(m.result.Tellers, Whose{src, *t.Member})
			}
			if t.Bears != nil {
				contended = append(contended, *t.Bears)
			}
		}
		if len(contended) > 0 && !m.passing {
			lockMembers(m.tx, contended)
		}
		for _, src := range all {
			if ids := bySource[src]; len(ids) > 0 {
				m.tx.Queue(narrowed(deriveEventsSQL), eventArgs(m.tx, src, ids, all)...)
				m.tx.Queue(narrowed(deriveRefundEventsSQL), append(identityOf(m.tx.Tenant, src), ids)...)
			}
		}
	})
}

// sources are the platforms and accounts of several, as parameters.
type sources struct{ platforms, accounts []string }

// beside are those of another platform than src.
func beside(src canonical.Source, all []canonical.Source) sources {
	out := sources{platforms: []string{}, accounts: []string{}}
	for _, s := range all {
		if s.Platform != src.Platform {
			out.platforms, out.accounts = append(out.platforms, s.Platform), append(out.accounts, s.AccountID)
		}
	}
	return out
}

// eventArgs are the parameters of derive_events.sql; ids nil means all.
func eventArgs(tx *postgres.TenantTx, src canonical.Source, ids []string, all []canonical.Source) []any {
	others := beside(src, all)
	return append(identityOf(tx.Tenant, src), ids, others.platforms, others.accounts)
}

// deriveAllEvents links all payments of the tenant, whichever platform has them.
func deriveAllEvents(ctx context.Context, tx *postgres.TenantTx, livemode bool) error {
	all, err := eventSources(ctx, tx, livemode)
	if err != nil {
		return err
	}
	// Each row looks up a few by their keys, whatever the tables' statistics say by now.
	if _, err := tx.Exec(ctx, `SET LOCAL enable_seqscan = off`); err != nil {
		return fmt.Errorf("warehouse: link the payments: %w", err)
	}
	for _, src := range all {
		if len(beside(src, all).platforms) == 0 {
			continue
		}
		_, err := tx.Exec(ctx, deriveEventsSQL, append([]any{pgx.QueryExecModeDescribeExec}, eventArgs(tx, src, nil, all)...)...)
		if err == nil {
			_, err = tx.Exec(ctx, deriveRefundEventsSQL, append([]any{pgx.QueryExecModeDescribeExec}, append(identityOf(tx.Tenant, src), []string(nil))...)...)
		}
		if err != nil {
			return fmt.Errorf("warehouse: link the payments: %w", err)
		}
	}
	return nil
}

func eventSources(ctx context.Context, tx *postgres.TenantTx, livemode bool) ([]canonical.Source, error) {
	rows, err := tx.Query(ctx, eventSourcesSQL, tx.Tenant, livemode)
	if err != nil {
		return nil, fmt.Errorf("warehouse: look who tells of money: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[canonical.Source])
	if err != nil {
		return nil, fmt.Errorf("warehouse: look who tells of money: %w", err)
	}
	return all, nil
}
