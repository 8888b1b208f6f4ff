// Package ui answers with the customer's pages, one file a page. A page is asked for with a session or leads to the
// sign-in; whatever changes something is posted, from a page of this server.
package ui

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"memberintel/internal/consent"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/page"
	"memberintel/internal/postgres"
)

// maxForm is how much of a posted body is read, in bytes.
const maxForm = 64 << 10

// Config is what the pages are made of.
type Config struct {
	PublicURL string         // how browsers reach this server; https makes cookies secure
	Proxies   []netip.Prefix // whose word is taken for where a request came from
	Users     *identity.Users
	Flow      *consent.Flow
	Pages     *page.Pages
	Log       *slog.Logger
}

// UI is the customer's pages.
type UI struct {
	Config
	secure bool
	guard  *http.CrossOriginProtection
}

// New makes the pages. A public address that cannot be understood is an error.
func New(c Config) (*UI, error) {
	public, err := url.Parse(c.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("ui: the public address: %w", err)
	}
	u := &UI{Config: c, secure: public.Scheme == "https", guard: http.NewCrossOriginProtection()}
	// A proxy may hand requests on under another host than the one that the browser sees.
	if err := u.guard.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
		return nil, fmt.Errorf("ui: the public address: %w", err)
	}
	u.guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.notice(w, r, http.StatusForbidden, elsewhere())
	}))
	return u, nil
}

// Routes adds the pages. What a site's server posts comes without a browser and has no page.
func (u *UI) Routes(mux *http.ServeMux) {
	for pattern, handler := range map[string]http.HandlerFunc{
		"GET /signin":               u.signInPage,
		"POST /signin":              u.signIn,
		"POST /signout":             u.signOut,
		"GET /connect/memberpress":  u.consentPage,
		"POST /connect/memberpress": u.decide,
	} {
		mux.Handle(pattern, u.guard.Handler(handler))
	}
	mux.HandleFunc("POST /connect/memberpress/token", u.token)
}

// show writes a page; origin is where its forms may lead beside this server, "" nowhere.
func (u *UI) show(w http.ResponseWriter, r *http.Request, code int, origin string, render func(io.Writer) error) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", page.FormPolicy(origin))
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin") // the address of the consent page says which site asks
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	if u.secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	w.WriteHeader(code)
	if err := render(w); err != nil && r.Context().Err() == nil {
		u.Log.ErrorContext(r.Context(), "a page could not be written", "path", r.URL.Path, "error", err)
	}
}

// notice writes a page that only tells something.
func (u *UI) notice(w http.ResponseWriter, r *http.Request, code int, n page.Notice) {
	u.show(w, r, code, "", func(out io.Writer) error { return u.Pages.Notice(out, n) })
}

func elsewhere() page.Notice {
	return page.Notice{Title: "This did not come from this page", Sentence: "The request came from another website or from a page that was open for too long, so nothing was done. Go back, load the page again, and try once more."}
}

// fail tells an error as a page: the fault's sentence, and of anything else that it was our error.
func (u *UI) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := status(err)
	if fault.KindOf(err) == "" && r.Context().Err() == nil {
		u.Log.ErrorContext(r.Context(), "a page failed", "path", r.URL.Path, "error", err)
	}
	retryAfter(w, err)
	u.notice(w, r, code, page.Notice{Title: "That did not work", Sentence: fault.Sentence(err), Checklist: checklist(err)})
}

func status(err error) int {
	switch fault.KindOf(err) {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthorized:
		return http.StatusUnauthorized
	case fault.NotPermitted:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.RateLimited:
		return http.StatusTooManyRequests
	case "":
		if postgres.Unavailable(err) {
			return http.StatusServiceUnavailable
		}
		return http.StatusInternalServerError
	default:
		return http.StatusServiceUnavailable
	}
}

// session returns who asks. It reports false when nobody is signed in, with the answer written: the sign-in page,
// which leads back to next.
func (u *UI) session(w http.ResponseWriter, r *http.Request, next string) (identity.Session, bool) {
	cookie, err := r.Cookie(u.cookieName())
	if err != nil {
		toSignIn(w, r, next)
		return identity.Session{}, false
	}
	session, err := u.Users.Session(r.Context(), cookie.Value)
	if fault.Is(err, fault.Unauthorized) {
		toSignIn(w, r, next)
		return identity.Session{}, false
	}
	if err != nil {
		u.fail(w, r, err)
		return identity.Session{}, false
	}
	return session, true
}

func toSignIn(w http.ResponseWriter, r *http.Request, next string) {
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, "/signin?"+url.Values{"next": {next}}.Encode(), http.StatusSeeOther)
}

// cookieName binds the cookie to this very host where https lets it.
func (u *UI) cookieName() string {
	if u.secure {
		return "__Host-memberintel"
	}
	return "memberintel"
}

func (u *UI) setCookie(w http.ResponseWriter, token string) {
	age := 0 // until the browser is closed; the server knows when it is too old
	if token == "" {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{
		Name: u.cookieName(), Value: token, Path: "/", MaxAge: age, Secure: u.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// ownPath returns where to go if that is a page of this server, else the first page.
func ownPath(next string) string {
	u, err := url.Parse(next)
	plain := strings.IndexFunc(next, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) < 0
	if err != nil || !plain || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(next, "/") || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	return next
}

// from is the address that a request came from: that of the other end, or what the last trusted proxy says of it.
func (u *UI) from(r *http.Request) netip.Addr {
	end, err := netip.ParseAddrPort(r.RemoteAddr)
	at := end.Addr().Unmap()
	if err != nil {
		return netip.IPv6Unspecified()
	}
	said := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(said) - 1; i >= 0 && u.trusts(at); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(said[i]))
		if err != nil {
			break
		}
		at = next.Unmap()
	}
	return at
}

func (u *UI) trusts(at netip.Addr) bool {
	for _, proxy := range u.Proxies {
		if proxy.Contains(at) {
			return true
		}
	}
	return false
}

// limited counts a request and refuses it when there were too many from its address.
func (u *UI) limited(ctx context.Context, limit identity.Limit, r *http.Request) error {
	return u.Users.Try(ctx, limit, identity.Network(u.from(r)))
}

func retryAfter(w http.ResponseWriter, err error) {
	if wait := waitOf(err); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	}
}
