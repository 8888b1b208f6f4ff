package memberpress

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Row is a row of one of the entities. Its fields are those of docs/protocol.md. Hash and Currency are the site's to
// set, and so are texts that the database would not leave empty, such as an amount.
type Row interface {
	// at returns what the row is and its id.
	at() (entity string, id int64)
	// complete returns the row as the site shows it.
	complete(hash, currency string) any
}

// Ref is the id of another row; 0 is none, which the wire shows as null.
type Ref int64

// MarshalJSON shows 0 as null.
func (r Ref) MarshalJSON() ([]byte, error) {
	if r == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(int64(r))
}

// Text is a text that may be missing; "" is null on the wire.
type Text string

// MarshalJSON shows "" as null.
func (t Text) MarshalJSON() ([]byte, error) {
	if t == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(t))
}

// Member is a user of the site.
type Member struct {
	ID                  int64             `json:"id"`
	Hash                string            `json:"hash"`
	Login               string            `json:"login"`
	Email               string            `json:"email"`
	FirstName           string            `json:"first_name"`
	LastName            string            `json:"last_name"`
	DisplayName         string            `json:"display_name"`
	RegisteredAt        *time.Time        `json:"registered_at"`
	Roles               []string          `json:"roles"`
	Address             *Address          `json:"address"`
	Custom              map[string]any    `json:"custom"` // a string, or a list of strings
	GatewayCustomers    []GatewayCustomer `json:"gateway_customers"`
	CorporateAccountIDs []int64           `json:"corporate_account_ids"`
	LastLoginAt         *time.Time        `json:"last_login_at"`
	LoginCount          int               `json:"login_count"`
}

// Address is a member's address.
type Address struct {
	One     string `json:"one"`
	Two     string `json:"two"`
	City    string `json:"city"`
	State   string `json:"state"`
	Zip     string `json:"zip"`
	Country string `json:"country"`
}

// GatewayCustomer is what a gateway calls a member, in one mode and currency.
type GatewayCustomer struct {
	Gateway  string `json:"gateway"`
	Test     bool   `json:"test"`
	Currency Text   `json:"currency"`
	Customer string `json:"customer"`
}

// Transaction is a payment or a grant of access. Lifetime is the site's to set.
type Transaction struct {
	ID                  int64      `json:"id"`
	Hash                string     `json:"hash"`
	MemberID            Ref        `json:"member_id"`
	ProductID           Ref        `json:"product_id"`
	SubscriptionID      Ref        `json:"subscription_id"`
	CouponID            Ref        `json:"coupon_id"`
	ParentTransactionID Ref        `json:"parent_transaction_id"`
	CorporateAccountID  Ref        `json:"corporate_account_id"`
	OrderID             Ref        `json:"order_id"`
	Type                string     `json:"type"`
	Status              string     `json:"status"`
	TransNum            string     `json:"trans_num"`
	Gateway             string     `json:"gateway"`
	Amount              string     `json:"amount"`
	Total               string     `json:"total"`
	TaxAmount           string     `json:"tax_amount"`
	TaxReversalAmount   string     `json:"tax_reversal_amount"`
	TaxRate             string     `json:"tax_rate"`
	TaxDesc             string     `json:"tax_desc"`
	TaxClass            string     `json:"tax_class"`
	TaxCompound         bool       `json:"tax_compound"`
	TaxShipping         bool       `json:"tax_shipping"`
	Currency            string     `json:"currency"`
	Prorated            bool       `json:"prorated"`
	CreatedAt           *time.Time `json:"created_at"`
	ExpiresAt           *time.Time `json:"expires_at"` // nil for life
	Lifetime            bool       `json:"lifetime"`
	RefundedAt          *time.Time `json:"refunded_at"`
	Gift                *Gift      `json:"gift"`
}

// Gift is a transaction's part in a gift.
type Gift struct {
	Complete            bool `json:"complete"`
	Status              Text `json:"status"`
	CouponID            Ref  `json:"coupon_id"`
	GifterID            Ref  `json:"gifter_id"`
	GifterTransactionID Ref  `json:"gifter_transaction_id"`
}

