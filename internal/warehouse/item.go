package warehouse

import (
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/canonical"
)

//go:embed item_gone.sql
var itemGoneSQL string

//go:embed item_first.sql
var itemFirstSQL string

//go:embed item_new.sql
var itemNewSQL string

//go:embed item_history.sql
var itemHistorySQL string

// adoptItems brings the items of the subscriptions that were written into line with them: the ones present
// are written, the ones absent buried, and what changed in their worth is appended to the history. The
// subscription's own row is locked by then, so nobody else does the same at the same time.
func (w *Warehouse) adoptItems(m *merging, subs []canonical.Subscription, written map[key]bool) {
	if m.err != nil || len(written) == 0 {
		return
	}
	var living []canonical.Subscription
	var parents, present []string
	fresh := map[string]*canonical.Subscription{}
	for i := range subs {
		s := &subs[i]
		if !written[key{id: s.SourceID}] {
			continue
		}
		if s.Deleted == "" {
			living = append(living, *s)
		}
		if s.Deleted == "" && m.fresh[Ref{w.subscriptions.name, s.SourceID}] {
			fresh[s.SourceID] = s
		} else {
			parents = append(parents, s.SourceID)
		}
	}
	var opened []itemRecord
	items := latest(&w.items, itemsOf(living))
	for i := range items {
		if fresh[items[i].subscriptionSourceID] != nil {
			opened = append(opened, items[i])
		} else {
			present = append(present, items[i].SourceID)
		}
	}
	m.adopt(&w.items, items)
	m.openHistory(opened, fresh)
	if len(parents) > 0 {
		m.keepHistory(parents, present)
	}
}

func (m *merging) adopt(t *table[itemRecord], items []itemRecord) {
	if len(items) >= stageFrom {
		m.fail(t.name, m.stageRows(t.sql.makeStage, t.sql.stage, t.columnNames(), newRowSource(t, items)))
		m.tx.Queue(t.sql.adoptStaged, m.ids...)
	} else if len(items) > 0 {
		m.tx.Queue(t.sql.adopt, append(m.ids[:4:4], t.arrays(items)...)...)
	}
}

// openHistory begins the history of the items of subscriptions that are new: there is nothing to compare with, unless
// an item was another's before.
func (m *merging) openHistory(items []itemRecord, subs map[string]*canonical.Subscription) {
	if len(items) == 0 {
		return
	}
	of := func(i int) *canonical.Subscription { return subs[items[i].subscriptionSourceID] }
	columns := []any{
		each(items, func(i int) string { return items[i].SourceID }),
		each(items, func(i int) string { return of(i).SourceID }),
		each(items, func(i int) *string { return of(i).MemberSourceID }),
		each(items, func(i int) *string { return items[i].PlanSourceID }),
		each(items, func(i int) *int64 { return items[i].Quantity }),
		each(items, func(i int) string { return of(i).Status }),
		each(items, func(i int) string { return of(i).NativeStatus }),
		each(items, func(i int) time.Time { return of(i).Observed.From }),
		each(items, func(i int) *string { return items[i].UnitAmountDecimal }),
		each(items, func(i int) *int64 { return items[i].UnitAmountMinor }),
		each(items, func(i int) *string { return items[i].IntervalUnit }),
		each(items, func(i int) *int32 { return items[i].IntervalCount }),
		each(items, func(i int) *string { return items[i].Currency }),
	}
	opened := 0
	m.query("subscription_item_history", itemNewSQL, append(m.ids[:4:4], columns...), func(rows pgx.Rows) error {
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		opened = len(ids)
		return err
	})
	m.then(func() {
		if opened < len(items) {
			m.keepHistory(each(items, func(i int) string { return of(i).SourceID }), each(items, func(i int) string { return items[i].SourceID }))
		}
	})
}

func each[V any](items []itemRecord, value func(i int) V) []V {
	out := make([]V, len(items))
	for i := range items {
		out[i] = value(i)
	}
	return out
}

// keepHistory buries the items of the parents that are not present, and appends to the history. Mostly there
// is nothing to bury and nothing to close, which opening the history of new items tells on the way.
func (m *merging) keepHistory(parents, present []string) {
	var changed int
	m.query("subscription_item_history", itemFirstSQL, append(m.ids[:4:4], parents, present), func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&changed}, func() error { return nil })
		return err
	})
	m.then(func() {
		if changed > 0 {
			m.tx.Queue(itemGoneSQL, append(m.ids[:4:4], parents, present)...)
			m.tx.Queue(itemHistorySQL, append(m.ids[:4:4], parents)...)
		}
	})
}
