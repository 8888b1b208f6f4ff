package memberpress

import (
	"strconv"
	"strings"
	"time"

	"memberintel/internal/canonical"
)

type subscriptionV1 struct {
	ID                      int64    `json:"id"`
	Hash                    string   `json:"hash"`
	MemberID                *int64   `json:"member_id"`
	ProductID               *int64   `json:"product_id"`
	CouponID                *int64   `json:"coupon_id"`
	OrderID                 *int64   `json:"order_id"`
	Status                  string   `json:"status"`
	SubscrID                string   `json:"subscr_id"`
	Gateway                 string   `json:"gateway"`
	Price                   string   `json:"price"`
	Total                   string   `json:"total"`
	TaxAmount               string   `json:"tax_amount"`
	TaxReversalAmount       string   `json:"tax_reversal_amount"`
	TaxRate                 string   `json:"tax_rate"`
	TaxDesc                 string   `json:"tax_desc"`
	TaxClass                string   `json:"tax_class"`
	TaxCompound             bool     `json:"tax_compound"`
	TaxShipping             bool     `json:"tax_shipping"`
	Currency                string   `json:"currency"`
	Period                  int32    `json:"period"`
	PeriodType              string   `json:"period_type"`
	LimitCycles             bool     `json:"limit_cycles"`
	LimitCyclesNum          int64    `json:"limit_cycles_num"`
	LimitCyclesAction       string   `json:"limit_cycles_action"`
	LimitCyclesExpiresAfter int64    `json:"limit_cycles_expires_after"`
	LimitCyclesExpiresType  string   `json:"limit_cycles_expires_type"`
	Trial                   bool     `json:"trial"`
	TrialDays               int      `json:"trial_days"`
	TrialAmount             string   `json:"trial_amount"`
	TrialTaxAmount          string   `json:"trial_tax_amount"`
	TrialTotal              string   `json:"trial_total"`
	ProratedTrial           bool     `json:"prorated_trial"`
	CreatedAt               *instant `json:"created_at"`
	StoppedAt               *instant `json:"stopped_at"`
	PausedAt                *instant `json:"paused_at"`
	ResumedAt               *instant `json:"resumed_at"`
}

func subscriptionStates() map[string]string {
	return map[string]string{"pending": "pending", "active": "active", "suspended": "paused", "cancelled": "canceled"}
}

// subscriptionV1 maps a recurring agreement. It says nothing of access, and calls active what is in trial, past
// due or expired: that follows from its transactions and the clock.
func (m *mapper) subscriptionV1() {
	var s subscriptionV1
	if !m.decode(&s) {
		return
	}
	currency := m.currency("currency", s.Currency)
	price, total := m.money("price", s.Price, currency), m.money("total", s.Total, currency)
	unit, recurring := m.interval(s.PeriodType)
	product := name(s.ProductID)
	head := m.head()
	head.CreatedAt = s.CreatedAt.at()
	sub := canonical.Subscription{
		Head:             head,
		MemberSourceID:   name(s.MemberID),
		PlanSourceID:     product,
		ProductSourceID:  product,
		Status:           m.oneOf("status", s.Status, subscriptionStates()),
		NativeStatus:     s.Status,
		Currency:         &currency,
		StartedAt:        s.CreatedAt.at(),
		AccessDerived:    true,
		CollectionPaused: s.Status == "suspended",
		ForeignID:        canonical.Foreign(s.SubscrID),
		Gateway:          some(s.Gateway),
		Metadata: m.told(map[string]any{
			"subscr_id": s.SubscrID, "total_minor": total, "limit_cycles": s.LimitCycles, "limit_cycles_num": s.LimitCyclesNum,
		}),
	}
	if s.Status == "cancelled" {
		sub.CanceledAt = s.StoppedAt.at()
	}
	// MemberPress also calls the rest of a plan that was changed a trial: the member has paid for that.
	if s.Trial && !s.ProratedTrial && s.CreatedAt != nil && s.TrialDays > 0 {
		end := s.CreatedAt.Add(time.Duration(s.TrialDays) * 24 * time.Hour)
		sub.TrialStart, sub.TrialEnd = s.CreatedAt.at(), &end
	}
	quantity := int64(1)
	item := canonical.SubscriptionItem{
		SourceID: m.id, Raw: m.raw, CreatedAt: s.CreatedAt.at(), PlanSourceID: product, ProductSourceID: product,
		Quantity: &quantity, UnitAmountMinor: &price, Currency: &currency,
	}
	if recurring {
		item.IntervalUnit, item.IntervalCount = &unit, &s.Period
	}
	sub.Items = []canonical.SubscriptionItem{item}
	sub.ItemsDigest = strings.Join([]string{s.Price, currency, s.PeriodType, strconv.Itoa(int(s.Period))}, " ")
	m.out.Subscriptions = []canonical.Subscription{sub}
}

// interval translates the unit of a period; a lifetime has none.
func (m *mapper) interval(periodType string) (unit string, recurring bool) {
	unit = m.oneOf("period_type", periodType, map[string]string{
		"days": "day", "weeks": "week", "months": "month", "years": "year", "lifetime": "",
	})
	return unit, unit != ""
}
