package memberpress

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	site "memberintel/internal/sim/memberpress"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// Nothing counts as connected before the site has proved that it has the same key.
func TestConnectChallengesTheSite(t *testing.T) {
	c := newClub(t)
	other, err := identity.CreateTenant(t.Context(), c.db, "other", "pro")
	if err != nil {
		t.Fatal(err)
	}
	id, secret := c.site.Key()
	wrong := strings.Repeat("A", 42) + "E"
	for name, r := range map[string]struct {
		request ConnectRequest
		kind    fault.Kind
	}{
		"another secret":           {ConnectRequest{Site: c.server.URL, KeyID: id, Secret: wrong}, fault.Unauthorized},
		"another key":              {ConnectRequest{Site: c.server.URL, KeyID: "mik_nobody", Secret: secret}, fault.Unauthorized},
		"no secret at all":         {ConnectRequest{Site: c.server.URL, KeyID: id, Secret: "short"}, fault.Invalid},
		"no address":               {ConnectRequest{Site: "lakeside", KeyID: id, Secret: secret}, fault.Invalid},
		"a site of another tenant": {ConnectRequest{Site: c.server.URL, KeyID: id, Secret: secret}, fault.Conflict},
	} {
		r.request.Tenant, r.request.Actor = other.ID, "test"
		if _, _, err := c.p.Connect(t.Context(), r.request); !fault.Is(err, r.kind) || strings.Contains(err.Error(), r.request.Secret) && name != "no secret at all" {
			t.Errorf("%s: %v, want %s", name, err, r.kind)
		}
	}
	club := &club{t: t, db: c.db, p: c.p, c: connection.Connection{TenantID: other.ID}}
	if n := value[int](club, `SELECT count(*) FROM connection`); n != 0 {
		t.Errorf("a tenant who was refused has %d connections", n)
	}
	if n := value[int](club, `SELECT count(*) FROM connection_secret`); n != 0 {
		t.Errorf("%d secrets of a site that was refused are kept", n)
	}
}

// A new key takes the place of the old one, and the connection stays the same.
func TestConnectAgain(t *testing.T) {
	c := newClub(t)
	c.sync("")
	before := c.current()
	c.site.Reconnect()
	id, secret := c.site.Key()
	again, _, err := c.p.Connect(t.Context(), ConnectRequest{Tenant: before.TenantID, Actor: "test", Site: c.server.URL + "/", KeyID: id, Secret: secret})
	if err != nil || again.ID != before.ID {
		t.Fatalf("connection %s, want %s: %v", again.ID, before.ID, err)
	}
	if report := c.sync(""); report.Mode != "full" { // under a new epoch
		t.Errorf("%+v", report)
	}
	strange := site.New(site.Config{Clock: c.clock, Seed: "strange"})
	server := httptest.NewServer(strange)
	defer server.Close()
	id, secret = strange.Key()
	_, _, err = c.p.Connect(t.Context(), ConnectRequest{Tenant: before.TenantID, Actor: "test", Site: server.URL, KeyID: id, Secret: secret})
	if !fault.Is(err, fault.Conflict) {
		t.Errorf("a second site: %v", err)
	}
	c.mustEqual()
}

func TestDisconnectTellsTheSite(t *testing.T) {
	c := newClub(t)
	c.sync("")
	ended, warning, err := c.p.Disconnect(t.Context(), c.c.TenantID, "test")
	if err != nil || warning != "" || ended.State != connection.Disconnected || c.site.Connected() {
		t.Errorf("%s, %q, %v; the site is connected: %t", ended.State, warning, err, c.site.Connected())
	}
	if n := value[int](c, `SELECT count(*) FROM members`); n != 8 {
		t.Errorf("%d members are left", n)
	}
	if _, err := c.p.Sync(t.Context(), c.current(), "", nil); !fault.Is(err, fault.Stopped) {
		t.Errorf("a sync: %v", err)
	}
}

func TestDisconnectFromASiteThatIsAway(t *testing.T) {
	c := newClub(t)
	c.server.Close()
	ended, warning, err := c.p.Disconnect(t.Context(), c.c.TenantID, "test")
	if err != nil || warning == "" || ended.State != connection.Disconnected {
		t.Errorf("%s, %q, %v", ended.State, warning, err)
	}
}

