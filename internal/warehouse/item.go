package warehouse

import (
	_ "embed"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/canonical"
)

//go:embed item_gone.sql
var itemGoneSQL string

//go:embed item_first.sql
var itemFirstSQL string

//go:embed item_history.sql
var itemHistorySQL string

// adoptItems brings the items of the subscriptions that were written into line with them: the ones present
// are written, the ones absent buried, and what changed in their worth is appended to the history. The
// subscription's own row is locked by then, so nobody else does the same at the same time.
func (w *Warehouse) adoptItems(m *merging, subs []canonical.Subscription, written map[key]bool) {
	if m.err != nil || len(written) == 0 {
		return
	}
	var kept []canonical.Subscription
	var parents, present []string
	for _, s := range subs {
		if !written[key{id: s.SourceID}] {
			continue
		}
		parents = append(parents, s.SourceID)
		if s.Deleted == "" {
			kept = append(kept, s)
		}
	}
	items := latest(&w.items, itemsOf(kept))
	for i := range items {
		present = append(present, items[i].SourceID)
	}
	if len(items) > 0 {
		m.tx.Queue(w.items.sql.adopt, append(m.ids[:4:4], w.items.arrays(items)...)...)
	}
	m.keepHistory(parents, present)
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
