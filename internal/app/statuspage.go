package app

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"memberintel/internal/identity"
	"memberintel/internal/page"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

const (
	shownTenants = 20
	shownRuns    = 20
	renewEvery   = 5 // seconds
)

// statusPage answers / without sign-in, and therefore on loopback alone.
type statusPage struct {
	house     *house
	pages     *page.Pages
	listener  net.Addr
	publicURL string
}

// ServeHTTP shows the page to a browser on this machine. An installation that has a public address is behind a
// proxy, some of which leave no trace in a request, and shows it to nobody.
func (s *statusPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if public, err := url.Parse(s.publicURL); err != nil || !isLoopback(public.Host) {
		plain(w, http.StatusForbidden, "The status page has no sign-in yet and is not shown where memberintel has a public address "+
			"(MEMBERINTEL_PUBLIC_URL); run `memberintel status` on the machine.")
		return
	}
	if !isLoopback(s.listener.String()) || !isLocal(r) {
		plain(w, http.StatusForbidden, "The status page has no sign-in yet and is shown on this machine alone: "+
			"let memberintel listen on 127.0.0.1 and open it there by that address.")
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", page.ContentSecurityPolicy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	ctx, cancel := context.WithTimeout(r.Context(), 15*time.Second)
	defer cancel()
	view, err := s.view(ctx)
	if err != nil {
		s.house.log.ErrorContext(ctx, "the status page could not be read", "error", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		view = page.Status{Problem: "The database does not answer; the operator's log has the details."}
	}
	view.Now, view.Refresh = time.Now(), renewEvery
	if err := s.pages.Status(w, view); err != nil && ctx.Err() == nil {
		s.house.log.ErrorContext(ctx, "the status page could not be written", "error", err)
	}
}

// isLocal reports whether a request was made on this machine, to this machine's own name, and was not handed
// on by a proxy. The Host header counts, or a page of somebody else's whose name leads here could read the answer.
func isLocal(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"} {
		if _, sent := r.Header[name]; sent {
			return false
		}
	}
	return isLoopback(r.RemoteAddr) && isLoopback(r.Host)
}

// isLoopback reports whether an address, with a port or without, is this machine's own.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]")
	}
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func (s *statusPage) view(ctx context.Context) (view page.Status, err error) {
	tenants, err := identity.List(ctx, s.house.db)
	if err != nil {
		return view, err
	}
	if len(tenants) > shownTenants {
		view.More = len(tenants) - shownTenants
		tenants = tenants[:shownTenants]
	}
	for _, t := range tenants {
		shown, err := s.tenant(ctx, t)
		if err != nil {
			return page.Status{}, err
		}
		view.Tenants = append(view.Tenants, shown)
	}
	return view, nil
}

func (s *statusPage) tenant(ctx context.Context, t identity.Tenant) (page.Tenant, error) {
	shown := page.Tenant{Name: t.Name, Plan: string(t.Plan)}
	status, err := s.house.status(ctx, t)
	if err != nil {
		return shown, err
	}
	for _, b := range status.Banners {
		shown.Banners = append(shown.Banners, page.Banner{
			Level: string(b.Level), Source: b.PipelineType.Label(), Sentence: b.Sentence, Since: b.Since, Checklist: b.Checklist, Next: b.Next,
		})
	}
	for _, c := range status.Connections {
		shown.Connections = append(shown.Connections, connectionOnPage(c, status.banner(c.ConnectionID) != nil))
	}
	err = s.house.db.TenantTx(ctx, t.ID, func(tx *postgres.TenantTx) error {
		summary, err := warehouse.Summarise(ctx, tx)
		if err != nil {
			return err
		}
		for _, n := range summary.Members {
			shown.Members = append(shown.Members, page.MemberCount{Status: n.Status, Count: n.Count})
		}
		shown.Subscriptions = summary.Subscriptions
		for _, m := range summary.MRR {
			shown.MRR = append(shown.MRR, page.Amount{Minor: m.Minor, Currency: m.Currency})
		}
		runs, err := syncrun.Latest(ctx, tx, shownRuns)
		for _, r := range runs {
			shown.Runs = append(shown.Runs, runOnPage(r))
		}
		return err
	})
	return shown, err
}

// connectionOnPage leaves to a banner what that says.
func connectionOnPage(c connectionStatus, bannered bool) page.Connection {
	shown := page.Connection{
		Name: c.PipelineType.Label(), Pipeline: string(c.PipelineType), State: string(c.State), Since: c.Since, LastSuccess: c.LastSuccessAt, DataAsOf: c.DataAsOf, Stale: c.Stale,
		NextAttempt: c.NextAttemptAt, Failures: c.ConsecutiveFailures,
	}
	if c.PausedBecause != nil {
		shown.Paused = *c.PausedBecause
	}
	if c.ResponseMS != nil {
		shown.ResponseMS = *c.ResponseMS
	}
	if c.LastError != nil && !bannered {
		shown.LastError, shown.Checklist = *c.LastError, c.Checklist
	}
	for _, left := range c.Leftovers {
		shown.Notes = append(shown.Notes, left.Sentence(c.PipelineType))
	}
	return shown
}

func runOnPage(r syncrun.Report) page.Run {
	shown := page.Run{
		ID: r.RunID, Platform: r.PipelineType, Mode: string(r.Mode), Status: string(r.Status), Started: r.StartedAt, Records: r.RecordsProcessed,
	}
	if r.FinishedAt != nil {
		shown.Took = r.FinishedAt.Sub(r.StartedAt).Round(100 * time.Millisecond).String()
	}
	if r.ErrorMessage != nil {
		shown.Problem = *r.ErrorMessage
	}
	return shown
}
