package stripe

type intent struct {
	id, customer, currency, status, description, charge, invoice, method, failure, email string
	created, amount, received, canceledAt                                                int64
	metadata                                                                             metadata
}

func (p *intent) head() (string, string, int64) { return "payment_intents", p.id, p.created }

func (p *intent) facts() facts {
	return facts{customer: p.customer, status: p.status, currency: p.currency}
}

func (p *intent) render(e *enc, v view) {
	e.begin('{')
	e.str("id", p.id)
	e.str("object", "payment_intent")
	e.num("amount", p.amount)
	e.num("amount_capturable", 0)
	e.open("amount_details")
	e.emptyObject("tip")
	e.close()
	e.num("amount_received", p.received)
	e.null("application", "application_fee_amount", "automatic_payment_methods")
	e.stamp("canceled_at", p.canceledAt)
	e.null("cancellation_reason")
	e.str("capture_method", "automatic")
	e.str("client_secret", p.id+"_secret_"+p.id[len(p.id)-8:])
	e.str("confirmation_method", "automatic")
	e.num("created", p.created)
	e.str("currency", p.currency)
	v.ref(e, "customer", p.customer)
	if v.shape == shapeDahlia {
		e.null("customer_account")
	}
	e.text("description", p.description)
	if v.shape == shapeDahlia {
		e.null("excluded_payment_method_types")
	}
	if v.shape == shapeOld {
		v.ref(e, "invoice", p.invoice)
	}
	if p.failure == "" {
		e.null("last_payment_error")
	} else {
		e.open("last_payment_error")
		e.text("charge", p.charge)
		e.str("code", "card_declined")
		e.str("decline_code", p.failure)
		e.str("doc_url", "https://stripe.com/docs/error-codes/card-declined")
		e.str("message", declined(p.failure))
		e.str("type", "card_error")
		e.close()
	}
	v.ref(e, "latest_charge", p.charge)
	e.flag("livemode", v.a.livemode)
	if v.shape == shapeDahlia {
		e.null("managed_payments")
	}
	p.metadata.render(e, "metadata")
	e.null("next_action", "on_behalf_of")
	e.text("payment_method", p.method)
	e.null("payment_method_configuration_details")
	e.open("payment_method_options")
	e.open("card")
	e.null("installments", "mandate_options", "network")
	e.str("request_three_d_secure", "automatic")
	e.close()
	e.close()
	e.strings("payment_method_types", "card")
	e.null("processing")
	e.text("receipt_email", p.email)
	e.null("review")
	if p.invoice == "" {
		e.null("setup_future_usage")
	} else {
		e.str("setup_future_usage", "off_session")
	}
	e.null("shipping", "source", "statement_descriptor", "statement_descriptor_suffix")
	e.str("status", p.status)
	e.null("transfer_data", "transfer_group")
	e.close()
}
