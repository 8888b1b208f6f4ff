package warehouse

import (
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // a name and no secret, made as link.sql makes it
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
)

//go:embed link_bearers.sql
var linkBearersSQL string

//go:embed link_bearers_of.sql
var linkBearersOfSQL string

//go:embed link_together.sql
var linkTogetherSQL string

//go:embed link_edges.sql
var linkEdgesSQL string

// Whose names a member of a source.
type Whose struct {
	canonical.Source
	ID string
}

// node is the member as link.sql writes it.
func (w Whose) node() string {
	mode := "f"
	if w.Livemode {
		mode = "t"
	}
	return strings.Join([]string{w.Platform, w.AccountID, mode, w.ID}, "|")
}

// maxBearers is how many members may bear an id that proves something, as in link.sql.
const maxBearers = 20

// LinkOf is Link for some members, whose records have just changed: it costs as much as they and those who are one person
// with them have records, however large the tenant is. Where an id that too many bore proves something again because one
// of them bears it no more, the others are linked by the next Link. What Link has never seen is not known to it.
func (w *Warehouse) LinkOf(ctx context.Context, tx *postgres.TenantTx, whose []Whose) error {
	if len(whose) == 0 {
		return nil
	}
	several, err := severalPlatforms(ctx, tx)
	if err != nil || !several {
		return err
	}
	tx.Set("enable_seqscan", "off") // everything is looked up by key, whatever the tables' statistics say
	former, err := renewBearers(ctx, tx, whose)
	if err != nil {
		return err
	}
	g := evidence{bearers: map[Whose]map[Whose]bool{}, persons: map[Whose]uuid.UUID{}}
	for found := whose; len(found) > 0; former = nil {
		frontier, err := g.enter(ctx, tx, found, former)
		if err != nil {
			return err
		}
		if found, err = g.explore(ctx, tx, frontier); err != nil {
			return err
		}
	}
	return g.write(ctx, tx)
}

