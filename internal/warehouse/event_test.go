package warehouse_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/canonical"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/warehouse"
)

func sitePress() canonical.Source {
	return canonical.Source{Platform: "memberpress", AccountID: "site", Livemode: true}
}

// charged is money that Stripe took, sold what the site says of money.
func charged(id string, seen canonical.Observation, more func(*canonical.Transaction)) canonical.Transaction {
	t := canonical.Transaction{Head: head(id, seen, id), Kind: "payment", AmountMinor: 2900, Currency: "usd", Status: "succeeded", OccurredAt: at(0)}
	if more != nil {
		more(&t)
	}
	return t
}

func sold(id, foreign string, seen canonical.Observation) canonical.Transaction {
	t := charged(id, seen, func(t *canonical.Transaction) { t.LinksTold = true })
	if foreign != "" {
		t.ForeignID = &foreign
	}
	return t
}

// events are those of payments and refunds, with the id of whoever counts and of whoever tells of the same.
func (w *world) events() []string {
	w.t.Helper()
	return w.rows(`SELECT kind, source_id, coalesce((SELECT string_agg((o ->> 'source_id') || ' by ' || (o ->> 'evidence'), ', ') FROM jsonb_array_elements(told_by) o), '-')
		FROM economic_event ORDER BY kind, source_id`)
}

