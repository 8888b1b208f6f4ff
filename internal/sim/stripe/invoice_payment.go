package stripe

// invoicePayment is a payment towards an invoice, which takes the place of invoice.charge since basil.
type invoicePayment struct {
	id, invoice, intent, currency, status string
	created, requested, paid, paidAt      int64
	canceledAt                            int64
}

func (p *invoicePayment) head() (string, string, int64) { return "invoice_payments", p.id, p.created }

func (p *invoicePayment) facts() facts {
	return facts{invoice: p.invoice, intent: p.intent, status: p.status, currency: p.currency}
}

func (p *invoicePayment) render(e *enc, v view) {
	e.begin('{')
	e.str("id", p.id)
	e.str("object", "invoice_payment")
	if p.status == "paid" {
		e.num("amount_paid", p.paid)
	} else {
		e.null("amount_paid")
	}
	e.num("amount_requested", p.requested)
	e.num("created", p.created)
	e.str("currency", p.currency)
	v.ref(e, "invoice", p.invoice)
	e.flag("is_default", true)
	e.flag("livemode", v.a.livemode)
	e.open("payment")
	v.inside("payment").ref(e, "payment_intent", p.intent)
	e.str("type", "payment_intent")
	e.close()
	e.str("status", p.status)
	e.open("status_transitions")
	e.stamp("canceled_at", p.canceledAt)
	e.stamp("paid_at", p.paidAt)
	e.close()
	e.close()
}
