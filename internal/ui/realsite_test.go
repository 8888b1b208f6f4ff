//go:build browser && wordpress

package ui_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"memberintel/internal/app"
	"memberintel/internal/job/river"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
)

// real is the program as `memberintel serve` runs it, the WordPress that `wordpress/test` has stood up, and a browser.
type real struct {
	t       *testing.T
	db      *postgres.DB
	env     []string
	service string // its address, for a browser another site than the WordPress
	site    string
	browser context.Context
}

func newReal(t *testing.T) *real {
	t.Helper()
	r := &real{t: t, db: pgtest.New(t), site: siteWithTLS(t)}
	if err := river.Migrate(t.Context(), r.db); err != nil {
		t.Fatal(err)
	}
	r.env = []string{
		"MEMBERINTEL_DATABASE_URL=" + r.db.AppURL(), "MEMBERINTEL_OWNER_DATABASE_URL=" + r.db.OwnerURL(), "MEMBERINTEL_DATA_DIR=" + t.TempDir(),
		"MEMBERINTEL_ALLOW_ADDRESSES=127.0.0.0/8", "MEMBERINTEL_USER_PASSWORD=" + password,
	}
	r.drive("host", "open")
	r.drive("seed", "2500")
	r.drive("revoke")
	r.run("tenant", "create", "--name", "Lakeside Tennis Club")
	r.run("user", "create", "--tenant", "Lakeside Tennis Club", "--email", anna, "--role", "owner")
	r.serve()
	r.browser = chromium(t, 1280, 900)
	return r
}

// siteWithTLS is the address of the site behind the host of tests/hosts whose certificate this process trusts: a key is
// brought to no site without one.
func siteWithTLS(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(os.Getenv("MEMBERINTEL_TEST_SITE"), "../hosts")
	t.Setenv("SSL_CERT_FILE", filepath.Join(folder, "tls.pem"))
	urls, err := os.ReadFile(filepath.Join(folder, "urls"))
	_, address, found := strings.Cut(string(urls), "tls ")
	if err != nil || !found {
		t.Fatalf("no host with TLS: %v", err)
	}
	address, _, _ = strings.Cut(address, "\n")
	return address
}

// drive does a step of wordpress/tests/drive.php to the site.
func (r *real) drive(step ...string) {
	r.t.Helper()
	command := exec.CommandContext(r.t.Context(), "php", append([]string{"../../wordpress/tests/drive.php"}, step...)...)
	if out, err := command.CombinedOutput(); err != nil {
		r.t.Fatalf("%v: %v\n%s", step, err, out)
	}
}

// run runs a command of the program and returns what it wrote.
func (r *real) run(args ...string) string {
	r.t.Helper()
	var out bytes.Buffer
	app.Run(r.t.Context(), app.Process{Args: args, Env: r.env, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out})
	return out.String()
}

func (r *real) serve() {
	r.t.Helper()
	ctx, stop := context.WithCancel(r.t.Context())
	read, write := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- app.Run(ctx, app.Process{Args: []string{"serve", "--listen", "127.0.0.1:0"}, Env: r.env, Stdout: io.Discard, Stderr: write})
		_ = write.Close()
	}()
	r.t.Cleanup(func() { stop(); <-ended })
	lines, listens := bufio.NewScanner(read), regexp.MustCompile(`listen=127\.0\.0\.1(:\d+)`)
	for r.service == "" && lines.Scan() {
		if found := listens.FindStringSubmatch(lines.Text()); found != nil {
			r.service = "http://localhost" + found[1]
		}
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	if r.service == "" {
		r.t.Fatal("serve did not come up")
	}
}

// screen opens the plugin's screen.
func (r *real) screen() {
	r.t.Helper()
	if err := chromedp.Do(r.browser, chromedp.Navigate(r.site+"/wp-admin/admin.php?page=memberintel")); err != nil {
		r.t.Fatal(err)
	}
}

// fill types into a field of WordPress, whose scripts move the focus while a person's hands would type.
func (r *real) fill(selector, text string) {
	r.t.Helper()
	if _, err := chromedp.Run(r.browser, chromedp.Evaluate[any](`document.querySelector('`+selector+`').value = '`+text+`'; true`)); err != nil {
		r.t.Fatalf("fill in %s: %v", selector, err)
	}
}