func (w *world) mustTell(what string, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.events()); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestMoneyCountsOnce lets two platforms tell of the same money in each of the ways that prove it, and in both orders of arrival.
func TestMoneyCountsOnce(t *testing.T) {
	stripe, press := canonical.Source{Platform: "stripe", AccountID: "acct_1", Livemode: true}, sitePress()
	seen := fetched(0, 0)
	site := canonical.Batch{Sites: []canonical.Site{{
		Head: head("site", seen, ""), URL: ptr("https://www.Lakeside.example/"), BaseURL: ptr("https://lakeside.example/wp"),
	}}}
	origin := func(id, site, platform string) func(*canonical.Transaction) {
		return func(t *canonical.Transaction) {
			t.OriginID = &id
			if site != "" {
				t.OriginSite = &site
			}
			if platform != "" {
				t.OriginPlatform = &platform
			}
		}
	}
	intent := func(status string, second int) func(*canonical.Transaction) {
		return func(t *canonical.Transaction) {
			t.IntentSourceID, t.Status, t.OccurredAt = ptr("pi_1"), status, at(second)
		}
	}
	bump := func(id string) canonical.Transaction {
		b := sold(id, "", seen)
		b.OrderSourceID = ptr("31")
		return b
	}
	failed := func(t *canonical.Transaction) { t.Status = "failed" }
	refund := func(id, parent string, told bool) canonical.Transaction {
		r := charged(id, seen, func(t *canonical.Transaction) { t.Kind, t.ParentSourceID, t.LinksTold = "refund", &parent, told })
		return r
	}
	for name, c := range map[string]struct {
		took, told canonical.Batch
		want       []string
	}{
		"the charge's id": {
			canonical.Batch{Transactions: []canonical.Transaction{charged("ch_1", seen, nil)}},
			canonical.Batch{Transactions: []canonical.Transaction{sold("1", "ch_1", seen), sold("2", "ch_2", seen)}},
			[]string{"payment 2 -", "payment ch_1 1 by id"},
		},
		"an intent, whose latest charge that succeeded counts": {
			canonical.Batch{Transactions: []canonical.Transaction{
				charged("ch_1", seen, intent("failed", 3)), charged("ch_2", seen, intent("succeeded", 1)), charged("ch_3", seen, intent("succeeded", 2)),
			}},
			canonical.Batch{Transactions: []canonical.Transaction{sold("1", "pi_1", seen)}},
			[]string{"payment ch_1 -", "payment ch_2 -", "payment ch_3 1 by id"},
		},
		"an invoice": {
			canonical.Batch{
				Transactions: []canonical.Transaction{charged("ch_1", seen, func(t *canonical.Transaction) { t.IntentSourceID = ptr("pi_1") })},
				Allocations:  []canonical.PaymentAllocation{{Head: head("inpay_1", seen, ""), Status: "paid", InvoiceSourceID: ptr("in_1"), IntentSourceID: ptr("pi_1")}},
			},
			canonical.Batch{Transactions: []canonical.Transaction{sold("1", "in_1", seen)}},
			[]string{"payment ch_1 1 by id"},
		},
		"an invoice that was paid in some other way": {
			canonical.Batch{Invoices: []canonical.Invoice{{Head: head("in_1", seen, ""), Status: "paid", Currency: ptr("usd"), AmountPaidMinor: 2900, AllocationsKnown: ptr(true)}}},
			canonical.Batch{Transactions: []canonical.Transaction{sold("1", "in_1", seen)}},
			[]string{"payment in_1 1 by id"},
		},
		"an invoice that nobody has paid": {
			canonical.Batch{Invoices: []canonical.Invoice{{Head: head("in_1", seen, ""), Status: "void", Currency: ptr("usd"), AllocationsKnown: ptr(true)}}},
			canonical.Batch{Transactions: []canonical.Transaction{sold("1", "in_1", seen)}},
			[]string{"payment 1 -"},
		},
		"an order, whose charge pays for several": {
			canonical.Batch{Transactions: []canonical.Transaction{charged("ch_1", seen, nil)}},
			canonical.Batch{
				Transactions: []canonical.Transaction{bump("1"), bump("2"), sold("3", "", seen)},
				Orders:       []canonical.Order{{Head: head("31", seen, ""), ForeignID: ptr("ch_1"), Status: "succeeded"}},
			},
			[]string{"payment 3 -", "payment ch_1 1 by id, 2 by id"},
		},
		"metadata that name the site": {
			canonical.Batch{Transactions: []canonical.Transaction{
				charged("ch_1", seen, origin("1", "http://lakeside.example", "memberpress")), charged("ch_2", seen, origin("2", "https://lakeside.example/wp/", "")),
			}},
			canonical.Batch{Transactions: []canonical.Transaction{sold("1", "", seen), sold("2", "cs_2", seen)}},
			[]string{"payment ch_1 1 by metadata", "payment ch_2 2 by metadata"},
		},
		"metadata of another site or another program": {
			canonical.Batch{Transactions: []canonical.Transaction{
				charged("ch_1", seen, origin("1", "https://staging.lakeside.example", "memberpress")), charged("ch_2", seen, origin("2", "", "shopify")),
				charged("ch_3", seen, origin("3", "https://lakeside.example", "shopify")),
			}},
			canonical.Batch{Transactions: []canonical.Transaction{sold("1", "", seen), sold("2", "", seen), sold("3", "", seen)}},
			[]string{"payment 1 -", "payment 2 -", "payment 3 -", "payment ch_1 -", "payment ch_2 -", "payment ch_3 -"},
		},
		"metadata without a site, where sum and time are right": {
			canonical.Batch{Transactions: []canonical.Transaction{
				charged("ch_1", seen, origin("1", "", "memberpress")),
				charged("ch_2", seen, func(t *canonical.Transaction) { origin("2", "", "memberpress")(t); t.AmountMinor = 2901 }),
				charged("ch_3", seen, func(t *canonical.Transaction) { origin("3", "", "memberpress")(t); t.OccurredAt = at(3 * 86400) }),
			}},
			canonical.Batch{Transactions: []canonical.Transaction{sold("1", "", seen), sold("2", "", seen), sold("3", "", seen)}},
			[]string{"payment 2 -", "payment 3 -", "payment ch_1 1 by metadata", "payment ch_2 -", "payment ch_3 -"},
		},
		"an id before metadata, and no attempt that failed": {
			canonical.Batch{Transactions: []canonical.Transaction{
				charged("ch_1", seen, nil), charged("ch_2", seen, origin("1", "https://lakeside.example", "")),
				charged("ch_3", seen, func(t *canonical.Transaction) { origin("2", "https://lakeside.example", "")(t); failed(t) }),
			}},
			canonical.Batch{Transactions: []canonical.Transaction{sold("1", "ch_1", seen), sold("2", "", seen)}},
			[]string{"payment 2 -", "payment ch_1 1 by id", "payment ch_2 -", "payment ch_3 -"},
		},
		"a refund, where the one who took the money knows of it": {
			canonical.Batch{Transactions: []canonical.Transaction{charged("ch_1", seen, nil), charged("ch_2", seen, nil), refund("re_1", "ch_1", false)}},
			canonical.Batch{Transactions: []canonical.Transaction{sold("1", "ch_1", seen), refund("1", "1", true), sold("2", "ch_2", seen), refund("2", "2", true)}},
			[]string{"payment ch_1 1 by id", "payment ch_2 2 by id", "refund 2 -", "refund re_1 1 by id"},
		},
		"a refund that has a number of its own": {
			canonical.Batch{Transactions: []canonical.Transaction{charged("ch_1", seen, nil), refund("re_1", "ch_1", false)}},
			canonical.Batch{Transactions: []canonical.Transaction{sold("1", "ch_1", seen), refund("9", "1", true)}},
			[]string{"payment ch_1 1 by id", "refund re_1 9 by id"},
		},
	} {
		for order, batches := range map[string][]canonical.Batch{"": {site, c.took, c.told}, ", told first": {site, c.told, c.took}} {
			w := newWorld(t)
			for _, b := range batches {
				if w.src = stripe; isTold(b) {
					w.src = press
				}
				w.apply(&b)
			}
			w.mustTell(name+order, c.want...)
			before := w.rows(`SELECT source_id, kind, xmin::text FROM transactions ORDER BY 1, 2`)
			if err := w.db.TenantTx(t.Context(), w.tenant, func(tx *postgres.TenantTx) error { return w.w.DeriveAll(t.Context(), tx, press) }); err != nil {
				t.Fatal(err)
			}
			w.mustTell(name+order+", all at once", c.want...)
			if diff := cmp.Diff(before, w.rows(`SELECT source_id, kind, xmin::text FROM transactions ORDER BY 1, 2`)); diff != "" {
				t.Errorf("%s%s: deriving all writes what is right already:\n%s", name, order, diff)
			}
			w.exec(`UPDATE transactions SET event_source_id = 'ch_9', event_platform = 'stripe', event_account_id = 'acct_1' WHERE source_platform = 'memberpress'`)
			wrong := w.rows(`SELECT source_id FROM transactions WHERE source_platform = 'memberpress'`)
			var drift []warehouse.Difference
			err := w.db.TenantTx(t.Context(), w.tenant, func(tx *postgres.TenantTx) (err error) {
				drift, err = w.w.DerivedDrift(t.Context(), tx, press, true)
				return err
			})
			told := map[string]bool{}
			for _, d := range drift {
				told[d.SourceID] = true
			}
			for _, id := range wrong {
				if !told[id] || err != nil {
					t.Errorf("%s%s: a wrong link of %s is no drift: %+v, %v", name, order, id, drift, err)
				}
			}
			w.mustTell(name+order+", mended", c.want...)
		}
	}
}

