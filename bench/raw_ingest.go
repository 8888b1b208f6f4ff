package main

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/tidwall/gjson"
)

// rawIngest is the shortest code that takes a signed event, writes the rows that the product writes, into the
// product's tables with the product's indexes, and answers 200 after the commit: no policy, no order of
// observations, no mapping to speak of, no quarantine, no switches. What a member's row says of the subscription is
// taken from the event at hand.
type rawIngest struct {
	tenants map[string]string // by path
	waiting chan *rawEvent
	limit   int // events in a commit; 1 is the floor of one transaction an event
}

type rawEvent struct {
	tenant string
	body   []byte
	done   chan error
}

func (in *rawIngest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil || !rawSigned(body, r.Header.Get("Stripe-Signature")) {
		http.Error(w, "refused", http.StatusBadRequest)
		return
	}
	e := &rawEvent{in.tenants[r.URL.Path], body, make(chan error, 1)}
	in.waiting <- e
	if err := <-e.done; err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func rawSigned(body []byte, header string) bool {
	stamp, sum, _ := strings.Cut(strings.TrimPrefix(header, "t="), ",v1=")
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(stamp + "."))
	_, _ = mac.Write(body)
	got, err := hex.DecodeString(sum)
	return err == nil && hmac.Equal(got, mac.Sum(nil))
}

// work commits what waits, as much as there is, up to the limit.
func (in *rawIngest) work(ctx context.Context, pool *pgxpool.Pool) {
	for first := range in.waiting {
		group := []*rawEvent{first}
	gather:
		for len(group) < in.limit {
			select {
			case e := <-in.waiting:
				group = append(group, e)
			default:
				break gather
			}
		}
		err := rawWrite(ctx, pool, group)
		for _, e := range group {
			e.done <- err
		}
	}
}

