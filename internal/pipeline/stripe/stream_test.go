package stripe

import (
	"strings"
	"testing"

	stripego "github.com/stripe/stripe-go/v86"
)

func TestEventsBelongToTheObjectThatTheyShow(t *testing.T) {
	type answer struct {
		stream  string
		deleted bool
	}
	for eventType, want := range map[string]answer{
		"customer.created": {"customers", false}, "customer.updated": {"customers", false}, "customer.deleted": {"customers", true},
		"customer.subscription.created": {"subscriptions", false}, "customer.subscription.deleted": {"subscriptions", false},
		"customer.subscription.paused": {"subscriptions", false}, "customer.subscription.pending_update_applied": {"subscriptions", false},
		"customer.subscription.trial_will_end": {"subscriptions", false},
		"customer.source.created":              {}, "customer.discount.deleted": {}, "customer.tax_id.deleted": {},
		"customer.bank_account.created": {}, "customer_cash_balance_transaction.created": {},
		"invoice.paid": {"invoices", false}, "invoice.payment_failed": {"invoices", false}, "invoice.deleted": {"invoices", true}, "invoice.upcoming": {},
		"invoiceitem.created": {}, "invoice_payment.paid": {"invoice_payments", false},
		"charge.succeeded": {"charges", false}, "charge.refunded": {"charges", false}, "charge.expired": {"charges", false},
		"charge.refund.updated": {"refunds", false}, "charge.dispute.funds_reinstated": {"disputes", false},
		"refund.created": {"refunds", false}, "refund.failed": {"refunds", false},
		"payment_intent.requires_action": {"payment_intents", false},
		"product.deleted":                {"products", true}, "price.deleted": {"prices", true}, "price.updated": {"prices", false},
		"plan.created": {}, "payout.paid": {}, "account.application.deauthorized": {}, "": {}, "customer": {}, "customer.": {}, "customer.subscription.": {},
	} {
		stream, deleted, known := EventObject(eventType)
		if stream != want.stream || deleted != want.deleted || known != (want.stream != "") {
			t.Errorf("%s: got %s, %v, %v", eventType, stream, deleted, known)
		}
	}
}

// Every event type that Stripe's library lists for a mirrored family is known, or is one of those left out.
func TestNoEventOfAMirroredFamilyIsForgotten(t *testing.T) {
	for _, e := range []stripego.EventType{
		stripego.EventTypeChargeCaptured, stripego.EventTypeChargePending, stripego.EventTypeChargeFailed, stripego.EventTypeChargeUpdated,
		stripego.EventTypeChargeDisputeClosed, stripego.EventTypeChargeDisputeCreated, stripego.EventTypeChargeDisputeFundsWithdrawn,
		stripego.EventTypeCustomerSubscriptionResumed, stripego.EventTypeCustomerSubscriptionUpdated, stripego.EventTypeInvoiceFinalized,
		stripego.EventTypeInvoiceVoided, stripego.EventTypeInvoicePaymentSucceeded, stripego.EventTypeInvoiceMarkedUncollectible,
		stripego.EventTypePaymentIntentSucceeded, stripego.EventTypePaymentIntentCanceled, stripego.EventTypeRefundUpdated,
	} {
		if _, _, known := EventObject(string(e)); !known {
			t.Errorf("%s is not known", e)
		}
	}
}

func TestStreamsCanBeFoundByName(t *testing.T) {
	for _, s := range Streams() {
		if s.Name != s.Object+"s" || s.Path != "/v1/"+s.Name || len(s.Variants) == 0 || !strings.HasSuffix(s.Permission, ": Read") {
			t.Errorf("%+v", s)
		}
	}
	if s, ok := StreamNamed("invoice_payments"); !ok || s.Object != "invoice_payment" || len(s.Variants) != 0 {
		t.Errorf("%+v", s)
	}
	for _, name := range []string{"", "payouts", "customer"} {
		if s, ok := StreamNamed(name); ok {
			t.Errorf("%q gave %+v", name, s)
		}
	}
}

func TestAFetchEscapesTheID(t *testing.T) {
	charges, _ := StreamNamed("charges")
	if path, q := charges.Fetch("ch_1"); path != "/v1/charges/ch_1" || q.Get("expand[]") != "balance_transaction" {
		t.Error(path, q)
	}
	products, _ := StreamNamed("products")
	if path, q := products.Fetch("gold plan/50%?"); path != "/v1/products/gold%20plan%2F50%25%3F" || len(q) != 0 {
		t.Error(path, q)
	}
}
