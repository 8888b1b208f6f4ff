package warehouse

import (
	"time"

	"memberintel/internal/canonical"
)

func paymentAllocations() table[canonical.PaymentAllocation] {
	type a = canonical.PaymentAllocation
	return build(table[a]{name: "payment_allocations", head: func(r *a) *canonical.Head { return &r.Head }, columns: []column[a]{
		text("invoice_source_id", func(r *a) *string { return r.InvoiceSourceID }),
		text("payment_source_id", func(r *a) *string { return r.PaymentSourceID }),
		text("intent_source_id", func(r *a) *string { return r.IntentSourceID }),
		bigint("amount_minor", func(r *a) *int64 { return r.AmountMinor }),
		text("currency", func(r *a) *string { return r.Currency }),
		boolean("is_default", func(r *a) bool { return r.IsDefault }),
		plain("status", func(r *a) string { return r.Status }),
		plain("native_status", func(r *a) string { return r.NativeStatus }),
		moment("paid_at", func(r *a) *time.Time { return r.PaidAt }),
	}})
}

func paymentIntents() table[canonical.PaymentIntent] {
	type p = canonical.PaymentIntent
	return build(table[p]{name: "payment_intents", head: func(r *p) *canonical.Head { return &r.Head }, columns: []column[p]{
		text("member_source_id", func(r *p) *string { return r.MemberSourceID }),
		text("payment_source_id", func(r *p) *string { return r.PaymentSourceID }),
		amount("amount_minor", func(r *p) int64 { return r.AmountMinor }),
		bigint("amount_received_minor", func(r *p) *int64 { return r.AmountReceivedMinor }),
		plain("currency", func(r *p) string { return r.Currency }),
		plain("status", func(r *p) string { return r.Status }),
		plain("native_status", func(r *p) string { return r.NativeStatus }),
		moment("canceled_at", func(r *p) *time.Time { return r.CanceledAt }),
		text("failure_code", func(r *p) *string { return r.FailureCode }),
		text("description", func(r *p) *string { return r.Description }),
		metadata(func(r *p) []byte { return r.Metadata }),
	}})
}
