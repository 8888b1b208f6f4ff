//go:build wordpress

package memberpress

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/syncrun"
)

// driven is what a step tells.
type driven struct {
	KeyID   string             `json:"key_id"`
	Secret  string             `json:"secret"`
	Names   []string           `json:"names"`
	Changed map[string][]int64 `json:"changed"`
	Gone    map[string][]int64 `json:"gone"`
}

// drive does a step of wordpress/tests/drive.php to the site that `wordpress/test` has stood up.
func drive(t *testing.T, step ...string) (did driven) {
	t.Helper()
	if out := driveRaw(t, step...); json.Unmarshal(out, &did) != nil {
		t.Fatalf("%v: %s", step, out)
	}
	return did
}

func driveRaw(t *testing.T, step ...string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), "php", append([]string{"-d", "memory_limit=512M", "../../../wordpress/tests/drive.php"}, step...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", step, err, out, &stderr)
	}
	return out
}

// realClub connects a tenant to the site, which is asked as the program asks sites.
func realClub(t *testing.T) *club {
	t.Helper()
	c := &club{t: t, db: pgtest.New(t), care: care.Config{PerMinute: 600, Burst: 50, PageMax: 2000, GrowAfter: 5}}
	c.restart()
	made, err := identity.CreateTenant(t.Context(), c.db, "club", "pro")
	if err != nil {
		t.Fatal(err)
	}
	key := drive(t, "connect")
	c.c, _, err = c.p.Connect(t.Context(), ConnectRequest{
		Tenant: made.ID, Actor: "test", Site: os.Getenv("MEMBERINTEL_TEST_URL"), KeyID: key.KeyID, Secret: key.Secret,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// mustSync syncs in the mode that the site's state asks for, without anything that is not understood.
func (c *club) mustSync(mode syncrun.Mode) syncrun.Report {
	c.t.Helper()
	report := c.sync("")
	if report.Mode != mode || report.Status != syncrun.Succeeded || report.Quarantined != 0 {
		c.t.Fatalf("want a %s sync without a flaw, got %+v: %s\n%s", mode, report, said(report),
			value[string](c, `SELECT coalesce(string_agg(DISTINCT stream || ': ' || reason, chr(10)), '') FROM quarantine`))
	}
	return report
}

func said(r syncrun.Report) string {
	if r.ErrorMessage == nil {
		return ""
	}
	return *r.ErrorMessage
}

// mustBury fails unless what is gone at the site is gone from the warehouse.
func (c *club) mustBury(did driven) {
	c.t.Helper()
	for entity, ids := range did.Gone {
		s, _ := streamOf(entity)
		if n := c.countOf(s.table, ids, "deleted_at IS NOT NULL"); n != len(ids) {
			c.t.Errorf("%d of the %s %d are buried", n, entity, ids)
		}
	}
}

// mustTell fails unless the queries find what they should.
func (c *club) mustTell(answers map[string]string) {
	c.t.Helper()
	for sql, want := range answers {
		if got := value[string](c, sql); got != want {
			c.t.Errorf("%s\ngot %q, want %q", sql, got, want)
		}
	}
}

func (c *club) countOf(table string, ids []int64, condition string) int {
	c.t.Helper()
	return value[int](c, fmt.Sprintf(`SELECT count(DISTINCT source_id) FROM %s WHERE source_id = ANY ($1) AND %s`, table, condition), names(ids))
}

// names are ids as the warehouse has them.
func names(ids []int64) []string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = strconv.FormatInt(id, 10)
	}
	return names
}

// From the plugin in a real WordPress to the warehouse: everything, then each kind of change, a backup that was brought
// back, a plugin that was installed anew, and a key that was taken away.
func TestARealSite(t *testing.T) {
	drive(t, "seed", "250")
	c := realClub(t)
	first := c.mustSync(syncrun.Full)
	if first.RecordsProcessed < 1000 {
		t.Errorf("%d records", first.RecordsProcessed)
	}
	c.mustTell(map[string]string{
		`SELECT name || ' ' || currency || ' ' || platform_version FROM sites`: "Lakeside Tennis Club usd 1.12.11",
		`SELECT string_agg(kind || ' ' || amount_minor, ', ' ORDER BY kind) FROM transactions WHERE source_id =
			(SELECT source_id FROM transactions WHERE metadata ->> 'trans_num' = 'ch_refunded' AND kind = 'payment')`: "payment 2900, refund 2900",
		`SELECT lifetime::text FROM transactions WHERE metadata ->> 'trans_num' = 'life'`:                     "true",
		`SELECT gives_access::text FROM transactions WHERE metadata ->> 'trans_num' = 'gift'`:                 "false",
		`SELECT kind FROM transactions WHERE metadata ->> 'trans_num' = 'below'`:                              "grant",
		`SELECT (metadata ->> 'courts') || ' ' || name FROM members WHERE email = 'member9@lakeside.example'`: `["1", "3"] Zoë 🎾`,
	})
	c.mustEqual()

	changes := []struct {
		step  string
		tells map[string]string
	}{
		{"change", map[string]string{
			`SELECT count(*)::text FROM members WHERE name = 'Anna Berg'`:                                                  "1",
			`SELECT count(*)::text FROM transactions WHERE metadata ->> 'trans_num' = 'ch_partial'`:                        "1",
			`SELECT amount_minor::text FROM plans WHERE name = 'Adult, monthly'`:                                           "3500",
			`SELECT string_agg(kind, ' ' ORDER BY kind) FROM transactions WHERE metadata ->> 'trans_num' LIKE 'ch_next_1'`: "payment refund",
		}},
		{"sql", map[string]string{
			`SELECT source_id FROM members WHERE email = 'new@lakeside.example'`:                                          "901000",
			`SELECT source_id FROM members WHERE name = 'Member Nowak'`:                                                   "901001",
			`SELECT amount_minor || ' ' || member_source_id FROM transactions WHERE metadata ->> 'trans_num' = 'by-hand'`: "700 901000",
			`SELECT string_agg(kind, ' ' ORDER BY kind) FROM transactions WHERE source_id = '901001'`:                     "payment refund",
		}},
	}
	for _, change := range changes {
		did := drive(t, change.step)
		c.mustSync(syncrun.Incremental)
		c.mustTell(change.tells)
		c.mustBury(did)
		c.mustEqual()
	}
	if nothing := c.mustSync(syncrun.Incremental); nothing.RecordsProcessed > 1 {
		t.Errorf("%d records, although nothing changed", nothing.RecordsProcessed)
	}

	drive(t, "backup")
	drive(t, "some")
	c.mustSync(syncrun.Incremental)
	drive(t, "restore")
	c.mustSync(syncrun.Full)
	c.mustEqual()

	did := drive(t, "reinstall")
	c.mustSync(syncrun.Full)
	c.mustBury(did)
	c.mustEqual()

	drive(t, "revoke")
	report, err := c.p.Sync(t.Context(), c.current(), "", nil)
	if !fault.Is(err, fault.Unauthorized) || report.Status != syncrun.Failed || !strings.Contains(said(report), "connect") {
		t.Errorf("%v; %s: %s", err, report.Status, said(report))
	}
	if got := c.current().State; got == connection.Connected {
		t.Errorf("the connection is %s", got)
	}
}
