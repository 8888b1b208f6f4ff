package thirdtest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/canonical"
	"memberintel/internal/connection"
	"memberintel/internal/fetch"
	"memberintel/internal/identity"
	"memberintel/internal/pipeline/pipelinetest"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/sim/clock"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
	"memberintel/internal/warehouse"
)

var opening = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// world is a site of the third plugin, and a tenant that has connected it.
type world struct {
	t      *testing.T
	db     *postgres.DB
	clock  *clock.Clock
	site   *Site
	tenant tenant.ID
	store  *connection.Store
	p      *Pipeline
}

func newWorld(t *testing.T, db *postgres.DB, name string) *world {
	t.Helper()
	w := &world{t: t, db: db, clock: clock.At(opening)}
	w.site = NewSite(name, "key of "+name, w.clock.Now)
	w.site.Club()
	server := httptest.NewServer(w.site)
	t.Cleanup(server.Close)
	vault, err := connection.OpenVault(t.TempDir() + "/key.json")
	if err != nil {
		t.Fatal(err)
	}
	w.store = connection.NewStore(vault)
	w.restart()
	made, err := identity.CreateTenant(t.Context(), db, name, tenant.Pro)
	if err != nil {
		t.Fatal(err)
	}
	w.tenant = made.ID
	if _, err := w.p.Connect(t.Context(), w.tenant, server.URL, w.site.Key); err != nil {
		t.Fatal(err)
	}
	return w
}

