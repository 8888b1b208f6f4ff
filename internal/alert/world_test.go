package alert_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/alert"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/telemetry"
	"memberintel/internal/tenant"
)

// processVariable makes the test binary one more process that watches and sends.
const processVariable = "MEMBERINTEL_ALERT_PROCESS"

func TestMain(m *testing.M) {
	if work := os.Getenv(processVariable); work != "" {
		if err := process(work); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process watches or sends as another machine would, on the database and the mail server of the environment.
func process(work string) error {
	ctx := context.Background()
	db, err := postgres.Connect(ctx, os.Getenv("APP_URL"), os.Getenv("OWNER_URL"), 2)
	if err != nil {
		return err
	}
	defer db.Close()
	log := telemetry.NewLogger(os.Stderr, slog.LevelDebug, false)
	relay, err := alert.NewRelay(os.Getenv("SMTP_URL"), "")
	if err != nil {
		return err
	}
	watcher := &alert.Watcher{DB: db, Connections: connection.NewStore(nil), PublicURL: "https://memberintel.example.org", Log: log}
	sender := &alert.Sender{DB: db, Relay: relay, Log: log}
	for range 10 {
		if work == "watch" {
			if err := watcher.Watch(ctx); err != nil {
				return err
			}
		}
		if _, err := sender.Send(ctx); err != nil {
			return err
		}
	}
	return nil
}

// world is a tenant with a Stripe connection and an owner, on a clock that stands still.
type world struct {
	t          *testing.T
	db         *postgres.DB
	owner      *pgxpool.Pool
	store      *connection.Store
	watcher    *alert.Watcher
	tenant     tenant.ID
	connection connection.ID
	now        time.Time
	logged     *logged
}

type logged struct {
	mu   sync.Mutex
	more sync.Cond
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.more.Broadcast()
	return l.text.Write(p)
}

// wait returns when the text was logged.
func (l *logged) wait(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !strings.Contains(l.text.String(), text) {
		l.more.Wait()
	}
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

const anna = "anna@oakhill.example"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: pgtest.New(t), logged: &logged{}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.logged.more.L = &w.logged.mu
	w.owner = pgtest.Owner(t, w.db)
	pgtest.SetNow(t, w.db, w.now)
	vault, err := connection.OpenVault(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	w.store = connection.NewStore(vault)
	w.watcher = &alert.Watcher{
		DB: w.db, Connections: w.store, PublicURL: "https://memberintel.example.org", Log: telemetry.NewLogger(w.logged, slog.LevelDebug, false),
	}
	w.tenant, w.connection = w.newTenant("Oak Hill", anna)
	return w
}

// newTenant adds a tenant with a connection; "" is nobody to tell.
func (w *world) newTenant(name, email string) (tenant.ID, connection.ID) {
	w.t.Helper()
	created, err := identity.CreateTenant(w.t.Context(), w.db, name, tenant.Pro)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := identity.SetContact(w.t.Context(), w.db, created.ID, email, "test"); err != nil {
		w.t.Fatal(err)
	}
	var c connection.Connection
	w.as(created.ID, func(ctx context.Context, tx *postgres.TenantTx) (err error) {
		c, _, err = w.store.Connect(ctx, tx, connection.Request{Pipeline: connection.Stripe, SourceAccountID: "acct_" + name})
		return err
	})
	return created.ID, c.ID
}

func (w *world) as(id tenant.ID, fn func(context.Context, *postgres.TenantTx) error) {
	w.t.Helper()
	ctx := w.t.Context()
	if err := w.db.TenantTx(ctx, id, func(tx *postgres.TenantTx) error { return fn(ctx, tx) }); err != nil {
		w.t.Fatal(err)
	}
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(d)
	pgtest.SetNow(w.t, w.db, w.now)
}

var (
	errDown    = fault.Wrap(fault.Unavailable, errors.New("503"), "Stripe did not answer.")
	errRefused = fault.Wrap(fault.Unauthorized, errors.New("401"), "Stripe refuses the key.")
)

// fails records failed attempts.
func (w *world) fails(times int, failure error) {
	w.t.Helper()
	for range times {
		w.as(w.tenant, func(ctx context.Context, tx *postgres.TenantTx) error {
			return w.store.Failed(ctx, tx, w.connection, failure, false, connection.Outcome{})
		})
	}
}

// succeeds records a success; the next sync is due after in.
func (w *world) succeeds(in time.Duration) {
	w.t.Helper()
	next := w.now.Add(in)
	w.as(w.tenant, func(ctx context.Context, tx *postgres.TenantTx) error {
		return w.store.Succeeded(ctx, tx, w.connection, connection.Outcome{NextSyncAt: &next})
	})
}

// watch looks a few times, because looking again must change nothing.
func (w *world) watch() {
	w.t.Helper()
	for range 3 {
		if err := w.watcher.Watch(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
}

// outbox lists the mails as "status: subject", in the order in which they were written.
func (w *world) outbox() []string {
	w.t.Helper()
	return w.texts(`SELECT status || ': ' || subject FROM alert_outbox ORDER BY mail_id`)
}

func (w *world) texts(sql string, args ...any) []string {
	w.t.Helper()
	rows, err := w.owner.Query(w.t.Context(), sql, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	list := []string{}
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			w.t.Fatal(err)
		}
		list = append(list, text)
	}
	if rows.Err() != nil {
		w.t.Fatal(rows.Err())
	}
	return list
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.owner.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) banners() (banners []alert.Banner) {
	w.t.Helper()
	w.as(w.tenant, func(ctx context.Context, tx *postgres.TenantTx) (err error) {
		banners, err = alert.Banners(ctx, tx, w.store)
		return err
	})
	return banners
}

func (w *world) support() (list []alert.Trouble) {
	w.t.Helper()
	w.operator(func(ctx context.Context, tx *postgres.OperatorTx) (err error) {
		list, err = alert.SupportList(ctx, tx, w.store)
		return err
	})
	return list
}

func (w *world) operator(fn func(context.Context, *postgres.OperatorTx) error) {
	w.t.Helper()
	ctx := w.t.Context()
	if err := w.db.OperatorTx(ctx, func(tx *postgres.OperatorTx) error { return fn(ctx, tx) }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) throw(name string) {
	w.t.Helper()
	w.operator(func(ctx context.Context, tx *postgres.OperatorTx) error {
		return guard.On(ctx, tx, name, "repair", "olga", 0)
	})
}

func (w *world) lift(name string) {
	w.t.Helper()
	w.operator(func(ctx context.Context, tx *postgres.OperatorTx) error {
		_, err := guard.Off(ctx, tx, name, "olga")
		return err
	})
}

// sender gives mails to the server at url.
func (w *world) sender(url string) *alert.Sender {
	w.t.Helper()
	relay, err := alert.NewRelay(url, "Alerts <alerts@memberintel.example.org>")
	if err != nil {
		w.t.Fatal(err)
	}
	return &alert.Sender{DB: w.db, Relay: relay, Log: telemetry.NewLogger(w.logged, slog.LevelDebug, false)}
}

func send(t *testing.T, s *alert.Sender, want int) {
	t.Helper()
	if left, err := s.Send(t.Context()); left != want || err != nil {
		t.Errorf("%d mails left, want %d; %v", left, want, err)
	}
}

// another starts a process on the same database.
func (w *world) another(work, smtpURL string, env ...string) (*exec.Cmd, *strings.Builder) {
	w.t.Helper()
	said := &strings.Builder{}
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), append(env, processVariable+"="+work,
		"APP_URL="+w.db.AppURL(), "OWNER_URL="+w.db.OwnerURL(), "SMTP_URL="+smtpURL)...)
	command.Stdout, command.Stderr = said, said
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	return command, said
}
