package website

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/fetch"
	"memberintel/internal/postgres"
	"memberintel/internal/sim/claude"
	sim "memberintel/internal/sim/website"
	"memberintel/internal/tenant"
)

func TestOnlyAPublicSiteThatStaysAtItsNameIsConnected(t *testing.T) {
	s := newStreet(t, claude.Config{})
	through := s.p.Fetch
	s.p.Fetch = fetch.New(fetch.Config{Resolver: s.names.Resolver()}) // nothing private is allowed
	who := s.tenant(tenant.Pro)
	for _, address := range []string{
		"http://169.254.169.254/latest/meta-data", "http://127.0.0.1/", "http://[::1]/", "http://10.0.0.7/", "http://[64:ff9b::a00:1]/", "http://0x7f.1/", "http://2130706433/",
		s.address(sim.Lakeside), "ftp://a.example/", "https://user:secret@a.example/", "file:///etc/passwd", "https://", "no site", "http://nowhere.example/",
	} {
		if _, _, err := s.p.Connect(t.Context(), ConnectRequest{Tenant: who, Actor: "test", URL: address}); err == nil || fault.KindOf(err) == "" {
			t.Errorf("%s: %v, want a refusal", address, err)
		}
	}
	for address, want := range map[string]string{
		"nonsense": "nonsense is not the address of a site", "no site": "must look like https://", "http://93.184.216.34:22/": "names a port",
		"http://nowhere.example/": "no name server knows", "http://10.0.0.7:22/": "not public",
	} {
		if _, _, err := s.p.Connect(t.Context(), ConnectRequest{Tenant: who, Actor: "test", URL: address}); !strings.Contains(fault.Sentence(err), want) {
			t.Errorf("%s: %q, want %q", address, fault.Sentence(err), want)
		}
	}
	s.p.Fetch = through
	for host, word := range map[string]string{sim.Meadow: "", sim.Oldmill: ""} {
		if _, _, err := s.p.Connect(t.Context(), ConnectRequest{Tenant: who, Actor: "test", URL: s.address(host)}); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s, which leads elsewhere: %v", host, err)
		}
	}
	if n := s.count(`SELECT count(*) FROM connection`); n != 0 {
		t.Fatalf("%d connections were made", n)
	}

	c, warnings, err := s.p.Connect(t.Context(), ConnectRequest{Tenant: who, Actor: "test", URL: s.address(sim.Lakeside) + "/?utm_source=x#top"})
	if err != nil || c.SourceAccountID == "" || len(warnings) != 1 || !strings.Contains(warnings[0], "TLS") {
		t.Errorf("%+v, %v, %v", c, warnings, err)
	}
	if _, _, err := s.p.Connect(t.Context(), ConnectRequest{Tenant: who, Actor: "test", URL: s.address(sim.Hafen)}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second website: %v, want a conflict", err)
	}
	if _, warnings, err := s.p.Connect(t.Context(), ConnectRequest{Tenant: s.tenant(tenant.Pro), Actor: "test", URL: s.address(sim.Quarry)}); err != nil || len(warnings) == 0 {
		t.Errorf("a site that is down: %v, %v, want that it is connected with a warning", warnings, err)
	}
}

// A site that leads to another spelling of its name is read there from then on.
func TestASiteIsKeptAsItWantsToBeCalled(t *testing.T) {
	s := newStreet(t, claude.Config{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Host, "www.") {
			http.Redirect(w, r, "http://www."+r.Host+r.URL.Path, http.StatusMovedPermanently)
			return
		}
		http.NotFound(w, r)
		if r.URL.Path == "/" {
			_, _ = w.Write([]byte("<p>Hello</p>"))
		}
	}))
	defer server.Close()
	s.port = server.URL[strings.LastIndexByte(server.URL, ':')+1:]
	s.names.Set("club.example", netip.MustParseAddr("127.0.0.1"))
	s.names.Set("www.club.example", netip.MustParseAddr("127.0.0.1"))
	c, _, err := s.p.Connect(t.Context(), ConnectRequest{Tenant: s.tenant(tenant.Pro), Actor: "test", URL: s.address("club.example")})
	if err != nil {
		t.Fatal(err)
	}
	err = s.db.TenantTx(t.Context(), c.TenantID, func(tx *postgres.TenantTx) error {
		address, err := s.p.Connections.Secret(t.Context(), tx, c.ID, secretURL)
		if !strings.Contains(address, "club.example:"+s.port) {
			t.Errorf("kept as %s", address)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if ended, err := s.p.Disconnect(t.Context(), c.TenantID, "test"); err != nil || ended.State != connection.Disconnected {
		t.Errorf("disconnect: %s, %v", ended.State, err)
	}
	if _, err := s.p.Sync(t.Context(), s.current(c), "", nil); !fault.Is(err, fault.Stopped) {
		t.Errorf("a sync afterwards: %v", err)
	}
}
