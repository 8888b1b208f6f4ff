//go:build wordpress

package memberpress

import (
	"slices"
	"strconv"
	"testing"

	"memberintel/internal/syncrun"
)

// operation is one way in which MemberPress, an add-on or another plugin writes, done to the n-th member of the club,
// and what the warehouse tells of it after one sync. The query gets the ids of an entity that changed or is gone.
type operation struct {
	name   string
	n      int
	entity string
	sql    string
	want   string
}

// operations are those of wordpress/tests/Operations.php, in an order in which none takes away what a later one needs.
func operations() []operation {
	return []operation{
		{"a status through the model", 1, "transactions", `SELECT native_status FROM transactions WHERE source_id = ANY ($1)`, "failed"},
		{
			"a refund, and the confirmation that expires by SQL", 2, "transactions",
			`SELECT string_agg(kind || ' ' || coalesce((access_until < now())::text, '-'), ', ' ORDER BY kind) FROM transactions WHERE source_id = ANY ($1)`,
			"grant true, payment -, refund -",
		},
		{"expire_txns of a subscription", 3, "transactions", `SELECT string_agg((access_until < now())::text, ' ') FROM transactions WHERE source_id = ANY ($1)`, "true true true"},
		{"update_partial", 4, "transactions", `SELECT metadata ->> 'trans_num' FROM transactions WHERE source_id = ANY ($1)`, "ch_partial"},
		{"update_meta", 5, "transactions", `SELECT metadata #>> '{gift,status}' FROM transactions WHERE source_id = ANY ($1)`, "claimed"},
		{"an update by another plugin", 6, "transactions", `SELECT amount_minor::text FROM transactions WHERE source_id = ANY ($1)`, "3100"},
		{
			"an insert by another plugin", 0, "transactions",
			`SELECT member_source_id || ' ' || (metadata ->> 'amount_minor') FROM transactions WHERE source_id = ANY ($1)`, "1 100",
		},
		{
			"a bulk update by a condition", 0, "transactions",
			`SELECT count(*) || ' ' || min(p.name) || ' ' || max(p.name) FROM transactions t JOIN plans p ON p.source_id = t.plan_source_id WHERE t.source_id = ANY ($1)`,
			"10 Life member Life member",
		},
		{
			"a bulk update of all", 0, "transactions",
			`SELECT string_agg(DISTINCT gateway, ' ') || (count(*) > 800)::text FROM transactions WHERE $1::text[] IS NOT NULL`, "manualtrue",
		},
		{
			"a delete by subscription", 4, "transactions",
			`SELECT count(DISTINCT source_id)::text FROM transactions WHERE deleted_at IS NOT NULL AND source_id = ANY ($1)`, "3",
		},
		{
			"a subscription destroyed with its transactions", 8, "subscriptions",
			`SELECT count(DISTINCT s.source_id) || ' ' || count(DISTINCT t.source_id) FROM subscriptions s JOIN transactions t ON t.subscription_source_id = s.source_id
				WHERE s.deleted_at IS NOT NULL AND t.deleted_at IS NOT NULL AND s.source_id = ANY ($1)`, "1 3",
		},
		{"user meta", 6, "members", `SELECT name FROM members WHERE source_id = ANY ($1)`, "Anna Berg"},
		{"a role", 6, "members", `SELECT raw ->> 'roles' FROM members WHERE source_id = ANY ($1)`, `["editor"]`},
		{"an e-mail address by SQL", 6, "members", `SELECT email FROM members WHERE source_id = ANY ($1)`, "new@lakeside.example"},
		{"a price by meta alone", 0, "products", `SELECT amount_minor::text FROM plans WHERE source_id = ANY ($1)`, "3500"},
		{"a product through the model", 0, "products", `SELECT name || ' ' || amount_minor FROM plans WHERE source_id = ANY ($1)`, "Adult 3600"},
		{"a condition added, then all deleted", 0, "rules", `SELECT raw ->> 'conditions' FROM content_rules WHERE source_id = ANY ($1)`, "[]"},
		{
			"a user deleted", 7, "members",
			`SELECT (SELECT (deleted_at IS NOT NULL)::text FROM members WHERE source_id = ANY ($1)) || ' ' || count(*) FROM transactions WHERE member_source_id = ANY ($1)`,
			"true 0",
		},
		{
			"a product deleted in the admin", 0, "products",
			`SELECT (SELECT (deleted_at IS NOT NULL)::text FROM plans WHERE source_id = ANY ($1)) || ' ' || count(*) FILTER (WHERE plan_source_id = ANY ($1))
				|| ' ' || (count(*) FILTER (WHERE plan_source_id IS NULL) > 8) FROM transactions WHERE deleted_at IS NULL`,
			"true 0 true",
		},
	}
}

// Each of the nineteen operations of the capture matrix, from a real WordPress to the warehouse with one sync.
func TestEveryOperationAtARealSite(t *testing.T) {
	drive(t, "seed", "250")
	c := realClub(t)
	c.mustSync(syncrun.Full)
	known := map[string]bool{}
	for _, name := range drive(t, "operations").Names {
		known[name] = true
	}
	for _, o := range operations() {
		if !known[o.name] {
			t.Errorf("there is no operation %q", o.name)
		}
		delete(known, o.name)
	}
	if len(known) > 0 {
		t.Errorf("operations that are not tried: %v", known)
	}
	for _, o := range operations() {
		t.Run(o.name, func(t *testing.T) {
			did := drive(t, "operation", o.name, strconv.Itoa(o.n))
			ids := slices.Concat(did.Changed[o.entity], did.Gone[o.entity])
			if len(ids) == 0 {
				t.Fatalf("it did nothing to %s: %+v", o.entity, did)
			}
			if got := value[string](c, `SELECT coalesce((`+o.sql+` LIMIT 1), '')`, names(ids)); got == o.want {
				t.Fatalf("the warehouse said %q before the sync", got)
			}
			c.mustSync(syncrun.Incremental)
			if got := value[string](c, `SELECT coalesce((`+o.sql+` LIMIT 1), '')`, names(ids)); got != o.want {
				t.Errorf("%d: got %q, want %q", ids, got, o.want)
			}
			c.mustBury(did)
		})
	}
	c.mustEqual()
}
