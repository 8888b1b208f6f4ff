package stripe

import "strconv"

// line is one line of an invoice.
type line struct {
	id, description, item, price, product string
	amount, unit, quantity, start, end    int64
	proration                             bool
	metadata                              metadata
}

func (l line) render(e *enc, v view, i *invoice) {
	old := v.shape == shapeOld
	e.begin('{')
	e.str("id", l.id)
	e.str("object", "line_item")
	e.num("amount", l.amount)
	if old {
		e.num("amount_excluding_tax", l.amount)
	}
	e.str("currency", i.currency)
	e.str("description", l.description)
	e.emptyArray("discount_amounts")
	e.flag("discountable", !l.proration)
	e.emptyArray("discounts")
	e.text("invoice", i.id)
	e.flag("livemode", v.a.livemode)
	l.metadata.render(e, "metadata")
	if !old {
		l.parent(e, i)
	}
	e.open("period")
	e.num("end", l.end)
	e.num("start", l.start)
	e.close()
	if old {
		l.priced(e, v)
		e.flag("proration", l.proration)
		e.nulls("proration_details", "credited_items")
	} else {
		e.emptyArray("pretax_credit_amounts")
		e.open("pricing")
		e.open("price_details")
		e.str("price", l.price)
		e.str("product", l.product)
		e.close()
		e.str("type", "price_details")
		e.str("unit_amount_decimal", strconv.FormatInt(l.unit, 10))
		e.close()
	}
	e.num("quantity", l.quantity)
	if v.shape == shapeDahlia {
		e.str("quantity_decimal", strconv.FormatInt(l.quantity, 10))
	}
	e.text("subscription", i.subscription)
	switch v.shape {
	case shapeOld:
		e.text("subscription_item", l.item)
		e.emptyArray("tax_amounts", "tax_rates")
		e.str("type", "subscription")
		e.str("unit_amount_excluding_tax", strconv.FormatInt(l.unit, 10))
	case shapeBasil:
		e.emptyArray("taxes")
	default:
		e.num("subtotal", l.amount)
		e.emptyArray("taxes")
	}
	e.close()
}

func (l line) parent(e *enc, i *invoice) {
	e.open("parent")
	e.null("invoice_item_details")
	e.open("subscription_item_details")
	e.null("invoice_item")
	e.flag("proration", l.proration)
	e.nulls("proration_details", "credited_items")
	e.text("subscription", i.subscription)
	e.str("subscription_item", l.item)
	e.close()
	e.str("type", "subscription_item_details")
	e.close()
}

func (l line) priced(e *enc, v view) {
	p, ok := v.state(l.price).(*price)
	if !ok {
		e.null("plan", "price")
		return
	}
	if p.interval == "" {
		e.null("plan")
	} else {
		p.plan(e, v, "plan")
	}
	e.key("price")
	p.render(e, v.inside())
}
