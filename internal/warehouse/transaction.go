package warehouse

import (
	"time"

	"memberintel/internal/canonical"
)

func transactions() table[canonical.Transaction] {
	type t = canonical.Transaction
	return build(table[t]{name: "transactions", key: "kind", variant: "kind", head: func(r *t) *canonical.Head { return &r.Head }, columns: []column[t]{
		plain("kind", func(r *t) string { return r.Kind }),
		text("member_source_id", func(r *t) *string { return r.MemberSourceID }).keptWhere("links_told", false),
		text("subscription_source_id", func(r *t) *string { return r.SubscriptionSourceID }).keptWhere("links_told", false),
		text("invoice_source_id", func(r *t) *string { return r.InvoiceSourceID }).keptWhere("links_told", false),
		boolean("links_told", func(r *t) bool { return r.LinksTold }),
		text("parent_source_id", func(r *t) *string { return r.ParentSourceID }),
		text("intent_source_id", func(r *t) *string { return r.IntentSourceID }),
		text("settlement_source_id", func(r *t) *string { return r.SettlementSourceID }),
		text("plan_source_id", func(r *t) *string { return r.PlanSourceID }),
		foreign("foreign_id", func(r *t) *string { return r.ForeignID }),
		text("order_source_id", func(r *t) *string { return r.OrderSourceID }),
		text("gateway", func(r *t) *string { return r.Gateway }),
		flag("test", func(r *t) *bool { return r.Test }).lasting(),
		text("origin_id", func(r *t) *string { return r.OriginID }),
		text("origin_site", func(r *t) *string { return r.OriginSite }),
		text("origin_platform", func(r *t) *string { return r.OriginPlatform }),
		boolean("gives_access", func(r *t) bool { return r.GivesAccess }),
		moment("access_until", func(r *t) *time.Time { return r.AccessUntil }),
		boolean("lifetime", func(r *t) bool { return r.Lifetime }),
		amount("amount_minor", func(r *t) int64 { return r.AmountMinor }),
		plain("currency", func(r *t) string { return r.Currency }),
		bigint("settlement_amount_minor", func(r *t) *int64 { return r.SettlementAmountMinor }).kept("settlement_source_id"),
		text("settlement_currency", func(r *t) *string { return r.SettlementCurrency }).kept("settlement_source_id"),
		bigint("fee_minor", func(r *t) *int64 { return r.FeeMinor }).kept("settlement_source_id"),
		bigint("net_minor", func(r *t) *int64 { return r.NetMinor }).kept("settlement_source_id"),
		plain("status", func(r *t) string { return r.Status }),
		plain("native_status", func(r *t) string { return r.NativeStatus }),
		moment("occurred_at", func(r *t) *time.Time { return r.OccurredAt }),
		text("failure_code", func(r *t) *string { return r.FailureCode }),
		text("reason", func(r *t) *string { return r.Reason }),
		text("description", func(r *t) *string { return r.Description }),
		metadata(func(r *t) []byte { return r.Metadata }),
	}})
}
