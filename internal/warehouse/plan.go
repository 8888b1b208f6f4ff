package warehouse

import "memberintel/internal/canonical"

func plans() table[canonical.Plan] {
	type p = canonical.Plan
	return build(table[p]{name: "plans", variant: "level", reusable: true, head: func(r *p) *canonical.Head { return &r.Head }, columns: []column[p]{
		plain("level", func(r *p) string { return r.Level }),
		text("product_source_id", func(r *p) *string { return r.ProductSourceID }),
		text("name", func(r *p) *string { return r.Name }),
		text("description", func(r *p) *string { return r.Description }),
		boolean("active", func(r *p) bool { return r.Active }),
		text("billing_type", func(r *p) *string { return r.BillingType }),
		bigint("amount_minor", func(r *p) *int64 { return r.AmountMinor }),
		numeric("unit_amount_decimal", func(r *p) *string { return r.UnitAmountDecimal }),
		text("currency", func(r *p) *string { return r.Currency }),
		text("interval_unit", func(r *p) *string { return r.IntervalUnit }),
		integer("interval_count", func(r *p) *int32 { return r.IntervalCount }),
		text("usage_type", func(r *p) *string { return r.UsageType }),
		text("billing_scheme", func(r *p) *string { return r.BillingScheme }),
		metadata(func(r *p) []byte { return r.Metadata }),
	}})
}
