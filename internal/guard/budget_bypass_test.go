package guard_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"memberintel/internal/guard"
	"memberintel/internal/postgres"
)

// What whoever holds the program's login may try, past this package.

// reserveSQL asks for 6,000 micro-dollars as p.ask does, and for the caps of the database.
const reserveSQL = `SELECT outcome FROM budget_reserve($1, 'scheduled', 'describe', 'claude-haiku-5-5', false, 32000, 4000, NULL, NULL, NULL)`

// asProgram runs statements in a transaction of the tenant, the last of which returns a text.
func (p *purse) asProgram(last string, args []any, before ...string) (text string, err error) {
	err = p.db.TenantTx(p.t.Context(), p.tenant, func(tx *postgres.TenantTx) error {
		for _, sql := range before {
			if _, err := tx.Exec(p.t.Context(), sql); err != nil {
				return err
			}
		}
		return tx.QueryRow(p.t.Context(), last, args...).Scan(&text)
	})
	return text, err
}

func TestAnotherStageIsRefusedByItsName(t *testing.T) {
	p := newPurse(t)
	_, err := p.reserve(func(a *guard.Ask) { a.Stage = "describe_again" })
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "22023" || !strings.Contains(refused.Message, "stage describe_again") {
		t.Errorf("got %v", err)
	}
	p.mustReserve()
	if _, err := p.owner.Exec(t.Context(), `UPDATE llm_call SET stage = 'describe_again'`); err == nil {
		t.Error("the table takes any stage")
	}
}

// A transaction whose snapshot is older than the switch would not see it.
func TestATransactionThatLooksAtThePastReservesNothing(t *testing.T) {
	p := newPurse(t)
	pool, err := p.db.Pool(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for _, level := range []pgx.TxIsoLevel{pgx.RepeatableRead, pgx.Serializable} {
		tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), `SELECT set_config('app.tenant_id', $1, true), count(*) FROM switch`, p.tenant.String()); err != nil {
			t.Fatal(err)
		}
		if err := guard.Throw(t.Context(), p.db, guard.Claude, "stop", "olga", 0); err != nil {
			t.Fatal(err)
		}
		var outcome string
		if err := tx.QueryRow(t.Context(), reserveSQL, p.run).Scan(&outcome); err == nil && outcome != "stopped" {
			t.Errorf("%s: %s although the switch is on", level, outcome)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
		p.off(guard.Claude)
	}
}

// The money and the week are those of the moment, and not of the moment at which somebody began a transaction to keep it open.
func TestAnOldTransactionSpendsTheMoneyOfToday(t *testing.T) {
	p := newPurse(t)
	p.clock.Advance(12*time.Hour - 50*time.Millisecond) // to the end of Sunday
	if got, err := p.asProgram(reserveSQL, []any{p.run}, `SELECT pg_sleep(0.1)`); got != "reserved" {
		t.Fatal(got, err)
	}
	var period, day string
	err := p.owner.QueryRow(t.Context(), `SELECT period, day::text FROM analysis JOIN llm_call USING (analysis_id)`).Scan(&period, &day)
	if err != nil || period != "2026-W48" || day != "2026-11-23" {
		t.Errorf("it counts for week %s and %s: %v", period, day, err)
	}
}

// A time zone may be called UTC and be another.
func TestTheSessionsTimeZoneMovesNoPeriod(t *testing.T) {
	p := newPurse(t)
	p.settle(p.mustReserve(), used(true))
	for _, zone := range []string{"UTC+167", "UTC-167", "Pacific/Kiritimati", "XXX-100YYY,0/0,365/0"} {
		if got, err := p.asProgram(reserveSQL, []any{p.run}, `SET LOCAL TimeZone = '`+zone+`'`); err != nil || got != "done" {
			t.Errorf("%s: %s, %v", zone, got, err)
		}
	}
}

