package river_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/job/jobtest"
	"memberintel/internal/job/river"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
)

const workers = 20

// config gives up a dead worker's job soon.
var config = river.Config{Workers: workers, Timeout: 3 * time.Second, Grace: time.Second}

func TestMain(m *testing.M) {
	jobtest.Main(m, func(ctx context.Context, address string) (jobtest.Engine, error) {
		db, err := postgres.Connect(ctx, address, address, 0)
		if err != nil {
			return nil, err
		}
		return river.New(db, river.Config{})
	})
}

func TestSuite(t *testing.T) {
	t.Parallel()
	jobtest.Suite(t, func(t *testing.T) jobtest.House { return house(t, "") })
}

// TestSuiteThroughAPooler has no LISTEN and no prepared statements, as behind a pooler in transaction mode.
func TestSuiteThroughAPooler(t *testing.T) {
	t.Parallel()
	jobtest.Suite(t, func(t *testing.T) jobtest.House { return house(t, "default_query_exec_mode=exec") })
}

func house(t *testing.T, parameter string) jobtest.House {
	db := migrated(t)
	if parameter != "" {
		address, err := url.Parse(db.AppURL())
		if err != nil {
			t.Fatal(err)
		}
		address.RawQuery += "&" + parameter
		pooled, err := postgres.Connect(t.Context(), address.String(), db.OwnerURL(), 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pooled.Close)
		db = pooled
	}
	owner := pgtest.Owner(t, db)
	return jobtest.House{
		DB: db, Workers: workers, Address: db.AppURL(),
		Process: func(t *testing.T) jobtest.Engine { return engine(t, db) },
		Waiting: func(t *testing.T) (n int) {
			t.Helper()
			err := owner.QueryRow(t.Context(), `SELECT count(*) FROM river.river_job WHERE state <> 'completed'`).Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
			return n
		},
		Payloads: func(t *testing.T) []string {
			t.Helper()
			rows, err := owner.Query(t.Context(), `SELECT (args || metadata || jsonb_build_object('kind', queue) || CASE WHEN tags = '{}' THEN '{}' ELSE jsonb_build_object('tags', tags) END)::text
				FROM river.river_job ORDER BY id`)
			if err != nil {
				t.Fatal(err)
			}
			found, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			return found
		},
	}
}

func migrated(t *testing.T) *postgres.DB {
	t.Helper()
	db := pgtest.New(t)
	if err := river.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return db
}

func engine(t *testing.T, db *postgres.DB) *river.Engine {
	t.Helper()
	e, err := river.New(db, config)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
