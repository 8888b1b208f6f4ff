package stripe

import (
	"time"

	"memberintel/internal/canonical"
)

// subscription maps a subscription with its items. Periods stand on the items since basil (2025-03-31) and on
// the subscription before that; the oldest accounts show one plan and a quantity in place of items.
func (m *mapper) subscription(head canonical.Head) {
	s := m.top
	head.CreatedAt = s.mustTime("created")
	native := s.mustOneOf("status",
		"incomplete", "incomplete_expired", "trialing", "active", "past_due", "unpaid", "paused", "canceled")
	sub := canonical.Subscription{
		Head:              head,
		MemberSourceID:    s.payer(),
		Status:            subscriptionStatus(native),
		NativeStatus:      native,
		Currency:          s.currency("currency"),
		StartedAt:         first(s.time("start_date"), s.time("start")),
		CancelAt:          s.time("cancel_at"),
		CancelAtPeriodEnd: s.flag("cancel_at_period_end"),
		CanceledAt:        s.time("canceled_at"),
		EndedAt:           s.time("ended_at"),
		TrialStart:        s.time("trial_start"),
		TrialEnd:          s.time("trial_end"),
		CollectionPaused:  s.child("pause_collection") != nil,
		Metadata:          s.metadata(),
		Items:             m.items(),
	}
	m.summarize(&sub)
	sub.ItemsDigest = itemsDigest(sub.Items)
	m.out.Batch.Subscriptions = []canonical.Subscription{sub}
}

// payer returns the customer, who may be missing only where an account of Stripe's newer kind pays.
func (o *object) payer() *string {
	id := o.ref("customer")
	if _, account := o.said("customer_account"); id == nil && !account {
		o.refuse("customer", kindOf(o.get("customer")), "a customer, or a customer_account beside it")
	}
	return id
}

// subscriptionStatus is the table of native to canonical states. What is unpaid is past due for good; the
// native state tells the two apart.
func subscriptionStatus(native string) string {
	switch native {
	case "incomplete":
		return "pending"
	case "incomplete_expired":
		return "expired"
	case "unpaid":
		return "past_due"
	}
	return native
}

// items maps the items, and the prices shown within them as plans of their own.
func (m *mapper) items() []canonical.SubscriptionItem {
	s := m.top
	if !s.has("items") {
		return m.onlyItem()
	}
	if _, there := s.said("items"); !there {
		s.refuse("items", "null", "a list")
		return nil
	}
	elements, truncated := s.list("items")
	if truncated {
		m.out.Incomplete = IncompleteItems
	}
	items := make([]canonical.SubscriptionItem, 0, len(elements))
	seen := make(map[string]bool, 2*len(elements))
	for _, e := range elements {
		id := e.mustNewID(seen)
		var t terms
		if price := e.child("price"); price != nil {
			price.mustOneOf("object", "price")
			t = priceTerms(price)
			if t.id != nil && !seen[*t.id] {
				seen[*t.id] = true
				m.shownPrice(*t.id, price)
			}
		} else if plan := e.child("plan"); plan != nil {
			t = planTerms(plan)
		} else {
			e.refuse("price", kindOf(e.get("price")), "a price, or a plan beside it")
		}
		item := newItem(id, bytesOf(e.raw), e, t)
		item.CreatedAt, item.Metadata = e.time("created"), e.metadata()
		item.PeriodStart = first(e.time("current_period_start"), s.time("current_period_start"))
		item.PeriodEnd = first(e.time("current_period_end"), s.time("current_period_end"))
		items = append(items, item)
	}
	return items
}

// shownPrice adds a price that stands in full within an item: the lists hide those made for one subscription.
func (m *mapper) shownPrice(id string, price *object) {
	head := m.head(bytesOf(price.raw))
	head.SourceID, head.Reusable, head.Deleted = id, true, ""
	plan := m.plan(head, price)
	plan.Mentioned = true
	m.out.Batch.Plans = append(m.out.Batch.Plans, plan)
}

// onlyItem is the one item of a subscription of the oldest shape. It has no id of its own, so it has the
// subscription's.
func (m *mapper) onlyItem() []canonical.SubscriptionItem {
	s := m.top
	plan := s.child("plan")
	if plan == nil {
		s.refuse("items", "nothing", "a list of items, or one plan in its place")
		return nil
	}
	item := newItem(m.r.id, bytesOf(plan.raw), s, planTerms(plan))
	item.CreatedAt, item.Metadata = s.time("created"), []byte("{}")
	item.PeriodStart, item.PeriodEnd = s.time("current_period_start"), s.time("current_period_end")
	return []canonical.SubscriptionItem{item}
}

func newItem(id string, raw []byte, bearer *object, t terms) canonical.SubscriptionItem {
	return canonical.SubscriptionItem{
		SourceID:          id,
		Raw:               raw,
		PlanSourceID:      t.id,
		ProductSourceID:   t.product,
		Quantity:          bearer.amount("quantity", 0),
		UnitAmountMinor:   t.amount,
		UnitAmountDecimal: t.decimal,
		Currency:          t.currency,
		IntervalUnit:      t.intervalUnit,
		IntervalCount:     t.intervalCount,
		UsageType:         t.usage,
		BillingScheme:     t.scheme,
	}
}

// summarize fills what the subscription says by its items: the first one's plan, the period whose end is the
// next renewal, and until when the member has paid for access.
func (m *mapper) summarize(sub *canonical.Subscription) {
	start, end := m.top.time("current_period_start"), m.top.time("current_period_end")
	latest := end
	if len(sub.Items) > 0 {
		head := sub.Items[0]
		sub.PlanSourceID, sub.ProductSourceID = head.PlanSourceID, head.ProductSourceID
		sub.Currency = first(sub.Currency, head.Currency)
		start, end, latest = nil, nil, nil
		for _, item := range sub.Items {
			start = pick(start, item.PeriodStart, time.Time.Before)
			end = pick(end, item.PeriodEnd, time.Time.Before)
			latest = pick(latest, item.PeriodEnd, time.Time.After)
		}
	}
	sub.CurrentPeriodStart, sub.CurrentPeriodEnd = start, end
	switch sub.Status {
	case "trialing", "active", "past_due":
		sub.AccessUntil = latest
	case "canceled":
		sub.AccessUntil = first(sub.EndedAt, sub.CanceledAt)
	}
}

// pick returns the one of two moments that is better; nil is none.
func pick(a, b *time.Time, better func(time.Time, time.Time) bool) *time.Time {
	if a == nil || b != nil && better(*b, *a) {
		return b
	}
	return a
}

// first returns the first that is not nil.
func first[T any](values ...*T) *T {
	for _, v := range values {
		if v != nil {
			return v
		}
	}
	return nil
}
