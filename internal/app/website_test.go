package app

import (
	"bytes"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"memberintel/internal/sim/claude"
	sites "memberintel/internal/sim/website"
)

const claudeKey = "sk-ant-api03-deskdesk"

// withSites lets the desk know the clubs' public websites and a Claude that describes them. at tells where one of them is.
func (d *desk) withSites() (world *sites.World, api *claude.Sim, at func(host string) string) {
	d.t.Helper()
	world, api = sites.New(), claude.New(claude.Config{Key: claudeKey, Answer: claude.Reader, BatchTime: time.Nanosecond})
	described := httptest.NewServer(api)
	d.t.Cleanup(described.Close)
	d.hidden = append(d.hidden, claudeKey)
	d.env = append(d.env, "MEMBERINTEL_ALLOW_ADDRESSES=127.0.0.0/8", "ANTHROPIC_API_KEY="+claudeKey, "ANTHROPIC_BASE_URL="+described.URL)
	return world, api, func(host string) string {
		site := httptest.NewServer(sites.Alone(world, host))
		d.t.Cleanup(site.Close)
		return site.URL
	}
}

// hurried runs a command with --json whose crawler does not pause.
func (d *desk) hurried(want int, args ...string) object {
	d.t.Helper()
	args = append(args, "--json")
	return d.decode(want, args)(d.hurry(args...))
}

// hurry runs a command whose crawler does not pause.
func (d *desk) hurry(args ...string) (code int, stdout, stderr string) {
	d.t.Helper()
	var out, log bytes.Buffer
	p := &program{
		Process: Process{Args: args, Env: d.env, Stdout: &out, Stderr: &log}, env: environment(d.env), json: slices.Contains(args, "--json"),
		pipelines: ownPipelines(), rhythm: rhythm{pause: time.Millisecond, pages: 6000},
	}
	code = p.run(d.t.Context())
	if strings.Contains(out.String()+log.String(), claudeKey) {
		d.t.Errorf("%v prints the key: %s%s", args, out.String(), log.String())
	}
	return code, out.String(), log.String()
}

func TestFromAWebsiteToItsProfile(t *testing.T) {
	d := newDesk(t)
	world, api, at := d.withSites()
	address := at(sites.Lakeside)
	sync := []string{"sync", "--tenant", "club", "--pipeline", "website"}
	d.json(exitDone, "tenant", "create", "--name", "club")
	d.must(d.json(exitDone, "connect", "website", "--tenant", "club", "--url", address), map[string]any{"pipeline": "website", "state": "pending"})
	d.must(d.json(exitError, "verify", "--tenant", "club", "--pipeline", "website"), map[string]any{"kind": "conflict"})

	d.must(d.hurried(exitDone, sync...), map[string]any{
		"pipeline_type": "website", "mode": "full", "status": "succeeded", "cached": false, "next_allowed_at": nil, "calls": 1, "profile.version": 1,
	})
	d.must(d.hurried(exitDone, sync...), map[string]any{"status": "succeeded", "unchanged": true, "calls": 0, "profile.version": 1})
	for i, week := range []int{3, 4} {
		world.SetWeek(week)
		d.must(d.hurried(exitDone, sync...), map[string]any{"status": "succeeded", "unchanged": false, "calls": 1, "profile.version": i + 2})
	}
	world.SetWeek(1)
	third := d.hurried(exitDone, sync...)
	d.must(third, map[string]any{"status": "succeeded", "cached": true, "calls": 0, "profile.version": 3})
	if third.at("next_allowed_at") == nil || len(api.Bills()) != 3 {
		t.Errorf("the third of a day: %s, %d bills", third, len(api.Bills()))
	}
	code, stdout, _ := d.run(nil, sync...)
	if code != exitDone || !strings.Contains(stdout, "Profile, version 3") || !strings.Contains(stdout, "Niche") || !strings.Contains(stdout, "prices") {
		t.Errorf("told to people, exit %d:\n%s", code, stdout)
	}
	if n := d.count(`SELECT count(*) FROM customer_brain.site_profile WHERE niche IS NOT NULL AND jsonb_array_length(evidence) > 3`); n != 3 {
		t.Errorf("%d versions with evidence, want 3", n)
	}
	d.must(d.json(exitDone, "verify", "--tenant", "club", "--pipeline", "website"), map[string]any{"status": "succeeded", "different": []any{}})
	d.must(d.json(exitDone, "status", "--tenant", "club"), map[string]any{
		"tenants.0.connections.0.pipeline_type": "website", "tenants.0.connections.0.state": "connected", "tenants.0.connections.0.stale": false,
	})
	d.must(d.json(exitDone, "disconnect", "website", "--tenant", "club"), map[string]any{"state": "disconnected"})
	d.must(d.json(exitError, sync...), map[string]any{"kind": "stopped"})
}

