package stripe

import (
	"strings"

	"memberintel/internal/canonical"
)

// charge maps a charge to a payment. Until it is captured, money is held and has not moved: the payment is
// pending whatever the native status says. What is released is refunded by Stripe, so both rows cancel out.
func (m *mapper) charge(head canonical.Head) {
	c := m.top
	head.CreatedAt = c.mustTime("created")
	native := c.mustOneOf("status", "succeeded", "pending", "failed")
	t := canonical.Transaction{
		Head:            head,
		Kind:            "payment",
		MemberSourceID:  c.ref("customer"),
		InvoiceSourceID: c.ref("invoice"),
		IntentSourceID:  c.ref("payment_intent"),
		AmountMinor:     c.mustAmount("amount", 0),
		Currency:        c.mustCurrency("currency"),
		Status:          native,
		NativeStatus:    native,
		OccurredAt:      head.CreatedAt,
		FailureCode:     c.text("failure_code"),
		Description:     c.text("description"),
		Metadata:        c.metadata(),
	}
	if native == "succeeded" && c.held(t.AmountMinor) {
		t.Status = "pending"
	}
	t.OriginID, t.OriginSite, t.OriginPlatform = origin(c.child("metadata"))
	m.settle(&t, 1)
	m.out.Batch.Transactions = []canonical.Transaction{t}
}

// origin is what a program that had the charge made says in its metadata: what it calls the payment, and where and
// what it is. MemberPress writes transaction_id, site_url, memberpress_product, and with its Connect platform as
// "MemberPress Connect acct_...". An id of nobody is none.
func origin(metadata *object) (id, site, platform *string) {
	id, site, platform = metadata.text("transaction_id"), metadata.text("site_url"), metadata.text("platform")
	if platform != nil {
		name, _, _ := strings.Cut(strings.ToLower(*platform), " ")
		platform = &name
	} else if metadata.text("memberpress_product") != nil || metadata.text("memberpress_product_id") != nil {
		name := "memberpress"
		platform = &name
	}
	if id == nil || site == nil && platform == nil {
		return nil, nil, nil
	}
	return id, site, platform
}

// held reports whether a charge of the amount only reserves the money.
func (o *object) held(amount int64) bool {
	released := o.amount("amount_refunded", 0)
	return o.has("captured") && !o.flag("captured") && (released == nil || *released < amount)
}

// refund maps a refund. Stripe's documents name no state for a null status, so null is not understood.
func (m *mapper) refund(head canonical.Head) {
	r := m.top
	head.CreatedAt = r.mustTime("created")
	native := r.mustOneOf("status", "pending", "requires_action", "succeeded", "failed", "canceled")
	status := native
	if native == "requires_action" {
		status = "pending"
	}
	t := canonical.Transaction{
		Head:           head,
		Kind:           "refund",
		MemberSourceID: r.ref("customer"),
		ParentSourceID: r.ref("charge"),
		IntentSourceID: r.ref("payment_intent"),
		AmountMinor:    r.mustAmount("amount", 0),
		Currency:       r.mustCurrency("currency"),
		Status:         status,
		NativeStatus:   native,
		OccurredAt:     head.CreatedAt,
		FailureCode:    r.text("failure_reason"),
		Reason:         r.text("reason"),
		Description:    r.text("description"),
		Metadata:       r.metadata(),
	}
	m.settle(&t, -1)
	m.out.Batch.Transactions = []canonical.Transaction{t}
}

// settle fills what the balance transaction tells: what reached or left the account's balance, in its own
// currency. Like AmountMinor the settled amount is positive in the direction of the kind; the net is signed,
// so that nets add up to the change of the balance. Named and not shown, it must be fetched; null, there is
// none (yet), and Stripe tells when there is.
func (m *mapper) settle(t *canonical.Transaction, direction int64) {
	if !m.top.get("balance_transaction").IsObject() {
		if t.SettlementSourceID = m.top.ref("balance_transaction"); t.SettlementSourceID != nil {
			m.out.Incomplete = IncompleteSettlement
		}
		return
	}
	b := m.top.child("balance_transaction")
	b.mustOneOf("object", "balance_transaction")
	id := b.mustID("id")
	t.SettlementSourceID = &id
	amount, currency := direction*b.mustAmount("amount", minMoney), b.mustCurrency("currency")
	fee, net := b.mustAmount("fee", minMoney), b.mustAmount("net", minMoney)
	t.SettlementAmountMinor, t.SettlementCurrency = &amount, &currency
	t.FeeMinor, t.NetMinor = &fee, &net
}
