package warehouse

import (
	"time"

	"memberintel/internal/canonical"
)

func subscriptions() table[canonical.Subscription] {
	type s = canonical.Subscription
	return build(table[s]{name: "subscriptions", historic: true, head: func(r *s) *canonical.Head { return &r.Head }, columns: []column[s]{
		text("member_source_id", func(r *s) *string { return r.MemberSourceID }),
		text("plan_source_id", func(r *s) *string { return r.PlanSourceID }),
		text("product_source_id", func(r *s) *string { return r.ProductSourceID }),
		plain("status", func(r *s) string { return r.Status }).settledWith("told_status", "access_derived"),
		text("told_status", toldStatus),
		plain("native_status", func(r *s) string { return r.NativeStatus }),
		text("currency", func(r *s) *string { return r.Currency }),
		moment("current_period_start", func(r *s) *time.Time { return r.CurrentPeriodStart }),
		moment("current_period_end", func(r *s) *time.Time { return r.CurrentPeriodEnd }),
		moment("started_at", func(r *s) *time.Time { return r.StartedAt }),
		moment("cancel_at", func(r *s) *time.Time { return r.CancelAt }),
		boolean("cancel_at_period_end", func(r *s) bool { return r.CancelAtPeriodEnd }),
		moment("canceled_at", func(r *s) *time.Time { return r.CanceledAt }),
		moment("ended_at", func(r *s) *time.Time { return r.EndedAt }),
		moment("trial_start", func(r *s) *time.Time { return r.TrialStart }),
		moment("trial_end", func(r *s) *time.Time { return r.TrialEnd }),
		moment("access_until", func(r *s) *time.Time { return r.AccessUntil }).keptWhere("access_derived", true),
		boolean("access_derived", func(r *s) bool { return r.AccessDerived }),
		foreign("foreign_id", func(r *s) *string { return r.ForeignID }),
		text("gateway", func(r *s) *string { return r.Gateway }),
		flag("test", func(r *s) *bool { return r.Test }).lasting(),
		boolean("collection_paused", func(r *s) bool { return r.CollectionPaused }),
		plain("items_digest", func(r *s) string { return r.ItemsDigest }),
		metadata(func(r *s) []byte { return r.Metadata }),
	}})
}

// toldStatus is the source's word where the row's status follows from it and from more.
func toldStatus(s *canonical.Subscription) *string {
	if !s.AccessDerived {
		return nil
	}
	return emptyAsNil(&s.Status)
}

// itemRecord is an item with the observation of the subscription that it came in.
type itemRecord struct {
	canonical.SubscriptionItem
	head                 canonical.Head
	subscriptionSourceID string
}

func subscriptionItems() table[itemRecord] {
	type i = itemRecord
	return build(table[i]{name: "subscription_items", head: func(r *i) *canonical.Head { return &r.head }, columns: []column[i]{
		plain("subscription_source_id", func(r *i) string { return r.subscriptionSourceID }),
		text("plan_source_id", func(r *i) *string { return r.PlanSourceID }),
		text("product_source_id", func(r *i) *string { return r.ProductSourceID }),
		bigint("quantity", func(r *i) *int64 { return r.Quantity }),
		bigint("unit_amount_minor", func(r *i) *int64 { return r.UnitAmountMinor }),
		numeric("unit_amount_decimal", func(r *i) *string { return r.UnitAmountDecimal }),
		text("currency", func(r *i) *string { return r.Currency }),
		text("interval_unit", func(r *i) *string { return r.IntervalUnit }),
		integer("interval_count", func(r *i) *int32 { return r.IntervalCount }),
		text("usage_type", func(r *i) *string { return r.UsageType }),
		text("billing_scheme", func(r *i) *string { return r.BillingScheme }),
		moment("period_start", func(r *i) *time.Time { return r.PeriodStart }),
		moment("period_end", func(r *i) *time.Time { return r.PeriodEnd }),
		metadata(func(r *i) []byte { return r.Metadata }),
	}})
}

// itemsOf lists the items of the subscriptions, each under its subscription's observation.
func itemsOf(subs []canonical.Subscription) []itemRecord {
	var items []itemRecord
	for i := range subs {
		s := &subs[i]
		for _, item := range s.Items {
			head := s.Head
			head.SourceID, head.Raw, head.CreatedAt, head.UpdatedAt = item.SourceID, item.Raw, item.CreatedAt, nil
			items = append(items, itemRecord{SubscriptionItem: item, head: head, subscriptionSourceID: s.SourceID})
		}
	}
	return items
}