func (r *real) press(action string) {
	r.t.Helper()
	click(r.browser, r.t, `form:has(input[value="memberintel_`+action+`"]) input[type="submit"]`)
}

// begin goes from the plugin's screen to the service.
func (r *real) begin() {
	r.t.Helper()
	r.screen()
	shows(r.browser, r.t, "This site is not connected.")
	r.fill("#memberintel-service", r.service)
	r.press("connect")
	at, err := chromedp.Run(r.browser, chromedp.Location())
	if err != nil || !strings.HasPrefix(at, r.service+"/") {
		r.t.Fatalf("Connect leads to %s, %v", at, err)
	}
}

// holds waits until the warehouse's owner reads true.
func (r *real) holds(what, sql string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	owner, tick := pgtest.Owner(r.t, r.db), time.NewTicker(100*time.Millisecond)
	defer tick.Stop()
	for holds := false; !holds; {
		if err := owner.QueryRow(ctx, sql).Scan(&holds); err != nil {
			r.t.Fatalf("%s: %v", what, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("not within a minute: %s", what)
		}
	}
}

// An administrator of a real WordPress connects it in a browser to the real service, whose owner signs in, declines
// first, then agrees; the members stand in the warehouse; the administrator disconnects; and the service brings the key
// to the site where that cannot call out.
func TestBrowserAtARealSite(t *testing.T) {
	r := newReal(t)
	if err := chromedp.Do(r.browser, chromedp.Navigate(r.site+"/wp-login.php")); err != nil {
		t.Fatal(err)
	}
	r.fill("#user_login", "admin")
	r.fill("#user_pass", "admin-pass")
	click(r.browser, t, "#wp-submit")

	r.begin()
	shows(r.browser, t, "Sign in")
	if err := chromedp.Do(r.browser, chromedp.SendKeys(chromedp.CSS("#email"), anna), chromedp.SendKeys(chromedp.CSS("#password"), password)); err != nil {
		t.Fatal(err)
	}
	click(r.browser, t, "button.primary")
	for _, want := range []string{r.site, "Lakeside Tennis Club", "What will be read", "never read"} {
		shows(r.browser, t, want)
	}
	click(r.browser, t, `button[value="deny"]`)
	shows(r.browser, t, "Nothing was connected: the request was declined.")
	r.holds("nothing is connected", `SELECT count(*) = 0 FROM connection`)

	r.begin() // still signed in at the service
	click(r.browser, t, `button[value="connect"]`)
	shows(r.browser, t, "This site has its key.")
	if at, err := chromedp.Run(r.browser, chromedp.Location()); err != nil || at != r.site+"/wp-admin/admin.php?page=memberintel" {
		t.Errorf("the browser ends at %s, %v", at, err)
	}
	r.holds("the first sync", `SELECT count(*) = 1 FROM sync_run WHERE pipeline_type = 'memberpress' AND mode = 'full' AND status = 'succeeded'`)
	r.holds("the connection", `SELECT count(*) = 1 FROM connection WHERE state = 'connected' AND account_confirmed`)
	r.holds("its members", `SELECT count(*) > 10 FROM members WHERE email LIKE '%@lakeside.example'`)
	r.screen()
	for _, want := range []string{"State\tConnected", "Account\tLakeside Tennis Club", "Service\t" + r.service} {
		shows(r.browser, t, want)
	}

	r.press("disconnect")
	shows(r.browser, t, "This site is no longer connected.")
	told := r.run("sync", "--tenant", "Lakeside Tennis Club", "--pipeline", "memberpress", "--json")
	if !strings.Contains(told, "does not know the key any more: somebody disconnected memberintel there") {
		t.Errorf("the service says %s", told)
	}

	r.drive("host", "mute")
	r.begin()
	click(r.browser, t, `button[value="connect"]`)
	shows(r.browser, t, "This server cannot call out.")
	r.holds("the service brought the key", `SELECT count(*) = 2 FROM sync_run WHERE pipeline_type = 'memberpress' AND mode = 'full' AND status = 'succeeded'`)
	r.screen()
	shows(r.browser, t, "State\tConnected")
	r.drive("host", "open")
}
