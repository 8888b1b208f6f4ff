package app

import (
	"context"
	"io"
	"maps"
	"slices"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/page"
	"memberintel/internal/pipeline/website"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
	"memberintel/internal/warehouse"
)

// demoView is what is told of a filled warehouse.
type demoView struct {
	URL      string            `json:"url"`
	Site     string            `json:"site"`
	DBURL    string            `json:"db_url"`
	TenantID tenant.ID         `json:"tenant_id"`
	Syncs    []syncrun.Report  `json:"syncs"`    // one a connection
	Verdicts []syncrun.Verdict `json:"verdicts"` // likewise, with --once alone
	Members  map[string]int64  `json:"members"`  // by membership_status, all platforms together
	Payments int64             `json:"payments"`
	People   struct {
		ByPlatform map[string]int64 `json:"by_platform"`
		Linked     int64            `json:"linked"`
		Candidates int64            `json:"candidates"`
	} `json:"people"`

	settings map[string]string // by which other commands find the demo
	website  string
	week     time.Duration // of the website's
	summary  warehouse.Summary
	sums     []warehouse.Money
}

// look reads what is in the warehouse.
func (v *demoView) look(ctx context.Context, h *house) error {
	var people warehouse.People
	err := h.db.TenantTx(ctx, v.TenantID, func(tx *postgres.TenantTx) (err error) {
		if v.summary, err = warehouse.Summarise(ctx, tx); err != nil {
			return err
		}
		if people, err = warehouse.WhoIsWhere(ctx, tx); err != nil {
			return err
		}
		v.Payments, v.sums, err = warehouse.Paid(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	v.Members, v.People.ByPlatform = map[string]int64{}, map[string]int64{}
	for _, n := range v.summary.Members {
		v.Members[n.Status] = n.Count
	}
	for _, n := range people.Platforms {
		v.People.ByPlatform[n.Platform] = n.Members
	}
	v.People.Linked, v.People.Candidates = people.Linked, people.Candidates
	v.DBURL, err = h.readerURL(ctx, v.TenantID.String())
	return err
}

// health is whether all that ran went well.
func (v *demoView) health() error {
	for i, report := range v.Syncs {
		if report.Status != syncrun.Succeeded || v.Verdicts[i].Drift() || v.Verdicts[i].Status != syncrun.Succeeded {
			return errNotHealthy
		}
	}
	return nil
}

// write prints what is there and the ways into it.
func (v *demoView) write(w io.Writer) {
	for _, report := range v.Syncs {
		writef(w, "%s: ", connection.Pipeline(report.PipelineType).Label())
		writeReport(w, report)
	}
	writef(w, "\n")
	for _, platform := range []connection.Pipeline{connection.Stripe, connection.MemberPress} {
		writef(w, "  members at %s\t%s\n", platform.Label(), page.Count(v.People.ByPlatform[string(platform)]))
	}
	writef(w, "  known by both, by their ids\t%s\n", page.Count(v.People.Linked))
	writef(w, "  perhaps the same, by e-mail\t%s\n", page.Count(v.People.Candidates))
	for _, n := range v.summary.Members {
		writef(w, "  %s\t%s\n", page.Members(n.Status), page.Count(n.Count))
	}
	writef(w, "  subscriptions\t%s\n", page.Count(v.summary.Subscriptions))
	writef(w, "  payments\t%s%s\n", page.Count(v.Payments), amounts(v.sums))
	for _, m := range v.summary.MRR {
		writef(w, "  MRR\t%s\n", page.Money(m.Minor, m.Currency))
	}
	if len(v.Verdicts) > 0 {
		writef(w, "\n")
		for i, verdict := range v.Verdicts {
			writef(w, "%s: ", connection.Pipeline(v.Syncs[i].PipelineType).Label())
			writeVerdict(w, verdict)
		}
		return
	}
	for _, report := range v.Syncs {
		if site, ok := report.Detail.(website.Report); ok {
			writeProfile(w, site)
		}
	}
	writef(w, "\nStatus page:  %s/\n", v.URL)
	writef(w, "The site:     %s\n", v.Site)
	writef(w, "Website:      %s/ (the club's public one)\n", v.website)
	writef(w, "SQL:          psql %q\n", v.DBURL)
	writef(w, "Commands:     in another terminal, to be closed with the demo\n")
	for _, name := range slices.Sorted(maps.Keys(v.settings)) {
		writef(w, "  export %s=%q\n", name, v.settings[name])
	}
	writef(w, "  go run ./cmd/memberintel verify --tenant demo --pipeline stripe\n  go run ./cmd/memberintel status\n")
	writef(w, "  go run ./cmd/memberintel sync --tenant demo --pipeline website\t(a new headline comes after %s, new prices after %s)\n", v.week, 2*v.week)
	for _, query := range demoQueries() {
		writef(w, "\n  -- %s\n  %s\n", query.asks, query.sql)
	}
	writef(w, "\nThe club lives on: members join, pay, fail to pay and leave. What happens at Stripe arrives by webhook; the site writes down\n"+
		"the same, and what happens on it alone, and knocks: that is synced within seconds. Ctrl-C ends it.\n")
}

type demoQuery struct{ asks, sql string }

// demoQueries are what to look at, each as it runs for the demo's reader.
func demoQueries() []demoQuery {
	return []demoQuery{
		{"who is a member", `SELECT source_platform, name, email FROM members WHERE membership_status = 'active';`},
		{"one person at both, and what each of them says", `SELECT s.name, s.source_id AS stripe, s.membership_status, m.source_id AS wordpress, m.membership_status, m.access_until
    FROM members s JOIN members m USING (person_id) WHERE s.source_platform = 'stripe' AND m.source_platform = 'memberpress' LIMIT 10;`},
		{"one e-mail address, and no id that proves it to be one person", `SELECT email, source_id, other_id FROM person_candidates;`},
		{"who pays in cash, of whom Stripe knows nothing", `SELECT m.name, t.amount_minor, t.access_until FROM members m JOIN transactions t ON t.member_source_id = m.source_id
   WHERE m.source_platform = 'memberpress' AND t.source_platform = 'memberpress' AND m.person_id IS NULL AND t.foreign_id IS NULL;`},
		{"the money, each payment once, whoever tells of it", `SELECT date_trunc('month', paid_at) AS month, currency, sum(amount_minor) FROM payments WHERE status = 'succeeded' GROUP BY 1, 2 ORDER BY 1;`},
		{"what came last (run it again)", `SELECT source_platform, name, synced_at FROM members ORDER BY synced_at DESC LIMIT 5;`},
		{"what the public website is, with the site's own words for it", `SELECT version, niche, positioning, pricing_patterns, evidence FROM customer_brain.site_profile ORDER BY version DESC LIMIT 1;`},
		{"how fresh it is", `SELECT pipeline_type, data_as_of, stale FROM tenant_data_freshness;`},
	}
}

func amounts(sums []warehouse.Money) (text string) {
	for _, m := range sums {
		text += ", " + page.Money(m.Minor, m.Currency)
	}
	return text
}
