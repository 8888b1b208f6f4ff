package warehouse

import (
	"time"

	"memberintel/internal/canonical"
)

func invoices() table[canonical.Invoice] {
	type i = canonical.Invoice
	return build(table[i]{name: "invoices", head: func(r *i) *canonical.Head { return &r.Head }, columns: []column[i]{
		text("number", func(r *i) *string { return r.Number }),
		text("member_source_id", func(r *i) *string { return r.MemberSourceID }),
		text("subscription_source_id", func(r *i) *string { return r.SubscriptionSourceID }),
		text("intent_source_id", func(r *i) *string { return r.IntentSourceID }),
		text("payment_source_id", func(r *i) *string { return r.PaymentSourceID }),
		plain("status", func(r *i) string { return r.Status }),
		plain("native_status", func(r *i) string { return r.NativeStatus }),
		text("billing_reason", func(r *i) *string { return r.BillingReason }),
		text("currency", func(r *i) *string { return r.Currency }),
		amount("amount_due_minor", func(r *i) int64 { return r.AmountDueMinor }),
		amount("amount_paid_minor", func(r *i) int64 { return r.AmountPaidMinor }),
		amount("amount_remaining_minor", func(r *i) int64 { return r.AmountRemainingMinor }),
		amount("subtotal_minor", func(r *i) int64 { return r.SubtotalMinor }),
		amount("total_minor", func(r *i) int64 { return r.TotalMinor }),
		integer("attempt_count", func(r *i) *int32 { return r.AttemptCount }),
		moment("period_start", func(r *i) *time.Time { return r.PeriodStart }),
		moment("period_end", func(r *i) *time.Time { return r.PeriodEnd }),
		moment("due_at", func(r *i) *time.Time { return r.DueAt }),
		moment("finalized_at", func(r *i) *time.Time { return r.FinalizedAt }),
		moment("paid_at", func(r *i) *time.Time { return r.PaidAt }),
		moment("voided_at", func(r *i) *time.Time { return r.VoidedAt }),
		moment("next_attempt_at", func(r *i) *time.Time { return r.NextAttemptAt }),
		{name: "allocations_known", typ: "boolean", sticky: true, ours: true, value: func(r *i) any { return r.AllocationsKnown }},
		metadata(func(r *i) []byte { return r.Metadata }),
	}})
}