// isTold says that the batch is the site's.
func isTold(b canonical.Batch) bool {
	return len(b.Sites) > 0 || slices.ContainsFunc(b.Transactions, func(t canonical.Transaction) bool { return t.LinksTold })
}

// TestALinkGoesWithItsEvidence takes away, one after the other, what proves that money is the same.
func TestALinkGoesWithItsEvidence(t *testing.T) {
	w := newWorld(t)
	stripe, press := w.src, sitePress()
	as := func(src canonical.Source, b *canonical.Batch) {
		t.Helper()
		w.src = src
		w.apply(b)
	}
	gone := func(id string, s int) canonical.Head {
		return canonical.Head{SourceID: id, Observed: fetched(s, s), Deleted: canonical.DeletedByMissing}
	}
	bump := sold("2", "", fetched(0, 0))
	bump.OrderSourceID = ptr("31")
	as(stripe, &canonical.Batch{Transactions: []canonical.Transaction{charged("ch_1", fetched(0, 0), nil), charged("ch_2", fetched(0, 0), nil)}})
	as(press, &canonical.Batch{
		Transactions: []canonical.Transaction{sold("1", "ch_1", fetched(0, 0)), bump},
		Orders:       []canonical.Order{{Head: head("31", fetched(0, 0), ""), ForeignID: ptr("ch_2"), Status: "succeeded"}},
	})
	w.mustTell("at first", "payment ch_1 1 by id", "payment ch_2 2 by id")
	as(press, &canonical.Batch{Transactions: []canonical.Transaction{sold("1", "ch_2", fetched(10, 10))}})
	w.mustTell("another number on the row", "payment ch_1 -", "payment ch_2 1 by id, 2 by id")
	as(press, &canonical.Batch{Orders: []canonical.Order{{Head: head("31", fetched(10, 10), "x"), ForeignID: ptr("ch_1"), Status: "succeeded"}}})
	w.mustTell("another number on the order", "payment ch_1 2 by id", "payment ch_2 1 by id")
	as(press, &canonical.Batch{Orders: []canonical.Order{{Head: gone("31", 20)}}})
	w.mustTell("no order", "payment 2 -", "payment ch_1 -", "payment ch_2 1 by id")
	as(stripe, &canonical.Batch{Transactions: []canonical.Transaction{{Head: gone("ch_2", 20), Kind: "payment"}}})
	w.mustTell("no charge", "payment 1 -", "payment 2 -", "payment ch_1 -")
	as(stripe, &canonical.Batch{Transactions: []canonical.Transaction{charged("ch_2", fetched(30, 30), nil)}})
	w.mustTell("the charge again", "payment 2 -", "payment ch_1 -", "payment ch_2 1 by id")
	as(press, &canonical.Batch{Transactions: []canonical.Transaction{{Head: gone("1", 30), Kind: "payment"}}})
	w.mustTell("no row", "payment 2 -", "payment ch_1 -", "payment ch_2 -")
	as(stripe, &canonical.Batch{Transactions: []canonical.Transaction{charged("ch_3", fetched(0, 0), func(t *canonical.Transaction) { t.IntentSourceID = ptr("pi_3") })}})
	as(press, &canonical.Batch{Transactions: []canonical.Transaction{sold("3", "pi_3", fetched(0, 0))}})
	w.mustTell("an intent", "payment 2 -", "payment ch_1 -", "payment ch_2 -", "payment ch_3 3 by id")
	as(stripe, &canonical.Batch{Transactions: []canonical.Transaction{{Head: gone("ch_3", 20), Kind: "payment"}}})
	w.mustTell("no charge of the intent", "payment 2 -", "payment 3 -", "payment ch_1 -", "payment ch_2 -")
	back := func(id, parent string) *canonical.Batch {
		return &canonical.Batch{Transactions: []canonical.Transaction{charged(id, fetched(40, 40), func(t *canonical.Transaction) {
			t.Kind, t.ParentSourceID, t.LinksTold = "refund", &parent, parent == "4"
		})}}
	}
	as(press, &canonical.Batch{Transactions: []canonical.Transaction{sold("4", "ch_2", fetched(30, 30))}})
	as(stripe, back("re_2", "ch_2"))
	as(press, back("94", "4"))
	w.mustTell("a refund behind its payment", "payment 2 -", "payment 3 -", "payment ch_1 -", "payment ch_2 4 by id", "refund re_2 94 by id")
}

