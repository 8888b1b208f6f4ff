package stripe

type charge struct {
	id, customer, intent, invoice, currency, description, txn, method, failure, name, email string
	created, amount, refunded                                                               int64
	disputed                                                                                bool
	metadata                                                                                metadata
}

func (c *charge) head() (string, string, int64) { return "charges", c.id, c.created }

func (c *charge) status() string {
	if c.failure != "" {
		return "failed"
	}
	return "succeeded"
}

func (c *charge) facts() facts {
	return facts{customer: c.customer, intent: c.intent, status: c.status(), currency: c.currency}
}

func (c *charge) render(e *enc, v view) {
	paid := c.failure == ""
	e.begin('{')
	e.str("id", c.id)
	e.str("object", "charge")
	e.num("amount", c.amount)
	if paid {
		e.num("amount_captured", c.amount)
	} else {
		e.num("amount_captured", 0)
	}
	e.num("amount_refunded", c.refunded)
	e.null("application", "application_fee", "application_fee_amount")
	v.ref(e, "balance_transaction", c.txn)
	e.open("billing_details")
	e.nulls("address", "city", "country", "line1", "line2", "postal_code", "state")
	e.text("email", c.email)
	e.text("name", c.name)
	e.null("phone")
	if v.shape > shapeOld {
		e.null("tax_id")
	}
	e.close()
	e.str("calculated_statement_descriptor", "RIVERSIDE CLUB")
	e.flag("captured", paid)
	e.num("created", c.created)
	e.str("currency", c.currency)
	v.ref(e, "customer", c.customer)
	e.text("description", c.description)
	e.flag("disputed", c.disputed)
	e.null("failure_balance_transaction")
	if paid {
		e.null("failure_code", "failure_message")
	} else {
		e.str("failure_code", "card_declined")
		e.str("failure_message", declined(c.failure))
	}
	e.emptyObject("fraud_details")
	if v.shape == shapeOld {
		v.ref(e, "invoice", c.invoice)
	}
	e.flag("livemode", v.a.livemode)
	c.metadata.render(e, "metadata")
	e.null("on_behalf_of")
	c.outcome(e, paid)
	e.flag("paid", paid)
	v.ref(e, "payment_intent", c.intent)
	e.text("payment_method", c.method)
	c.card(e, v)
	e.text("receipt_email", c.email)
	e.null("receipt_number")
	if paid {
		e.str("receipt_url", "https://pay.stripe.com/receipts/payment/CAcaFwoVYWNjdF8x"+c.id[len(c.id)-18:]+"KI_ei7UGMgZv2S_KfiY6LCJrxC7")
	} else {
		e.null("receipt_url")
	}
	e.flag("refunded", c.refunded >= c.amount)
	if _, want := v.expand["refunds"]; want {
		v.nestedObjects(e, "refunds", "/v1/charges/"+c.id+"/refunds", indexKey{"refunds", "charge", c.id})
	}
	e.null("review", "shipping", "source", "source_transfer", "statement_descriptor", "statement_descriptor_suffix")
	e.str("status", c.status())
	e.null("transfer_data", "transfer_group")
	e.close()
}

func (c *charge) outcome(e *enc, paid bool) {
	e.open("outcome")
	e.null("advice_code", "network_advice_code")
	if paid {
		e.null("network_decline_code")
		e.str("network_status", "approved_by_network")
		e.null("reason")
		e.str("risk_level", "normal")
		e.num("risk_score", 17)
		e.str("seller_message", "Payment complete.")
		e.str("type", "authorized")
	} else {
		e.str("network_decline_code", "51")
		e.str("network_status", "declined_by_network")
		e.str("reason", c.failure)
		e.str("risk_level", "normal")
		e.num("risk_score", 41)
		e.str("seller_message", "The bank returned the decline code `"+c.failure+"`.")
		e.str("type", "issuer_declined")
	}
	e.close()
}

func (c *charge) card(e *enc, v view) {
	e.open("payment_method_details")
	e.open("card")
	e.num("amount_authorized", c.amount)
	if v.shape > shapeOld {
		e.str("authorization_code", c.id[len(c.id)-6:])
	}
	e.str("brand", "visa")
	e.open("checks")
	e.null("address_line1_check", "address_postal_code_check")
	e.str("cvc_check", "pass")
	e.close()
	e.str("country", "US")
	e.num("exp_month", 8)
	e.num("exp_year", 2030)
	for _, part := range [...]struct{ name, status string }{
		{"extended_authorization", "disabled"}, {"incremental_authorization", "unavailable"}, {"multicapture", "unavailable"},
	} {
		e.open(part.name)
		e.str("status", part.status)
		e.close()
	}
	e.str("fingerprint", "AOB934RVNwzk6xtn")
	e.str("funding", "credit")
	e.null("installments")
	e.str("last4", "4242")
	e.null("mandate")
	e.str("network", "visa")
	e.open("network_token")
	e.flag("used", false)
	e.close()
	e.str("network_transaction_id", c.id[len(c.id)-15:])
	e.open("overcapture")
	e.num("maximum_amount_capturable", c.amount)
	e.str("status", "unavailable")
	e.close()
	e.null("regulated_status", "three_d_secure")
	if v.shape == shapeDahlia {
		e.null("transaction_link_id")
	}
	e.null("wallet")
	e.close()
	e.str("type", "card")
	e.close()
}

func declined(code string) string {
	switch code {
	case "insufficient_funds":
		return "Your card has insufficient funds."
	case "expired_card":
		return "Your card has expired."
	}
	return "Your card was declined."
}
