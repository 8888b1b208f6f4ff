//go:build wordpress

package memberpress

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/fault"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/syncrun"
)

// probed is what tests/probe.php tells of a host.
type probed struct {
	SAPI          string `json:"sapi"`
	Opcache       bool   `json:"opcache"`
	Memory        string `json:"memory"`
	Ahead         int    `json:"ahead"`         // minutes
	Authorization bool   `json:"authorization"` // whether the header arrives
	Signature     bool   `json:"signature"`     // and the plugin's own
}

// stack is one of those that tests/hosts serves. Where says is empty, the site is read there.
type stack struct {
	is   probed
	says string
	todo string // the beginning of a line of the checklist
}

func stacks() map[string]stack {
	apache := probed{"apache2handler", true, "128M", 0, false, true}
	fpm := probed{"fpm-fcgi", true, "128M", 0, true, true}
	own := probed{"cli-server", true, "128M", 0, true, true}
	with := func(p probed, change func(*probed)) probed { change(&p); return p }
	return map[string]stack{
		"mod_php":    {is: apache},
		"apache_fpm": {is: with(fpm, func(p *probed) { p.Authorization = false })},
		"nginx_fpm":  {is: fpm},
		"folder":     {is: apache},
		"own_folder": {is: apache},
		"kind_cache": {is: fpm},
		"rude_cache": {is: fpm},
		"deaf_cache": {is: fpm, says: "has a cache in front of it that gives old answers.", todo: "Except the paths /wp-json/memberintel/"},
		"thin_proxy": {is: with(fpm, func(p *probed) { p.Authorization = false })},
		"strict_proxy": {
			is:   with(fpm, func(p *probed) { p.Authorization, p.Signature = false, false }),
			says: "loses the signature of memberintel's requests on their way to the plugin.", todo: "Look for a proxy, firewall or security plugin",
		},
		"small":      {is: with(own, func(p *probed) { p.Opcache, p.Memory = false, "64M" })},
		"near_clock": {is: with(own, func(p *probed) { p.Ahead = 4 })},
		"far_clock": {
			is:   with(own, func(p *probed) { p.Ahead = 10 }),
			says: "has a clock that is 10 minutes ahead of memberintel's; more than 5 minutes are not accepted.", todo: "Ask whoever hosts the site to set the server's clock",
		},
	}
}

// One WordPress behind the usual web servers and behind unusual ones: it is read, or its owner is told why not.
func TestHostsOfARealSite(t *testing.T) {
	drive(t, "seed", "2500")
	c := realClub(t)
	c.mustSync(syncrun.Full)
	addresses := hostAddresses(t)
	for name, h := range stacks() {
		t.Run(name, func(t *testing.T) {
			c.t = t
			address := addresses[name]
			if diff := cmp.Diff(h.is, probe(t, address)); diff != "" {
				t.Fatalf("the host is another one (-want +got):\n%s", diff)
			}
			t.Setenv("MEMBERINTEL_TEST_URL", address)
			times := 1
			if strings.HasSuffix(name, "_cache") {
				times = 2 // the second time there are answers of the first, with another key
			}
			var err error
			for n := 0; n < times && err == nil; n++ {
				key := drive(t, "connect")
				_, _, err = c.p.Connect(t.Context(), ConnectRequest{Tenant: c.c.TenantID, Actor: "test", Site: address, KeyID: key.KeyID, Secret: key.Secret})
			}
			var report syncrun.Report
			if err == nil {
				report, err = c.p.Sync(t.Context(), c.current(), "", nil)
			}
			if h.says != "" {
				mustSay(t, address, err, h.says, h.todo)
				return
			}
			if err != nil || report.Mode != syncrun.Full || report.Status != syncrun.Succeeded || report.RecordsProcessed < 100 {
				t.Fatalf("%+v, %v", report, err)
			}
			c.mustSync(syncrun.Incremental)
		})
	}
}

// The address of a connected site leads to a copy of it, files, database, key and all: nothing is read until somebody
// says there what it is.
func TestACopyOfARealSite(t *testing.T) {
	drive(t, "seed", "2500")
	c := realClub(t)
	c.mustSync(syncrun.Full)
	key, copied := drive(t, "connect"), hostAddresses(t)["nginx_fpm"]
	_, _, err := c.p.Connect(t.Context(), ConnectRequest{Tenant: c.c.TenantID, Actor: "test", Site: copied, KeyID: key.KeyID, Secret: key.Secret})
	mustSay(t, copied, err, "has another address than when it was connected; it calls itself "+strings.TrimPrefix(copied, "http://")+" now.", "If this is a staging site or a copy")
	if !fault.Is(err, fault.Unauthorized) {
		t.Errorf("got %v", err)
	}
}

