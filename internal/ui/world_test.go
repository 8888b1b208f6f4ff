package ui_test

import (
	"context"
	"crypto/x509"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/consent"
	"memberintel/internal/fetch"
	"memberintel/internal/identity"
	"memberintel/internal/page"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
	"memberintel/internal/ui"
)

const (
	siteID   = "6f1d1c0e-3b52-4f0e-9a55-2f6f0c1f7d10"
	anna     = "anna@lakeside.example"
	password = "three small red boats"
	secret   = "secret" // the name of the stored key
)

// world is the service over real HTTP, one site, and a tenant with an owner.
type world struct {
	t         testing.TB
	db        *postgres.DB
	store     *connection.Store
	users     *identity.Users
	flow      *consent.Flow
	ask       asker
	base      string
	wp        *wordpress
	club      tenant.ID
	connected chan connection.ID
}

// settings is what a test wants otherwise.
type settings struct {
	public  string         // https://... instead of the server's own address
	allow   []netip.Prefix // nil: this machine
	push    time.Duration
	proxies []netip.Prefix
}

func newWorld(t testing.TB, s settings) *world {
	t.Helper()
	w := &world{t: t, db: pgtest.New(t), wp: newWordPress(t, siteID), connected: make(chan connection.ID, 16)}
	vault, err := connection.OpenVault(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	w.store, w.users = connection.NewStore(vault), identity.NewUsers(w.db)
	roots := x509.NewCertPool()
	roots.AddCert(w.wp.Certificate()) // which all servers of httptest have
	if s.allow == nil {
		s.allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
	if s.push == 0 {
		s.push = time.Hour
	}
	client := fetch.New(fetch.Config{Allow: s.allow, Roots: roots})
	w.ask = asker{client, w.key}
	w.flow = consent.New(w.db, w.store, client, consent.Platform{
		Pipeline: connection.MemberPress,
		Credential: func(site, _ string, key consent.Key) connection.Request {
			return connection.Request{CredentialKind: "key", Secrets: map[string]string{"site": site, "key_id": key.ID, secret: key.Secret}}
		},
		Handshake: w.ask.handshake, Push: w.ask.push, Withdraw: w.ask.withdraw,
		Connected: func(_ context.Context, id connection.ID) error { w.connected <- id; return nil },
	}, slog.New(slog.DiscardHandler), consent.Patience{Push: []time.Duration{s.push, s.push}, Handshake: []time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond}})
	server := httptest.NewUnstartedServer(nil)
	w.base = "http://" + server.Listener.Addr().String()
	if s.public == "" {
		s.public = w.base
	}
	w.wp.service = w.base
	pages, err := page.New()
	if err != nil {
		t.Fatal(err)
	}
	screens, err := ui.New(ui.Config{PublicURL: s.public, Proxies: s.proxies, Users: w.users, Flow: w.flow, Pages: pages, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	screens.Routes(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "first page") })
	server.Config.Handler = mux
	server.Start()
	t.Cleanup(server.Close)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); w.flow.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	w.club = w.tenant("Lakeside Tennis Club")
	w.user(w.club, anna, identity.RoleOwner)
	return w
}

func (w *world) tenant(name string) tenant.ID {
	w.t.Helper()
	created, err := identity.CreateTenant(w.t.Context(), w.db, name, tenant.Pro)
	if err != nil {
		w.t.Fatal(err)
	}
	return created.ID
}

func (w *world) user(id tenant.ID, email string, role identity.Role) {
	w.t.Helper()
	if _, _, err := w.users.Create(w.t.Context(), id, email, role, password, "test"); err != nil {
		w.t.Fatal(err)
	}
}

// key opens what the connection keeps, as the pipeline does.
func (w *world) key(ctx context.Context, c connection.Connection) (site, keyID, key string, err error) {
	err = w.db.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		for name, into := range map[string]*string{"site": &site, "key_id": &keyID, secret: &key} {
			if *into, err = w.store.Secret(ctx, tx, c.ID, name); err != nil {
				return err
			}
		}
		return nil
	})
	return site, keyID, key, err
}

func (w *world) connection() (c connection.Connection, err error) {
	err = w.db.TenantTx(w.t.Context(), w.club, func(tx *postgres.TenantTx) (err error) {
		c, err = w.store.Get(w.t.Context(), tx, connection.MemberPress)
		return err
	})
	return c, err
}

// one is the result of a query for one text.
func (w *world) one(sql string, args ...any) (text string) {
	w.t.Helper()
	if err := pgtest.Owner(w.t, w.db).QueryRow(w.t.Context(), sql, args...).Scan(&text); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return text
}

// asked waits until the site was asked after a connection.
func (w *world) asked() {
	w.t.Helper()
	select {
	case <-w.connected:
	case <-time.After(30 * time.Second):
		w.t.Fatal("the site was never asked")
	}
}

// browser keeps cookies and goes nowhere by itself.
type browser struct {
	w *world
	http.Client
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w, http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is a response whose body was read.
type answer struct {
	*http.Response
	body string
}

func (b *browser) do(method, path string, form url.Values, header ...string) answer {
	b.w.t.Helper()
	request, err := http.NewRequestWithContext(b.w.t.Context(), method, b.w.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.w.t.Fatal(err)
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", b.w.base)
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := b.Do(request)
	if err != nil {
		b.w.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return answer{response, string(body)}
}

func (b *browser) get(path string) answer { b.w.t.Helper(); return b.do(http.MethodGet, path, nil) }

func (b *browser) post(path string, form url.Values, header ...string) answer {
	b.w.t.Helper()
	return b.do(http.MethodPost, path, form, header...)
}

// signedIn is a browser in which somebody is.
func (w *world) signedIn(email string) *browser {
	w.t.Helper()
	b := w.browser()
	if got := b.post("/signin", url.Values{"email": {email}, "password": {password}}); got.StatusCode != http.StatusSeeOther {
		w.t.Fatalf("sign in: %d %s", got.StatusCode, got.body)
	}
	return b
}

// form are the fields that a page's form would post.
func (a answer) form() url.Values {
	values := url.Values{}
	for _, found := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(a.body, -1) {
		if found[1] != "next" {
			values.Add(found[1], html.UnescapeString(found[2]))
		}
	}
	return values
}

// consents shows a site's request and returns what a click on Connect would post for the tenant.
func (b *browser) consents(request url.Values, id tenant.ID) url.Values {
	b.w.t.Helper()
	shown := b.get("/connect/memberpress?" + request.Encode())
	if shown.StatusCode != http.StatusOK || !strings.Contains(shown.body, html.EscapeString(request.Get("site"))) {
		b.w.t.Fatalf("consent: %d %s", shown.StatusCode, shown.body)
	}
	form := shown.form()
	form.Set("tenant", id.String())
	form.Set("decision", "connect")
	return form
}

// code agrees and returns the code that the site would get.
func (b *browser) code(request url.Values) string {
	b.w.t.Helper()
	got := b.post("/connect/memberpress", b.consents(request, b.w.club))
	to, err := url.Parse(got.Header.Get("Location"))
	if err != nil || got.StatusCode != http.StatusSeeOther || to.Query().Get("code") == "" {
		b.w.t.Fatalf("agree: %d %s %s", got.StatusCode, got.Header.Get("Location"), got.body)
	}
	return to.Query().Get("code")
}

// arrive lets a browser come to the site's callback, as the redirect says.
func (w *world) arrive(location string) {
	w.t.Helper()
	response, err := w.wp.Client().Get(location)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = response.Body.Close()
}