// Without a key nothing comes of a website, and each place that tells of it says why and what to do.
func TestAWebsiteWithoutAKeyForClaudeSaysSo(t *testing.T) {
	d := newDesk(t)
	_, api, at := d.withSites()
	address := at(sites.Lakeside)
	with := d.env
	d.env = slices.DeleteFunc(slices.Clone(with), func(s string) bool { return strings.HasPrefix(s, "ANTHROPIC_API_KEY=") })
	d.json(exitDone, "tenant", "create", "--name", "club")
	d.json(exitDone, "connect", "website", "--tenant", "club", "--url", address)
	sync := []string{"sync", "--tenant", "club", "--pipeline", "website"}
	said, _ := d.hurried(exitNotHealthy, sync...).at("error_message").(string)
	if !strings.Contains(said, "ANTHROPIC_API_KEY") {
		t.Errorf("sync says %q", said)
	}
	status := d.json(exitNotHealthy, "status", "--tenant", "club")
	d.must(status, map[string]any{"tenants.0.connections.0.state": "degraded", "tenants.0.connections.0.last_error": said, "tenants.0.connections.0.consecutive_failures": 0})
	_, text, _ := d.run(nil, "status", "--tenant", "club")
	if !strings.Contains(text, said) || !strings.Contains(text, "- Whoever runs memberintel: give `memberintel serve` a key") {
		t.Errorf("status says:\n%s", text)
	}
	d.env = with
	d.must(d.hurried(exitDone, sync...), map[string]any{"status": "succeeded", "profile.version": 1})
	d.must(d.json(exitDone, "status", "--tenant", "club"), map[string]any{"tenants.0.connections.0.state": "connected", "tenants.0.connections.0.last_error": nil})
	if n := len(api.Bills()); n != 1 {
		t.Errorf("%d bills", n)
	}
}

// A server describes a site when it is connected, and after its turn by a batch.
func TestAServerDescribesSitesByTheClock(t *testing.T) {
	d := newDesk(t)
	world, api, at := d.withSites()
	address := at(sites.Lakeside)
	d.json(exitDone, "tenant", "create", "--name", "club")
	p := d.program("serve")
	p.rhythm.pause, p.rhythm.pages, p.rhythm.carry = time.Millisecond, 6000, 20*time.Millisecond
	h := d.open(p)
	d.json(exitDone, "connect", "website", "--tenant", "club", "--url", address)
	_, end := d.serve(p, h, roleWeb, roleWorker, roleScheduler)
	defer end()
	d.holds(time.Minute, "the first profile", `SELECT count(*) = 1 FROM customer_brain.site_profile`)
	world.SetWeek(3)
	d.exec(`UPDATE analysis SET ended_at = ended_at - interval '8 days'`)
	d.makeDue()
	d.holds(time.Minute, "the question for the next batch", `SELECT count(*) = 1 FROM llm_question WHERE answer IS NULL`)
	if n := len(api.Bills()); n != 1 {
		t.Errorf("%d answers were billed before the batch", n)
	}
	d.holds(time.Minute, "the run's end", `SELECT count(*) = 0 FROM sync_run WHERE status IN ('queued', 'running')`)
	// Time passes: the batch goes, and Claude is asked for the answers.
	d.exec(`UPDATE llm_question SET created_at = created_at - interval '1 hour'`)
	d.holds(time.Minute, "the batch", `SELECT count(*) = 1 FROM llm_batch WHERE status = 'running'`)
	d.exec(`UPDATE llm_batch SET look_at = look_at - interval '1 hour'`)
	d.holds(time.Minute, "the profile that came by it", `SELECT count(*) = 1 FROM customer_brain.site_profile
		WHERE version = 2 AND model = 'claude-haiku-5-5' AND changes @> '[{"kind": "added", "field": "headline", "after": "The friendliest indoor tennis club on the river"}]'`)
	if bills := api.Bills(); len(bills) != 2 || !bills[1].Batch {
		t.Errorf("billed %+v", bills)
	}
	d.holds(time.Minute, "the end of all runs", `SELECT count(*) = 0 FROM sync_run WHERE status IN ('queued', 'running')`)
	if n := d.count(`SELECT count(*) FROM sync_run WHERE status <> 'succeeded'`); n != 0 {
		t.Errorf("%d runs did not succeed", n)
	}
}
