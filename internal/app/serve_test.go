package app

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/postgres/pgtest"
	sim "memberintel/internal/sim/stripe"
	"memberintel/internal/tenant"
)

// serving starts serve in this process and returns its address, and what ends it and gives its exit code.
func (d *desk) serving(args ...string) (address string, end func() int) {
	d.t.Helper()
	ctx, stop := context.WithCancel(d.t.Context())
	read, write := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- Run(ctx, Process{Args: append([]string{"serve", "--listen", "127.0.0.1:0"}, args...), Env: d.env, Stdout: io.Discard, Stderr: write})
		_ = write.Close()
	}()
	lines := bufio.NewScanner(read)
	listens := regexp.MustCompile(`listen=(\S+)`)
	for address == "" && lines.Scan() {
		if found := listens.FindStringSubmatch(lines.Text()); found != nil {
			address = found[1]
		}
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	end = func() int { stop(); return <-code }
	d.t.Cleanup(func() { stop() })
	if address == "" {
		d.t.Fatalf("serve did not come up: exit %d", end())
	}
	return address, end
}

func get(t *testing.T, url, host string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		request.Host = host
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// proxied asks as a proxy on this machine does.
func proxied(t *testing.T, url, header string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set(header, "1.1 203.0.113.9")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestServeWithAPublicAddressHidesTheStatusPage(t *testing.T) {
	d := newDesk(t)
	address, end := d.serving("--roles", "web", "--public-url", "https://memberintel.example.org")
	defer end()
	if code, body := get(t, "http://"+address+"/", ""); code != http.StatusForbidden || !strings.Contains(body, "memberintel status") {
		t.Errorf("the status page: %d %s", code, body)
	}
	if code, _ := get(t, "http://"+address+"/metrics", ""); code != http.StatusOK {
		t.Errorf("/metrics: %d", code)
	}
}

func TestServeTakesWebhooksAndShowsThem(t *testing.T) {
	d := newDesk(t)
	view := d.connected()
	d.sync(exitDone)
	address, end := d.serving()
	base := "http://" + address
	endpoint := d.account.AddEndpoint(sim.EndpointParams{
		URL: base + "/webhooks/stripe/" + view.at("connection_id").(string), Secrets: []string{deskSecret}, APIVersion: sim.VersionDahlia, Manual: true,
	})
	d.account.CreateCustomer(sim.CustomerParams{Name: "Ada Newcomer", Email: "ada@club.example"})
	if failed, err := endpoint.DeliverAll(t.Context()); failed > 0 || err != nil {
		t.Fatalf("%d deliveries failed, %v", failed, err)
	}
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ready", "/metrics": `memberintel_webhooks_received_total{outcome="ok"}`, "/": "live"} {
		if code, body := get(t, base+path, ""); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d without %q: %s", path, code, want, body)
		}
	}
	for _, host := range []string{"evil.example", "127.0.0.1.evil.example:80", "10.0.0.1"} {
		if code, body := get(t, base+"/", host); code != http.StatusForbidden || strings.Contains(body, "club") {
			t.Errorf("the page is shown to %s: %d %s", host, code, body)
		}
	}
	for _, header := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Via"} {
		for _, path := range []string{"/", "/metrics"} {
			if code, body := proxied(t, base+path, header); code != http.StatusForbidden {
				t.Errorf("%s is shown through a proxy that sends %s: %d %s", path, header, code, body)
			}
		}
	}
	if code, _ := get(t, base+"/metrics", "evil.example"); code != http.StatusForbidden {
		t.Errorf("/metrics for another host: %d", code)
	}
	if code, _ := get(t, base+"/nothing", ""); code != http.StatusNotFound {
		t.Errorf("/nothing: %d", code)
	}
	if code := end(); code != exitDone {
		t.Errorf("serve ended with %d", code)
	}
	d.must(d.json(exitDone, "verify", "--tenant", "club", "--pipeline", "stripe"), map[string]any{"status": "succeeded"})
	if code, _, err := d.run(nil, "status"); code != exitDone {
		t.Errorf("status: %d %s", code, err)
	}
}

