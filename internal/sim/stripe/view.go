package stripe

import (
	"encoding/json"
	"strings"
)

// view is a way of looking at an account's objects: the shape of one version of the API, now or in the past, with some
// references expanded.
type view struct {
	a      *Account
	shape  shape
	expand expansion
	// whole gives nested lists in full.
	whole bool
	// at is a second of the past and seq a mutation of it; both zero mean now.
	at  int64
	seq uint64
}

// expansion is a tree of the fields to expand.
type expansion map[string]expansion

func (a *Account) view(version string) view {
	s, _ := shapeOf(version)
	return view{a: a, shape: s}
}

func (v view) document(st state) json.RawMessage {
	var e enc
	st.render(&e, v)
	return e.b
}

// state returns what the view sees of an object, nil when that is nothing.
func (v view) state(id string) state {
	o := v.a.objects[id]
	switch {
	case o == nil:
		return nil
	case v.seq == 0 && v.at == 0:
		return o.last().st
	}
	return o.before(v.at, v.seq)
}

// inside is the view of what stands under a field of the present object.
func (v view) inside(fields ...string) view {
	for _, f := range fields {
		v.expand = v.expand[f]
	}
	return v
}

// ref writes a reference to another object: its id, or the object where it is to be expanded.
func (v view) ref(e *enc, name, id string) {
	if _, want := v.expand[name]; want && id != "" {
		if st := v.state(id); st != nil {
			e.key(name)
			st.render(e, v.inside(name))
			return
		}
	}
	e.text(name, id)
}

// nested writes a list inside an object, its first ten elements unless the view is whole.
func (v view) nested(e *enc, name, url string, n int, element func(i int)) {
	shown := n
	if !v.whole {
		shown = min(n, nestedLimit)
	}
	e.open(name)
	e.str("object", "list")
	e.array("data")
	for i := range shown {
		e.item()
		element(i)
	}
	e.endArray()
	e.flag("has_more", shown < n)
	if name == "items" || name == "lines" {
		e.num("total_count", int64(n))
	}
	e.str("url", url)
	e.close()
}

// nestedObjects writes the objects of an index as a nested list, newest first.
func (v view) nestedObjects(e *enc, name, url string, k indexKey) {
	var shown []state
	list := v.a.lists[k]
	for i := len(list) - 1; i >= 0; i-- {
		if st := v.state(list[i].id); st != nil && !list[i].deleted() {
			shown = append(shown, st)
		}
	}
	v = v.inside(name, "data")
	v.nested(e, name, url, len(shown), func(i int) { shown[i].render(e, v) })
}

// nestedLimit is how many elements Stripe puts into a list inside an object.
const nestedLimit = 10

// expandable tells what stands in a field that can be expanded: a resource, or the name of a step on the way to one.
func expandable(in, field string, s shape) (next string, ok bool) {
	switch in + "." + field {
	case "subscriptions.customer", "invoices.customer", "charges.customer", "payment_intents.customer":
		return "customers", true
	case "subscriptions.latest_invoice", "invoice_payments.invoice":
		return "invoices", true
	case "charges.balance_transaction", "charges.failure_balance_transaction", "refunds.balance_transaction",
		"refunds.failure_balance_transaction":
		return "balance_transactions", true
	case "charges.payment_intent", "refunds.payment_intent", "disputes.payment_intent", "payment.payment_intent":
		return "payment_intents", true
	case "refunds.charge", "disputes.charge", "payment_intents.latest_charge", "payment.charge":
		return "charges", true
	case "invoice_payments.payment":
		return "payment", true
	case "invoices.payments":
		return "list:invoice_payments", s > shapeOld
	case "invoices.parent":
		return "parent", s > shapeOld
	case "parent.subscription_details":
		return "details", true
	case "details.subscription":
		return "subscriptions", true
	case "invoices.subscription":
		return "subscriptions", s == shapeOld
	case "invoices.charge":
		return "charges", s == shapeOld
	case "invoices.payment_intent":
		return "payment_intents", s == shapeOld
	case "charges.invoice", "payment_intents.invoice":
		return "invoices", s == shapeOld
	case "charges.refunds":
		return "list:refunds", true
	case "customers.subscriptions":
		return "list:subscriptions", true
	case "subscriptions.items":
		return "list:subscription_items", true
	case "subscription_items.price":
		return "prices", true
	case "prices.product":
		return "products", true
	case "products.default_price":
		return "prices", true
	case "balance_transactions.source":
		return "source", true
	case "customers.default_source", "customers.test_clock", "customers.sources", "customers.tax", "customers.tax_ids",
		"subscriptions.default_payment_method", "subscriptions.default_source", "subscriptions.discounts",
		"subscriptions.pending_setup_intent", "subscriptions.schedule", "subscriptions.test_clock",
		"invoices.default_payment_method", "invoices.discounts", "invoices.test_clock", "invoices.confirmation_secret",
		"charges.application_fee", "charges.transfer", "charges.review", "payment_intents.payment_method",
		"payment_intents.review", "prices.tiers", "prices.currency_options", "products.tax_code":
		return "", true
	}
	if rest, list := strings.CutPrefix(in, "list:"); list && field == "data" {
		return rest, true
	}
	return "", false
}

// expansionOf reads expand[] of a request for one object of a resource, or for a list of them.
func expansionOf(paths []string, resource string, list bool, s shape) (expansion, *apiError) {
	tree := expansion{}
	for _, path := range paths {
		fields := strings.Split(path, ".")
		if len(fields) > 4+btoi(list) {
			return nil, invalid(400, "", "expand", "You cannot expand more than 4 levels of a property (%s).", path)
		}
		at, in := tree, resource
		if list {
			in = "list:" + resource
		}
		for _, f := range fields {
			next, ok := expandable(in, f, s)
			if in == "source" {
				next, ok = "", true
			}
			if !ok {
				hint := ""
				if _, would := expandable(resource, fields[0], s); list && would {
					hint = " You may want to try expanding 'data." + path + "' instead."
				}
				return nil, invalid(400, "", "expand", "This property cannot be expanded (%s).%s", path, hint)
			}
			if at[f] == nil {
				at[f] = expansion{}
			}
			at, in = at[f], next
		}
	}
	if list {
		return tree["data"], nil
	}
	return tree, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
