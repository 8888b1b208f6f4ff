package memberpress

import "memberintel/internal/canonical"

type productV1 struct {
	ID                      int64             `json:"id"`
	Hash                    string            `json:"hash"`
	Title                   string            `json:"title"`
	Slug                    string            `json:"slug"`
	Status                  string            `json:"status"`
	CreatedAt               *instant          `json:"created_at"`
	ModifiedAt              *instant          `json:"modified_at"`
	Price                   string            `json:"price"`
	Currency                string            `json:"currency"`
	Period                  int32             `json:"period"`
	PeriodType              string            `json:"period_type"`
	Trial                   bool              `json:"trial"`
	TrialDays               int64             `json:"trial_days"`
	TrialAmount             string            `json:"trial_amount"`
	TrialOnce               bool              `json:"trial_once"`
	LimitCycles             bool              `json:"limit_cycles"`
	LimitCyclesNum          int64             `json:"limit_cycles_num"`
	LimitCyclesAction       string            `json:"limit_cycles_action"`
	LimitCyclesExpiresAfter int64             `json:"limit_cycles_expires_after"`
	LimitCyclesExpiresType  string            `json:"limit_cycles_expires_type"`
	ExpireType              string            `json:"expire_type"`
	ExpireAfter             int64             `json:"expire_after"`
	ExpireUnit              string            `json:"expire_unit"`
	ExpireFixed             *string           `json:"expire_fixed"`
	GroupID                 *int64            `json:"group_id"`
	GroupOrder              int64             `json:"group_order"`
	PlanCode                string            `json:"plan_code"`
	GatewayObjects          []gatewayObjectV1 `json:"gateway_objects"`
}

type gatewayObjectV1 struct {
	Key string `json:"key"`
	ID  string `json:"id"`
}

// productV1 maps a product, which is its own price. Only a published one can be bought by everybody.
func (m *mapper) productV1() {
	var p productV1
	if !m.decode(&p) {
		return
	}
	currency := m.currency("currency", p.Currency)
	price := m.money("price", p.Price, currency)
	unit, recurring := m.interval(p.PeriodType)
	head := m.head()
	head.CreatedAt, head.UpdatedAt = p.CreatedAt.at(), p.ModifiedAt.at()
	billing := "one_time"
	plan := canonical.Plan{
		Head:        head,
		Level:       "product",
		Name:        some(p.Title),
		Active:      p.Status == "publish",
		BillingType: &billing,
		AmountMinor: &price,
		Currency:    &currency,
		Metadata: m.told(map[string]any{
			"slug": p.Slug, "status": p.Status, "plan_code": p.PlanCode, "group_id": p.GroupID, "gateway_objects": p.GatewayObjects,
			"trial_days": p.TrialDays, "expire_type": p.ExpireType, "expire_after": p.ExpireAfter, "expire_unit": p.ExpireUnit, "expire_fixed": p.ExpireFixed,
		}),
	}
	if recurring {
		billing = "recurring"
		plan.IntervalUnit, plan.IntervalCount = &unit, &p.Period
	}
	m.out.Plans = []canonical.Plan{plan}
}
