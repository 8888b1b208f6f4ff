package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
)

var errVeto = errors.New("not so")

// veto reads its row and forbids the transaction.
func veto(row pgx.Row) error {
	var one int
	return errors.Join(row.Scan(&one), errVeto)
}

func TestQueuedStatementsRunUnderTheirOwnTenantsPolicy(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	names := [2]string{}
	name := func(i int) func(pgx.Row) error { return func(row pgx.Row) error { return row.Scan(&names[i]) } }
	var order []int
	err := w.db.SharedTx(ctx, func(shared *postgres.SharedTx) error {
		_, err := shared.Each(ctx, []tenant.ID{w.ours, w.theirs}, func(i int, tx *postgres.TenantTx) error {
			for range 3 {
				order = append(order, i)
				tx.Queue(`SELECT string_agg(name, ',') FROM members`).QueryRow(name(i))
				if err := tx.Flush(ctx); err != nil {
					return err
				}
				if want := [2]string{"Ours", secret}[i]; names[i] != want {
					t.Errorf("part %d sees %q", i, names[i])
				}
				names[i] = ""
			}
			var direct string // in the middle of the other's queued statements
			if err := tx.QueryRow(ctx, `SELECT string_agg(name, ',') FROM members`).Scan(&direct); err != nil {
				return err
			}
			tx.Queue(`INSERT INTO audit_event (tenant_id, actor, action, subject) VALUES ($1, 'test', 'round', $2)`, tx.Tenant, direct)
			return nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 1, 0, 1, 0, 1} {
		if order[i] != want {
			t.Fatalf("the parts did not take turns: %v", order)
		}
	}
	for id, want := range map[tenant.ID]string{w.ours: "Ours", w.theirs: secret} {
		if got := texts(t, w.owner, `SELECT subject FROM audit_event WHERE tenant_id = $1 AND action = 'round'`, id); len(got) != 1 || got[0] != want {
			t.Errorf("%v was written", got)
		}
	}
}

func TestAQueuedRefusalKeepsEverythingFromBeingWritten(t *testing.T) {
	w := newWorld(t)
	const write = `INSERT INTO audit_event (tenant_id, actor, action, subject) VALUES ($1, 'test', 'vetoed', '')`
	for name, fn := range map[string]func(context.Context, *postgres.TenantTx) error{
		"in the only round trip": func(_ context.Context, tx *postgres.TenantTx) error {
			tx.Queue(`SELECT 1`).QueryRow(veto)
			tx.Queue(write, tx.Tenant)
			return nil
		},
		"in the last of several": func(ctx context.Context, tx *postgres.TenantTx) error {
			if _, err := tx.Exec(ctx, write, tx.Tenant); err != nil {
				return err
			}
			tx.Queue(write, tx.Tenant)
			tx.Queue(`SELECT 1`).QueryRow(veto)
			return nil
		},
		"before a statement that is not queued": func(ctx context.Context, tx *postgres.TenantTx) error {
			tx.Queue(`SELECT 1`).QueryRow(veto)
			var one int
			return tx.QueryRow(ctx, `SELECT 1`).Scan(&one)
		},
	} {
		if err := w.as(w.ours, fn); !errors.Is(err, errVeto) {
			t.Errorf("%s: %v", name, err)
		}
		if got := texts(t, w.owner, `SELECT subject FROM audit_event WHERE action = 'vetoed'`); len(got) != 0 {
			t.Errorf("%s: %d rows were written", name, len(got))
		}
	}
	w.unharmed(w.ours)
}

func TestAFailureNamesThePartWhoseStatementItWas(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	both := []tenant.ID{w.ours, w.theirs}
	for want := range both {
		var ended [2]bool
		err := w.db.SharedTx(ctx, func(shared *postgres.SharedTx) error {
			at, err := shared.Each(ctx, both, func(i int, tx *postgres.TenantTx) error {
				defer func() { ended[i] = true }()
				if i == want {
					tx.Queue(`SELECT 1 / 0`)
				} else {
					tx.Queue(`SELECT 1`)
				}
				return tx.Flush(ctx)
			})
			if at != want {
				t.Errorf("part %d is blamed, not %d", at, want)
			}
			return err
		})
		if err == nil || !ended[0] || !ended[1] {
			t.Errorf("%v, parts ended %v", err, ended)
		}
	}
}

func TestAFailedStatementTellsWhichItWas(t *testing.T) {
	w := newWorld(t)
	err := w.as(w.ours, func(_ context.Context, tx *postgres.TenantTx) error {
		tx.Queue(`SELECT 1`)
		tx.Queue(`
			INSERT INTO audit_event (tenant_id, actor, action, subject)
			VALUES ($1, 'test', 'foreign', '')`, w.theirs)
		tx.Queue(`SELECT 2`)
		return nil
	})
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || !strings.Contains(err.Error(), "INSERT INTO audit_event") {
		t.Errorf("got %v", err)
	}
}

func TestATransactionGetsOverALostConnection(t *testing.T) {
	db := pgtest.New(t)
	count := func() (n int, err error) {
		err = db.TenantTx(t.Context(), tenant.ID{1}, func(tx *postgres.TenantTx) error {
			tx.Queue(`SELECT count(*) FROM members`).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
			return nil
		})
		return n, err
	}
	for range 3 {
		if _, err := count(); err != nil {
			t.Fatal(err)
		}
		_, err := pgtest.Superuser(t, db).Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'memberintel'`)
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := count(); err != nil {
		t.Errorf("after its connection was ended: %v", err)
	}
}

func TestATransactionGetsOverALostConnectionThatIsTheOnlyOne(t *testing.T) {
	full := pgtest.New(t)
	db, err := postgres.Connect(t.Context(), full.AppURL(), full.OwnerURL(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 2 {
		var pid int
		err := db.TenantTx(ctx, tenant.ID{1}, func(tx *postgres.TenantTx) error {
			return tx.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&pid)
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pgtest.Superuser(t, full).Exec(ctx, `SELECT pg_terminate_backend($1, 5000)`, pid); err != nil {
			t.Fatal(err)
		}
	}
}
