package memberpress

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/pipeline/pipelinetest"
	"memberintel/internal/postgres/pgtest"
	site "memberintel/internal/sim/memberpress"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

func TestAFirstSync(t *testing.T) {
	c := newClub(t)
	report := c.sync("")
	if report.Mode != syncrun.Full || report.Status != syncrun.Succeeded || report.Quarantined != 0 {
		t.Fatalf("%+v", report)
	}
	if got := c.current(); got.State != connection.Connected || got.MappingVersion != MappingVersion {
		t.Errorf("the connection is %s, of mapping %d", got.State, got.MappingVersion)
	}
	want := "101 active, 102 expired, 103 active, 104 paused, 105 none, 106 active, 107 none, 108 none"
	if got := c.statuses(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for sql, want := range map[string]string{
		`SELECT name || ' ' || email || ' ' || (metadata ->> 'membership_type') FROM members WHERE source_id = '101'`:   "Member 101 m101@club.example Adult",
		`SELECT access_until::text || ' ' || plan_source_id FROM members WHERE source_id = '101'`:                       "2026-11-05 23:59:59+00 55",
		`SELECT lifetime::text || coalesce(access_until::text, ' no end') FROM members WHERE source_id = '106'`:         "true no end",
		`SELECT access_until::text || ' ' || status FROM subscriptions WHERE source_id = '702'`:                         "2026-11-04 23:59:59+00 canceled",
		`SELECT string_agg(kind || ' ' || amount_minor, ', ' ORDER BY kind) FROM transactions WHERE source_id = '9905'`: "payment 45000, refund 45000",
		`SELECT count(*)::text FROM transactions WHERE kind = 'grant' AND amount_minor = 0`:                             "4",
		`SELECT count(*)::text || ' ' || sum(amount_minor) FROM payments WHERE status = 'succeeded'`:                    "7 147528",
		`SELECT title || ' ' || plan_source_ids FROM content_rules`:                                                     `All content ["55"]`,
		`SELECT name || ' ' || currency || ' ' || platform_version FROM sites`:                                          "Lakeside Tennis Club usd 1.12.11",
		`SELECT string_agg(source_id || ' ' || billing_type || ' ' || amount_minor, ', ' ORDER BY 1) FROM plans`:        "55 recurring 2900, 56 one_time 45000",
		`SELECT count(*)::text || ' ' || sum(mrr_minor)::bigint FROM subscription_item_history WHERE valid_to IS NULL`:  "4 11600",
	} {
		if got := value[string](c, sql); got != want {
			t.Errorf("%s\ngot %q, want %q", sql, got, want)
		}
	}
	c.mustEqual()
}

// Every way in which a site's rows were seen to change reaches the warehouse with the next sync, which reads what
// changed and nothing else.
func TestEveryWayOfChangingArrives(t *testing.T) {
	for _, op := range site.Operations() {
		t.Run(op.Name, func(t *testing.T) {
			c := newClub(t)
			c.sync("")
			if !c.site.Do(op) {
				t.Fatal("nothing to work on")
			}
			report := c.sync("")
			if report.Mode != syncrun.Incremental || report.Status != syncrun.Succeeded {
				t.Fatalf("%+v", report)
			}
			c.mustEqual()
		})
	}
}

// A row that changes several times within a second ends as it was last, and one that comes back lives again.
func TestTheLastStateCounts(t *testing.T) {
	c := newClub(t)
	c.sync("")
	m, _ := site.Find[site.Member](c.site, 108)
	for i := range 3 {
		m.FirstName = fmt.Sprint("Name", i)
		c.site.Put(m)
		c.sync("")
	}
	if got := value[string](c, `SELECT name FROM members WHERE source_id = '108'`); got != "Name2 108" {
		t.Errorf("the name is %q", got)
	}
	c.site.Delete("members", 108)
	c.sync("")
	if got := value[string](c, `SELECT delete_reason || ' ' || membership_status FROM members WHERE source_id = '108'`); got != "missing deleted" {
		t.Errorf("a deleted member is %q", got)
	}
	c.site.Put(m)
	c.sync("")
	if got := value[bool](c, `SELECT deleted_at IS NULL FROM members WHERE source_id = '108'`); !got {
		t.Error("a member who came back is a tombstone")
	}
	refunded, _ := site.Find[site.Transaction](c.site, 9905)
	refunded.Status, refunded.RefundedAt = "complete", nil
	c.site.Slip(refunded)
	c.sync("")
	if got := value[int](c, `SELECT count(*) FROM transactions WHERE kind = 'refund' AND deleted_at IS NULL`); got != 0 {
		t.Error("a refund that was taken back stands")
	}
	c.mustEqual()
}

// Another epoch takes every watermark away: everything is read, and what the site no longer has is buried.
func TestAnotherEpoch(t *testing.T) {
	c := newClub(t)
	c.sync("")
	c.site.Vanish("members", 108)
	c.site.Reinstall()
	report := c.sync("")
	if report.Mode != syncrun.Full || report.Status != syncrun.Succeeded {
		t.Fatalf("%+v", report)
	}
	if got := value[string](c, `SELECT delete_reason FROM members WHERE source_id = '108'`); got != "sweep" {
		t.Errorf("the member was buried by %q", got)
	}
	c.mustEqual()
}

// A backup that was restored is noticed by its watermark, whatever is read at the time.
func TestARestoredBackup(t *testing.T) {
	c := newClub(t)
	backup := c.site.Backup()
	c.sync("")
	m, _ := site.Find[site.Member](c.site, 101)
	m.FirstName = "Later"
	c.site.Put(m)
	c.sync("")
	c.site.Restore(backup)
	if report := c.sync(""); report.Mode != syncrun.Full || report.Status != syncrun.Succeeded {
		t.Fatalf("%+v", report)
	}
	c.mustEqual()
}

// What is not understood is kept as it came, makes the run partial and spares the row that is there.
func TestARowThatIsNotUnderstood(t *testing.T) {
	c := newClub(t)
	c.sync("")
	odd, _ := site.Find[site.Transaction](c.site, 9901)
	odd.Status = "chargeback"
	c.site.Put(odd)
	report := c.sync("")
	if report.Status != syncrun.Partial || report.Quarantined != 1 || !strings.Contains(*report.ErrorMessage, "quarantine") {
		t.Fatalf("%+v", report)
	}
	if got := value[string](c, `SELECT reason || convert_from(raw, 'UTF8') FROM quarantine`); !strings.Contains(got, `the value "chargeback"`) || !strings.Contains(got, `{"id":9901`) {
		t.Errorf("kept is %s", got)
	}
	if got := c.current().State; got != connection.Degraded {
		t.Errorf("the connection is %s", got)
	}
	if report := c.sync(syncrun.Full); report.Quarantined != 1 {
		t.Errorf("%+v", report)
	}
	if got := value[bool](c, `SELECT deleted_at IS NULL FROM transactions WHERE source_id = '9901'`); !got {
		t.Error("a full pass buried what it did not understand")
	}
	out, err := c.p.RereadQuarantine(t.Context(), c.current())
	if err != nil || out.Tried != 1 || out.Released != 0 {
		t.Errorf("read again: %+v, %v", out, err)
	}
	odd.Status = "complete"
	c.site.Put(odd)
	if report := c.sync(""); report.Status != syncrun.Succeeded || report.Quarantined != 0 {
		t.Errorf("%+v", report)
	}
	c.mustEqual()
}

// Which row it is that does not tell its id, nobody knows: so none of its kind is taken for gone.
func TestARowWithoutAnIDIsNotBuried(t *testing.T) {
	c := newClub(t)
	c.sync("")
	alive := func(id string) bool {
		return value[bool](c, `SELECT deleted_at IS NULL FROM transactions WHERE source_id = $1`, id)
	}
	c.clock.Advance(time.Hour)
	c.site.Vanish("transactions", 9906)
	c.site.Vanish("members", 108)
	c.site.Reinstall() // so that no change tells of what has gone
	cure := c.site.Fault(site.Fault{Kind: site.Nameless, Limit: 9901})
	report := c.sync("")
	if report.Mode != syncrun.Full || report.Status != syncrun.Partial || report.Quarantined != 1 || !strings.Contains(*report.ErrorMessage, "transactions without a readable id") {
		t.Fatalf("%+v: %v", report, report.ErrorMessage)
	}
	if !alive("9901") || !alive("9906") {
		t.Error("a full pass buried what it may have been shown")
	}
	if value[bool](c, `SELECT deleted_at IS NULL FROM members WHERE source_id = '108'`) {
		t.Error("rows of another kind were spared")
	}
	verdict, err := c.p.Verify(t.Context(), c.current(), true, nil)
	if err != nil || len(verdict.Extra) > 0 || !alive("9901") {
		t.Errorf("a verification: %+v, %v", verdict, err)
	}
	cure()
	c.clock.Advance(time.Hour)
	if report := c.sync(syncrun.Full); report.Status != syncrun.Succeeded || report.Quarantined != 0 {
		t.Errorf("%+v", report)
	}
	if !alive("9901") || alive("9906") {
		t.Error("the pass that could read everything did not bury what is gone")
	}
	c.mustEqual()
}

// A row that a full pass was not shown, although the site has it, is looked up before it is taken for gone.
func TestARowThatWasMissedIsNotBuried(t *testing.T) {
	c := newClub(t)
	c.sync("")
	c.clock.Advance(time.Hour)
	m, _ := site.Find[site.Member](c.site, 103)
	m.FirstName = "Renamed"
	c.site.Slip(m)
	c.site.Vanish("members", 108)
	refunded, _ := site.Find[site.Transaction](c.site, 9905)
	refunded.Status, refunded.RefundedAt = "complete", nil
	c.site.Slip(refunded)
	c.site.Reinstall()
	c.site.Fault(site.Fault{Kind: site.Omitted, Path: "/sync/members", Limit: 103, Count: 1})
	if report := c.sync(""); report.Mode != syncrun.Full || report.Status != syncrun.Succeeded {
		t.Fatalf("%+v", report)
	}
	for sql, want := range map[string]string{
		`SELECT name || coalesce(' ' || delete_reason, '') FROM members WHERE source_id = '103'`:                                       "Renamed 103",
		`SELECT delete_reason FROM members WHERE source_id = '108'`:                                                                    "sweep",
		`SELECT string_agg(kind || coalesce(' ' || delete_reason, ''), ', ' ORDER BY kind) FROM transactions WHERE source_id = '9905'`: "payment, refund sweep",
	} {
		if got := value[string](c, sql); got != want {
			t.Errorf("%s\ngot %q, want %q", sql, got, want)
		}
	}
	c.mustEqual()
}

func TestAProtocolThatIsNotSpoken(t *testing.T) {
	c := newClub(t)
	c.sync("")
	c.site.Speak(2, 3)
	report, err := c.p.Sync(t.Context(), c.current(), "", nil)
	if !fault.Is(err, fault.Schema) || report.Status != syncrun.Failed || !strings.Contains(fault.Sentence(err), "MemberPress 1.12.11") ||
		!strings.Contains(fault.Sentence(err), "not supported yet") {
		t.Errorf("%v: %s", err, fault.Sentence(err))
	}
}

// Access ends by the clock, with nothing written at the site.
func TestAccessEndsByTheClock(t *testing.T) {
	c := newClub(t)
	c.sync("")
	keeper := warehouse.Keeper{DB: c.db, Warehouse: c.p.Ledger.Warehouse, Log: c.p.Log}
	step := func(now string, want string) {
		t.Helper()
		pgtest.SetNow(t, c.db, *at(now))
		if err := keeper.Keep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := c.statuses(); !strings.HasPrefix(got, want) {
			t.Errorf("at %s\ngot  %s\nwant %s", now, got, want)
		}
	}
	step("2026-11-04T23:59:58Z", "101 active, 102 expired, 103 active, 104 paused")
	step("2026-11-05T00:00:00Z", "101 active, 102 expired, 103 canceled, 104 paused")
	step("2026-11-06T00:00:00Z", "101 expired, 102 expired, 103 canceled, 104 paused")
	if n := value[int](c, `SELECT count(*) FROM member_clock`); n != 0 {
		t.Errorf("the clock still runs for %d tenants", n)
	}
	c.mustEqual()
	renewed, _ := site.Find[site.Transaction](c.site, 9901)
	renewed.ID, renewed.ExpiresAt = 9950, at("2026-12-05T23:59:59Z")
	c.site.Put(renewed)
	c.sync("")
	step("2026-11-07T00:00:00Z", "101 active, 102 expired")
	step("2026-12-06T00:00:00Z", "101 expired, 102 expired")
}

func TestVerifyFindsDrift(t *testing.T) {
	c := newClub(t)
	c.sync("")
	owner := pgtest.Owner(t, c.db)
	for _, sql := range []string{
		`UPDATE members SET name = 'Somebody else' WHERE source_id = '101'`,
		`DELETE FROM transactions WHERE source_id = '9906'`,
		`INSERT INTO plans (tenant_id, source_platform, source_account_id, livemode, source_id, level, observed_at, observed_until)
		 SELECT tenant_id, source_platform, source_account_id, livemode, '99', level, observed_at, observed_until FROM plans WHERE source_id = '55'`,
	} {
		if _, err := owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	m, _ := site.Find[site.Member](c.site, 102)
	m.FirstName = "Changed since" // which is no drift
	c.site.Put(m)
	verdict, err := c.p.Verify(t.Context(), c.current(), true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(verdict.Missing) != 1 || verdict.Missing[0] != (syncrun.Named{Stream: "transactions", SourceID: "9906"}) {
		t.Errorf("missing: %+v", verdict.Missing)
	}
	if len(verdict.Extra) != 1 || verdict.Extra[0] != (syncrun.Named{Stream: "products", SourceID: "99"}) {
		t.Errorf("extra: %+v", verdict.Extra)
	}
	found := false
	for _, d := range verdict.Different {
		found = found || d.SourceID == "101" && d.Field == "name" && d.Source == "Member 101" && d.Warehouse == "Somebody else"
		if d.SourceID == "102" {
			t.Errorf("what the next sync brings counts as drift: %+v", d)
		}
	}
	if !found || verdict.Repaired < 3 {
		t.Errorf("%+v", verdict)
	}
	c.clock.Advance(time.Minute)
	c.sync("")
	c.mustEqual()
}

// What the site sent is compared too, and not what is mapped of it alone: a field that no column holds is as much the site's.
func TestVerifyComparesWhatWasSent(t *testing.T) {
	c := newClub(t)
	c.sync("")
	owner := pgtest.Owner(t, c.db)
	if _, err := owner.Exec(t.Context(), `UPDATE transactions SET raw = jsonb_set(raw, '{tax_desc}', '"altered"') WHERE source_id = '9901'`); err != nil {
		t.Fatal(err)
	}
	verdict, err := c.p.Verify(t.Context(), c.current(), true, nil)
	if err != nil || len(verdict.Different) != 1 || verdict.Different[0].Field != "raw" || verdict.Different[0].SourceID != "9901" ||
		fmt.Sprint(verdict.Different[0].Source, verdict.Different[0].Warehouse) != "map[tax_desc:] map[tax_desc:altered]" {
		t.Errorf("%+v, %v", verdict, err)
	}
	c.mustEqual()
}

// A member who no longer has the customer's id that somebody typed in wrongly is that customer no more.
func TestAnIDThatIsTakenAwayLinksNobody(t *testing.T) {
	c := newClub(t)
	_, err := pgtest.Owner(t, c.db).Exec(t.Context(), `
		INSERT INTO members (tenant_id, source_platform, source_account_id, livemode, source_id, observed_at, observed_until)
		VALUES ($1, 'stripe', 'acct_1', true, 'cus_108', $2, $2)`, c.c.TenantID, clubStart)
	if err != nil {
		t.Fatal(err)
	}
	c.sync("")
	linked := func() int { return value[int](c, `SELECT count(*) FROM members WHERE person_id IS NOT NULL`) }
	if n := linked(); n != 2 {
		t.Fatalf("%d members are linked", n)
	}
	c.clock.Advance(time.Hour)
	m, _ := site.Find[site.Member](c.site, 108)
	m.GatewayCustomers = nil
	c.site.Put(m)
	if report := c.sync(""); report.Mode != syncrun.Incremental {
		t.Errorf("%+v", report)
	}
	if n := linked(); n != 0 {
		t.Errorf("%d members are linked", n)
	}
}

// The five questions.
func TestWhatEveryPipelineIsAsked(t *testing.T) {
	db := pgtest.New(t)
	made := 0
	pipelinetest.Run(t, pipelinetest.Subject{DB: db, Crashes: 25, Connect: func(t *testing.T) pipelinetest.Tenant {
		made++
		c := openClub(t, db, fmt.Sprint("club", made), site.Config{})
		return pipelinetest.Tenant{
			ID: c.c.TenantID,
			Sync: func(ctx context.Context, full bool) error {
				c.forget()
				c.restart()
				mode := syncrun.Incremental
				if full {
					mode = syncrun.Full
				}
				c.clock.Advance(5 * time.Second)
				_, err := c.p.Sync(ctx, c.current(), mode, nil)
				return err
			},
			Change: func() {
				c.clock.Set(clubStart.Add(24 * time.Hour))
				m, _ := site.Find[site.Member](c.site, 103)
				m.FirstName = "Renamed"
				c.site.Put(m, site.Member{ID: 109, Login: "new", Email: "new@club.example"})
				c.site.Delete("members", 108)
				c.site.Put(site.Order{ID: 31, MemberID: 103, PrimaryTransactionID: 9960, TransNum: "ch_31", Status: "complete", Gateway: "g1"},
					site.Transaction{ID: 9960, MemberID: 103, ProductID: 56, OrderID: 31, Status: "complete", TransNum: "mi_31_a", Gateway: "g1", Amount: "9.00", Total: "9.00"})
				for _, op := range site.Operations()[:8] {
					c.site.Do(op)
				}
			},
			// The site keeps no trace of what it never told: only a pass can find out that nobody shows the row.
			Lose: func() {
				owner := pgtest.Owner(t, db)
				_, err := owner.Exec(t.Context(), `INSERT INTO members (tenant_id, source_platform, source_account_id, livemode, source_id, observed_at, observed_until)
					SELECT tenant_id, source_platform, source_account_id, livemode, '999', observed_at, observed_until FROM members
					 WHERE tenant_id = $1 AND source_id = '101'`, c.c.TenantID)
				if err != nil {
					t.Fatal(err)
				}
			},
			Break: func() func() { return c.site.Fault(site.Fault{Kind: site.FatalHTML, Path: "/sync/members"}) },
		}
	}})
}

// forget lets the leases and permits of a process that died run out.
func (c *club) forget() {
	c.t.Helper()
	owner := pgtest.Owner(c.t, c.db)
	for _, sql := range []string{
		`UPDATE sync_run SET lease_expires_at = clock_timestamp() - interval '1 second' WHERE lease_expires_at IS NOT NULL`,
		`UPDATE run_slot SET expires_at = clock_timestamp() - interval '1 second'`,
		`UPDATE site_pace SET holder = NULL, held_until = NULL, quiet_until = NULL`,
	} {
		if _, err := owner.Exec(c.t.Context(), sql); err != nil {
			c.t.Fatal(err)
		}
	}
}
