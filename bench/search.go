package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// asked is one kind of search: the arguments of search_members, and the same as a plain condition.
type asked struct {
	name  string
	call  string // arguments
	plain string // condition
}

func kinds() []asked {
	like := func(text string) string {
		return fmt.Sprintf("(name ILIKE '%%%s%%' OR email ILIKE '%%%s%%')", text, text)
	}
	kind := func(name, text, more, plain string) asked {
		return asked{name, fmt.Sprintf("query => '%s'%s", text, more), like(text) + plain}
	}
	return []asked{
		kind("last name", "vandermeer17", "", ""),
		kind("first name", "charlotte", "", ""),
		kind("part of an e-mail", "49999@", "", ""),
		kind("common", "smith", "", ""),
		kind("no hit", "zzqxw", "", ""),
		kind("late in the alphabet", "zoe", "", ""),
		{"one letter", "query => 'm'", "(name ILIKE 'm%' OR email ILIKE 'm%')"},
		{"two letters", "query => 'zo'", "(name ILIKE 'zo%' OR email ILIKE 'zo%')"},
		kind("typing, three letters", "cha", "", ""),
		kind("typing, five letters", "charl", "", ""),
		{"two words", "query => 'smith oliver'", like("smith") + " AND " + like("oliver")},
		kind("and status", "smith", ", status => 'past_due'", " AND membership_status = 'past_due'"),
		kind("and plan", "smith", ", plan => 'price_7'", " AND plan_source_id = 'price_7'"),
		kind("and city", "smith", `, metadata_has => '{"city": "Town 11"}'`, ` AND metadata @> '{"city": "Town 11"}'`),
		{"second page", "after_name => 'oliver smith', after_id => 0", "(sort_name, id) > ('oliver smith', 0)"},
		{"a late page", "query => 'smith', after_name => 'sophia smith', after_id => 0", like("smith") + " AND (sort_name, id) > ('sophia smith', 0)"},
	}
}

// search measures search_members in a tenant of 50,000 among others, as the program and as a tenant's reader,
// and plain ILIKE under the same policies.
func search(ctx context.Context, on *server, s settings) error {
	database, drop, err := on.fresh(ctx)
	if err != nil {
		return err
	}
	defer drop()
	db, err := on.open(ctx, database)
	if err != nil {
		return err
	}
	defer db.Close()
	club, readerURL, err := members(ctx, on, db, database)
	if err != nil {
		return err
	}
	reader, err := pgx.Connect(ctx, readerURL)
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close(ctx) }()

	asApp := func(sql string) error {
		return db.TenantTx(ctx, club, func(tx *postgres.TenantTx) error {
			_, err := tx.Exec(ctx, sql)
			return err
		})
	}
	asReader := func(sql string) error {
		_, err := reader.Exec(ctx, sql)
		return err
	}
	fmt.Println("\nSearch among 50,000 members of one tenant, 120,000 in all; 50 rows; ms, without the time of the network")
	fmt.Printf("%-26s %12s %12s %12s %12s\n", "", "p50", "p99", "reader p99", "ILIKE p99")
	var worst [3]float64
	for _, k := range kinds() {
		call := "SELECT * FROM search_members(" + k.call + ")"
		plain := "SELECT id, name, email FROM members WHERE " + k.plain + " ORDER BY sort_name, id LIMIT 50"
		p50, p99, err := timed(100*s.rounds, asApp, call)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		_, readerP99, err := timed(100*s.rounds, asReader, call)
		if err != nil {
			return fmt.Errorf("%s as a reader: %w", k.name, err)
		}
		_, plainP99, err := timed(20*s.rounds, asApp, plain)
		if err != nil {
			return fmt.Errorf("%s, plain: %w", k.name, err)
		}
		fmt.Printf("%-26s %12.2f %12.2f %12.2f %12.2f\n", k.name, p50, p99, readerP99, plainP99)
		worst = [3]float64{max(worst[0], p99), max(worst[1], readerP99), max(worst[2], plainP99)}
	}
	fmt.Printf("%-26s %12s %12.2f %12.2f %12.2f\n", "worst", "", worst[0], worst[1], worst[2])
	return nil
}

// timed runs a query so many times and returns its median and 99th percentile in milliseconds.
func timed(times int, do func(string) error, sql string) (p50, p99 float64, err error) {
	for range 3 {
		if err := do(sql); err != nil {
			return 0, 0, err
		}
	}
	took := make([]float64, times)
	for i := range took {
		start := time.Now()
		if err := do(sql); err != nil {
			return 0, 0, err
		}
		took[i] = time.Since(start).Seconds() * 1000
	}
	slices.Sort(took)
	return took[times/2], took[times*99/100], nil
}

// members fills a tenant of 50,000 and seven of 10,000. Every second address begins with the last name.
func members(ctx context.Context, on *server, db *postgres.DB, database string) (club tenant.ID, readerURL string, err error) {
	vault, err := connection.OpenVault(filepath.Join(on.folder, "key.json"))
	if err != nil {
		return club, "", err
	}
	for n, count := range []int{50_000, 10_000, 10_000, 10_000, 10_000, 10_000, 10_000, 10_000} {
		t, err := identity.CreateTenant(ctx, db, fmt.Sprintf("club %d", n), "pro")
		if err != nil {
			return club, "", err
		}
		if n == 0 {
			club = t.ID
			if readerURL, err = identity.EnsureReader(ctx, db, vault, t.ID); err != nil {
				return club, "", err
			}
		}
		if err := on.exec(ctx, database, fmt.Sprintf(fillMembers, t.ID, count)); err != nil {
			return club, "", err
		}
	}
	return club, readerURL, on.exec(ctx, database, "VACUUM ANALYZE members")
}

const fillMembers = `
INSERT INTO members (tenant_id, source_platform, source_account_id, livemode, source_id, observed_at, observed_until, name, email,
                     membership_status, plan_source_id, metadata)
SELECT '%s', 'stripe', 'acct_1', true, 'cus_' || n, now(), now(), who.first || ' ' || who.last,
       lower(CASE WHEN n %% 2 = 0 THEN who.first || '.' || who.last ELSE who.last || '.' || who.first END) || n || '@club.example',
       (ARRAY['active', 'active', 'active', 'canceled', 'past_due', 'none'])[1 + n %% 6], 'price_' || n %% 12,
       jsonb_build_object('city', 'Town ' || n %% 40, 'membership_type', (ARRAY['Adult', 'Family', 'Junior'])[1 + n %% 3])
  FROM generate_series(1, %d) n
 CROSS JOIN LATERAL (SELECT
       (ARRAY['Olivia','Oliver','Emma','Liam','Charlotte','Noah','Amelia','Mateo','Sophia','James','Mia','Lucas','Zoe','Henry','Nora','Leo',
              'Aria','Jack','Luna','Ezra','Ivy','Owen','Ruth','Paul','Clara','Max','Ines','Kenji','Fatima','Sven'])[1 + n * 7 %% 30] AS first,
       CASE WHEN n %% 25 = 0 THEN 'Smith' ELSE
       (ARRAY['Garcia','Miller','Vandermeer','Okafor','Nguyen','Rossi','Kowalski','Haddad','Tanaka','Olsen','Dubois','Fischer','Novak','Silva',
              'Murphy','Khan','Larsson','Moreau','Weber','Popov'])[1 + n * 11 %% 20] || n %% 50 END AS last) AS who`