// What befalls a site that is connected: it is read all the same, or its owner is told what is wrong, and it is read
// again when that is over.
func TestMishapsOfARealSite(t *testing.T) {
	drive(t, "host", "open")
	drive(t, "seed", "2500")
	c := realClub(t)
	c.mustSync(syncrun.Full)
	now := pgtest.NewClock(t, c.db, time.Now())
	for _, m := range []struct{ name, says, todo string }{
		{"plain_permalinks", "", ""},
		{"renamed_prefix", "", ""},
		{"all_content", "", ""},
		{"noise", "", ""},
		{"restricted_rest", "lets signed-in users alone use its REST API (rest_not_logged_in).", "Look for a plugin that restricts the REST API"},
		{"login_wall", "shows its sign-in page instead of its REST API.", "In WordPress open MemberPress, Rules"},
		{"no_rest", "answers with a web page instead of data.", "Look for a plugin or setting that shows a page to everybody"},
		{"maintenance", "is being worked on.", "Nothing needs to be done if it is meant so"},
		{"fatal", "stopped with a PHP error while it answered.", "Look into the mail of the site's administrator"},
		{"without_plugin", "does not have the MemberIntel plugin switched on.", "In WordPress open Plugins"},
		{"without_memberpress", "does not run MemberPress now.", "In WordPress open Plugins and activate MemberPress."},
	} {
		t.Run(m.name, func(t *testing.T) {
			c.t = t
			drive(t, "host", m.name)
			if m.says == "" {
				c.mustSync(syncrun.Incremental)
				c.mustEqual()
				return
			}
			report, err := c.p.Sync(t.Context(), c.current(), "", nil)
			mustSay(t, os.Getenv("MEMBERINTEL_TEST_URL"), err, m.says, m.todo)
			if report.Status != syncrun.Failed || !strings.Contains(said(report), m.says) {
				t.Errorf("the run: %s: %s", report.Status, said(report))
			}
			drive(t, "host", "open")
			now.Advance(15 * time.Minute) // longer than a site in maintenance asks to be left alone
			c.mustSync(syncrun.Incremental)
		})
	}
	c.t = t
	c.mustEqual()
}

// mustSay fails unless the error tells the site's owner what is wrong and what to do.
func mustSay(t *testing.T, address string, err error, says, todo string) {
	t.Helper()
	if err == nil {
		t.Fatal("nothing is wrong")
	}
	if sentence := fault.Sentence(err); sentence != strings.TrimPrefix(address, "http://")+" "+says {
		t.Errorf("it says %q, want %q: %v", sentence, says, err)
	}
	var told *fault.Error
	if !errors.As(err, &told) || !slices.ContainsFunc(told.Checklist, func(line string) bool { return strings.HasPrefix(line, todo) }) {
		t.Errorf("nothing of what to do begins with %q: %q", todo, told.Checklist)
	}
}

func hostAddresses(t *testing.T) map[string]string {
	t.Helper()
	lines, err := os.ReadFile(os.Getenv("MEMBERINTEL_TEST_SITE") + "/../hosts/urls")
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]string{}
	for line := range strings.Lines(string(lines)) {
		name, address, _ := strings.Cut(strings.TrimSpace(line), " ")
		addresses[name] = address
	}
	return addresses
}

func probe(t *testing.T, address string) (p probed) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("%s/probe.php?now=%d", address, time.Now().Unix()), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Basic eDp5")
	request.Header.Set("X-MemberIntel-Signature", "v1=0")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&p); err != nil {
		t.Fatalf("%s: %d %v", address, answer.StatusCode, err)
	}
	p.Ahead = (p.Ahead + 5) / 60
	return p
}

// A site of a network is read by itself: its own tables, and of the network's users its own.
func TestANetworkAtARealSite(t *testing.T) {
	address := hostAddresses(t)["network"]
	t.Setenv("MEMBERINTEL_TEST_NETWORK", "1")
	t.Setenv("MEMBERINTEL_TEST_URL", address)
	neighbour := drive(t, "second").Changed["members"]
	c := realClub(t)
	key := drive(t, "connect")
	_, warnings, err := c.p.Connect(t.Context(), ConnectRequest{Tenant: c.c.TenantID, Actor: "test", Site: address, KeyID: key.KeyID, Secret: key.Secret})
	if err != nil || !slices.ContainsFunc(warnings, func(w string) bool { return strings.HasPrefix(w, "The site is one of a WordPress network") }) {
		t.Errorf("%v, %q", err, warnings)
	}
	c.mustSync(syncrun.Full)
	c.mustTell(map[string]string{
		`SELECT name || ' ' || url FROM sites`:                             "Second Club " + address,
		`SELECT count(*)::text FROM members WHERE email LIKE 'member%'`:    "10",
		`SELECT count(*)::text FROM transactions WHERE deleted_at IS NULL`: "30",
	})
	if n := c.countOf("members", neighbour, "true"); n != 0 || len(neighbour) != 1 {
		t.Error("a member of another site of the network is there")
	}
	c.mustEqual()
}
