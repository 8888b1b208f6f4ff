package consent

import (
	"encoding/base64"
	"net"
	"net/netip"
	"net/url"
	"path"
	"strings"

	"github.com/google/uuid"

	"memberintel/internal/fault"
)

// Request is what a site asks for, as the owner's browser brought it. Parse alone makes one, so its addresses can be
// shown and followed.
type Request struct {
	Site          string // the home address
	Callback      string // the site's admin page that takes the code
	State         string // the site's own; it goes back as it came
	Challenge     string // PKCE, S256
	SiteID        string
	PluginVersion string
}

const (
	adminPage     = "/wp-admin/admin.php"
	callbackQuery = "page=memberintel&mi_callback=1"
	maxAddress    = 500 // bytes
	maxState      = 512 // bytes
)

// Parse reads the parameters that the plugin sends. Whatever does not look exactly as the plugin writes it is
// refused, with a sentence: nothing may be read in two ways between the page that asks and the browser that follows.
func Parse(query url.Values) (Request, error) {
	r := Request{
		Site: query.Get("site"), Callback: query.Get("callback"), State: query.Get("state"), Challenge: query.Get("code_challenge"),
		SiteID: strings.ToLower(query.Get("site_id")), PluginVersion: query.Get("plugin_version"),
	}
	for name, values := range query {
		if len(values) != 1 {
			return Request{}, garbled(name)
		}
	}
	site, err := address(r.Site)
	if err != nil {
		return Request{}, err
	}
	if site.RawQuery != "" || site.ForceQuery {
		return Request{}, unusable(r.Site)
	}
	callback, err := address(r.Callback)
	if err != nil {
		return Request{}, err
	}
	if !ownCallback(site, callback) {
		return Request{}, fault.New(fault.Invalid, "This request would send you to another place than the site's own administration, so it was stopped. "+
			"Begin again in the WordPress administration of your site.")
	}
	challenge, err := base64.RawURLEncoding.DecodeString(r.Challenge)
	id, idErr := uuid.Parse(r.SiteID)
	switch {
	case query.Get("code_challenge_method") != "S256" || err != nil || len(challenge) != 32:
		return Request{}, garbled("code_challenge")
	case idErr != nil || len(r.SiteID) != 36 || id == uuid.Nil:
		return Request{}, garbled("site_id")
	case r.State == "" || len(r.State) > maxState || !printable(r.State):
		return Request{}, garbled("state")
	case len(r.PluginVersion) > 40 || !printable(r.PluginVersion):
		return Request{}, garbled("plugin_version")
	}
	return r, nil
}

// Values are the parameters again, as Parse takes them.
func (r Request) Values() url.Values {
	return url.Values{
		"site": {r.Site}, "callback": {r.Callback}, "state": {r.State}, "code_challenge": {r.Challenge}, "code_challenge_method": {"S256"},
		"site_id": {r.SiteID}, "plugin_version": {r.PluginVersion},
	}
}

// Secure reports whether what travels between the site and the service cannot be read on the way.
func (r Request) Secure() bool { return strings.HasPrefix(r.Site, "https://") }

// Host is what a person knows the site by.
func (r Request) Host() string {
	host, _ := home(r.Site) // Parse has let it through
	return host
}

// Origin is the scheme and host of the callback, for a page that may lead there and nowhere else.
func (r Request) Origin() string {
	u, err := url.Parse(r.Callback)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// Denied is where the browser goes when the owner does not agree.
func (r Request) Denied() string { return r.back(url.Values{"error": {"access_denied"}}) }

func (r Request) back(values url.Values) string {
	values.Set("state", r.State)
	return r.Callback + "&" + values.Encode()
}

// address takes an address apart that is plain enough to be shown to a person as what it is: no user, no port beyond
// its number, no other alphabet, nothing that a browser would read otherwise than we do.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxAddress || !printable(text) || strings.ContainsAny(text, "\\\"'<>#;,%") ||
		u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.Opaque != "" || !plainHost(u) || !plainPath(u.Path) ||
		!strings.HasPrefix(text, u.Scheme+"://"+u.Host) {
		return nil, unusable(text)
	}
	return u, nil
}

func plainHost(u *url.URL) bool {
	host := u.Hostname()
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Zone() == ""
	}
	letters := strings.IndexFunc(host, func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
	return letters && host != "" && !strings.HasPrefix(host, ".") && !strings.HasSuffix(u.Host, ":") && !strings.Contains(host, "..")
}

func plainPath(p string) bool {
	return p == "" || p == "/" || path.Clean(p) == strings.TrimSuffix(p, "/")
}

// ownCallback reports whether the callback is the one page of the site's administration that takes a code. The
// administration may be in another folder than the home page, and have https where that has not.
func ownCallback(site, callback *url.URL) bool {
	return sameHost(site, callback) && (callback.Scheme == site.Scheme || callback.Scheme == "https") &&
		strings.HasSuffix(callback.Path, adminPage) && callback.RawQuery == callbackQuery
}

func sameHost(site, callback *url.URL) bool {
	if !strings.EqualFold(site.Hostname(), callback.Hostname()) {
		return false
	}
	return site.Port() == callback.Port() || port(site) == port(callback) ||
		site.Port() == "" && callback.Port() == "" // https of an http site
}

func port(u *url.URL) string {
	if u.Port() != "" {
		return u.Port()
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// home is an address as two are compared: without scheme, and without what makes no difference to where it leads.
func home(text string) (string, error) {
	u, err := address(text)
	if err != nil {
		return "", err
	}
	host := strings.ToLower(u.Hostname())
	if p := u.Port(); p != "" && p != "80" && p != "443" {
		host = net.JoinHostPort(host, p)
	}
	return host + strings.TrimRight(u.Path, "/"), nil
}

func printable(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

func garbled(name string) error {
	return fault.New(fault.Invalid, "This request is not as the plugin makes it (%.40q), so it was stopped. Begin again in the WordPress administration of your site.", name)
}

func unusable(text string) error {
	return fault.New(fault.Invalid, "The address %.100q cannot be used: it must be written as https://www.example.org, in plain letters (xn-- for others), without a user or special characters.", text)
}
