package stripe

import "fmt"

type invoice struct {
	id, customer, subscription, currency, status, number, reason, clock string
	name, email, phone, charge, intent, description                     string
	address                                                             *Address
	created, start, end, finalized, paidAt, voided, uncollectible, next int64
	due, paid, attempts                                                 int64
	lines                                                               []line
	metadata, subscriptionMetadata                                      metadata
}

func (i *invoice) head() (string, string, int64) { return "invoices", i.id, i.created }

func (i *invoice) facts() facts {
	return facts{customer: i.customer, subscription: i.subscription, status: i.status, currency: i.currency}
}

func (i *invoice) total() (sum int64) {
	for _, l := range i.lines {
		sum += l.amount
	}
	return sum
}

func (i *invoice) render(e *enc, v view) {
	old, total := v.shape == shapeOld, i.total()
	e.begin('{')
	if i.id != "" {
		e.str("id", i.id)
	}
	e.str("object", "invoice")
	e.str("account_country", v.a.options.Country)
	e.str("account_name", v.a.options.Name)
	e.null("account_tax_ids")
	e.num("amount_due", i.due)
	if !old {
		e.num("amount_overpaid", 0)
	}
	e.num("amount_paid", i.paid)
	e.num("amount_remaining", max(0, i.due-i.paid))
	e.num("amount_shipping", 0)
	e.null("application")
	if old {
		e.null("application_fee_amount")
	}
	e.num("attempt_count", i.attempts)
	e.flag("attempted", i.attempts > 0)
	e.flag("auto_advance", i.status == "open")
	automaticTax(e, true, v.shape)
	e.null("automatically_finalizes_at")
	e.str("billing_reason", i.reason)
	if old {
		v.ref(e, "charge", i.charge)
	}
	e.str("collection_method", "charge_automatically")
	e.num("created", i.created)
	e.str("currency", i.currency)
	e.null("custom_fields")
	v.ref(e, "customer", i.customer)
	if v.shape == shapeDahlia {
		e.null("customer_account")
	}
	i.address.render(e, "customer_address")
	e.text("customer_email", i.email)
	e.text("customer_name", i.name)
	e.text("customer_phone", i.phone)
	e.null("customer_shipping")
	e.str("customer_tax_exempt", "none")
	e.emptyArray("customer_tax_ids")
	e.null("default_payment_method", "default_source")
	e.emptyArray("default_tax_rates")
	e.text("description", i.description)
	if old {
		e.null("discount")
	}
	e.emptyArray("discounts")
	e.null("due_date")
	e.stamp("effective_at", i.finalized)
	e.num("ending_balance", 0)
	e.null("footer", "from_invoice")
	hosted := "https://invoice.stripe.com/i/" + v.a.id + "/" + mode(v.a.livemode) + "_YWNjdF8x" + i.id
	if i.finalized == 0 {
		e.null("hosted_invoice_url", "invoice_pdf")
	} else {
		e.str("hosted_invoice_url", hosted+"?s=ap")
		e.str("invoice_pdf", "https://pay.stripe.com/invoice/"+v.a.id+"/"+mode(v.a.livemode)+"_YWNjdF8x"+i.id+"/pdf?s=ap")
	}
	e.open("issuer")
	e.str("type", "self")
	e.close()
	e.null("last_finalization_error", "latest_revision")
	inner := v.inside("lines", "data")
	v.nested(e, "lines", "/v1/invoices/"+i.id+"/lines", len(i.lines), func(n int) { i.lines[n].render(e, inner, i) })
	e.flag("livemode", v.a.livemode)
	i.metadata.render(e, "metadata")
	e.stamp("next_payment_attempt", i.next)
	e.text("number", i.number)
	e.null("on_behalf_of")
	if old {
		e.flag("paid", i.status == "paid")
		e.flag("paid_out_of_band", false)
		v.ref(e, "payment_intent", i.intent)
	} else {
		i.parent(e, v)
	}
	e.open("payment_settings")
	e.null("default_mandate")
	paymentOptions(e)
	e.null("payment_method_types")
	e.close()
	if _, want := v.expand["payments"]; want {
		v.nestedObjects(e, "payments", "/v1/invoice_payments?invoice="+i.id, indexKey{"invoice_payments", "invoice", i.id})
	}
	i.tail(e, v, total)
	e.close()
}

func (i *invoice) tail(e *enc, v view, total int64) {
	old := v.shape == shapeOld
	e.num("period_end", i.end)
	e.num("period_start", i.start)
	e.num("post_payment_credit_notes_amount", 0)
	e.num("pre_payment_credit_notes_amount", 0)
	if old {
		e.null("quote")
	}
	e.null("receipt_number")
	e.open("rendering")
	e.null("amount_tax_display")
	e.open("pdf")
	e.str("page_size", "letter")
	e.close()
	e.null("template", "template_version")
	e.close()
	e.null("shipping_cost", "shipping_details")
	e.num("starting_balance", 0)
	e.null("statement_descriptor")
	e.str("status", i.status)
	e.open("status_transitions")
	e.stamp("finalized_at", i.finalized)
	e.stamp("marked_uncollectible_at", i.uncollectible)
	e.stamp("paid_at", i.paidAt)
	e.stamp("voided_at", i.voided)
	e.close()
	if old {
		v.ref(e, "subscription", i.subscription)
		e.open("subscription_details")
		i.subscriptionMetadata.render(e, "metadata")
		e.close()
	}
	e.num("subtotal", total)
	e.num("subtotal_excluding_tax", total)
	if old {
		e.null("tax")
	}
	e.text("test_clock", i.clock)
	e.num("total", total)
	e.emptyArray("total_discount_amounts")
	e.num("total_excluding_tax", total)
	e.emptyArray("total_pretax_credit_amounts")
	if old {
		e.emptyArray("total_tax_amounts")
		e.null("transfer_data")
	} else {
		e.emptyArray("total_taxes")
	}
	e.stamp("webhooks_delivered_at", i.finalized)
}

func (i *invoice) parent(e *enc, v view) {
	if i.subscription == "" {
		e.null("parent")
		return
	}
	e.open("parent")
	e.null("quote_details")
	e.open("subscription_details")
	i.subscriptionMetadata.render(e, "metadata")
	v.inside("parent", "subscription_details").ref(e, "subscription", i.subscription)
	e.close()
	e.str("type", "subscription_details")
	e.close()
}

// numberOf makes the number that Stripe prints on an invoice.
func numberOf(prefix string, n int64) string { return fmt.Sprintf("%s-%04d", prefix, n) }
