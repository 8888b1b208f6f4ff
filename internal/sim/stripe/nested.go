package stripe

import (
	"net/url"
	"slices"
)

// listItems answers /v1/subscription_items.
func (c *call) listItems() ([]byte, *apiError) {
	if !c.key.may("subscription_read") {
		return nil, errPermission(c.key.value, c.account.id, "subscription_read")
	}
	q, refused := c.parameters("limit", "starting_after", "ending_before", "expand", "subscription")
	if refused != nil {
		return nil, refused
	}
	id := q.Get("subscription")
	if id == "" {
		return nil, invalid(400, "parameter_missing", "subscription", "Missing required param: subscription.")
	}
	v, refused := c.nestedView(q, "subscription_items")
	if refused != nil {
		return nil, refused
	}
	o := c.account.objects[id]
	if o == nil || o.resource != "subscriptions" {
		return nil, errMissing(404, "subscription", id, "subscription")
	}
	ids, write := elements(o.last().st, "items", v)
	return c.nestedPage(q, "/v1/subscription_items", "subscription item", ids, write)
}

// listLines answers /v1/invoices/{id}/lines.
func (c *call) listLines(id string) ([]byte, *apiError) {
	if !c.key.may("invoice_read") {
		return nil, errPermission(c.key.value, c.account.id, "invoice_read")
	}
	q, refused := c.parameters("limit", "starting_after", "ending_before", "expand")
	if refused != nil {
		return nil, refused
	}
	o := c.account.objects[id]
	if o == nil || o.resource != "invoices" || o.deleted() {
		return nil, errMissing(404, "invoice", id, "invoice")
	}
	ids, write := elements(o.last().st, "lines", c.account.view(c.version))
	return c.nestedPage(q, "/v1/invoices/"+id+"/lines", "line item", ids, write)
}

// listRefunds answers /v1/charges/{id}/refunds.
func (c *call) listRefunds(id string) ([]byte, *apiError) {
	if !c.key.may("charge_read") {
		return nil, errPermission(c.key.value, c.account.id, "charge_read")
	}
	q, refused := c.parameters("limit", "starting_after", "ending_before", "expand")
	if refused != nil {
		return nil, refused
	}
	if o := c.account.objects[id]; o == nil || o.resource != "charges" {
		return nil, errMissing(404, "charge", id, "charge")
	}
	v, refused := c.nestedView(q, "refunds")
	if refused != nil {
		return nil, refused
	}
	list := slices.Clone(c.account.lists[indexKey{"refunds", "charge", id}])
	slices.Reverse(list)
	ids := make([]string, len(list))
	for i, o := range list {
		ids[i] = o.id
	}
	return c.nestedPage(q, "/v1/charges/"+id+"/refunds", "refund", ids, func(e *enc, i int) { v.element(e, list[i]) })
}

func (c *call) nestedView(q url.Values, resource string) (v view, refused *apiError) {
	v = c.account.view(c.version)
	v.expand, refused = expansionOf(q["expand"], resource, true, v.shape)
	return v, refused
}

// nestedPage answers a page of what stands inside one object, in the order of the nested list.
func (c *call) nestedPage(q url.Values, path, object string, ids []string, write func(*enc, int)) ([]byte, *apiError) {
	p, refused := pagingOf(q)
	if refused != nil {
		return nil, refused
	}
	from, to := 0, len(ids)
	if p.after != "" {
		i := slices.Index(ids, p.after)
		if i < 0 || c.cursorGone {
			return nil, errMissing(400, object, p.after, "starting_after")
		}
		from = i + 1
	}
	if p.before != "" {
		i := slices.Index(ids, p.before)
		if i < 0 || c.cursorGone {
			return nil, errMissing(400, object, p.before, "ending_before")
		}
		from, to = max(0, i-p.limit), i
		return pageOf(path, to-from, from > 0, func(e *enc, i int) { write(e, from+i) }), nil
	}
	n := min(p.limit, to-from)
	return pageOf(path, n, from+n < to, func(e *enc, i int) { write(e, from+i) }), nil
}
