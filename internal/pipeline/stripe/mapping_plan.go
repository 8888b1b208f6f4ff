package stripe

import "memberintel/internal/canonical"

func (m *mapper) product(head canonical.Head) {
	p := m.top
	head.CreatedAt, head.UpdatedAt = p.mustTime("created"), p.time("updated")
	m.out.Batch.Plans = []canonical.Plan{{
		Head:        head,
		Level:       "product",
		Name:        p.text("name"),
		Description: p.text("description"),
		Active:      p.mustFlag("active"),
		Metadata:    p.metadata(),
	}}
}

func (m *mapper) price(head canonical.Head) {
	m.out.Batch.Plans = []canonical.Plan{m.plan(head, m.top)}
}

// plan maps a price, alone or within a subscription's item.
func (m *mapper) plan(head canonical.Head, price *object) canonical.Plan {
	head.CreatedAt = price.mustTime("created")
	billing := price.mustOneOf("type", "one_time", "recurring")
	t := priceTerms(price)
	if billing == "recurring" && t.intervalUnit == nil {
		price.refuse("recurring", kindOf(price.get("recurring")), "an object, because the price is recurring")
	}
	return canonical.Plan{
		Head:              head,
		Level:             "price",
		ProductSourceID:   t.product,
		Name:              price.text("nickname"),
		Active:            price.mustFlag("active"),
		BillingType:       &billing,
		AmountMinor:       t.amount,
		UnitAmountDecimal: t.decimal,
		Currency:          t.currency,
		IntervalUnit:      t.intervalUnit,
		IntervalCount:     t.intervalCount,
		UsageType:         t.usage,
		BillingScheme:     t.scheme,
		Metadata:          price.metadata(),
	}
}

// terms are what a price asks for. The amount is nil for tiers and where the payer chooses, and where the unit
// costs less than one minor unit the decimal alone tells it.
type terms struct {
	id, product, currency, decimal *string
	amount                         *int64
	intervalUnit, usage, scheme    *string
	intervalCount                  *int32
}

// priceTerms reads a price. Credits make prices below nothing, so the amount may be negative.
func priceTerms(price *object) terms {
	t := terms{
		product: price.ref("product"), amount: price.amount("unit_amount", minMoney), decimal: price.decimal("unit_amount_decimal"),
		scheme: price.oneOf("billing_scheme", "per_unit", "tiered"),
	}
	t.name(price)
	if recurring := price.child("recurring"); recurring != nil {
		t.interval(recurring)
	}
	return t
}

// planTerms reads a plan, the older form of a recurring price.
func planTerms(plan *object) terms {
	t := terms{
		product: plan.ref("product"), amount: plan.amount("amount", minMoney), decimal: plan.decimal("amount_decimal"),
		scheme: plan.oneOf("billing_scheme", "per_unit", "tiered"),
	}
	t.name(plan)
	t.interval(plan)
	return t
}

func (t *terms) name(o *object) {
	id, currency := o.mustID("id"), o.mustCurrency("currency")
	t.id, t.currency = &id, &currency
}

func (t *terms) interval(o *object) {
	unit := o.mustOneOf("interval", "day", "week", "month", "year")
	t.intervalUnit = &unit
	t.intervalCount = o.count("interval_count", 1)
	if t.intervalCount == nil {
		o.refuse("interval_count", kindOf(o.get("interval_count")), "a small whole number")
	}
	t.usage = o.oneOf("usage_type", "licensed", "metered")
}
