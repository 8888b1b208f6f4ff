package memberpress

import (
	"memberintel/internal/canonical"
)

type transactionV1 struct {
	ID                  int64    `json:"id"`
	Hash                string   `json:"hash"`
	MemberID            *int64   `json:"member_id"`
	ProductID           *int64   `json:"product_id"`
	SubscriptionID      *int64   `json:"subscription_id"`
	CouponID            *int64   `json:"coupon_id"`
	ParentTransactionID *int64   `json:"parent_transaction_id"`
	CorporateAccountID  *int64   `json:"corporate_account_id"`
	OrderID             *int64   `json:"order_id"`
	Type                string   `json:"type"`
	Status              string   `json:"status"`
	TransNum            string   `json:"trans_num"`
	Gateway             string   `json:"gateway"`
	Amount              string   `json:"amount"`
	Total               string   `json:"total"`
	TaxAmount           string   `json:"tax_amount"`
	TaxReversalAmount   string   `json:"tax_reversal_amount"`
	TaxRate             string   `json:"tax_rate"`
	TaxDesc             string   `json:"tax_desc"`
	TaxClass            string   `json:"tax_class"`
	TaxCompound         bool     `json:"tax_compound"`
	TaxShipping         bool     `json:"tax_shipping"`
	Currency            string   `json:"currency"`
	Prorated            bool     `json:"prorated"`
	CreatedAt           *instant `json:"created_at"`
	ExpiresAt           *instant `json:"expires_at"`
	Lifetime            bool     `json:"lifetime"`
	RefundedAt          *instant `json:"refunded_at"`
	Gift                *giftV1  `json:"gift"`
}

type giftV1 struct {
	Complete            bool    `json:"complete"`
	Status              *string `json:"status"`
	CouponID            *int64  `json:"coupon_id"`
	GifterID            *int64  `json:"gifter_id"`
	GifterTransactionID *int64  `json:"gifter_transaction_id"`
}

// transactionMeta is what a transaction says beside its columns.
type transactionMeta struct {
	Type               string  `json:"type"`
	TransNum           string  `json:"trans_num"`
	NetMinor           int64   `json:"amount_minor"` // without the tax
	TaxMinor           int64   `json:"tax_minor"`
	CouponID           *int64  `json:"coupon_id,omitempty"`
	CorporateAccountID *int64  `json:"corporate_account_id,omitempty"`
	Gift               *giftV1 `json:"gift,omitempty"`
}

// Kinds and states of transactions.
const (
	payment = "payment"
	refund  = "refund"
	grant   = "grant" // access without money
)

// freeGateway is that of what costs nothing: a gift that is claimed, a free membership.
const freeGateway = "free"

func transactionKinds() map[string]string {
	return map[string]string{
		"payment": payment, "wc_transaction": payment,
		"subscription_confirmation": grant, "sub_account": grant, "fallback": grant,
	}
}

func transactionStates() map[string]string {
	return map[string]string{
		"pending": "pending", "failed": "failed", "complete": "succeeded", "confirmed": "succeeded", "refunded": "succeeded",
	}
}

// transactionV1 maps a transaction to the payment or the grant that it is, which it is too where nothing was to be paid, and a refunded one to its refund as well:
// both count, and cancel out.
func (m *mapper) transactionV1() {
	var t transactionV1
	if !m.decode(&t) {
		return
	}
	currency := m.currency("currency", t.Currency)
	kind := m.oneOf("type", t.Type, transactionKinds())
	record := canonical.Transaction{
		Head:                 m.head(),
		Kind:                 kind,
		MemberSourceID:       name(t.MemberID),
		SubscriptionSourceID: name(t.SubscriptionID),
		LinksTold:            true,
		ParentSourceID:       name(t.ParentTransactionID),
		PlanSourceID:         name(t.ProductID),
		ForeignID:            canonical.Foreign(t.TransNum),
		OrderSourceID:        name(t.OrderID),
		Gateway:              some(t.Gateway),
		AmountMinor:          m.paid("total", t.Total, currency),
		Currency:             currency,
		Status:               m.oneOf("status", t.Status, transactionStates()),
		NativeStatus:         t.Status,
		OccurredAt:           t.CreatedAt.at(),
		GivesAccess:          givesAccess(t),
		Metadata: m.told(transactionMeta{
			t.Type, t.TransNum, m.money("amount", t.Amount, currency), m.money("tax_amount", t.TaxAmount, currency),
			t.CouponID, t.CorporateAccountID, t.Gift,
		}),
	}
	if kind == payment && t.Gateway == freeGateway && record.AmountMinor == 0 {
		kind = grant
		record.Kind = grant
	}
	record.CreatedAt = t.CreatedAt.at()
	switch {
	case t.Lifetime && t.ExpiresAt != nil:
		m.refuse("lifetime", "true beside expires_at")
	case !t.Lifetime && t.ExpiresAt == nil:
		m.refuse("expires_at", "null without lifetime")
	case t.Type == "payment" && t.Status == "confirmed":
		m.refuse("status", "confirmed, which only a confirmation can be")
	}
	if record.GivesAccess {
		record.Lifetime, record.AccessUntil = t.Lifetime, t.ExpiresAt.at()
	}
	if kind == grant && t.Status == "refunded" {
		record.Status = "canceled"
	}
	m.out.Transactions = []canonical.Transaction{record}
	if kind == payment && t.Status == "refunded" {
		m.out.Transactions = append(m.out.Transactions, refundOf(record, t.RefundedAt))
	}
}

// givesAccess is MemberPress' own rule of what opens a product. Who gives a gift pays for access of somebody else.
func givesAccess(t transactionV1) bool {
	switch {
	case t.Gift != nil && t.Gift.Complete:
		return false
	case t.Type == "subscription_confirmation":
		return t.Status == "confirmed"
	default:
		return t.Status == "complete"
	}
}

// refundOf is the money's way back. MemberPress refunds the whole of a transaction or nothing.
func refundOf(paid canonical.Transaction, at *instant) canonical.Transaction {
	id := paid.SourceID
	paid.Kind, paid.ParentSourceID, paid.OccurredAt = refund, &id, at.at()
	paid.GivesAccess, paid.AccessUntil, paid.Lifetime, paid.ForeignID = false, nil, false, nil
	return paid
}
