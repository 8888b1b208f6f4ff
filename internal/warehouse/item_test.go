package warehouse_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
)

// item is a line of a subscription at so much each interval.
func item(id, plan string, quantity, unit int64, interval string, count int32) canonical.SubscriptionItem {
	return canonical.SubscriptionItem{
		SourceID: id, Raw: []byte(`{}`), PlanSourceID: &plan, Quantity: &quantity, UnitAmountMinor: &unit, Currency: ptr("usd"),
		IntervalUnit: &interval, IntervalCount: &count,
	}
}

func subscription(s int, status string, items ...canonical.SubscriptionItem) *canonical.Batch {
	return subscriptionOf("cus_1", s, status, items...)
}

func subscriptionOf(member string, s int, status string, items ...canonical.SubscriptionItem) *canonical.Batch {
	digest := fmt.Sprint(len(items))
	for _, i := range items {
		digest += fmt.Sprint(i.SourceID, *i.PlanSourceID, *i.Quantity, *i.UnitAmountMinor, *i.IntervalUnit)
	}
	return &canonical.Batch{Subscriptions: []canonical.Subscription{{
		Head: head("sub_1", event(s), fmt.Sprint(status, digest)), MemberSourceID: &member, Status: status, NativeStatus: status,
		ItemsDigest: digest, Items: items,
	}}}
}

func (w *world) history() []string {
	w.t.Helper()
	return w.rows(`SELECT item_source_id, cause, valid_from, valid_to, plan_source_id, quantity, status, round(mrr_minor, 2)::text
		FROM subscription_item_history ORDER BY item_source_id, history_id`)
}

func TestItemsFollowTheirSubscription(t *testing.T) {
	one, two := item("si_1", "gold", 1, 2500, "month", 1), item("si_2", "locker", 2, 300, "month", 1)
	dearer := item("si_1", "gold", 1, 3000, "month", 1)
	steps := []*canonical.Batch{
		subscription(10, "active", one),
		subscription(20, "active", one, two),
		subscription(25, "active", two), // late: 30 has been shown by then in the last round
		subscription(30, "active", one),
		subscription(40, "active", dearer, two),
		subscription(50, "past_due", dearer, two),
	}
	steps = append(steps, &canonical.Batch{Subscriptions: []canonical.Subscription{{Head: canonical.Head{SourceID: "sub_1", Observed: event(60), EventID: "evt_60", Deleted: byEvent}}}})
	want := []string{
		"si_1 first_seen 10 25 gold 1 active 2500.00",
		"si_1 added 30 40 gold 1 active 2500.00",
		"si_1 price 40 50 gold 1 active 3000.00",
		"si_1 status 50 60 gold 1 past_due 3000.00",
		"si_2 added 20 30 locker 2 active 600.00",
		"si_2 added 40 50 locker 2 active 600.00",
		"si_2 status 50 60 locker 2 past_due 600.00",
	}
	apart, together := newWorld(t), newWorld(t)
	all := &canonical.Batch{}
	for _, s := range steps {
		apart.apply(s)
		apart.apply(s) // twice is once
		all.Append(s)
	}
	together.apply(all)
	for name, w := range map[string]*world{"one by one": apart, "in one batch": together} {
		if diff := cmp.Diff(want, w.history()); diff != "" {
			t.Errorf("%s: history (-want +found)\n%s", name, diff)
		}
		if diff := cmp.Diff([]string{"si_1 3000 60 missing", "si_2 300 60 missing"},
			w.rows(`SELECT source_id, unit_amount_minor, deleted_at, delete_reason FROM subscription_items ORDER BY 1`)); diff != "" {
			t.Errorf("%s: items (-want +found)\n%s", name, diff)
		}
	}
	newestFirst := newWorld(t)
	newestFirst.apply(&canonical.Batch{Subscriptions: append(subscription(30, "active", one).Subscriptions, subscription(20, "active", one, two).Subscriptions...)})
	if got := newestFirst.rows(`SELECT source_id FROM subscription_items`); fmt.Sprint(got) != "[si_1]" {
		t.Errorf("an item of an older look is there: %q", got)
	}
}

