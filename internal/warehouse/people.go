package warehouse

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/postgres"
)

// statusesSQL counts the members by status. Of a person whom several platforms know, what the club itself wrote counts,
// else the status that is worth most.
const statusesSQL = `
	SELECT membership_status, count(*)
	  FROM (SELECT membership_status FROM members WHERE tenant_id = $1 AND person_id IS NULL
	        UNION ALL
	        (SELECT DISTINCT ON (person_id) membership_status FROM members WHERE tenant_id = $1 AND person_id IS NOT NULL
	          ORDER BY person_id, coalesce(array_position(ARRAY
	                ['active', 'trialing', 'past_due', 'paused', 'pending', 'canceled', 'expired', 'none', 'deleted'], membership_status), 0))) AS person
	 GROUP BY 1 ORDER BY 2 DESC, 1`

// PlatformCount is how many living members a platform tells of.
type PlatformCount struct {
	Platform string
	Members  int64
}

// People is who is known from where. Platforms is never nil.
type People struct {
	Platforms  []PlatformCount
	Linked     int64 // persons whom ids prove to be known by several platforms
	Candidates int64 // e-mail addresses that several platforms know, of whom no id proves anything
}

// WhoIsWhere counts the tenant's members by platform, and those who are known from several.
func WhoIsWhere(ctx context.Context, tx *postgres.TenantTx) (p People, err error) {
	rows, err := tx.Query(ctx, `SELECT source_platform, count(*) FROM members WHERE tenant_id = $1 AND deleted_at IS NULL GROUP BY 1 ORDER BY 1`, tx.Tenant)
	if err == nil {
		p.Platforms, err = pgx.CollectRows(rows, pgx.RowToStructByPos[PlatformCount])
	}
	if err == nil {
		err = tx.QueryRow(ctx, `
			SELECT (SELECT count(DISTINCT person_id) FROM members WHERE tenant_id = $1 AND deleted_at IS NULL),
			       (SELECT count(DISTINCT email) FROM person_candidates WHERE tenant_id = $1)`, tx.Tenant).Scan(&p.Linked, &p.Candidates)
	}
	if err != nil {
		return p, fmt.Errorf("warehouse: count the people: %w", err)
	}
	return p, nil
}