// severalPlatforms reports whether the tenant has members of more than one platform.
func severalPlatforms(ctx context.Context, tx *postgres.TenantTx) (several bool, err error) {
	err = tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM members WHERE tenant_id = $1 AND source_platform > first.platform)
		  FROM (SELECT (SELECT source_platform FROM members WHERE tenant_id = $1 ORDER BY source_platform LIMIT 1) AS platform) first`, tx.Tenant).Scan(&several)
	if err != nil {
		return false, fmt.Errorf("warehouse: look for other platforms: %w", err)
	}
	return several, nil
}

// renewBearers keeps the list of who bears which id up to date, and returns the ids that the members bear no more, each as the
// id of whoever bore it.
func renewBearers(ctx context.Context, tx *postgres.TenantTx, whose []Whose) (former []Whose, err error) {
	rows, err := tx.Query(ctx, linkBearersOfSQL, columnsOf(tx, whose)...)
	if err != nil {
		return nil, fmt.Errorf("warehouse: look who bears ids: %w", err)
	}
	var m Whose
	var id string
	var gone bool
	var wrong []func()
	_, err = pgx.ForEachRow(rows, []any{&m.Platform, &m.AccountID, &m.Livemode, &m.ID, &id, &gone}, func() error {
		sql := `INSERT INTO member_foreign_id (tenant_id, source_platform, source_account_id, livemode, source_id, foreign_id)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`
		if gone {
			sql = `DELETE FROM member_foreign_id WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4
				AND source_id = $5 AND foreign_id = $6`
			former = append(former, Whose{m.Source, id})
		}
		args := append(identityOf(tx.Tenant, m.Source), m.ID, id)
		wrong = append(wrong, func() { tx.Queue(sql, args...) })
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("warehouse: look who bears ids: %w", err)
	}
	for _, mend := range wrong {
		mend()
	}
	return former, nil
}

// columnsOf are the tenant and the members as parameters.
func columnsOf(tx *postgres.TenantTx, whose []Whose) []any {
	platforms, accounts, modes, ids := make([]string, len(whose)), make([]string, len(whose)), make([]bool, len(whose)), make([]string, len(whose))
	for i, w := range whose {
		platforms[i], accounts[i], modes[i], ids[i] = w.Platform, w.AccountID, w.Livemode, w.ID
	}
	return []any{tx.Tenant, platforms, accounts, modes, ids}
}

// evidence is who bears an id of whom, as far as it was looked for.
type evidence struct {
	bearers map[Whose]map[Whose]bool // of a member: who bears an id of it
	persons map[Whose]uuid.UUID      // whom the members are in the warehouse, of whom all evidence is looked for
}

// enter takes in the members, whom each is one person with so far, and whose the former ids are, and returns those who are new.
func (g evidence) enter(ctx context.Context, tx *postgres.TenantTx, found, former []Whose) (frontier []Whose, err error) {
	rows, err := tx.Query(ctx, linkTogetherSQL, append(columnsOf(tx, found), columnsOf(tx, former)[1:]...)...)
	if err != nil {
		return nil, fmt.Errorf("warehouse: look who was linked: %w", err)
	}
	var m Whose
	var person *uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&m.Platform, &m.AccountID, &m.Livemode, &m.ID, &person}, func() error {
		if _, known := g.persons[m]; !known {
			g.persons[m] = uuid.UUID{}
			frontier = append(frontier, m)
		}
		if person != nil {
			g.persons[m] = *person
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("warehouse: look who was linked: %w", err)
	}
	return frontier, nil
}

// explore looks for all evidence about the members and returns to whom it leads, as far as that is not known.
func (g evidence) explore(ctx context.Context, tx *postgres.TenantTx, frontier []Whose) (found []Whose, err error) {
	rows, err := tx.Query(ctx, linkEdgesSQL, columnsOf(tx, frontier)...)
	if err != nil {
		return nil, fmt.Errorf("warehouse: look for evidence: %w", err)
	}
	var pairs []Whose
	var a, b Whose
	_, err = pgx.ForEachRow(rows, []any{&a.Platform, &a.AccountID, &a.Livemode, &a.ID, &b.Platform, &b.AccountID, &b.ID}, func() error {
		b.Livemode = a.Livemode
		if g.bearers[b] == nil {
			g.bearers[b] = map[Whose]bool{}
		}
		g.bearers[b][a] = true
		pairs = append(pairs, a, b)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("warehouse: look for evidence: %w", err)
	}
	return slices.DeleteFunc(g.provable(pairs), func(w Whose) bool { _, known := g.persons[w]; return known }), nil
}

// provable leaves of pairs, the one who bears an id before the one whose it is, those that may be proof as far as is known.
func (g evidence) provable(pairs []Whose) (found []Whose) {
	for i := 0; i < len(pairs); i += 2 {
		found = append(found, pairs[i+1])
		if len(g.bearers[pairs[i+1]]) <= maxBearers {
			found = append(found, pairs[i])
		}
	}
	return found
}

// linked are the members who are linked, each with the least name of those whom it is one person with.
func (g evidence) linked() map[Whose]string {
	pairs := map[Whose][]Whose{}
	for b, bearers := range g.bearers {
		for a := range bearers {
			if len(bearers) <= maxBearers {
				pairs[a], pairs[b] = append(pairs[a], b), append(pairs[b], a)
			}
		}
	}
	persons := map[Whose]string{}
	for first := range pairs {
		if _, done := persons[first]; done {
			continue
		}
		group, least := []Whose{first}, first.node()
		inside := map[Whose]bool{first: true}
		for i := 0; i < len(group); i++ {
			least = min(least, group[i].node())
			for _, next := range pairs[group[i]] {
				if !inside[next] {
					inside[next] = true
					group = append(group, next)
				}
			}
		}
		for _, w := range group {
			persons[w] = least
		}
	}
	return persons
}

// write gives those of whom all evidence is known their person, or none, where that is another than so far.
func (g evidence) write(ctx context.Context, tx *postgres.TenantTx) error {
	linked := g.linked()
	for _, m := range slices.SortedFunc(maps.Keys(g.persons), func(a, b Whose) int { return cmp.Compare(a.node(), b.node()) }) {
		var person uuid.UUID
		if least, is := linked[m]; is {
			person = md5.Sum([]byte(least)) //nolint:gosec // see the import
		}
		if person == g.persons[m] {
			continue
		}
		tx.Queue(`UPDATE members SET person_id = nullif($6, '00000000-0000-0000-0000-000000000000'::uuid)
			WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4 AND source_id = $5`,
			append(identityOf(tx.Tenant, m.Source), m.ID, person)...)
	}
	return tx.Flush(ctx)
}
