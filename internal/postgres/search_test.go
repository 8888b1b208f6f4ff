package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
)

// populate gives the tenant n members with believable names, and some that are hard to find.
func populate(t testing.TB, owner *pgxpool.Pool, id tenant.ID, n int) {
	t.Helper()
	_, err := owner.Exec(t.Context(), `
		WITH base AS (
		    SELECT i, (ARRAY['Anna','Ben','Carla','Dieter','Élodie','Fatima','Goran','Hélène','Ivan','Julia','Karl','Łukasz','Maria','Nils','Olga','Peter','Zoë'])[1 + i % 17] AS first,
		           (ARRAY['Smith','Müller','Novak','García','Øberg','Smithers','Zimmermann','Ünal','Okafor','Zygmunt','Jensen','de la Cruz','O''Neil'])[1 + i / 17 % 13] AS last
		      FROM generate_series(1, $2) i)
		INSERT INTO members (tenant_id, source_platform, source_account_id, livemode, source_id, observed_at, observed_until, name, email, metadata, membership_status, plan_source_id)
		SELECT $1, 'stripe', 'acct', true, 'cus_' || i, now(), now(),
		       CASE WHEN i % 101 = 0 THEN NULL WHEN i % 103 = 0 THEN '100% Tennis_Club \ "Nord"' ELSE first || ' ' || last || CASE WHEN i % 3 = 0 THEN ' ' || i ELSE '' END END,
		       CASE WHEN i % 97 = 0 THEN NULL ELSE lower(first) || i || '@' || (ARRAY['example.com','club.org','mail.test'])[1 + i % 3] END,
		       jsonb_build_object('city', (ARRAY['Bern','Genf','Zug'])[1 + i % 3], 'level', i % 5),
		       (ARRAY['active','active','active','past_due','canceled','none'])[1 + i % 6],
		       CASE WHEN i % 4 > 0 THEN 'price_' || i % 4 END
		  FROM base`, id, n)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := owner.Exec(t.Context(), `ANALYZE members`); err != nil {
		t.Fatal(err)
	}
}

// search is one call of search_members(), nil where a filter is absent.
type search struct {
	query                  string
	status, plan, metadata *string
	page                   int
}

func is(s string) *string { return &s }

