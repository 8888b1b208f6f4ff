package stripe

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/connection"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/sim/clock"
	simstripe "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// world is a Stripe, a warehouse, and one tenant that has connected an account.
type world struct {
	t       *testing.T
	clock   *clock.Clock
	sim     *simstripe.Sim
	account *simstripe.Account
	api     *httptest.Server
	db      *postgres.DB
	p       *Pipeline
	c       connection.Connection
	pool    *pgxpool.Pool // the schema's owner's, once it was asked for
}

var worldStart = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

const worldSecret = "whsec_test"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: clock.At(worldStart), db: pgtest.New(t)}
	w.sim = simstripe.New(w.clock, 1)
	w.account = w.sim.NewAccount(simstripe.AccountOptions{})
	w.api = httptest.NewServer(w.sim)
	t.Cleanup(w.api.Close)
	w.p = w.pipeline()
	w.c = w.tenant("club", w.account)
	return w
}

// pipeline makes what a process would have: nothing of it outlives a restart but the database.
func (w *world) pipeline() *Pipeline {
	w.t.Helper()
	vault, err := connection.OpenVault(w.t.TempDir() + "/key.json")
	if w.p != nil {
		vault, err = nil, nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	store := connection.NewStore(vault)
	if w.p != nil {
		store = w.p.Connections
	}
	ledger := &syncrun.Ledger{
		DB: w.db, Warehouse: warehouse.New(), Connections: store,
		Log: slog.New(slog.DiscardHandler),
	}
	return New(Config{
		APIURL: w.api.URL, APIVersion: simstripe.VersionDahlia, RefetchAfter: 2 * time.Millisecond, Now: w.clock.Now,
		// Whoever waits lets the world go on.
		Sleep: func(ctx context.Context, d time.Duration) error {
			w.sim.Advance(max(d.Round(time.Second), time.Second))
			return ctx.Err()
		},
	}, ledger, NewPacer(Limits{Endpoint: 1e6, Account: 1e6, Burst: 1000}))
}

// tenant makes a tenant and connects the account with a restricted key and a webhook secret.
func (w *world) tenant(name string, account *simstripe.Account) connection.Connection {
	w.t.Helper()
	tenant, err := identity.CreateTenant(w.t.Context(), w.db, name, "pro")
	if err != nil {
		w.t.Fatal(err)
	}
	c, _, err := w.p.Connect(w.t.Context(), ConnectRequest{
		Tenant: tenant.ID, Actor: "test", Key: account.RestrictedKey(simstripe.ReadPermissions()...),
		WebhookSecrets: worldSecret, Account: account.ID(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// current reads the connection anew.
func (w *world) current(c connection.Connection) connection.Connection {
	w.t.Helper()
	err := w.db.TenantTx(w.t.Context(), c.TenantID, func(tx *postgres.TenantTx) (err error) {
		c, err = w.p.Connections.Get(w.t.Context(), tx, connection.Stripe)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) sync(mode syncrun.Mode) syncrun.Report {
	w.t.Helper()
	report, err := w.p.Sync(w.t.Context(), w.current(w.c), mode, nil)
	if err != nil {
		w.t.Fatalf("sync: %v", err)
	}
	return report
}

// mustEqual fails unless the warehouse equals Stripe.
func (w *world) mustEqual(c connection.Connection) {
	w.t.Helper()
	verdict, err := w.p.Verify(w.t.Context(), w.current(c), false, nil)
	if err != nil {
		w.t.Fatalf("verify: %v", err)
	}
	if verdict.Drift() || verdict.Status != syncrun.Succeeded {
		told, _ := json.MarshalIndent(verdict, "", " ")
		w.t.Fatalf("the warehouse is not Stripe: %s", told)
	}
}

// one reads a single value as the tenant.
func one[T any](w *world, c connection.Connection, sql string, args ...any) (value T) {
	w.t.Helper()
	err := w.db.TenantTx(w.t.Context(), c.TenantID, func(tx *postgres.TenantTx) error {
		return tx.QueryRow(w.t.Context(), sql, args...).Scan(&value)
	})
	if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// door serves the webhook endpoints of the world's pipeline.
func (w *world) door() string {
	w.t.Helper()
	intake := NewIntake(w.p)
	mux := http.NewServeMux()
	NewWebhooks(w.p, intake).Routes(mux)
	server := httptest.NewServer(mux)
	w.t.Cleanup(func() {
		server.Close()
		intake.Close()
	})
	return server.URL
}

// endpoint registers the connection's webhook endpoint; its deliveries wait for the test.
func (w *world) endpoint(door string) *simstripe.Endpoint {
	return w.account.AddEndpoint(simstripe.EndpointParams{
		URL: door + "/webhooks/stripe/" + w.c.ID.String(), Secrets: []string{worldSecret},
		APIVersion: simstripe.VersionDahlia, Manual: true,
	})
}