// restart makes what a process would have.
func (w *world) restart() {
	through := fetch.New(fetch.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	w.p = &Pipeline{Fetch: through, Ledger: &syncrun.Ledger{
		DB: w.db, Warehouse: warehouse.New(), Connections: w.store, Log: slog.New(slog.DiscardHandler),
	}}
}

func (w *world) connection() (c connection.Connection) {
	w.t.Helper()
	err := w.db.TenantTx(w.t.Context(), w.tenant, func(tx *postgres.TenantTx) (err error) {
		c, err = w.store.Get(w.t.Context(), tx, Name)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) sync(mode syncrun.Mode) syncrun.Report {
	w.t.Helper()
	w.clock.Advance(time.Hour)
	report, err := w.p.Sync(w.t.Context(), w.connection(), mode, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

func (w *world) verify(repair bool) syncrun.Verdict {
	w.t.Helper()
	verdict, err := w.p.Verify(w.t.Context(), w.connection(), repair, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return verdict
}

// rows are what the tenant sees of a query of one column.
func (w *world) rows(sql string) (rows []string) {
	w.t.Helper()
	err := w.db.TenantTx(w.t.Context(), w.tenant, func(tx *postgres.TenantTx) error {
		found, err := tx.Query(w.t.Context(), sql)
		if err == nil {
			rows, err = pgx.CollectRows(found, pgx.RowTo[string])
		}
		return err
	})
	if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

func (w *world) must(want map[string][]string) {
	w.t.Helper()
	for sql, rows := range want {
		if diff := cmp.Diff(rows, w.rows(sql)); diff != "" {
			w.t.Errorf("%s (-want +got):\n%s", sql, diff)
		}
	}
}

// A platform that the schema has never heard of lands in the canonical tables, and everything that reads them finds it.
func TestAThirdPlatform(t *testing.T) {
	w := newWorld(t, pgtest.New(t), "third.example")
	pgtest.SetNow(t, w.db, opening)
	if report := w.sync(""); report.Mode != syncrun.Full || report.Status != syncrun.Succeeded || report.RecordsProcessed != 17 {
		t.Fatalf("%+v", report)
	}
	w.must(map[string][]string{
		`SELECT source_id || ' ' || membership_status || ' ' || coalesce(plan_source_id, '-') FROM members WHERE source_platform = 'third' ORDER BY source_id`: {
			"1 active 1", "2 active 1", "3 expired 1", "4 canceled 1", "5 active 2",
		},
		`SELECT name || ' ' || amount_minor || ' ' || billing_type FROM plans ORDER BY source_id`:                    {"Adult 2900 recurring", "Founders 45000 one_time"},
		`SELECT count(*) || ' ' || sum(amount_minor) FROM payments WHERE status = 'succeeded'`:                       {"5 14500"},
		`SELECT name FROM members WHERE metadata ->> 'membership_type' = 'Adult' AND membership_status = 'canceled'`: {"User 4"},
		`SELECT pipeline_type || ' ' || last_status || ' ' || stale FROM tenant_data_freshness`:                      {"third succeeded false"},
	})
	if verdict := w.verify(false); verdict.Drift() || verdict.Checked != 17 || verdict.Status != syncrun.Succeeded {
		t.Errorf("%+v", verdict)
	}

	w.site.Edit("users", 3, "name", "Renamed")
	w.site.Edit("orders", 105, "status", "on-hold")
	if report := w.sync(""); report.Mode != syncrun.Incremental || report.Status != syncrun.Partial || report.RecordsProcessed != 2 || report.Quarantined != 1 {
		t.Errorf("%+v", report)
	}
	w.must(map[string][]string{
		`SELECT name FROM members WHERE source_id = '3'`:          {"Renamed"},
		`SELECT stream || ' ' || source_id FROM quarantine`:       {"orders 105"},
		`SELECT status FROM transactions WHERE source_id = '105'`: {"succeeded"},
	})
	if out, err := w.p.RereadQuarantine(t.Context(), w.connection()); err != nil || out.Tried != 1 || out.Released != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	w.site.Edit("orders", 105, "status", "success")
	w.site.Delete("users", 4)
	w.sync(syncrun.Full)
	w.must(map[string][]string{
		`SELECT source_id || ' ' || delete_reason FROM members WHERE deleted_at IS NOT NULL`: {"4 sweep"},
		`SELECT source_id FROM quarantine`:                                                   {},
	})
}

// What somebody else wrote into the warehouse is found and mended.
func TestVerifyOfAThirdPlatform(t *testing.T) {
	w := newWorld(t, pgtest.New(t), "third.example")
	w.sync("")
	for _, sql := range []string{
		`UPDATE members SET name = 'Somebody' WHERE source_id = '1'`, `DELETE FROM transactions WHERE source_id = '101'`,
		`INSERT INTO members (tenant_id, source_platform, source_account_id, livemode, source_id, observed_at, observed_until)
		 SELECT tenant_id, source_platform, source_account_id, livemode, '99', observed_at, observed_until FROM members WHERE source_id = '1'`,
	} {
		if _, err := pgtest.Owner(t, w.db).Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.Advance(time.Hour)
	found := w.verify(true)
	want := syncrun.Verdict{
		Missing: []syncrun.Named{{Stream: "orders", SourceID: "101"}}, Extra: []syncrun.Named{{Stream: "users", SourceID: "99"}},
		Different: []syncrun.Differing{{Stream: "users", SourceID: "1", Field: "name", Source: "User 1", Warehouse: "Somebody"}}, Repaired: 3,
	}
	if diff := cmp.Diff(want, syncrun.Verdict{Missing: found.Missing, Extra: found.Extra, Different: found.Different, Repaired: found.Repaired}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if again := w.verify(false); again.Drift() {
		t.Errorf("after the repair: %+v", again)
	}
}

// Whom ids prove to be known at Stripe too is linked, and money that both tell of counts once: no platform is named there.
func TestAThirdPlatformIsLinked(t *testing.T) {
	w := newWorld(t, pgtest.New(t), "third.example")
	at := canonical.Observation{From: opening, Until: opening, Fetched: true}
	head := func(id string) canonical.Head { return canonical.Head{SourceID: id, Raw: []byte(`{}`), Observed: at} }
	payer := "cus_2"
	err := w.db.TenantTx(t.Context(), w.tenant, func(tx *postgres.TenantTx) error {
		_, err := w.p.Ledger.Warehouse.Apply(t.Context(), tx, &canonical.Batch{
			Source:  canonical.Source{Platform: "stripe", AccountID: "acct_1", Livemode: true},
			Members: []canonical.Member{{Head: head("cus_1")}, {Head: head("cus_2")}, {Head: head("cus_3")}},
			Transactions: []canonical.Transaction{
				{Head: head("ch_2"), Kind: "payment", MemberSourceID: &payer, AmountMinor: 2900, Currency: "usd", Status: "succeeded"},
			},
		}, warehouse.DeriveNow)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.sync("")
	w.must(map[string][]string{
		`SELECT string_agg(source_id, ' ' ORDER BY source_id) FROM members WHERE person_id IS NOT NULL GROUP BY person_id ORDER BY 1`: {"1 cus_1", "2 cus_2"},
		`SELECT source_id FROM payments WHERE amount_minor = 2900 ORDER BY 1`:                                                         {"101", "103", "104", "105", "ch_2"},
	})
}

func TestTheFiveQuestions(t *testing.T) {
	db, made := pgtest.New(t), 0
	owner := pgtest.Owner(t, db)
	pipelinetest.Run(t, pipelinetest.Subject{DB: db, Connect: func(t *testing.T) pipelinetest.Tenant {
		made++
		w := newWorld(t, db, fmt.Sprint("club", made))
		return pipelinetest.Tenant{
			ID: w.tenant,
			Sync: func(ctx context.Context, full bool) error {
				w.forget(owner)
				w.restart()
				mode := syncrun.Incremental
				if full {
					mode = syncrun.Full
				}
				w.clock.Advance(5 * time.Second)
				_, err := w.p.Sync(ctx, w.connection(), mode, nil)
				return err
			},
			Change: func() {
				w.clock.Set(opening.Add(24 * time.Hour))
				w.site.Edit("users", 3, "name", "Renamed")
				w.site.Edit("memberships", 12, "status", "cancelled")
				w.site.Put("users", 6, Row{"email": "", "name": "New", "registered": "2026-11-02T10:00:00Z", "stripe_customer": "", "fields": map[string]string{}})
				w.site.Delete("orders", 104)
			},
			Lose:  func() { w.site.Delete("users", 5) },
			Break: func() func() { return w.site.Break("memberships") },
		}
	}})
}

// forget lets the leases of a process that died run out.
func (w *world) forget(owner *pgxpool.Pool) {
	w.t.Helper()
	for _, sql := range []string{
		`UPDATE sync_run SET lease_expires_at = clock_timestamp() - interval '1 second' WHERE lease_expires_at IS NOT NULL`,
		`UPDATE run_slot SET expires_at = clock_timestamp() - interval '1 second'`,
	} {
		if _, err := owner.Exec(w.t.Context(), sql); err != nil {
			w.t.Fatal(err)
		}
	}
}