// searches are the kinds of query that are asked.
var searches = map[string]search{
	"everybody":           {},
	"last name":           {query: "Novak"},
	"first name":          {query: "elodie"}, // no member: accents count
	"accent, capital":     {query: "ÉLODIE"},
	"part of an e-mail":   {query: "a17@mail"},
	"common":              {query: "smith"},
	"no hit":              {query: "qqxyzzy"},
	"late in the abc":     {query: "zygm"},
	"one letter":          {query: "z"},
	"one letter, accent":  {query: "É"},
	"two letters":         {query: "jo"},
	"two letters that do": {query: "Zo"},
	"typing":              {query: "zimm"},
	"typed":               {query: "zimmermann"},
	"two words":           {query: "  smith   anna "},
	"name and e-mail":     {query: "garcía club.org"},
	"with a status":       {query: "smith", status: is("past_due")},
	"with a plan":         {query: "smith", plan: is("price_2")},
	"with a city":         {query: "müller", metadata: is(`{"city": "Bern"}`)},
	"status alone":        {status: is("canceled")},
	"plan and status":     {status: is("active"), plan: is("price_1")},
	"city alone":          {metadata: is(`{"city": "Zug", "level": 3}`)},
	"letter and status":   {query: "b", status: is("active")},
	"percent":             {query: "100%"},
	"a percent alone":     {query: "%%%"},
	"underscore":          {query: "s_c"},
	"underscores":         {query: "___"},
	"backslash":           {query: `club \`},
	"one backslash":       {query: `\`},
	"quotes":              {query: `"nord"`},
	"apostrophe":          {query: "o'neil"},
	"many words":          {query: "a n n a s m i t nothing"},
}

// find reads all pages.
func (s search) find(ctx context.Context, q interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
}) ([]string, error) {
	var all []string
	var afterName *string
	var afterID *int64
	for {
		rows, err := q.Query(ctx, `SELECT source_id, sort_name, id FROM search_members($1, $2, $3, $4::jsonb, $5, $6, $7)`,
			s.query, s.status, s.plan, s.metadata, afterName, afterID, s.page)
		if err != nil {
			return nil, err
		}
		n := 0
		var source, name string
		var id int64
		if _, err := pgx.ForEachRow(rows, []any{&source, &name, &id}, func() error { n++; all = append(all, source); return nil }); err != nil {
			return nil, err
		}
		if n < s.page {
			return all, nil
		}
		afterName, afterID = is(name), &id
	}
}

// expected is the same answer, found without any index or pattern.
func (s search) expected(t testing.TB, owner *pgxpool.Pool, id tenant.ID) []string {
	t.Helper()
	words := strings.Fields(strings.ToLower(s.query))
	words = words[:min(len(words), 8)] // eight say enough
	starts := ""
	if len(words) == 1 && len([]rune(words[0])) <= 2 {
		starts, words = words[0], nil
	}
	return texts(t, owner, `SELECT source_id FROM members m WHERE tenant_id = $1
		   AND ($2::text = '' OR starts_with(lower(coalesce(name, '')), $2) OR starts_with(lower(coalesce(email, '')), $2))
		   AND NOT EXISTS (SELECT FROM unnest($3::text[]) w WHERE strpos(lower(coalesce(name, '') || ' ' || coalesce(email, '')), w) = 0)
		   AND ($4::text IS NULL OR membership_status = $4) AND ($5::text IS NULL OR plan_source_id = $5) AND ($6::jsonb IS NULL OR metadata @> $6)
		 ORDER BY lower(coalesce(name, '')) COLLATE "C", m.id`, id, starts, words, s.status, s.plan, s.metadata)
}

func TestSearchFindsWhatIsThere(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	const members = 3000
	populate(t, w.owner, w.ours, members)
	populate(t, w.owner, w.theirs, members)
	reader := pgtest.Login(t, w.db, w.reader)
	for name, s := range searches {
		want := s.expected(t, w.owner, w.ours)
		for _, s.page = range []int{200, 7, 1} {
			if s.page < 7 && len(want) > 300 || s.page < 200 && len(want) > 2000 {
				continue // hundreds of pages show no more
			}
			var byApp []string
			err := w.as(w.ours, func(ctx context.Context, tx *postgres.TenantTx) (err error) {
				byApp, err = s.find(ctx, tx)
				return err
			})
			if diff := cmp.Diff(want, byApp, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("%s, pages of %d: %v (-want +found)\n%s", name, s.page, err, diff)
			}
			byReader, err := s.find(ctx, reader)
			if diff := cmp.Diff(want, byReader, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("%s, pages of %d, by the reader: %v (-want +found)\n%s", name, s.page, err, diff)
			}
		}
		if found := len(want) > 0; found != !slices.Contains([]string{"first name", "no hit", "two letters", "a percent alone", "underscores", "one backslash"}, name) {
			t.Errorf("%s: the fixture has %d", name, len(want))
		}
	}
	// A member without a name is found by the e-mail, and one without an e-mail by the name.
	for want, query := range map[string]string{"cus_101": "101@", "cus_97": texts(t, w.owner, `SELECT name FROM members WHERE source_id = 'cus_97' LIMIT 1`)[0]} {
		found, err := search{query: query, page: 200}.find(ctx, reader)
		if err != nil || !slices.Contains(found, want) {
			t.Errorf("%q finds %q, %v", query, found, err)
		}
	}
	if everybody, err := (search{page: 200}).find(ctx, reader); err != nil || len(everybody) != members+1 {
		t.Errorf("%d of %d members, %v", len(everybody), members+1, err)
	}
}

// TestSearchFindsWhatAPlainScanFinds asks at random of members whose names and addresses begin alike and
// otherwise, or are missing.
func TestSearchFindsWhatAPlainScanFinds(t *testing.T) {
	w := newWorld(t)
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // any members do
	text := func(most int) *string {
		n := random.IntN(most+2) - 1
		if n < 0 {
			return nil
		}
		var b strings.Builder
		for range n {
			b.WriteString([]string{"a", "A", "b", "é", "É", "%", " "}[random.IntN(7)])
		}
		return is(b.String())
	}
	for i := range 1200 {
		_, err := w.owner.Exec(t.Context(), `INSERT INTO members (tenant_id, source_platform, source_account_id, livemode, source_id, observed_at, observed_until,
			name, email, membership_status, metadata) VALUES ($1, 'stripe', 'acct', true, $2, now(), now(), $3, $4, $5, jsonb_build_object('level', $6::int))`,
			w.ours, fmt.Sprintf("any_%d", i), text(7), text(5), []string{"active", "none"}[i%2], i%30)
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.owner.Exec(t.Context(), `ANALYZE members`); err != nil {
		t.Fatal(err)
	}
	reader := pgtest.Login(t, w.db, w.reader)
	rapid.Check(t, func(t *rapid.T) {
		s := search{
			query:    rapid.StringOfN(rapid.SampledFrom([]rune("abé% ")), 0, 5, -1).Draw(t, "query"),
			status:   rapid.SampledFrom([]*string{nil, nil, is("active")}).Draw(t, "status"),
			metadata: rapid.SampledFrom([]*string{nil, nil, is(`{"level": 3}`)}).Draw(t, "metadata"),
			page:     rapid.SampledFrom([]int{5, 50, 200}).Draw(t, "page"),
		}
		found, err := s.find(context.Background(), reader)
		if diff := cmp.Diff(s.expected(w.t, w.owner, w.ours), found, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("%v (-want +found)\n%s", err, diff)
		}
	})
}

func TestSearchRefusesAPageThatIsNone(t *testing.T) {
	w := newWorld(t)
	for _, page := range []any{0, -1, 201, nil} {
		err := w.as(w.ours, func(ctx context.Context, tx *postgres.TenantTx) error {
			_, err := tx.Exec(ctx, `SELECT * FROM search_members(page => $1::int)`, page)
			return err
		})
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "22023" {
			t.Errorf("page %v: %v", page, err)
		}
	}
}

func TestNoNameIsTooLongForTheIndexes(t *testing.T) {
	w := newWorld(t)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // any text that does not compress
	text := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteRune(rune(0x20000 + random.IntN(0xA000))) // four bytes each
		}
		return b.String()
	}
	for i, insert := range []struct{ name, email, status, plan int }{
		{5000, 5000, 64, 255}, {200, 320, 64, 255}, {0, 5000, 64, 255}, {5000, 0, 64, 255}, {120, 200, 64, 255},
	} {
		_, err := w.owner.Exec(t.Context(), `INSERT INTO members (tenant_id, source_platform, source_account_id, livemode, source_id, observed_at,
			observed_until, name, email, membership_status, plan_source_id, metadata)
			VALUES ($1, 'stripe', 'acct', true, $2, now(), now(), $3, $4, $5, $6, jsonb_build_object($3::text, $4::text))`,
			w.ours, fmt.Sprintf("long_%d", i), text(insert.name), text(insert.email), text(insert.status), text(insert.plan))
		if err != nil {
			t.Errorf("%+v: %v", insert, err)
		}
	}
}

// plans returns how the function's own statement would be planned, by running it as the function does.
func plans(t testing.TB, db *postgres.DB, id tenant.ID, s search, after string) string {
	t.Helper()
	super := w1(t, db)
	defer super.Release()
	var out strings.Builder
	cfg := super.Conn().Config().Copy()
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { out.WriteString(n.Message + "\n") }
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	for _, set := range []string{`LOAD 'auto_explain'`, `SET auto_explain.log_min_duration = 0`, `SET auto_explain.log_nested_statements = on`,
		`SET auto_explain.log_analyze = on`, `SET auto_explain.log_timing = off`, `SET client_min_messages = log`, `SET app.tenant_id = '` + id.String() + `'`} {
		if _, err := conn.Exec(t.Context(), set); err != nil {
			t.Fatal(err)
		}
	}
	out.Reset()
	var afterName *string
	if after != "" {
		afterName = &after
	}
	if _, err := conn.Exec(t.Context(), `SELECT * FROM search_members($1, $2, $3, $4::jsonb, $5)`, s.query, s.status, s.plan, s.metadata, afterName); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func w1(t testing.TB, db *postgres.DB) *pgxpool.Conn {
	t.Helper()
	conn, err := pgtest.Superuser(t, db).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestSearchUsesItsIndexes(t *testing.T) {
	w := newWorld(t)
	populate(t, w.owner, w.ours, 20_000)
	for name, want := range map[string]struct {
		search
		after   string
		indexes []string // any of them
	}{
		"word":        {search: search{query: "zygmunt 123"}, indexes: []string{"members_search"}},
		"no hit":      {search: search{query: "qqxyzzy"}, indexes: []string{"members_search"}},
		"common word": {search: search{query: "smith"}, indexes: []string{"members_search", "members_sort"}},
		"prefix":      {search: search{query: "z"}, indexes: []string{"members_sort"}},
		"of e-mail":   {search: search{query: "zo", status: is("active")}, indexes: []string{"members_email"}},
		"metadata":    {search: search{query: "smith", metadata: is(`{"city": "Rom"}`)}, indexes: []string{"members_search"}},
		"first page":  {indexes: []string{"members_sort"}},
		"a late page": {after: "zoë", indexes: []string{"members_sort"}},
		"status":      {search: search{status: is("canceled")}, indexes: []string{"members_status"}},
		"plan":        {search: search{plan: is("price_1"), status: is("active")}, indexes: []string{"members_plan"}},
	} {
		plan := plans(t, w.db, w.ours, want.search, want.after)
		if !slices.ContainsFunc(want.indexes, func(index string) bool { return strings.Contains(plan, index) }) || strings.Contains(plan, "Seq Scan on members") {
			t.Errorf("%s does not use %q:\n%s", name, want.indexes, plan)
		}
	}
}

// TestSearchWalksThroughFew asks what the planner gets wrong when left alone: it takes matches for evenly spread
// over the alphabet, and guesses by the length of a word how many there are.
func TestSearchWalksThroughFew(t *testing.T) {
	w := newWorld(t)
	populate(t, w.owner, w.ours, 20_000)
	for _, sql := range []string{`UPDATE members SET email = 'z' || email WHERE id % 2 = 0`, `VACUUM ANALYZE members`} {
		if _, err := w.owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	read := regexp.MustCompile(`(?:Scan using members_\w+ on members|Heap Scan on members) .*actual rows=(\d+)|Rows Removed by Filter: (\d+)`)
	for name, asked := range map[string]struct {
		search
		after string
		most  int // rows read and rows rejected
	}{
		"late in the alphabet":    {search: search{query: "pet"}, most: 7000}, // the nameless, who come first, match by their address
		"late, and a status":      {search: search{query: "pet", status: is("none")}, most: 7000},
		"nobody there":            {search: search{query: "pet", metadata: is(`{"city": "Rom"}`)}, most: 250},
		"metadata that few have":  {search: search{metadata: is(`{"city": "Rom"}`)}, most: 250},
		"common":                  {search: search{query: "example"}, most: 600},
		"one letter":              {search: search{query: "z"}, most: 150},
		"one letter, second page": {search: search{query: "z"}, after: "maria novak", most: 150},
		"one letter and a status": {search: search{query: "z", status: is("active")}, most: 400},
		"one letter and metadata": {search: search{query: "z", metadata: is(`{"city": "Bern"}`)}, most: 1500},
		"two letters":             {search: search{query: "zj"}, most: 6000}, // through those of the first letter
		"the end":                 {search: search{query: "example"}, after: "zoë z", most: 1000},
	} {
		plan, all := plans(t, w.db, w.ours, asked.search, asked.after), 0
		for _, found := range read.FindAllStringSubmatch(plan, -1) {
			n, err := strconv.Atoi(found[1] + found[2])
			if err != nil {
				t.Fatal(err)
			}
			all += n
		}
		if all > asked.most {
			t.Errorf("%s: reads %d members:\n%s", name, all, plan)
		}
	}
}

// BenchmarkSearch asks each kind of query of a tenant with 50,000 members, beside one with twice as many.
func BenchmarkSearch(b *testing.B) {
	w := newWorld(b)
	populate(b, w.owner, w.ours, 50_000)
	populate(b, w.owner, w.theirs, 100_000)
	if _, err := w.owner.Exec(b.Context(), `VACUUM ANALYZE members`); err != nil {
		b.Fatal(err)
	}
	kinds := maps.Clone(searches)
	kinds["city, nobody"] = search{metadata: is(`{"city": "Rom"}`)}
	kinds["word and city, nobody"] = search{query: "smith", metadata: is(`{"city": "Rom"}`)}
	for _, id := range []tenant.ID{w.ours, w.theirs} {
		for _, name := range slices.Sorted(maps.Keys(kinds)) {
			for _, after := range []string{"", "zimmermann"} {
				b.Run(fmt.Sprintf("%s/late=%t/large=%t", name, after != "", id == w.theirs), func(b *testing.B) {
					s := kinds[name]
					for b.Loop() {
						err := w.as(id, func(ctx context.Context, tx *postgres.TenantTx) error {
							_, err := tx.Exec(ctx, `SELECT * FROM search_members($1, $2, $3, $4::jsonb, nullif($5, ''))`, s.query, s.status, s.plan, s.metadata, after)
							return err
						})
						if err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
