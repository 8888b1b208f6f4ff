package memberpress

import "time"

// Product is a membership that can be bought.
type Product struct {
	ID                      int64           `json:"id"`
	Hash                    string          `json:"hash"`
	Title                   string          `json:"title"`
	Slug                    string          `json:"slug"`
	Status                  string          `json:"status"`
	CreatedAt               *time.Time      `json:"created_at"`
	ModifiedAt              *time.Time      `json:"modified_at"`
	Price                   string          `json:"price"`
	Currency                string          `json:"currency"`
	Period                  int             `json:"period"`
	PeriodType              string          `json:"period_type"`
	Trial                   bool            `json:"trial"`
	TrialDays               int             `json:"trial_days"`
	TrialAmount             string          `json:"trial_amount"`
	TrialOnce               bool            `json:"trial_once"`
	LimitCycles             bool            `json:"limit_cycles"`
	LimitCyclesNum          int             `json:"limit_cycles_num"`
	LimitCyclesAction       string          `json:"limit_cycles_action"`
	LimitCyclesExpiresAfter int             `json:"limit_cycles_expires_after"`
	LimitCyclesExpiresType  string          `json:"limit_cycles_expires_type"`
	ExpireType              string          `json:"expire_type"`
	ExpireAfter             int             `json:"expire_after"`
	ExpireUnit              string          `json:"expire_unit"`
	ExpireFixed             Text            `json:"expire_fixed"` // a day, such as 2024-10-31
	GroupID                 Ref             `json:"group_id"`
	GroupOrder              int             `json:"group_order"`
	PlanCode                string          `json:"plan_code"`
	GatewayObjects          []GatewayObject `json:"gateway_objects"`
}

// GatewayObject is what a gateway keeps for a product.
type GatewayObject struct {
	Key string `json:"key"`
	ID  string `json:"id"`
}

// Rule says who may see some content.
type Rule struct {
	ID              int64       `json:"id"`
	Hash            string      `json:"hash"`
	Title           string      `json:"title"`
	Status          string      `json:"status"`
	CreatedAt       *time.Time  `json:"created_at"`
	ModifiedAt      *time.Time  `json:"modified_at"`
	Type            string      `json:"type"`
	Content         string      `json:"content"`
	ContentIsRegexp bool        `json:"content_is_regexp"`
	Drip            Timing      `json:"drip"`
	Expires         Timing      `json:"expires"`
	Conditions      []Condition `json:"conditions"`
}

// Timing is when a rule begins or ends to hold for a member.
type Timing struct {
	Enabled    bool   `json:"enabled"`
	Amount     int    `json:"amount"`
	Unit       string `json:"unit"`
	After      string `json:"after"`
	AfterFixed Text   `json:"after_fixed"`
}

// Condition is one way to meet a rule.
type Condition struct {
	ID        int64  `json:"id"`
	Type      string `json:"type"`
	Operator  string `json:"operator"`
	Condition string `json:"condition"`
}

// Coupon is a discount.
type Coupon struct {
	ID                         int64      `json:"id"`
	Hash                       string     `json:"hash"`
	Code                       string     `json:"code"`
	Status                     string     `json:"status"`
	CreatedAt                  *time.Time `json:"created_at"`
	ModifiedAt                 *time.Time `json:"modified_at"`
	DiscountType               string     `json:"discount_type"`
	DiscountAmount             string     `json:"discount_amount"`
	DiscountMode               string     `json:"discount_mode"`
	UsageLimit                 int        `json:"usage_limit"`
	StartsAt                   *time.Time `json:"starts_at"`
	ExpiresAt                  *time.Time `json:"expires_at"`
	ProductIDs                 []int64    `json:"product_ids"`
	Trial                      bool       `json:"trial"`
	TrialDays                  int        `json:"trial_days"`
	TrialAmount                string     `json:"trial_amount"`
	FirstPaymentDiscountType   string     `json:"first_payment_discount_type"`
	FirstPaymentDiscountAmount string     `json:"first_payment_discount_amount"`
}