func rawWrite(ctx context.Context, pool *pgxpool.Pool, group []*rawEvent) error {
	var ledger, members, subs, items, history, status rawRows
	for _, e := range group {
		top := gjson.ParseBytes(e.body)
		o := top.Get("data.object")
		head := func(id, raw string) []any {
			return []any{e.tenant, id, raw, top.Get("created").Int(), top.Get("id").String()}
		}
		ledger.add(e.tenant, top.Get("id").String(), top.Get("type").String(), top.Get("created").Int())
		id := o.Get("id").String()
		if top.Get("type").Str == "customer.created" {
			row := head(id, o.Raw)
			for _, path := range []string{"email", "name", "phone", "currency", "metadata.member_number", "metadata.membership_type",
				"metadata.preferred_court", "metadata.skill_level", "metadata.emergency_contact_name",
				"metadata.emergency_contact_phone", "metadata.join_date"} {
				row = append(row, o.Get(path).Str)
			}
			members.add(append(row, o.Get("address").Raw, o.Get("metadata").Raw, o.Get("created").Int())...)
			continue
		}
		item := o.Get("items.data.0")
		plan := []any{item.Get("price.id").Str, item.Get("price.product").Str}
		period := []any{item.Get("current_period_start").Int(), item.Get("current_period_end").Int()}
		subs.add(append(append(append(head(id, o.Raw), o.Get("customer").Str, o.Get("status").Str, o.Get("currency").Str,
			o.Get("metadata").Raw, o.Get("start_date").Int()), plan...), period...)...)
		items.add(append(append(append(head(item.Get("id").Str, item.Raw), id, o.Get("currency").Str, item.Get("quantity").Int(),
			item.Get("price.unit_amount").Int()), plan...), period...)...)
		status.add(e.tenant, o.Get("customer").Str, o.Get("status").Str, plan[0], period[1])
		history.add(e.tenant, item.Get("id").Str, id, o.Get("customer").Str, plan[0], item.Get("quantity").Int(), o.Get("status").Str,
			top.Get("created").Int(), item.Get("price.unit_amount").Int(), o.Get("currency").Str)
	}
	b := &pgx.Batch{}
	ledger.insert(b, `INSERT INTO stripe_events_processed (tenant_id, livemode, event_id, type, event_created, outcome)
		SELECT a::uuid, false, b, c, to_timestamp(d), 'applied' FROM %s ON CONFLICT DO NOTHING`, "ttti")
	const heads = `(tenant_id, source_platform, source_account_id, livemode, source_id, source_api_version, raw, observed_at, observed_until, last_event_id, `
	const values = ` SELECT a::uuid, 'stripe', 'acct_bench', false, b, '2026-08-26.dahlia', c::jsonb, to_timestamp(d), to_timestamp(d), e, `
	const upsert = ` ON CONFLICT (tenant_id, source_platform, source_account_id, livemode, source_id) DO UPDATE SET raw = excluded.raw,
		observed_at = excluded.observed_at, observed_until = excluded.observed_until WHERE t.observed_until < excluded.observed_until`
	members.insert(b, `INSERT INTO members AS t `+heads+`email, name, phone, currency, member_number, membership_type, preferred_court,
		skill_level, emergency_contact_name, emergency_contact_phone, join_date, address, metadata, signup_at, membership_status, last_activity_at)`+values+
		`f, g, h, i, j, k, l, m, n, o, p::date, q::jsonb, r::jsonb, to_timestamp(s), 'none', to_timestamp(s) FROM %s`+upsert, "tttit"+"ttttttttttt"+"tti")
	subs.insert(b, `INSERT INTO subscriptions AS t `+heads+`member_source_id, status, native_status, currency, metadata, started_at,
		plan_source_id, product_source_id, current_period_start, current_period_end, access_until)`+values+
		`f, g, g, h, i::jsonb, to_timestamp(j), k, l, to_timestamp(m), to_timestamp(n), to_timestamp(n) FROM %s`+upsert, "tttit"+"ttttitt"+"ii")
	items.insert(b, `INSERT INTO subscription_items AS t `+heads+`subscription_source_id, currency, quantity, unit_amount_minor,
		plan_source_id, product_source_id, period_start, period_end, interval_unit, interval_count)`+values+
		`f, g, h, i, j, k, to_timestamp(l), to_timestamp(m), 'month', 1 FROM %s`+upsert, "tttit"+"ttiitt"+"ii")
	history.insert(b, `INSERT INTO subscription_item_history (tenant_id, source_platform, source_account_id, livemode, item_source_id,
		subscription_source_id, member_source_id, plan_source_id, quantity, status, native_status, valid_from, mrr_numerator, currency, cause)
		SELECT a::uuid, 'stripe', 'acct_bench', false, b, c, d, e, f, g, g, to_timestamp(h), i, j, 'first_seen' FROM %s
		ON CONFLICT DO NOTHING`, "tttttitiit")
	status.insert(b, `UPDATE members t SET membership_status = c, plan_source_id = d, access_until = to_timestamp(e) FROM %s
		WHERE t.tenant_id = a::uuid AND t.source_platform = 'stripe' AND t.source_account_id = 'acct_bench' AND NOT t.livemode AND t.source_id = b`, "tttti")
	tx, err := pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// rawRows are rows on their way into arrays, one a column.
type rawRows [][]any

func (r *rawRows) add(row ...any) { *r = append(*r, row) }

// insert adds a statement to the batch; types says t or i for each column, which are called a, b, c and so on.
func (r rawRows) insert(b *pgx.Batch, sql, types string) {
	if len(r) == 0 {
		return
	}
	slices.SortFunc(r, func(x, y []any) int {
		return cmp.Or(strings.Compare(x[0].(string), y[0].(string)), strings.Compare(x[1].(string), y[1].(string)))
	})
	var arrays, names []string
	var args []any
	for i, kind := range types {
		if kind == 'i' {
			args = append(args, rawColumn[int64](r, i))
			arrays = append(arrays, fmt.Sprintf("$%d::bigint[]", i+1))
		} else {
			args = append(args, rawColumn[string](r, i))
			arrays = append(arrays, fmt.Sprintf("$%d::text[]", i+1))
		}
		names = append(names, string(rune('a'+i)))
	}
	b.Queue(fmt.Sprintf(sql, "unnest("+strings.Join(arrays, ", ")+") AS s("+strings.Join(names, ", ")+")"), args...)
}

func rawColumn[T any](r rawRows, i int) []T {
	out := make([]T, len(r))
	for n := range r {
		out[n] = r[n][i].(T)
	}
	return out
}

// startRaw serves a raw probe with so many committers.
func startRaw(ctx context.Context, url string, tenants map[string]string, committers, limit int) (address string, stop func(), err error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return "", nil, err
	}
	cfg.MaxConns = int32(committers)                       //nolint:gosec // a few
	cfg.ConnConfig.RuntimeParams["enable_seqscan"] = "off" // as the product's commits have it
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return "", nil, err
	}
	in := &rawIngest{tenants: tenants, waiting: make(chan *rawEvent, 1024), limit: limit}
	for range committers {
		go in.work(ctx, pool)
	}
	address, stopHTTP, err := serve(in)
	return address, func() {
		stopHTTP()
		close(in.waiting) // every delivery has been answered by now
		pool.Close()
	}, err
}
