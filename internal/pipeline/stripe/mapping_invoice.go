package stripe

import "memberintel/internal/canonical"

// invoice maps an invoice, and its payments as allocations where Stripe lists them. Before basil (2025-03-31)
// an invoice named its one payment itself.
func (m *mapper) invoice(head canonical.Head) {
	i := m.top
	head.CreatedAt = first(i.time("created"), i.time("date"))
	if head.CreatedAt == nil {
		i.refuse("created", kindOf(i.get("created")), "whole seconds since 1970")
	}
	steps := i.child("status_transitions")
	status := i.mustOneOf("status", "draft", "open", "paid", "uncollectible", "void")
	inv := canonical.Invoice{
		Head:                 head,
		Number:               i.text("number"),
		MemberSourceID:       i.payer(),
		SubscriptionSourceID: first(i.child("parent").child("subscription_details").ref("subscription"), i.ref("subscription")),
		IntentSourceID:       i.ref("payment_intent"),
		PaymentSourceID:      i.ref("charge"),
		Status:               status,
		NativeStatus:         status,
		BillingReason:        i.text("billing_reason"),
		AmountDueMinor:       i.mustAmount("amount_due", minMoney),
		AmountPaidMinor:      i.mustAmount("amount_paid", 0),
		AmountRemainingMinor: i.mustAmount("amount_remaining", minMoney),
		SubtotalMinor:        i.mustAmount("subtotal", minMoney),
		TotalMinor:           i.mustAmount("total", minMoney),
		AttemptCount:         i.count("attempt_count", 0),
		PeriodStart:          i.time("period_start"),
		PeriodEnd:            i.time("period_end"),
		DueAt:                i.time("due_date"),
		FinalizedAt:          first(steps.time("finalized_at"), i.time("finalized_at")),
		PaidAt:               steps.time("paid_at"),
		VoidedAt:             steps.time("voided_at"),
		NextAttemptAt:        i.time("next_payment_attempt"),
		AllocationsKnown:     m.payments(),
		Metadata:             i.metadata(),
	}
	currency := i.mustCurrency("currency")
	inv.Currency = &currency
	// A draft has no payments yet, and an invoice of nothing never will.
	if inv.AllocationsKnown == nil && status != "draft" && (inv.AmountDueMinor > 0 || inv.AmountPaidMinor > 0) {
		m.out.Incomplete = IncompletePayments
	}
	m.out.Batch.Invoices = []canonical.Invoice{inv}
}

// payments maps the payments that the invoice lists and tells whether they are known: listed whole, or the
// invoice is of the shape that names its payment, if only with null.
func (m *mapper) payments() *bool {
	known := true
	if _, listed := m.top.said("payments"); !listed {
		if m.top.has("charge") || m.top.has("payment_intent") {
			return &known
		}
		return nil
	}
	payments, truncated := m.top.list("payments")
	seen := make(map[string]bool, len(payments))
	for _, p := range payments {
		p.mustOneOf("object", "invoice_payment")
		head := m.head(withoutSecrets(bytesOf(p.raw)))
		head.SourceID, head.Deleted = p.mustNewID(seen), ""
		m.allocation(head, p)
	}
	if truncated {
		m.out.Incomplete = IncompletePayments
		return nil
	}
	return &known
}

// allocation maps an invoice's payment. A payment made outside Stripe is a payment record, which is neither a
// payment nor an intent of the warehouse.
func (m *mapper) allocation(head canonical.Head, p *object) {
	head.CreatedAt = p.mustTime("created")
	status := p.mustOneOf("status", "open", "paid", "canceled")
	currency := p.mustCurrency("currency")
	alloc := canonical.PaymentAllocation{
		Head:            head,
		InvoiceSourceID: p.ref("invoice"),
		AmountMinor:     p.amount("amount_paid", 0),
		Currency:        &currency,
		IsDefault:       p.flag("is_default"),
		Status:          status,
		NativeStatus:    status,
		PaidAt:          p.child("status_transitions").time("paid_at"),
	}
	if payment := p.child("payment"); payment != nil {
		payment.mustOneOf("type", "payment_intent", "charge", "payment_record")
		alloc.PaymentSourceID, alloc.IntentSourceID = payment.ref("charge"), payment.ref("payment_intent")
	}
	if alloc.InvoiceSourceID == nil {
		p.refuse("invoice", kindOf(p.get("invoice")), "an invoice")
	}
	m.out.Batch.Allocations = append(m.out.Batch.Allocations, alloc)
}
