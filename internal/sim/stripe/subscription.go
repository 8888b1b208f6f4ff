package stripe

import "slices"

type subscription struct {
	id, customer, currency, status, latestInvoice, description, method, clock string
	reason, pause                                                             string
	created, started, anchor                                                  int64
	trialStart, trialEnd, cancelAt, canceledAt, endedAt, resumesAt            int64
	cancelAtPeriodEnd                                                         bool
	items                                                                     []item
	pending                                                                   []line
	metadata                                                                  metadata
}

// item is one price on a subscription, with a period of its own.
type item struct {
	id, price            string
	quantity             int64
	created, start, stop int64
	metadata             metadata
}

func (s *subscription) head() (string, string, int64) { return "subscriptions", s.id, s.created }

func (s *subscription) facts() facts {
	return facts{customer: s.customer, status: s.status, clock: s.clock, currency: s.currency}
}

func (s *subscription) ended() bool {
	return s.status == "canceled" || s.status == "incomplete_expired"
}

// periodEnd is when the next of the items has to be renewed.
func (s *subscription) periodEnd() int64 {
	end := s.items[0].stop
	for _, i := range s.items {
		end = min(end, i.stop)
	}
	return end
}

// withItems returns items that may be changed without touching older versions.
func (s *subscription) withItems() []item {
	s.items = slices.Clone(s.items)
	return s.items
}

func (s *subscription) render(e *enc, v view) {
	old := v.shape == shapeOld
	e.begin('{')
	e.str("id", s.id)
	e.str("object", "subscription")
	e.null("application", "application_fee_percent")
	automaticTax(e, false, v.shape)
	e.num("billing_cycle_anchor", s.anchor)
	e.null("billing_cycle_anchor_config")
	if v.shape == shapeDahlia {
		e.open("billing_mode")
		e.null("flexible")
		e.str("type", "classic")
		e.close()
		e.emptyArray("billing_schedules")
	}
	e.null("billing_thresholds")
	e.stamp("cancel_at", s.cancelAt)
	e.flag("cancel_at_period_end", s.cancelAtPeriodEnd)
	e.stamp("canceled_at", s.canceledAt)
	e.open("cancellation_details")
	e.null("comment", "feedback")
	e.text("reason", s.reason)
	e.close()
	e.str("collection_method", "charge_automatically")
	e.num("created", s.created)
	e.str("currency", s.currency)
	if old {
		e.num("current_period_end", s.periodEnd())
		e.num("current_period_start", s.items[0].start)
	}
	v.ref(e, "customer", s.customer)
	if v.shape == shapeDahlia {
		e.null("customer_account")
	}
	e.null("days_until_due")
	e.text("default_payment_method", s.method)
	e.null("default_source")
	e.emptyArray("default_tax_rates")
	e.text("description", s.description)
	if old {
		e.null("discount")
	}
	e.emptyArray("discounts")
	e.stamp("ended_at", s.endedAt)
	e.open("invoice_settings")
	e.null("account_tax_ids")
	if !old {
		e.null("custom_fields", "description", "footer")
	}
	e.open("issuer")
	e.str("type", "self")
	e.close()
	e.close()
	inner := v.inside("items", "data")
	v.nested(e, "items", "/v1/subscription_items?subscription="+s.id, len(s.items), func(i int) {
		s.items[i].render(e, inner, s)
	})
	v.ref(e, "latest_invoice", s.latestInvoice)
	e.flag("livemode", v.a.livemode)
	if v.shape == shapeDahlia {
		e.null("managed_payments")
	}
	s.metadata.render(e, "metadata")
	e.null("next_pending_invoice_item_invoice", "on_behalf_of")
	if s.pause == "" {
		e.null("pause_collection")
	} else {
		e.open("pause_collection")
		e.str("behavior", s.pause)
		e.stamp("resumes_at", s.resumesAt)
		e.close()
	}
	e.open("payment_settings")
	paymentOptions(e)
	e.null("payment_method_types")
	e.str("save_default_payment_method", "off")
	e.close()
	e.null("pending_invoice_item_interval", "pending_setup_intent", "pending_update")
	if p, ok := v.state(s.items[0].price).(*price); old && ok && len(s.items) == 1 {
		p.plan(e, v, "plan")
		e.num("quantity", s.items[0].quantity)
	}
	e.null("schedule")
	e.num("start_date", s.started)
	e.str("status", s.status)
	e.text("test_clock", s.clock)
	e.null("transfer_data")
	e.stamp("trial_end", s.trialEnd)
	e.open("trial_settings")
	e.open("end_behavior")
	e.str("missing_payment_method", "create_invoice")
	e.close()
	e.close()
	e.stamp("trial_start", s.trialStart)
	e.close()
}

func (i item) render(e *enc, v view, s *subscription) {
	e.begin('{')
	e.str("id", i.id)
	e.str("object", "subscription_item")
	e.null("billing_thresholds")
	e.num("created", i.created)
	if v.shape > shapeOld {
		e.num("current_period_end", i.stop)
		e.num("current_period_start", i.start)
	}
	e.emptyArray("discounts")
	i.metadata.render(e, "metadata")
	if st := v.state(i.price); st != nil {
		if p, ok := st.(*price); ok {
			p.plan(e, v, "plan")
		}
		e.key("price")
		st.render(e, v.inside("price"))
	} else {
		e.null("plan", "price")
	}
	e.num("quantity", i.quantity)
	e.str("subscription", s.id)
	e.emptyArray("tax_rates")
	e.close()
}

func automaticTax(e *enc, invoice bool, s shape) {
	e.open("automatic_tax")
	if s > shapeOld {
		e.null("disabled_reason")
	}
	e.flag("enabled", false)
	e.null("liability")
	if invoice {
		if s > shapeOld {
			e.null("provider")
		}
		e.null("status")
	}
	e.close()
}

func paymentOptions(e *enc) {
	e.open("payment_method_options")
	e.null("acss_debit", "bancontact")
	e.open("card")
	e.null("network")
	e.str("request_three_d_secure", "automatic")
	e.close()
	e.null("customer_balance", "konbini", "payto", "sepa_debit", "us_bank_account")
	e.close()
}

// elements names the parts of a nested list and how to write each; the parts of a raw object are read from its JSON.
func elements(st state, field string, v view) (ids []string, write func(*enc, int)) {
	switch st := st.(type) {
	case *subscription:
		for _, i := range st.items {
			ids = append(ids, i.id)
		}
		return ids, func(e *enc, i int) { st.items[i].render(e, v, st) }
	case *invoice:
		for _, l := range st.lines {
			ids = append(ids, l.id)
		}
		return ids, func(e *enc, i int) { st.lines[i].render(e, v, st) }
	case *placed:
		return st.elements(field)
	}
	return nil, func(*enc, int) {}
}
