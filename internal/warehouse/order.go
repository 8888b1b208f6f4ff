package warehouse

import "memberintel/internal/canonical"

func orders() table[canonical.Order] {
	type o = canonical.Order
	return build(table[o]{name: "orders", head: func(r *o) *canonical.Head { return &r.Head }, columns: []column[o]{
		text("member_source_id", func(r *o) *string { return r.MemberSourceID }),
		text("transaction_source_id", func(r *o) *string { return r.TransactionSourceID }),
		foreign("foreign_id", func(r *o) *string { return r.ForeignID }),
		plain("status", func(r *o) string { return r.Status }),
		plain("native_status", func(r *o) string { return r.NativeStatus }),
	}})
}
