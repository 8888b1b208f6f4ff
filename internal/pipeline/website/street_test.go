package website

import (
	"context"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fetch"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/sim/claude"
	"memberintel/internal/sim/clock"
	"memberintel/internal/sim/site"
	sim "memberintel/internal/sim/website"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
	"memberintel/internal/warehouse"
)

// street is a service with a database, a Claude, and the world's websites behind real ports. All its clocks are moved by pass.
type street struct {
	t      *testing.T
	db     *postgres.DB
	owner  *pgxpool.Pool
	ours   *pgtest.Clock
	theirs *clock.Clock
	now    atomic.Pointer[time.Time]
	api    *api
	world  *sim.World
	names  *site.Names
	port   string
	vault  *connection.Vault
	built  int
	p      *Pipeline
}

func newStreet(t *testing.T, cfg claude.Config) *street {
	t.Helper()
	db := pgtest.New(t)
	s := &street{t: t, db: db, owner: pgtest.Owner(t, db), theirs: clock.At(monday), world: sim.New(), names: site.NewNames()}
	s.ours = pgtest.NewClock(t, db, monday)
	s.pass(0)
	cfg.Clock = s.theirs
	if cfg.Answer == nil {
		cfg.Answer = claude.Reader
	}
	s.api = newAPI(t, cfg)
	s.open()
	var err error
	if s.vault, err = connection.OpenVault(filepath.Join(t.TempDir(), "key")); err != nil {
		t.Fatal(err)
	}
	s.restart()
	return s
}

// open lets the world's sites answer.
func (s *street) open() {
	s.t.Helper()
	server := httptest.NewServer(s.world)
	s.t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	s.port = at.Port()
	for _, host := range s.world.Hosts() {
		s.names.Set(host, netip.MustParseAddr("127.0.0.1"))
	}
}

// neighbour is the same service with a world of its own.
func (s *street) neighbour(t *testing.T) *street {
	t.Helper()
	n := &street{
		t: t, db: s.db, owner: s.owner, ours: s.ours, theirs: s.theirs, api: s.api, vault: s.vault, world: sim.New(), names: site.NewNames(),
	}
	n.now.Store(s.now.Load())
	n.open()
	n.restart()
	return n
}

// restart makes what a process has: nothing of it outlives one.
func (s *street) restart() {
	s.t.Helper()
	ledger := &syncrun.Ledger{DB: s.db, Warehouse: warehouse.New(), Connections: connection.NewStore(s.vault), Log: slog.New(slog.DiscardHandler)}
	now := func() time.Time { return *s.now.Load() }
	through := fetch.New(fetch.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Resolver: s.names.Resolver()})
	atOnce := func(context.Context, time.Duration) error { return nil }
	known := care.New(s.db, care.Config{PerMinute: 1e6, Burst: 1000, Threshold: 1000, Sleep: atOnce})
	manners := fetch.NewCrawler(fetch.CrawlerConfig{About: "https://memberintel.example/robot", Now: now, Sleep: atOnce})
	s.p = New(Config{Key: secretKey, URL: s.api.url, Gather: time.Nanosecond}, ledger, through, known, manners)
}

// pass lets time pass for everybody.
func (s *street) pass(d time.Duration) {
	s.theirs.Advance(d)
	at := s.ours.Advance(d)
	s.now.Store(&at)
}

// address is where a site of the world is.
func (s *street) address(host string) string { return "http://" + net.JoinHostPort(host, s.port) }

// tenant makes a new one.
func (s *street) tenant(plan tenant.Plan) tenant.ID {
	s.t.Helper()
	s.built++
	made, err := identity.CreateTenant(s.t.Context(), s.db, "club "+string(rune('a'+s.built%26))+time.Now().Format(time.RFC3339Nano), plan)
	if err != nil {
		s.t.Fatal(err)
	}
	return made.ID
}

// club connects a new tenant to a site of the world.
func (s *street) club(host string, plan tenant.Plan) connection.Connection {
	s.t.Helper()
	c, _, err := s.p.Connect(s.t.Context(), ConnectRequest{Tenant: s.tenant(plan), Actor: "test", URL: s.address(host)})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// sync is a person's, in a process of its own.
func (s *street) sync(c connection.Connection) (Report, error) {
	s.t.Helper()
	s.restart()
	return s.p.Sync(s.t.Context(), s.current(c), "", nil)
}

// well is sync where nothing may go wrong.
func (s *street) well(c connection.Connection) Report {
	s.t.Helper()
	report, err := s.sync(c)
	if err != nil || report.Status != syncrun.Succeeded {
		s.t.Fatalf("the sync ended as %s: %v, %v", report.Status, deref(report.ErrorMessage), err)
	}
	return report
}

func (s *street) current(c connection.Connection) connection.Connection {
	s.t.Helper()
	err := s.db.TenantTx(s.t.Context(), c.TenantID, func(tx *postgres.TenantTx) (err error) {
		c, err = s.p.Connections.Get(s.t.Context(), tx, connection.Website)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// queued is a sync by the clock, or for another cause.
func (s *street) queued(c connection.Connection, cause syncrun.Cause, attempt int, follow func(syncrun.Ended) syncrun.Next) (syncrun.Report, error) {
	s.t.Helper()
	s.restart()
	var deliveries []syncrun.Delivery
	err := s.db.ServiceTx(s.t.Context(), func(tx *postgres.ServiceTx) (err error) {
		deliveries, err = syncrun.Queue(s.t.Context(), tx, []syncrun.Wanted{{
			TenantID: c.TenantID, ConnectionID: c.ID, Pipeline: connection.Website, Attempt: attempt, Cause: cause, Cadence: 7 * 24 * time.Hour,
		}})
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.p.SyncQueued(s.t.Context(), s.current(c), syncrun.Ticket{RunID: deliveries[0].RunID, Gen: deliveries[0].Gen, Follow: follow})
}

// carry lets the courier work, and syncs whose answer has come.
func (s *street) carry() (synced int) {
	s.t.Helper()
	var waiting []connection.ID
	courier := Courier{Pipeline: s.p, Arrived: func(_ context.Context, id connection.ID) error {
		waiting = append(waiting, id)
		return nil
	}}
	if _, err := courier.Step(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	for _, id := range waiting {
		c := connection.Connection{ID: id}
		if err := s.owner.QueryRow(s.t.Context(), `SELECT tenant_id FROM connection WHERE connection_id = $1`, id).Scan(&c.TenantID); err != nil {
			s.t.Fatal(err)
		}
		report, err := s.queued(c, syncrun.Knock, 1, nil)
		if err != nil {
			s.t.Fatalf("taking an answer ended as %s: %v", report.Status, err)
		}
	}
	return len(waiting)
}

// count is a number of the database's, as its owner sees it.
func (s *street) count(sql string, args ...any) (n int64) {
	s.t.Helper()
	if err := s.owner.QueryRow(s.t.Context(), sql, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
