package fetch

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
)

// SiteName is the site that an address belongs to, as care counts it: the host in lower case without "www.",
// with the port where it is not the usual one. It is "" for an address that is none.
func SiteName(address string) string {
	u, err := parse(address)
	if err != nil {
		return ""
	}
	return siteOf(u)
}

func siteOf(u *url.URL) string {
	host := strings.TrimPrefix(strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), "www.")
	if port := u.Port(); port != "" && port != map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		return net.JoinHostPort(host, port)
	}
	return host
}

var (
	errLoop       = errors.New("redirects without end")
	errDisallowed = errors.New("robots.txt keeps us out")
)

// elsewhere is a redirect that is not followed.
type elsewhere struct{ to *url.URL }

// Error names the host alone: an address may hold what is nobody's business.
func (e elsewhere) Error() string { return "redirected to " + e.to.Hostname() }

// trail follows the redirects of one request. Only those within the site are followed, because the headers
// may hold a signature that is nobody else's business, and none from https back to http.
type trail struct {
	left            int
	anywhere        bool
	may             func(*url.URL) bool
	followed        int
	handshakeFailed atomic.Bool
}

// watch notes whether a handshake fails: the error alone does not always tell where it came from.
func (t *trail) watch(r *http.Request) *http.Request {
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err != nil {
				t.handshakeFailed.Store(true)
			}
		},
	}))
}

func (t *trail) follow(next *http.Request, via []*http.Request) error {
	last, away := via[len(via)-1], elsewhere{next.URL}
	leaves := siteOf(next.URL) != siteOf(last.URL) || last.URL.Scheme == "https" && next.URL.Scheme != "https"
	switch {
	case leaves && !t.anywhere, last.Method != http.MethodGet, away.installs(), away.parks(), !askable(next.URL):
		return away
	case t.left == 0:
		return errLoop
	case t.may != nil && !t.may(next.URL):
		return errDisallowed
	}
	for _, seen := range via {
		if seen.URL.String() == next.URL.String() {
			return errLoop
		}
	}
	t.left--
	t.followed++
	return nil
}

// parkingHosts are where addresses that nobody uses are sent.
var parkingHosts = []string{
	"sedo.com", "sedoparking.com", "bodis.com", "dan.com", "afternic.com", "hugedomains.com", "parkingcrew.net", "above.com",
	"parklogic.com", "undeveloped.com", "domainmarket.com", "forsale.godaddy.com", "forsale.dynadot.com", "parkingpage.namecheap.com",
}

// parks reports whether the redirect leads to a page where domains are parked or sold.
func (e elsewhere) parks() bool {
	host := strings.ToLower(e.to.Hostname())
	for _, parking := range parkingHosts {
		if host == parking || strings.HasSuffix(host, "."+parking) {
			return true
		}
	}
	return strings.HasSuffix(host, "godaddy.com") && strings.HasPrefix(e.to.Path, "/forsale")
}

// installs reports whether the redirect leads to the pages that set WordPress up.
func (e elsewhere) installs() bool {
	return strings.HasSuffix(e.to.Path, "/wp-admin/setup-config.php") || strings.HasSuffix(e.to.Path, "/wp-admin/install.php")
}
