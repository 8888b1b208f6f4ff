package memberpress

import (
	"slices"
	"strings"

	"memberintel/internal/canonical"
)

// stream is an entity that is mirrored, and where its records go.
type stream struct {
	entity   string
	table    string
	variants []string // what tells its records apart in the table
}

// streams are in the order in which a pass reads them: members last, since what follows for them from the others is
// written with them then.
func streams() []stream {
	return []stream{
		{products, "plans", []string{"product"}},
		{rules, "content_rules", []string{""}},
		{orders, "orders", []string{""}},
		{subscriptions, "subscriptions", []string{""}},
		{transactions, "transactions", []string{payment, refund, grant}},
		{members, "members", []string{""}},
	}
}

// mirrored names all entities that are mirrored, as the protocol lists them.
func mirrored() string {
	var names []string
	for _, s := range streams() {
		names = append(names, s.entity)
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

func streamOf(entity string) (stream, bool) {
	for _, s := range streams() {
		if s.entity == entity {
			return s, true
		}
	}
	return stream{}, false
}

// tablesOf lists the tables into which an entity is read.
func tablesOf(entity string) []string {
	s, _ := streamOf(entity)
	if entity == subscriptions {
		return []string{s.table, "subscription_items", "subscription_item_history"}
	}
	return []string{s.table}
}

// streamInto returns the stream whose records go into a table.
func streamInto(table string) (stream, bool) {
	for _, s := range streams() {
		if s.table == table || table == "subscription_items" && s.entity == subscriptions {
			return s, true
		}
	}
	return stream{}, false
}

// bury adds the tombstone of a record to a batch.
func bury(b *canonical.Batch, table, variant, id string, at canonical.Observation, how canonical.Deletion) {
	head := canonical.Head{SourceID: id, Observed: at, Deleted: how}
	switch table {
	case "members":
		b.Members = append(b.Members, canonical.Member{Head: head})
	case "plans":
		b.Plans = append(b.Plans, canonical.Plan{Head: head, Level: variant})
	case "subscriptions":
		b.Subscriptions = append(b.Subscriptions, canonical.Subscription{Head: head})
	case "transactions":
		b.Transactions = append(b.Transactions, canonical.Transaction{Head: head, Kind: variant})
	case "orders":
		b.Orders = append(b.Orders, canonical.Order{Head: head})
	case "content_rules":
		b.Rules = append(b.Rules, canonical.Rule{Head: head})
	}
}