// Subscription is a standing agreement.
type Subscription struct {
	ID                      int64      `json:"id"`
	Hash                    string     `json:"hash"`
	MemberID                Ref        `json:"member_id"`
	ProductID               Ref        `json:"product_id"`
	CouponID                Ref        `json:"coupon_id"`
	OrderID                 Ref        `json:"order_id"`
	Status                  string     `json:"status"`
	SubscrID                string     `json:"subscr_id"`
	Gateway                 string     `json:"gateway"`
	Price                   string     `json:"price"`
	Total                   string     `json:"total"`
	TaxAmount               string     `json:"tax_amount"`
	TaxReversalAmount       string     `json:"tax_reversal_amount"`
	TaxRate                 string     `json:"tax_rate"`
	TaxDesc                 string     `json:"tax_desc"`
	TaxClass                string     `json:"tax_class"`
	TaxCompound             bool       `json:"tax_compound"`
	TaxShipping             bool       `json:"tax_shipping"`
	Currency                string     `json:"currency"`
	Period                  int        `json:"period"`
	PeriodType              string     `json:"period_type"`
	LimitCycles             bool       `json:"limit_cycles"`
	LimitCyclesNum          int        `json:"limit_cycles_num"`
	LimitCyclesAction       string     `json:"limit_cycles_action"`
	LimitCyclesExpiresAfter int        `json:"limit_cycles_expires_after"`
	LimitCyclesExpiresType  string     `json:"limit_cycles_expires_type"`
	Trial                   bool       `json:"trial"`
	TrialDays               int        `json:"trial_days"`
	TrialAmount             string     `json:"trial_amount"`
	TrialTaxAmount          string     `json:"trial_tax_amount"`
	TrialTotal              string     `json:"trial_total"`
	ProratedTrial           bool       `json:"prorated_trial"`
	CreatedAt               *time.Time `json:"created_at"`
	StoppedAt               *time.Time `json:"stopped_at"`
	PausedAt                *time.Time `json:"paused_at"`
	ResumedAt               *time.Time `json:"resumed_at"`
}

func (m Member) at() (string, int64)       { return "members", m.ID }
func (t Transaction) at() (string, int64)  { return "transactions", t.ID }
func (s Subscription) at() (string, int64) { return "subscriptions", s.ID }

func (m Member) complete(hash, _ string) any {
	m.Hash = hash
	m.Roles, m.GatewayCustomers, m.CorporateAccountIDs = list(m.Roles), list(m.GatewayCustomers), list(m.CorporateAccountIDs)
	if m.Custom == nil {
		m.Custom = map[string]any{}
	}
	return m
}

func (t Transaction) complete(hash, currency string) any {
	t.Hash, t.Currency, t.Lifetime = hash, currency, t.ExpiresAt == nil
	money(&t.Amount, &t.Total, &t.TaxAmount, &t.TaxReversalAmount)
	fill(&t.TaxRate, "0.000")
	fill(&t.TaxClass, "standard")
	fill(&t.Type, "payment")
	return t
}

func (s Subscription) complete(hash, currency string) any {
	s.Hash, s.Currency = hash, currency
	money(&s.Price, &s.Total, &s.TaxAmount, &s.TaxReversalAmount, &s.TrialAmount, &s.TrialTaxAmount, &s.TrialTotal)
	fill(&s.TaxRate, "0.000")
	fill(&s.TaxClass, "standard")
	fill(&s.LimitCyclesAction, "expire")
	fill(&s.LimitCyclesExpiresType, "days")
	return s
}

func money(fields ...*string) {
	for _, field := range fields {
		fill(field, "0.00")
	}
}

// list shows no list as an empty one.
func list[T any](of []T) []T {
	if of == nil {
		return []T{}
	}
	return of
}

// render returns the row as the wire shows it, and its hash, which covers a note that the row does not show too.
func render(r Row, currency, note string) (text []byte, hash string) {
	sum := sha256.Sum256(append(encode(r.complete("", currency)), note...))
	hash = hex.EncodeToString(sum[:8])
	return encode(r.complete(hash, currency)), hash
}

// encode writes JSON as PHP does here: slashes and letters as they are.
func encode(value any) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic("memberpress: a row that is no JSON: " + err.Error()) // only a caller's Custom can hold one
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