// TestMoneyOfOthersIsNotTheSame keeps modes and tenants apart, and money of a gateway's test mode out.
func TestMoneyOfOthersIsNotTheSame(t *testing.T) {
	w := newWorld(t)
	live := w.src
	seen := fetched(0, 0)
	tried := sold("2", "ch_1", seen)
	tried.Test = ptr(true)
	w.src = canonical.Source{Platform: "stripe", AccountID: "acct_1", Livemode: false}
	w.apply(&canonical.Batch{Transactions: []canonical.Transaction{charged("ch_1", seen, nil)}})
	w.src = sitePress()
	w.apply(&canonical.Batch{Transactions: []canonical.Transaction{sold("1", "ch_1", seen), tried}})
	other, err := identity.CreateTenant(t.Context(), w.db, "Hillside Tennis", "pro")
	if err != nil {
		t.Fatal(err)
	}
	ours := w.tenant
	w.tenant, w.src = other.ID, live
	w.apply(&canonical.Batch{Transactions: []canonical.Transaction{charged("ch_1", seen, func(t *canonical.Transaction) { t.AmountMinor = 100 })}})
	w.mustTell("money of another mode and another tenant", "payment 1 -", "payment ch_1 -", "payment ch_1 -")
	if err := w.db.TenantTx(t.Context(), ours, func(tx *postgres.TenantTx) error { return w.w.DeriveAll(t.Context(), tx, sitePress()) }); err != nil {
		t.Fatal(err)
	}
	w.mustTell("all at once", "payment 1 -", "payment ch_1 -", "payment ch_1 -")
	w.tenant, w.src = ours, live
	w.apply(&canonical.Batch{Transactions: []canonical.Transaction{charged("ch_1", seen, nil)}})
	w.mustTell("money of the same mode", "payment ch_1 -", "payment ch_1 -", "payment ch_1 1 by id")
	// Whether it is test money may turn out later, and whoever does not know changes nothing.
	w.src = sitePress()
	paid := sold("1", "", fetched(10, 10))
	paid.Test = ptr(true)
	first := sold("3", "", fetched(10, 10))
	first.Test = ptr(false)
	w.apply(&canonical.Batch{Transactions: []canonical.Transaction{first}})
	first.Observed, first.Test = fetched(20, 20), ptr(true)
	w.apply(&canonical.Batch{Transactions: []canonical.Transaction{first, paid}})
	first.Observed, first.Test = fetched(30, 30), nil
	w.apply(&canonical.Batch{Transactions: []canonical.Transaction{first}})
	if diff := cmp.Diff([]string{"1 true", "2 true", "3 true"}, w.rows(`SELECT source_id, test FROM transactions WHERE source_platform = 'memberpress' ORDER BY 1`)); diff != "" {
		t.Errorf("test money (-want +got):\n%s", diff)
	}
}