func TestKnock(t *testing.T) {
	c := newClub(t)
	id, text := c.site.Key()
	secret, err := ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	mux := http.NewServeMux()
	NewKnocks(c.p, func(context.Context, connection.ID) error { asked++; return nil }).Routes(mux)
	route := "/knock/memberpress/" + c.c.ID.String()
	good := message{Method: "POST", Route: route, Body: []byte(`{"watermark":null}`), Nonce: strings.Repeat("ab", 16), KeyID: id,
		Timestamp: strconv.FormatInt(c.clock.Now().Unix(), 10)}
	knock := func(m message, secret []byte) int {
		r := httptest.NewRequest(http.MethodPost, m.Route, strings.NewReader(string(m.Body)))
		r.Header.Set(headerKeyID, m.KeyID)
		r.Header.Set(headerTimestamp, m.Timestamp)
		r.Header.Set(headerNonce, m.Nonce)
		r.Header.Set(headerSignature, sign(secret, m.lines()))
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w.Code
	}
	late, stranger, elsewhere, long := good, good, good, good
	late.Timestamp = strconv.FormatInt(c.clock.Now().Add(-6*time.Minute).Unix(), 10)
	stranger.KeyID = "mik_nobody"
	elsewhere.Route = "/knock/memberpress/0198c2de-4d5a-7b60-8a11-6a1f2b3c4d5e"
	long.Body = make([]byte, maxKnock+1)
	for name, m := range map[string]message{"late": late, "another key": stranger, "another door": elsewhere, "a long body": long} {
		if code := knock(m, secret); code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, code)
		}
	}
	if code := knock(good, make([]byte, 32)); code != http.StatusUnauthorized || asked != 0 {
		t.Errorf("another secret: %d, and %d syncs were asked for", code, asked)
	}
	if code := knock(good, secret); code != http.StatusAccepted || asked != 1 {
		t.Errorf("the site itself: %d, and %d syncs were asked for", code, asked)
	}
	if code := knock(good, secret); code != http.StatusTooManyRequests || asked != 1 {
		t.Errorf("at once again: %d, and %d syncs were asked for", code, asked)
	}
	c.clock.Advance(time.Minute)
	if _, err := identity.SetPlan(t.Context(), c.db, c.c.TenantID, tenant.Free, "test"); err != nil {
		t.Fatal(err)
	}
	if code := knock(good, secret); code != http.StatusAccepted || asked != 1 {
		t.Errorf("on the free plan: %d, and %d syncs were asked for", code, asked)
	}
	if _, _, err := c.p.Disconnect(t.Context(), c.c.TenantID, "test"); err != nil {
		t.Fatal(err)
	}
	if code := knock(good, secret); code != http.StatusUnauthorized {
		t.Errorf("after a disconnect: %d", code)
	}
}

// The contract's knock, signed by the plugin's code, is one that this door knows.
// A knock is answered from what hooks have seen; the clock's sync finds the rest.
func TestAKnockBringsWhatHooksHaveSeen(t *testing.T) {
	c := newClub(t)
	run := func(cause syncrun.Cause) {
		t.Helper()
		c.clock.Advance(time.Minute)
		var d []syncrun.Delivery
		err := c.db.ServiceTx(t.Context(), func(tx *postgres.ServiceTx) (err error) {
			d, err = syncrun.Queue(t.Context(), tx, []syncrun.Wanted{{TenantID: c.c.TenantID, ConnectionID: c.c.ID, Pipeline: c.c.Pipeline, Attempt: 1, Cause: cause}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		report, err := c.p.SyncQueued(t.Context(), c.current(), syncrun.Ticket{RunID: d[0].RunID, Gen: d[0].Gen})
		if err != nil || report.Status != syncrun.Succeeded {
			t.Fatalf("%s: %+v, %v", cause, report, err)
		}
	}
	names := func(want string) {
		t.Helper()
		if got := value[string](c, `SELECT string_agg(name, ', ' ORDER BY source_id) FROM members WHERE source_id IN ('101', '102', '103')`); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	rename := func(id int64, name string) site.Member {
		m, _ := site.Find[site.Member](c.site, id)
		m.FirstName = name
		return m
	}
	run(syncrun.Knock) // the first sync is a full one, whoever asks
	var sweeps []string
	c.site.OnRequest(func(r *http.Request) {
		if sweep := r.URL.Query().Get("sweep"); sweep != "" {
			sweeps = append(sweeps, sweep)
		}
	})
	c.site.Put(rename(101, "Hooked"))
	c.site.Slip(rename(102, "Slipped"))
	run(syncrun.Knock)
	names("Hooked 101, Member 102, Member 103")
	c.site.Put(rename(103, "Later"))
	run(syncrun.Scheduled)
	names("Hooked 101, Slipped 102, Later 103")
	if got := strings.Join(sweeps, " "); got != "0 1" {
		t.Errorf("asked with sweep=%s", got)
	}
	c.mustEqual()
}

func TestKnockOfTheContract(t *testing.T) {
	text := contracts(t)["knock"]
	secret, err := ParseSecret(text.Key.Secret)
	if err != nil {
		t.Fatal(err)
	}
	m := message{
		Method: text.Request.Method, Route: text.Request.Route, Body: []byte(text.Request.Body), Timestamp: text.Request.Headers[headerTimestamp],
		Nonce: text.Request.Headers[headerNonce], KeyID: text.Request.Headers[headerKeyID],
	}
	if !signed(secret, m.lines(), text.Request.Headers[headerSignature]) {
		told, _ := json.Marshal(m)
		t.Errorf("not the signature of %s", told)
	}
}
