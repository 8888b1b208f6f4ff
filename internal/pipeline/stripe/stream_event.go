package stripe

import "strings"

// EventObject tells which stream the object in an event of the type belongs to, whether the event says that
// the object is deleted, and whether the type is one that is mirrored at all. An unknown type is no error:
// Stripe has many that concern nothing here. That the object is what its type promises is for Map to check.
//
// The end of a subscription is a state and not a deletion. plan.* repeats price.*, invoice.upcoming tells of
// an invoice that does not exist yet, and neither is mirrored.
func EventObject(eventType string) (stream string, deleted, known bool) {
	family, what, found := strings.Cut(eventType, ".")
	if !found || what == "" {
		return "", false, false
	}
	if kind, rest, nested := strings.Cut(what, "."); nested {
		return nestedEventObject(family, kind, rest)
	}
	deleted = what == "deleted"
	switch family {
	case "customer":
		return "customers", deleted, true
	case "product":
		return "products", deleted, true
	case "price":
		return "prices", deleted, true
	case "invoice":
		if what == "upcoming" {
			return "", false, false
		}
		return "invoices", deleted, true
	case "invoice_payment":
		return "invoice_payments", false, true
	case "charge":
		return "charges", false, true
	case "refund":
		return "refunds", false, true
	case "payment_intent":
		return "payment_intents", false, true
	}
	return "", false, false
}

// nestedEventObject looks at the types of three words, such as customer.subscription.updated.
func nestedEventObject(family, kind, what string) (stream string, deleted, known bool) {
	switch {
	case what == "":
		return "", false, false
	case family == "customer" && kind == "subscription":
		return "subscriptions", false, true
	case family == "charge" && kind == "refund":
		return "refunds", false, true
	case family == "charge" && kind == "dispute":
		return "disputes", false, true
	}
	return "", false, false
}