// TestAlikeIsNotTheSame: sum, time and e-mail make a candidate of what no id links, and both count.
func TestAlikeIsNotTheSame(t *testing.T) {
	w := newWorld(t)
	seen := fetched(0, 0)
	paid := func(of canonical.Transaction, member string, amount int64, after time.Duration) canonical.Transaction {
		occurred := epoch.Add(after)
		of.MemberSourceID, of.AmountMinor, of.OccurredAt = &member, amount, &occurred
		return of
	}
	w.apply(&canonical.Batch{
		Members: []canonical.Member{{Head: head("cus_1", seen, ""), Email: ptr("Ann@x.example")}, {Head: head("cus_2", seen, ""), Email: ptr("bea@x.example")}},
		Transactions: []canonical.Transaction{
			paid(charged("ch_1", seen, nil), "cus_1", 100, 47*time.Hour), paid(charged("ch_2", seen, nil), "cus_1", 100, 49*time.Hour),
			paid(charged("ch_3", seen, nil), "cus_1", 101, 0), paid(charged("ch_4", seen, nil), "cus_2", 100, 0), paid(charged("ch_5", seen, nil), "cus_1", 100, 0),
			paid(charged("ch_6", seen, nil), "cus_1", 100, -49*time.Hour),
		},
	})
	w.src = sitePress()
	w.apply(&canonical.Batch{
		Members:      []canonical.Member{{Head: head("1", seen, ""), Email: ptr("ann@x.example")}},
		Transactions: []canonical.Transaction{paid(sold("1", "", seen), "1", 100, 0), paid(sold("2", "ch_5", seen), "1", 100, 0)},
	})
	if diff := cmp.Diff([]string{"1 ch_1 ann@x.example"}, w.rows(`SELECT source_id, other_id, email FROM economic_event_candidates`)); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
	w.mustTell("what is alike", "payment 1 -", "payment ch_1 -", "payment ch_2 -", "payment ch_3 -", "payment ch_4 -", "payment ch_5 2 by id", "payment ch_6 -")
}
