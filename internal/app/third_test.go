package app

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"memberintel/internal/fetch"
	"memberintel/internal/pipeline/thirdtest"
	"memberintel/internal/tenant"
)

// third is the whole registration of another platform: one entry of the list.
func third() offer {
	return offer{thirdtest.Name, func(h *house) pipeline {
		p := thirdPipeline(h)
		return pipeline{sync: p.Sync, queued: p.SyncQueued, verify: p.Verify, reread: p.RereadQuarantine, end: p.Disconnect}
	}}
}

func thirdPipeline(h *house) *thirdtest.Pipeline {
	return &thirdtest.Pipeline{Ledger: h.ledger, Fetch: fetch.New(fetch.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})}
}

// withThird runs a command of a program that has the third platform, with --json.
func (d *desk) withThird(want int, args ...string) object {
	d.t.Helper()
	args = append(args, "--json")
	var out, log bytes.Buffer
	p := &program{
		Process: Process{Args: args, Env: d.env, Stdout: &out, Stderr: &log}, env: environment(d.env), json: true, pipelines: append(ownPipelines(), third()),
	}
	code := p.run(d.t.Context())
	return d.decode(want, args)(code, out.String(), log.String())
}

// Commands, switches, the status page, worker and schedule serve a platform that is one more entry of the list.
func TestAnotherPlatformIsOneEntryOfTheList(t *testing.T) {
	d := newDesk(t)
	site := thirdtest.NewSite("third.example", "the key of the third", time.Now)
	site.Club()
	server := httptest.NewServer(site)
	defer server.Close()
	made := d.json(exitDone, "tenant", "create", "--name", "club")
	id, err := tenant.Parse(made.at("id").(string))
	if err != nil {
		t.Fatal(err)
	}
	p := d.program("serve")
	p.pipelines = append(p.pipelines, third())
	h := d.open(p)
	if _, err := thirdPipeline(h).Connect(t.Context(), id, server.URL, site.Key); err != nil {
		t.Fatal(err)
	}

	d.must(d.withThird(exitDone, "sync", "--tenant", "club", "--pipeline", "third"), map[string]any{
		"pipeline_type": "third", "mode": "full", "status": "succeeded", "records_processed": 17,
	})
	d.must(d.withThird(exitDone, "verify", "--tenant", "club", "--pipeline", "third"), map[string]any{"status": "succeeded", "checked": 17})
	d.must(d.withThird(exitDone, "status", "--tenant", "club"), map[string]any{
		"tenants.0.connections.0.pipeline_type": "third", "tenants.0.connections.0.state": "connected", "tenants.0.connections.0.stale": false,
	})
	address, end := d.serve(p, h, roleWeb, roleWorker, roleScheduler)
	defer end()
	site.Edit("users", 3, "name", "Renamed")
	d.makeDue()
	d.holds(time.Minute, "the sync by the clock", `SELECT name = 'Renamed' FROM members WHERE source_id = '3'`)
	if code, body := get(t, "http://"+address+"/", ""); code != http.StatusOK || !strings.Contains(body, "third") || !strings.Contains(body, "active members") {
		t.Errorf("the status page: %d %s", code, body)
	}

	site.Edit("orders", 105, "status", "on-hold")
	d.must(d.withThird(exitNotHealthy, "sync", "--tenant", "club", "--pipeline", "third"), map[string]any{"mode": "incremental", "status": "partial", "quarantined": 1})
	d.must(d.withThird(exitDone, "quarantine", "list", "--tenant", "club"), map[string]any{
		"objects.0.pipeline": "third", "objects.0.stream": "orders", "objects.0.source_id": "105",
	})
	d.must(d.withThird(exitNotHealthy, "quarantine", "replay", "--tenant", "club"), map[string]any{"tried": 1, "released": 0, "left": 1})

	d.withThird(exitDone, "switch", "on", "pipeline:third", "--reason", "its owner asked")
	d.must(d.withThird(exitNotHealthy, "sync", "--tenant", "club", "--pipeline", "third"), map[string]any{"status": "stopped"})
	d.withThird(exitDone, "switch", "off", "pipeline:third")

	d.must(d.withThird(exitDone, "disconnect", "third", "--tenant", "club"), map[string]any{"state": "disconnected"})

	// The program without the entry says so, and reads what is there.
	d.must(d.json(exitError, "switch", "on", "pipeline:third", "--reason", "x"), map[string]any{"kind": "invalid"})
	d.must(d.json(exitUsage, "sync", "--tenant", "club", "--pipeline", "third"), map[string]any{"kind": "usage"})
	d.must(d.json(exitDone, "status", "--tenant", "club"), map[string]any{"tenants.0.connections.0.pipeline_type": "third"})
}
