package thirdtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"memberintel/internal/canonical"
)

// kind is a kind of row, in the order in which they are read.
type kind struct {
	name, table, variant string // the source's, the warehouse's, and what tells the table's rows apart
	read                 func(*canonical.Batch, canonical.Head, []byte) error
}

func kinds() []kind {
	return []kind{
		{"levels", "plans", "product", level},
		{"users", "members", "", user},
		{"memberships", "subscriptions", "", membership},
		{"orders", "transactions", "payment", order},
	}
}

// Map reads one row. It is pure. A row is understood as a whole or not at all: then the error says what was not, and
// shows no value of a member.
func (k kind) Map(raw json.RawMessage, at canonical.Observation) (id string, b canonical.Batch, err error) {
	var row struct {
		ID int64 `json:"id"`
	}
	if json.Unmarshal(raw, &row) != nil || row.ID <= 0 {
		return "", b, errors.New("no id")
	}
	id = strconv.FormatInt(row.ID, 10)
	return id, b, k.read(&b, canonical.Head{SourceID: id, APIVersion: "1", Raw: raw, Observed: at}, raw)
}

// decode refuses what the row has beside, so that nothing is dropped in silence.
func decode(raw []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func level(b *canonical.Batch, head canonical.Head, raw []byte) error {
	var l struct {
		ID            int64  `json:"id"`
		Modified      string `json:"modified"`
		Name          string `json:"name"`
		BillingAmount string `json:"billing_amount"`
		Currency      string `json:"currency"`
		CycleNumber   int32  `json:"cycle_number"`
		CyclePeriod   string `json:"cycle_period"` // Day, Week, Month or Year
	}
	if err := decode(raw, &l); err != nil {
		return err
	}
	minor, err := amount(l.BillingAmount, l.Currency)
	if err != nil {
		return err
	}
	currency, unit, billing := strings.ToLower(l.Currency), strings.ToLower(l.CyclePeriod), "one_time"
	plan := canonical.Plan{Head: head, Level: "product", Name: &l.Name, Active: true, BillingType: &billing, AmountMinor: &minor, Currency: &currency}
	if l.CycleNumber > 0 {
		billing = "recurring"
		plan.IntervalUnit, plan.IntervalCount = &unit, &l.CycleNumber
	}
	b.Plans = []canonical.Plan{plan}
	return nil
}

func user(b *canonical.Batch, head canonical.Head, raw []byte) error {
	var u struct {
		ID         int64             `json:"id"`
		Modified   string            `json:"modified"`
		Email      string            `json:"email"`
		Name       string            `json:"name"`
		Registered time.Time         `json:"registered"`
		Customer   string            `json:"stripe_customer"` // "" for none
		Fields     map[string]string `json:"fields"`
	}
	if err := decode(raw, &u); err != nil {
		return err
	}
	m := canonical.Member{Head: head, Email: some(u.Email), Name: some(u.Name), SignupAt: &u.Registered}
	m.CreatedAt = &u.Registered
	var err error
	if m.Metadata, err = json.Marshal(u.Fields); err != nil {
		return err
	}
	if u.Customer != "" {
		m.ForeignIDs, err = json.Marshal([]string{u.Customer})
	}
	b.Members = []canonical.Member{m}
	return err
}

func membership(b *canonical.Batch, head canonical.Head, raw []byte) error {
	var s struct {
		ID           int64      `json:"id"`
		Modified     string     `json:"modified"`
		User         int64      `json:"user_id"`
		Level        int64      `json:"membership_id"`
		Status       string     `json:"status"`
		Started      time.Time  `json:"startdate"`
		Ends         *time.Time `json:"enddate"` // null: nobody knows
		Subscription string     `json:"subscription_transaction_id"`
	}
	if err := decode(raw, &s); err != nil {
		return err
	}
	status, known := map[string]string{
		"active": "active", "inactive": "canceled", "cancelled": "canceled", "admin_cancelled": "canceled", "changed": "canceled",
		"expired": "expired", "pending": "pending",
	}[s.Status]
	if !known {
		return fmt.Errorf("the status %q, which this version does not know", s.Status[:min(len(s.Status), 40)])
	}
	head.CreatedAt = &s.Started
	b.Subscriptions = []canonical.Subscription{{
		Head: head, MemberSourceID: number(s.User), PlanSourceID: number(s.Level), ProductSourceID: number(s.Level),
		Status: status, NativeStatus: s.Status, StartedAt: &s.Started, AccessUntil: s.Ends, ForeignID: canonical.Foreign(s.Subscription), Metadata: []byte(`{}`),
	}}
	return nil
}

func order(b *canonical.Batch, head canonical.Head, raw []byte) error {
	var o struct {
		ID       int64     `json:"id"`
		Modified string    `json:"modified"`
		User     int64     `json:"user_id"`
		Member   int64     `json:"membership_row_id"`
		Total    string    `json:"total"`
		Currency string    `json:"currency"`
		Status   string    `json:"status"`
		Payment  string    `json:"payment_transaction_id"` // ch_ of Stripe, or the plugin's own
		At       time.Time `json:"timestamp"`
	}
	if err := decode(raw, &o); err != nil {
		return err
	}
	minor, err := amount(o.Total, o.Currency)
	if err != nil {
		return err
	}
	status, known := map[string]string{"success": "succeeded", "pending": "pending", "error": "failed", "cancelled": "canceled"}[o.Status]
	if !known {
		return fmt.Errorf("the status %q, which this version does not know", o.Status[:min(len(o.Status), 40)])
	}
	head.CreatedAt = &o.At
	t := canonical.Transaction{
		Head: head, Kind: "payment", MemberSourceID: number(o.User), SubscriptionSourceID: number(o.Member), LinksTold: true,
		AmountMinor: minor, Currency: strings.ToLower(o.Currency), Status: status, NativeStatus: o.Status, OccurredAt: &o.At, Metadata: []byte(`{}`),
	}
	t.ForeignID = canonical.Foreign(o.Payment)
	b.Transactions = []canonical.Transaction{t}
	return nil
}

// amount reads a decimal with two places behind the point as minor units of a currency that has so many. Others are
// refused: this is a test.
func amount(decimal, currency string) (int64, error) {
	whole, fraction, _ := strings.Cut(decimal, ".")
	minor, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil || len(fraction) != 2 || len(currency) != 3 || canonical.Exponent(strings.ToLower(currency)) != 2 || minor < 0 || minor > math.MaxInt32 {
		return 0, errors.New("an amount that is none")
	}
	return minor, nil
}

func some(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func number(id int64) *string {
	if id == 0 {
		return nil
	}
	text := strconv.FormatInt(id, 10)
	return &text
}
