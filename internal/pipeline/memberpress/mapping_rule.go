package memberpress

import (
	"memberintel/internal/canonical"
)

type ruleV1 struct {
	ID              int64             `json:"id"`
	Hash            string            `json:"hash"`
	Title           string            `json:"title"`
	Status          string            `json:"status"`
	CreatedAt       *instant          `json:"created_at"`
	ModifiedAt      *instant          `json:"modified_at"`
	Type            string            `json:"type"`
	Content         string            `json:"content"`
	ContentIsRegexp bool              `json:"content_is_regexp"`
	Drip            delayV1           `json:"drip"`
	Expires         delayV1           `json:"expires"`
	Conditions      []ruleConditionV1 `json:"conditions"`
}

type delayV1 struct {
	Enabled    bool    `json:"enabled"`
	Amount     int64   `json:"amount"`
	Unit       string  `json:"unit"`
	After      string  `json:"after"`
	AfterFixed *string `json:"after_fixed"`
}

type ruleConditionV1 struct {
	ID        int64  `json:"id"`
	Type      string `json:"type"`
	Operator  string `json:"operator"`
	Condition string `json:"condition"`
}

// ruleV1 maps a rule with the memberships that open it. What else does, roles say, stands in the raw row.
func (m *mapper) ruleV1() {
	var r ruleV1
	if !m.decode(&r) {
		return
	}
	plans := []string{}
	for _, c := range r.Conditions {
		switch {
		case c.Type != "membership":
		case c.Operator != "is":
			m.refuse("conditions", "an operator that this version does not know")
		default:
			plans = append(plans, c.Condition)
		}
	}
	head := m.head()
	head.CreatedAt, head.UpdatedAt = r.CreatedAt.at(), r.ModifiedAt.at()
	m.out.Rules = []canonical.Rule{{
		Head: head, Title: r.Title, RuleType: r.Type, Target: some(r.Content), PlanSourceIDs: m.told(plans), Active: r.Status == "publish",
	}}
}
