package stripe

import "memberintel/internal/canonical"

// intent maps a payment intent. Before 2022-11-15 it listed its charges, newest first, in place of naming the
// latest; before 2019-02-11 two of its states had other names.
func (m *mapper) intent(head canonical.Head) {
	p := m.top
	head.CreatedAt = p.mustTime("created")
	native := p.mustOneOf("status", "requires_payment_method", "requires_confirmation", "requires_action",
		"requires_source", "requires_source_action", "processing", "requires_capture", "succeeded", "canceled")
	m.out.Batch.PaymentIntents = []canonical.PaymentIntent{{
		Head:                head,
		MemberSourceID:      p.ref("customer"),
		PaymentSourceID:     p.latestCharge(),
		AmountMinor:         p.mustAmount("amount", 0),
		AmountReceivedMinor: p.amount("amount_received", 0),
		Currency:            p.mustCurrency("currency"),
		Status:              intentStatus(native),
		NativeStatus:        native,
		CanceledAt:          p.time("canceled_at"),
		FailureCode:         p.child("last_payment_error").text("code"),
		Description:         p.text("description"),
		Metadata:            p.metadata(),
	}}
}

func (o *object) latestCharge() *string {
	if o.has("latest_charge") {
		return o.ref("latest_charge")
	}
	charges, _ := o.list("charges")
	if len(charges) == 0 {
		return nil
	}
	id := charges[0].mustID("id")
	return &id
}

func intentStatus(native string) string {
	switch native {
	case "processing", "requires_capture", "succeeded", "canceled":
		return native
	}
	return "pending"
}