func TestWhatAnItemIsWorthAMonthIsExact(t *testing.T) {
	w := newWorld(t)
	third := item("e_third", "p", 1, 100, "month", 3)
	fine := item("f_fine", "p", 1000, 0, "month", 1)
	fine.UnitAmountDecimal = ptr("0.25")
	once := item("g_once", "p", 1, 100, "month", 1)
	once.IntervalUnit, once.IntervalCount = nil, nil
	s := subscription(10, "active", item("a_year", "p", 1, 30000, "year", 1), item("b_week", "p", 1, 1000, "week", 1),
		item("c_day", "p", 3, 100, "day", 1), item("d_2weeks", "p", 1, 1000, "week", 2), third, fine)
	s.Subscriptions[0].Items = append(s.Subscriptions[0].Items, once)
	w.apply(s)
	want := []string{"a_year 30000 12 2500.00", "b_week 52000 12 4333.33", "c_day 109500 12 9125.00", "d_2weeks 52000 24 2166.67",
		"e_third 100 3 33.33", "f_fine 250.00 1 250.00", "g_once <nil> 1 <nil>"}
	got := w.rows(`SELECT item_source_id, mrr_numerator::text, mrr_denominator, round(mrr_minor, 2)::text FROM subscription_item_history ORDER BY 1`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +found)\n%s", diff)
	}
	// Another way to write the same worth is no change of price.
	yearly := item("a_year", "p", 1, 60000, "year", 2)
	s = subscription(20, "active", yearly)
	w.apply(s)
	if got := w.rows(`SELECT cause FROM subscription_item_history WHERE item_source_id = 'a_year'`); len(got) != 1 {
		t.Errorf("causes %q", got)
	}
}

func TestEachCauseIsNamed(t *testing.T) {
	w := newWorld(t)
	for _, b := range []*canonical.Batch{
		subscription(10, "trialing", item("si_1", "gold", 1, 100, "month", 1)),
		subscription(20, "active", item("si_1", "gold", 1, 100, "month", 1)),
		subscription(30, "active", item("si_1", "gold", 2, 100, "month", 1)),
		subscription(40, "active", item("si_1", "gold", 2, 150, "month", 1)),
		subscription(50, "active", item("si_1", "silver", 2, 150, "month", 1)),
		subscriptionOf("cus_2", 60, "active", item("si_1", "silver", 2, 150, "month", 1)),
	} {
		w.apply(b)
	}
	got := w.rows(`SELECT cause, valid_from, valid_to FROM subscription_item_history ORDER BY history_id`)
	want := []string{"first_seen 10 20", "status 20 30", "quantity 30 40", "price 40 50", "plan 50 60", "member 60 <nil>"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +found)\n%s", diff)
	}
}

func TestTheHistoryIsOnlyAppendedTo(t *testing.T) {
	w := newWorld(t)
	w.apply(subscription(10, "active", item("si_1", "gold", 1, 100, "month", 1)))
	for sql, allowed := range map[string]bool{
		`UPDATE subscription_item_history SET mrr_numerator = 1`:     false,
		`UPDATE subscription_item_history SET valid_from = now()`:    false,
		`UPDATE subscription_item_history SET cause = 'price'`:       false,
		`DELETE FROM subscription_item_history`:                      false,
		`TRUNCATE subscription_item_history`:                         false,
		`UPDATE subscription_item_history SET valid_to = valid_from`: true,
	} {
		err := w.db.TenantTx(t.Context(), w.tenant, func(tx *postgres.TenantTx) error {
			_, err := tx.Exec(t.Context(), sql)
			return err
		})
		var pg *pgconn.PgError
		if refused := errors.As(err, &pg) && pg.Code == "42501"; refused == allowed {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestAnItemThatMovesKeepsItsHistory(t *testing.T) {
	w := newWorld(t)
	w.apply(subscription(10, "active", item("si_1", "gold", 1, 2500, "month", 1)))
	elsewhere := subscription(20, "past_due", item("si_1", "gold", 1, 2500, "month", 1))
	elsewhere.Subscriptions[0].SourceID = "sub_2"
	w.apply(elsewhere)
	want := []string{"si_1 first_seen 10 20 gold 1 active 2500.00", "si_1 status 20 <nil> gold 1 past_due 2500.00"}
	if diff := cmp.Diff(want, w.history()); diff != "" {
		t.Errorf("(-want +found)\n%s", diff)
	}
}