// Group is a set of products between which members change.
type Group struct {
	ID                     int64      `json:"id"`
	Hash                   string     `json:"hash"`
	Title                  string     `json:"title"`
	Slug                   string     `json:"slug"`
	Status                 string     `json:"status"`
	CreatedAt              *time.Time `json:"created_at"`
	ModifiedAt             *time.Time `json:"modified_at"`
	IsUpgradePath          bool       `json:"is_upgrade_path"`
	UpgradePathResetPeriod bool       `json:"upgrade_path_reset_period"`
	FallbackProductID      Ref        `json:"fallback_product_id"`
}

// Order holds transactions that were paid together.
type Order struct {
	ID                   int64      `json:"id"`
	Hash                 string     `json:"hash"`
	MemberID             Ref        `json:"member_id"`
	PrimaryTransactionID Ref        `json:"primary_transaction_id"`
	TransNum             string     `json:"trans_num"`
	Status               string     `json:"status"`
	Gateway              string     `json:"gateway"`
	CreatedAt            *time.Time `json:"created_at"`
}

// Event is a line of MemberPress' history.
type Event struct {
	ID         int64      `json:"id"`
	Hash       string     `json:"hash"`
	Event      string     `json:"event"`
	ObjectType string     `json:"object_type"`
	ObjectID   Ref        `json:"object_id"`
	CreatedAt  *time.Time `json:"created_at"`
}

// CorporateAccount is a member who pays for others.
type CorporateAccount struct {
	ID              int64  `json:"id"`
	Hash            string `json:"hash"`
	MemberID        Ref    `json:"member_id"`
	ObjectType      string `json:"object_type"`
	ObjectID        Ref    `json:"object_id"`
	SubAccountLimit int    `json:"sub_account_limit"`
	Status          string `json:"status"`
}

func (p Product) at() (string, int64)          { return "products", p.ID }
func (r Rule) at() (string, int64)             { return "rules", r.ID }
func (c Coupon) at() (string, int64)           { return "coupons", c.ID }
func (g Group) at() (string, int64)            { return "groups", g.ID }
func (o Order) at() (string, int64)            { return "orders", o.ID }
func (e Event) at() (string, int64)            { return "events", e.ID }
func (c CorporateAccount) at() (string, int64) { return "corporate_accounts", c.ID }

func (p Product) complete(hash, currency string) any {
	p.Hash, p.Currency, p.GatewayObjects = hash, currency, list(p.GatewayObjects)
	money(&p.Price, &p.TrialAmount)
	fill(&p.Status, "publish")
	fill(&p.LimitCyclesAction, "expire")
	fill(&p.LimitCyclesExpiresType, "days")
	fill(&p.ExpireType, "none")
	fill(&p.ExpireUnit, "days")
	return p
}

func (r Rule) complete(hash, _ string) any {
	r.Hash, r.Conditions = hash, list(r.Conditions)
	fill(&r.Status, "publish")
	for _, timing := range []*Timing{&r.Drip, &r.Expires} {
		fill(&timing.Unit, "days")
		fill(&timing.After, "registers")
	}
	return r
}

func (c Coupon) complete(hash, _ string) any {
	c.Hash, c.ProductIDs = hash, list(c.ProductIDs)
	money(&c.DiscountAmount, &c.TrialAmount, &c.FirstPaymentDiscountAmount)
	fill(&c.Status, "publish")
	fill(&c.DiscountType, "percent")
	fill(&c.DiscountMode, "standard")
	fill(&c.FirstPaymentDiscountType, "percent")
	return c
}

func (g Group) complete(hash, _ string) any {
	g.Hash = hash
	fill(&g.Status, "publish")
	return g
}

func (o Order) complete(hash, _ string) any {
	o.Hash = hash
	return o
}

func (e Event) complete(hash, _ string) any {
	e.Hash = hash
	return e
}

func (c CorporateAccount) complete(hash, _ string) any {
	c.Hash = hash
	return c
}