func TestSchedulerSyncsWhatIsDue(t *testing.T) {
	d := newDesk(t)
	d.connected()
	d.sync(exitDone)
	first := d.json(exitDone, "status").at("tenants", 0, "connections", 0, "last_success_at")
	d.makeDue()
	_, end := d.serving("--roles", "scheduler,worker,web")
	deadline := time.Now().Add(30 * time.Second)
	for {
		status := d.json(exitDone, "status")
		if status.at("tenants", 0, "connections", 0, "last_success_at") != first {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing was synced: %s", status)
		}
		select { // the next look at the status
		case <-t.Context().Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	if code := end(); code != exitDone {
		t.Errorf("serve ended with %d", code)
	}
	// Its next turn; what connecting asked for may wait beside it, and comes first in the status.
	var at time.Time
	err := pgtest.Owner(t, d.db).QueryRow(t.Context(), `SELECT next_sync_at FROM connection`).Scan(&at)
	if err != nil || time.Until(at) < 11*time.Hour {
		t.Errorf("the next turn is at %v, %v", at, err)
	}
}

func TestServeSaysThatItsPortIsTaken(t *testing.T) {
	d := newDesk(t)
	address, end := d.serving("--roles", "web")
	defer end()
	var out, log bytes.Buffer
	code := Run(t.Context(), Process{Args: []string{"serve", "--listen", address}, Env: d.env, Stdout: &out, Stderr: &log})
	if code != exitError || !strings.Contains(log.String(), "--listen") {
		t.Errorf("exit %d: %s", code, log.String())
	}
}

func TestServeSaysOnceThatMailsHaveNoServer(t *testing.T) {
	for name, test := range map[string]struct {
		env  []string
		said int
	}{
		"none": {nil, 1},
		"set":  {[]string{"MEMBERINTEL_SMTP_URL=smtp://127.0.0.1:2525"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			ctx, stop := context.WithCancel(t.Context())
			read, write := io.Pipe()
			go func() {
				Run(ctx, Process{Args: []string{"serve", "--listen", "127.0.0.1:0"}, Env: append(d.env, test.env...), Stdout: io.Discard, Stderr: write})
				_ = write.Close()
			}()
			said := 0
			for lines := bufio.NewScanner(read); lines.Scan(); {
				if strings.Contains(lines.Text(), "MEMBERINTEL_SMTP_URL") {
					said++
				}
				if strings.Contains(lines.Text(), "msg=serving") {
					stop()
				}
			}
			stop()
			if said != test.said {
				t.Errorf("said %d times, want %d", said, test.said)
			}
		})
	}
}

func TestWhenTheNextSyncIsDue(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		worked      bool
		failures    int
		plan        tenant.Plan
		least, most time.Duration
	}{
		{true, 0, tenant.Pro, 12 * time.Hour, 36 * time.Hour},
		{true, 3, tenant.Free, 84 * time.Hour, 11 * 24 * time.Hour},
		{false, 1, tenant.Pro, time.Minute, time.Minute},
		{false, 2, tenant.Free, 3 * time.Minute, 3 * time.Minute},
		{false, 50, tenant.Pro, 6 * time.Hour, 6 * time.Hour},
	} {
		c := connection.Connection{TenantID: tenant.ID{1}, Pipeline: connection.Stripe, ConsecutiveFailures: test.failures}
		if got := due(now, c, test.plan, test.worked).Sub(now); got < test.least || got > test.most {
			t.Errorf("%+v: %v", test, got)
		}
	}
	refused := connection.Connection{TenantID: tenant.ID{1}, Pipeline: connection.Stripe, ConsecutiveFailures: 1, State: connection.Failed}
	if got := due(now, refused, tenant.Pro, false).Sub(now); got < 12*time.Hour {
		t.Errorf("a refused key is tried again after %v, want at the next turn", got)
	}
}

func TestIsLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:8080": true, "127.0.0.1": true, "localhost:1": true, "LOCALHOST": true, "[::1]:80": true, "[::1]": true, "127.1.2.3:9": true,
		"": false, "0.0.0.0:80": false, "10.0.0.1:80": false, "localhost.evil.example": false, "127.0.0.1.evil.example:80": false, "[::]:80": false,
	} {
		if got := isLoopback(address); got != want {
			t.Errorf("isLoopback(%q) = %t", address, got)
		}
	}
}

func TestProgressLine(t *testing.T) {
	for _, test := range []struct {
		records, expected int64
		took              time.Duration
		want              string
	}{
		{0, 0, 0, "0 records, 0 a second"},
		{12345, 0, 10 * time.Second, "12,345 records, 1,234 a second"},
		{1000, 4000, 2 * time.Second, "1,000 of about 4,000 records, 500 a second, about 6s left"},
		{5000, 4000, 2 * time.Second, "5,000 of about 5,000 records, 2,500 a second"},
	} {
		if got := progressLine(test.records, test.expected, test.took); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