func TestTemporaryTablesStandBeforeNothing(t *testing.T) {
	p := newPurse(t)
	p.mustReserve(purpose(guard.First))
	if _, err := p.owner.Exec(t.Context(), `UPDATE budget_cap SET day = 11999`); err != nil {
		t.Fatal(err)
	}
	cheap := []string{
		`CREATE TEMP TABLE llm_price ON COMMIT DROP AS SELECT * FROM public.llm_price`, `UPDATE pg_temp.llm_price SET input = 1, output = 1`,
		`CREATE TEMP TABLE budget_cap ON COMMIT DROP AS SELECT true AS only_row, 1000000000 AS day, 1000000000 AS month, 1000000000 AS tenant_month`,
		`CREATE TEMP TABLE spend_total (LIKE public.spend_total INCLUDING ALL) ON COMMIT DROP`,
		`CREATE TEMP TABLE switch (LIKE public.switch INCLUDING ALL) ON COMMIT DROP`,
		`CREATE OR REPLACE FUNCTION pg_temp.hashtext(text) RETURNS integer LANGUAGE sql AS 'SELECT 1'`,
		`SET LOCAL search_path = pg_temp, public`,
	}
	if got, err := p.asProgram(reserveSQL, []any{p.run}, cheap...); got != "day" {
		t.Errorf("got %s, %v", got, err)
	}
	if err := guard.Throw(t.Context(), p.db, guard.Claude, "stop", "olga", 0); err != nil {
		t.Fatal(err)
	}
	if got, err := p.asProgram(reserveSQL, []any{p.run}, cheap...); got != "stopped" {
		t.Errorf("got %s, %v", got, err)
	}
}

// One statement that asks a hundred times gets no more than a hundred statements.
func TestManyQuestionsInOneStatement(t *testing.T) {
	p := newPurse(t)
	got, err := p.asProgram(`SELECT string_agg(n || ' ' || outcome, ', ' ORDER BY n) FROM (SELECT r.outcome, count(*) AS n FROM generate_series(1, 100) AS g,
		budget_reserve($1 + 0 * g, 'scheduled', 'describe', 'claude-haiku-5-5', true, 32000, 4000, NULL, NULL, NULL) AS r GROUP BY 1) AS answers`, []any{p.run})
	if err != nil || got != "1 reserved, 99 open" {
		t.Errorf("got %s, %v", got, err)
	}
	p.holds(spent{Reserved: 3_000})
}

func TestTheProgramCannotTouchTheMoney(t *testing.T) {
	p := newPurse(t)
	r := p.mustReserve()
	for _, role := range []string{"", "memberintel_service", "memberintel_operator"} {
		for _, sql := range []string{
			`UPDATE spend_total SET reserved = 0`, `UPDATE spend_tenant SET settled = 0`, `DELETE FROM spend_total`,
			`INSERT INTO spend_total (period, starts_on, cap) VALUES ('day', '2030-01-01', 1)`,
			`UPDATE llm_call SET status = 'released', cost = 0, closed_at = now()`, `DELETE FROM llm_call`, `UPDATE llm_call SET created_at = now()`,
			`DELETE FROM analysis`, `UPDATE analysis SET ended_at = NULL`,
			`INSERT INTO analysis (tenant_id, purpose, period, nth, run_id, created_at) VALUES ('` + p.tenant.String() + `', 'scheduled', 'x', 1, 1, now())`,
			`UPDATE budget_cap SET day = 1000000000000`, `DELETE FROM budget_cap`, `UPDATE llm_price SET input = 1`, `INSERT INTO llm_price SELECT * FROM llm_price`,
			`UPDATE customer_brain.site_profile SET niche = 'x'`, `DELETE FROM customer_brain.site_profile`,
			`INSERT INTO customer_brain.site_profile (tenant_id, version, created_at) VALUES ('` + p.tenant.String() + `', 1, now())`,
			`SET ROLE memberintel_budget`, `CREATE OR REPLACE FUNCTION budget_reap(most integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'`,
			`SELECT budget_charge(c, 0, 0, 0) FROM llm_call c`, `SELECT budget_close(c, 'released') FROM llm_call c`,
			`SELECT budget_call(1, gen_random_uuid())`, `TRUNCATE llm_call CASCADE`, `TRUNCATE spend_total`, `ALTER TABLE llm_call DISABLE TRIGGER ALL`,
			`ALTER TABLE spend_total DROP CONSTRAINT spend_total_cap`, `INSERT INTO llm_price (model, input, output) VALUES ('free', 0, 0)`,
			`CREATE OR REPLACE FUNCTION memberintel_now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT now() - make_interval(years => 1)'`,
			`CREATE FUNCTION public.hashtext(text) RETURNS integer LANGUAGE sql AS 'SELECT 1'`, `ALTER FUNCTION budget_reap(integer) RESET ALL`,
			`SET session_replication_role = replica`, `SET ROLE memberintel_owner`,
		} {
			err := p.db.TenantTx(t.Context(), p.tenant, func(tx *postgres.TenantTx) error {
				if role != "" {
					if _, err := tx.Exec(t.Context(), `SET LOCAL ROLE `+role); err != nil {
						return err
					}
				}
				_, err := tx.Exec(t.Context(), sql)
				return err
			})
			if err == nil {
				t.Errorf("%s may: %s", role, sql)
			}
		}
	}
	p.holds(spent{Reserved: int64(r.Amount)})
	if err := p.db.TenantTx(context.WithoutCancel(t.Context()), p.tenant, func(tx *postgres.TenantTx) error {
		_, err := tx.Exec(t.Context(), `DELETE FROM switch`)
		return err
	}); err == nil {
		t.Error("the program cleared a switch")
	}
}

