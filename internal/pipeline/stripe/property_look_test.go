package stripe

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	simstripe "memberintel/internal/sim/stripe"
)

// look compares every row that has changed with the versions that its object has had.
func (p *play) look(rt *rapid.T) {
	for _, a := range p.actors {
		for _, r := range p.rows(rt, a) {
			p.examine(rt, a, r)
		}
	}
}

type row struct {
	Table, ID string
	Raw       []byte
}

func (p *play) rows(rt *rapid.T, a *actor) []row {
	found, err := p.s.w.ownerPool().Query(p.s.t.Context(), `
		SELECT 'customer', source_id, raw FROM members WHERE tenant_id = $1 AND deleted_at IS NULL
		UNION ALL SELECT level, source_id, raw FROM plans WHERE tenant_id = $1 AND deleted_at IS NULL
		UNION ALL SELECT 'subscription', source_id, raw FROM subscriptions WHERE tenant_id = $1 AND deleted_at IS NULL
		UNION ALL SELECT 'invoice', source_id, raw FROM invoices WHERE tenant_id = $1 AND deleted_at IS NULL
		UNION ALL SELECT 'charge', source_id, raw FROM transactions WHERE tenant_id = $1 AND kind = 'payment' AND deleted_at IS NULL
		UNION ALL SELECT 'payment_intent', source_id, raw FROM payment_intents WHERE tenant_id = $1 AND deleted_at IS NULL`, a.c.TenantID)
	must(rt, err)
	rows, err := pgx.CollectRows(found, pgx.RowToStructByPos[row])
	must(rt, err)
	return rows
}

func (p *play) examine(rt *rapid.T, a *actor, r row) {
	now := told(rt, r.Table, r.Raw)
	key := r.Table + " " + r.ID
	if a.seen[key] == now {
		return
	}
	a.seen[key] = now
	versions := a.account.History(r.ID)
	from := 0
	if was, ok := a.shown[key]; ok {
		from = max(0, slices.IndexFunc(versions, func(v simstripe.Version) bool {
			return v.At.Equal(was.at) && told(rt, r.Table, v.JSON) == was.content
		}))
	}
	for _, v := range versions[from:] {
		if told(rt, r.Table, v.JSON) == now {
			a.shown[key] = shown{v.At, now}
			return
		}
	}
	var all []string
	for _, v := range versions {
		all = append(all, v.At.Format(time.TimeOnly)+" "+told(rt, r.Table, v.JSON))
	}
	rt.Fatalf("%s of %s shows\n  %s\nafter it has shown %v; its versions are\n  %s", key, a.account.ID(), now, a.shown[key], strings.Join(all, "\n  "))
}

// told picks the fields by which versions of an object differ.
func told(rt *rapid.T, object string, raw []byte) string {
	var all map[string]any
	must(rt, json.Unmarshal(raw, &all))
	fields := map[string][]string{
		"customer":       {"name", "email", "metadata", "delinquent"},
		"product":        {"name", "active", "metadata", "updated"},
		"price":          {"active", "nickname", "metadata"},
		"subscription":   {"status", "metadata", "cancel_at_period_end", "canceled_at", "latest_invoice"},
		"invoice":        {"status", "amount_paid", "amount_remaining", "attempt_count"},
		"charge":         {"status", "amount_refunded", "refunded", "disputed", "metadata"},
		"payment_intent": {"status", "latest_charge"},
	}[object]
	var out []string
	for _, f := range fields {
		value, err := json.Marshal(all[f])
		must(rt, err)
		out = append(out, f+"="+string(value))
	}
	return strings.Join(out, " ")
}

// compare holds rows against the simulated Stripe's own state.
func (p *play) compare(rt *rapid.T, a *actor) {
	for resource, sql := range map[string]string{
		"customers":     `SELECT source_id, concat_ws('|', name, metadata->>'rev') FROM members WHERE tenant_id = $1 AND deleted_at IS NULL`,
		"products":      `SELECT source_id, concat_ws('|', name, metadata->>'rev') FROM plans WHERE tenant_id = $1 AND level = 'product' AND deleted_at IS NULL`,
		"subscriptions": `SELECT source_id, concat_ws('|', native_status, metadata->>'rev', member_source_id) FROM subscriptions WHERE tenant_id = $1 AND deleted_at IS NULL`,
		"invoices":      `SELECT source_id, concat_ws('|', status, amount_paid_minor) FROM invoices WHERE tenant_id = $1 AND deleted_at IS NULL`,
		"charges":       `SELECT source_id, concat_ws('|', native_status, amount_minor, metadata->>'rev') FROM transactions WHERE tenant_id = $1 AND kind = 'payment' AND deleted_at IS NULL`,
	} {
		have := map[string]string{}
		found, err := p.s.w.ownerPool().Query(p.s.t.Context(), sql, a.c.TenantID)
		must(rt, err)
		var id, content string
		_, err = pgx.ForEachRow(found, []any{&id, &content}, func() error { have[id] = content; return nil })
		must(rt, err)
		want := map[string]string{}
		for _, raw := range a.account.State(resource) {
			id, content := stateOf(rt, resource, raw)
			want[id] = content
		}
		for id := range want {
			if have[id] != want[id] {
				rt.Errorf("%s %s is %q, and at Stripe %q", resource, id, have[id], want[id])
			}
		}
		if len(have) != len(want) {
			rt.Errorf("%d %s, and at Stripe %d", len(have), resource, len(want))
		}
	}
}

func stateOf(rt *rapid.T, resource string, raw []byte) (id, content string) {
	var o struct {
		ID, Name, Status, Customer string
		Amount                     int64
		Paid                       int64 `json:"amount_paid"`
		Metadata                   map[string]string
	}
	must(rt, json.Unmarshal(raw, &o))
	parts := []string{}
	rev, revised := o.Metadata["rev"]
	switch resource {
	case "customers", "products":
		parts = append(parts, o.Name)
	case "subscriptions":
		parts = append(parts, o.Status)
	case "invoices":
		return o.ID, fmt.Sprintf("%s|%d", o.Status, o.Paid)
	case "charges":
		parts = append(parts, o.Status, strconv.FormatInt(o.Amount, 10))
	}
	if revised {
		parts = append(parts, rev)
	}
	if resource == "subscriptions" {
		parts = append(parts, o.Customer)
	}
	return o.ID, strings.Join(parts, "|")
}
