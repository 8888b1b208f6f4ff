package memberpress

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fetch"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/sim/clock"
	site "memberintel/internal/sim/memberpress"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// club is a site with the plugin, a warehouse, and one tenant that has connected the site.
type club struct {
	t      *testing.T
	clock  *clock.Clock // nil: the machine's
	site   *site.Site
	server *httptest.Server
	db     *postgres.DB
	care   care.Config
	p      *Pipeline
	c      connection.Connection
}

var clubStart = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

func newClub(t *testing.T) *club {
	t.Helper()
	db := pgtest.New(t)
	pgtest.SetNow(t, db, clubStart)
	return openClub(t, db, "club", site.Config{})
}

// openClub makes a site that is like no other by its name alone, with people on it, and a tenant for it.
func openClub(t *testing.T, db *postgres.DB, name string, cfg site.Config) *club {
	t.Helper()
	c := &club{t: t, clock: clock.At(clubStart), db: db, care: care.Config{PerMinute: 1e6, Burst: 1000, Threshold: 1000, PageStart: 25}}
	cfg.Clock, cfg.Seed = c.clock, name
	c.site = site.New(cfg)
	c.people()
	c.server = httptest.NewServer(c.site)
	t.Cleanup(c.server.Close)
	c.restart()
	made, err := identity.CreateTenant(t.Context(), db, name, "pro")
	if err != nil {
		t.Fatal(err)
	}
	id, secret := c.site.Key()
	c.c, _, err = c.p.Connect(t.Context(), ConnectRequest{Tenant: made.ID, Actor: "test", Site: c.server.URL, KeyID: id, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// restart makes what a process would have: nothing of it outlives a restart but the database and the key file.
func (c *club) restart() {
	c.t.Helper()
	var store *connection.Store
	if c.p != nil {
		store = c.p.Connections
	} else {
		vault, err := connection.OpenVault(c.t.TempDir() + "/key.json")
		if err != nil {
			c.t.Fatal(err)
		}
		store = connection.NewStore(vault)
	}
	ledger := &syncrun.Ledger{DB: c.db, Warehouse: warehouse.New(), Connections: store, Log: slog.New(slog.DiscardHandler)}
	now := time.Now
	if c.clock != nil {
		now = c.clock.Now
	}
	through := fetch.New(fetch.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Now: now})
	c.p = New(Config{Now: now}, ledger, through, care.New(c.db, c.care))
}

func at(text string) *time.Time {
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return &moment
}

// people fills the site: two products, a rule, eight members who pay by subscription, for once, for life, with a gift
// and not at all, and the transactions that MemberPress would have written for them.
func (c *club) people() {
	c.site.Put(
		site.Product{ID: 55, Title: "Adult, monthly", Price: "29.00", Period: 1, PeriodType: "months", CreatedAt: at("2024-01-10T10:00:00Z")},
		site.Product{ID: 56, Title: "Year pass", Price: "450.00", Period: 1, PeriodType: "lifetime", CreatedAt: at("2024-01-10T10:00:00Z")},
		site.Rule{ID: 80, Title: "All content", Type: "all", Conditions: []site.Condition{{ID: 1, Type: "membership", Operator: "is", Condition: "55"}}},
	)
	for id := int64(101); id <= 108; id++ {
		c.site.Put(site.Member{
			ID: id, Login: fmt.Sprint("member", id), Email: fmt.Sprintf("m%d@club.example", id), FirstName: "Member", LastName: fmt.Sprint(id),
			RegisteredAt: at("2026-01-05T09:15:00Z"), Roles: []string{"subscriber"}, Custom: map[string]any{"mepr_membership_type": "Adult"},
			GatewayCustomers: []site.GatewayCustomer{{Gateway: "g1", Currency: "USD", Customer: fmt.Sprint("cus_", id)}},
		})
	}
	for i, status := range []string{"active", "active", "cancelled", "suspended"} {
		id := int64(700 + i)
		c.site.Put(site.Subscription{
			ID: id, MemberID: site.Ref(101 + i), ProductID: 55, Status: status, SubscrID: fmt.Sprint("sub_", id), Gateway: "g1",
			Price: "29.00", Total: "31.32", Period: 1, PeriodType: "months", CreatedAt: at("2026-10-05T09:00:00Z"),
		})
		c.site.Put(site.Transaction{
			ID: 9000 + id, MemberID: site.Ref(101 + i), ProductID: 55, SubscriptionID: site.Ref(id), Type: "subscription_confirmation", Status: "confirmed",
			TransNum: fmt.Sprint("sub_", id), Gateway: "g1", CreatedAt: at("2026-10-05T09:00:00Z"), ExpiresAt: at("2026-10-06T23:59:59Z"),
		})
	}
	pay := func(id int64, member, product, sub site.Ref, status, total string, ends *time.Time) site.Transaction {
		return site.Transaction{
			ID: id, MemberID: member, ProductID: product, SubscriptionID: sub, Status: status, TransNum: fmt.Sprint("ch_", id), Gateway: "g1",
			Amount: total, Total: total, CreatedAt: at("2026-10-05T09:01:00Z"), ExpiresAt: ends,
		}
	}
	refunded := pay(9905, 105, 56, 0, "refunded", "450.00", at("2027-10-05T23:59:59Z"))
	refunded.RefundedAt = at("2026-10-06T10:00:00Z")
	gift := pay(9907, 107, 56, 0, "complete", "450.00", at("2026-10-05T09:01:00Z"))
	gift.Gift = &site.Gift{Complete: true, Status: "unclaimed", GifterID: 107}
	c.site.Put(
		pay(9901, 101, 55, 700, "complete", "31.32", at("2026-11-05T23:59:59Z")),
		pay(9902, 102, 55, 701, "complete", "31.32", at("2026-10-31T23:59:59Z")),
		pay(9903, 103, 55, 702, "complete", "31.32", at("2026-11-04T23:59:59Z")),
		pay(9904, 104, 55, 703, "complete", "31.32", at("2026-10-20T23:59:59Z")),
		refunded,
		pay(9906, 106, 56, 0, "complete", "450.00", nil),
		gift,
	)
}

// current reads the connection anew.
func (c *club) current() connection.Connection {
	c.t.Helper()
	var now connection.Connection
	err := c.db.TenantTx(c.t.Context(), c.c.TenantID, func(tx *postgres.TenantTx) (err error) {
		now, err = c.p.Connections.Get(c.t.Context(), tx, connection.MemberPress)
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return now
}

func (c *club) sync(mode syncrun.Mode) syncrun.Report {
	c.t.Helper()
	report, err := c.p.Sync(c.t.Context(), c.current(), mode, nil)
	if err != nil {
		c.t.Fatalf("sync: %v", err)
	}
	return report
}

// mustEqual fails unless the warehouse equals the site.
func (c *club) mustEqual() {
	c.t.Helper()
	verdict, err := c.p.Verify(c.t.Context(), c.current(), false, nil)
	if err != nil {
		c.t.Fatalf("verify: %v", err)
	}
	if verdict.Drift() || verdict.Status != syncrun.Succeeded {
		told, _ := json.MarshalIndent(verdict, "", " ")
		c.t.Fatalf("the warehouse is not the site: %s", told)
	}
}

// value reads a single value as the tenant.
func value[T any](c *club, sql string, args ...any) (found T) {
	c.t.Helper()
	err := c.db.TenantTx(c.t.Context(), c.c.TenantID, func(tx *postgres.TenantTx) error {
		return tx.QueryRow(c.t.Context(), sql, args...).Scan(&found)
	})
	if err != nil {
		c.t.Fatalf("%s: %v", sql, err)
	}
	return found
}

// statuses are those of the members, in the order of their ids.
func (c *club) statuses() string {
	c.t.Helper()
	return value[string](c, `SELECT string_agg(source_id || ' ' || membership_status, ', ' ORDER BY source_id) FROM members`)
}