// Whoever holds the program's login calls the functions with whatever it likes.
func TestOddArgumentsPromiseNothing(t *testing.T) {
	p := newPurse(t)
	call := func(sql string, args ...any) error {
		return p.db.TenantTx(t.Context(), p.tenant, func(tx *postgres.TenantTx) error {
			_, err := tx.Exec(t.Context(), sql, args...)
			return err
		})
	}
	for name, arguments := range map[string]string{
		"no prompt":        `'scheduled', 'describe', 'claude-haiku-5-5', false, NULL, 4000, NULL, NULL, NULL`,
		"no answer":        `'scheduled', 'describe', 'claude-haiku-5-5', false, 32000, NULL, NULL, NULL, NULL`,
		"less than none":   `'scheduled', 'describe', 'claude-haiku-5-5', false, -32000, 4000, NULL, NULL, NULL`,
		"no purpose":       `NULL, 'describe', 'claude-haiku-5-5', false, 32000, 4000, NULL, NULL, NULL`,
		"another stage":    `'scheduled', 'describe2', 'claude-haiku-5-5', false, 32000, 4000, NULL, NULL, NULL`,
		"an empty stage":   `'scheduled', '', 'claude-haiku-5-5', false, 32000, 4000, NULL, NULL, NULL`,
		"another purpose":  `'weekly', 'describe', 'claude-haiku-5-5', false, 32000, 4000, NULL, NULL, NULL`,
		"an empty prompt":  `'scheduled', 'describe', 'claude-haiku-5-5', false, 0, 4000, NULL, NULL, NULL`,
		"caps below none":  `'scheduled', 'describe', 'claude-haiku-5-5', false, 32000, 4000, -1, -1, -1`,
		"no stage":         `'scheduled', NULL, 'claude-haiku-5-5', false, 32000, 4000, NULL, NULL, NULL`,
		"neither batch":    `'scheduled', 'describe', 'claude-haiku-5-5', NULL, 32000, 4000, NULL, NULL, NULL`,
		"beyond all sizes": `'scheduled', 'describe', 'claude-haiku-5-5', false, 9223372036854775807, 9223372036854775807, NULL, NULL, NULL`,
	} {
		if err := call(`SELECT budget_reserve($1, `+arguments+`)`, p.run); err == nil {
			t.Errorf("%s: the function took it", name)
		}
	}
	r := p.mustReserve()
	for _, usage := range []string{`NULL, 0, 0, 1`, `1, 0, 0, NULL`, `-1, 0, 0, 1`, `1, -1, NULL, 1`, `9223372036854775807, 1, 0, 1`} {
		if err := call(`SELECT budget_settle($1, $2, `+usage+`, true, '', '')`, r.CallID, r.Token); err == nil {
			t.Errorf("it was settled with a usage of %s", usage)
		}
	}
	p.holds(spent{Reserved: int64(r.Amount)})
}
