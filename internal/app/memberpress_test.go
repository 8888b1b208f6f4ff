package app

import (
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"memberintel/internal/sim/clock"
	site "memberintel/internal/sim/memberpress"
)

// An error that has no advice of its own is told with what to look at on a MemberPress site.
func TestConnectingASiteAtAWrongAddress(t *testing.T) {
	d := newDesk(t)
	d.json(exitDone, "tenant", "create", "--name", "club")
	code, _, stderr := d.run(strings.NewReader("MEMBERINTEL_MEMBERPRESS_SECRET="+base64.RawURLEncoding.EncodeToString(make([]byte, 32))),
		"connect", "memberpress", "--tenant", "club", "--site", "ftp://oak-hill.example", "--key-id", "mik_7Q2fXb9ZtR4c")
	if code != exitError || !strings.Contains(stderr, "\n  - If the site has another address now, connect again with that one.") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestFromASiteToItsRows(t *testing.T) {
	d := newDesk(t)
	d.env = append(d.env, "MEMBERINTEL_ALLOW_ADDRESSES=127.0.0.0/8")
	club := site.New(site.Config{Clock: clock.Follow(time.Now(), 1), Seed: "desk"})
	for id := range int64(30) {
		club.Put(site.Member{ID: id + 1, Login: fmt.Sprint("member", id), FirstName: "Ann", LastName: fmt.Sprint("Smith", id)})
	}
	server := httptest.NewServer(club)
	defer server.Close()
	id, secret := club.Key()
	d.hidden = append(d.hidden, secret)
	stdin := func() *strings.Reader { return strings.NewReader("MEMBERINTEL_MEMBERPRESS_SECRET=" + secret) }
	connect := []string{"connect", "memberpress", "--tenant", "club", "--site", server.URL, "--key-id", id}
	sync := []string{"sync", "--tenant", "club", "--pipeline", "memberpress"}

	d.json(exitDone, "tenant", "create", "--name", "club")
	connected := d.jsonFrom(stdin(), exitDone, connect...)
	d.must(connected, map[string]any{
		"pipeline": "memberpress", "state": "pending", "webhook_url": "http://127.0.0.1:8080/knock/memberpress/" + connected.at("connection_id").(string),
	})
	d.must(d.json(exitDone, sync...), map[string]any{"pipeline_type": "memberpress", "mode": "full", "status": "succeeded", "records_processed": 31})
	if n := d.count(`SELECT count(*) FROM members WHERE name ILIKE '%smith%'`); n != 30 {
		t.Errorf("%d members", n)
	}
	d.must(d.json(exitDone, "verify", "--tenant", "club", "--pipeline", "memberpress"), map[string]any{"status": "succeeded", "checked": 30})
	club.Put(site.Transaction{ID: 1, MemberID: 1, Status: "on-hold", TransNum: "x"})
	d.must(d.json(exitNotHealthy, sync...), map[string]any{"mode": "incremental", "status": "partial", "quarantined": 1})
	d.must(d.json(exitDone, "quarantine", "list", "--tenant", "club"), map[string]any{
		"objects.0.pipeline": "memberpress", "objects.0.stream": "transactions", "objects.0.source_id": "1",
	})
	d.must(d.json(exitNotHealthy, "quarantine", "replay", "--tenant", "club"), map[string]any{
		"tried": 1, "released": 0, "left": 1,
		"error_message": "1 object has a shape that this version does not understand and was kept aside; see `memberintel quarantine list`.",
	})
	d.must(d.json(exitNotHealthy, "status", "--tenant", "club"), map[string]any{
		"tenants.0.connections.0.pipeline_type": "memberpress", "tenants.0.connections.0.state": "degraded",
	})
	d.must(d.json(exitDone, "disconnect", "memberpress", "--tenant", "club"), map[string]any{"state": "disconnected", "warnings": []any{}})
	if club.Connected() {
		t.Error("the site was not told")
	}
	d.must(d.json(exitError, sync...), map[string]any{"kind": "stopped"})
	if _, out, log := d.run(nil, sync...); out != "" || strings.Contains(log, "switch") {
		t.Errorf("what has ended is blamed on a switch: %s%s", out, log)
	}
}
