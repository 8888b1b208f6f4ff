package fetch_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/fetch"
	"memberintel/internal/sim/site"
)

// fortress is an inner service that nobody may reach, on 127.0.0.1, and a client for which 127.0.0.2 alone is
// as good as a public address.
type fortress struct {
	inner, outer *httptest.Server
	reached      atomic.Int32
	names        *site.Names
	client       *fetch.Client
}

func newFortress(t *testing.T, outer http.HandlerFunc) *fortress {
	t.Helper()
	f := &fortress{names: site.NewNames()}
	f.inner = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { f.reached.Add(1) }))
	t.Cleanup(f.inner.Close)
	f.outer = onAddress(t, "127.0.0.2", outer)
	f.client = fetch.New(fetch.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}, Resolver: f.names.Resolver()})
	f.names.Set("public.example", netip.MustParseAddr("127.0.0.2"))
	return f
}

// hostile are addresses that must not be visited: whatever is written, whatever a name server says. Those with a name
// lead where names says.
var hostile = []struct {
	why  string
	urls string
}{
	{"other schemes", "file:///etc/passwd gopher://127.0.0.1:6379/_INFO ftp://127.0.0.1/ dict://127.0.0.1:11211/stats ldap://127.0.0.1/ jar:http://127.0.0.1!/ " +
		"data:text/html,x javascript:alert(1) unix:///run/docker.sock //127.0.0.1/ http:127.0.0.1 http:///127.0.0.1/ ws://127.0.0.1/ HTTP+UNIX://x/ view-source:http://127.0.0.1/"},
	{"user information", "http://u:p@public.example/ http://public.example@127.0.0.1/ http://public.example%40127.0.0.1/ http://public.example:80@127.0.0.1:80/ http://@127.0.0.1/"},
	{"signs that parsers read differently", `http://public.example\@127.0.0.1/ http://127.0.0.1\.public.example/ http://127.0.0.1%2f.public.example/ http://127.0.0.1%00.public.example/ http://127%2e0%2e0%2e1/ ` +
		"http://public.example\t@127.0.0.1/ http://public.example\r\nHost:127.0.0.1/ http://[::1 http://::1/ http://[127.0.0.1]/"},
	{"addresses in other writing", "http://2130706433/ http://0x7f000001/ http://0x7f.0.0.1/ http://0177.0.0.1/ http://127.1/ http://0/ http://0x0/ http://127.0.0.1./ http://017700000001/ " +
		"http://0X7F.1/ http://127.0.0.0x1/ http://00000127.0.0.1/ http://127.0.0.1.. http://3232235777/ http://0xa9fea9fe/ http://025177524776/ http://169.254.43518/"},
	{"signs that become digits", "http://①②⑦.⓪.⓪.①/ http://１２７.０.０.１/ http://127。0。0。1/ http://１６９.２５４.１６９.２５４/"},
	{"loopback and this host", "http://127.0.0.1/ http://127.255.255.254/ http://0.0.0.0/ http://[::1]/ http://[::]/ http://[0:0:0:0:0:0:0:1]/ http://localhost/ http://localhost./"},
	{"private networks", "http://10.0.0.1/ http://172.16.0.1/ http://172.31.255.255/ http://192.168.1.1/ http://100.64.0.1/ http://100.100.100.200/ http://[fc00::1]/ http://[fd12:3456::1]/ http://[fec0::1]/"},
	{"metadata", "http://169.254.169.254/latest/meta-data/ http://169.254.170.2/ http://[fd00:ec2::254]/ http://168.63.129.16/ http://192.0.0.192/ http://[fe80::a9fe:a9fe]/ http://[fe80::1%25eth0]/"},
	{"IPv4 within IPv6", "http://[::ffff:127.0.0.1]/ http://[::ffff:7f00:1]/ http://[::ffff:169.254.169.254]/ http://[::127.0.0.1]/ http://[64:ff9b::127.0.0.1]/ http://[64:ff9b::a9fe:a9fe]/ http://[64:ff9b:1::a00:1]/ " +
		"http://[2002:7f00:1::]/ http://[2002:a9fe:a9fe::1]/ http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/ http://[::ffff:0:127.0.0.1]/"},
	{"reserved", "http://192.0.2.1/ http://198.18.0.1/ http://198.19.255.255/ http://198.51.100.1/ http://203.0.113.1/ http://192.88.99.1/ http://224.0.0.1/ http://239.255.255.250/ http://240.0.0.1/ " +
		"http://255.255.255.255/ http://[ff02::1]/ http://[2001:db8::1]/ http://[3fff::1]/ http://[100::1]/ http://[2001:20::1]/ http://[5f00::1]/"},
	{"ports on which no website is", "http://93.184.216.34:22/ http://93.184.216.34:25/ http://93.184.216.34:6379/ http://93.184.216.34:5432/ http://93.184.216.34:0/ http://93.184.216.34:65536/ http://93.184.216.34:-1/ http://93.184.216.34:/"},
	{"names that lead inside", "http://rebound.example/ http://mixed.example/ http://six.example/ http://mapped.example/ http://metadata.google.internal/ http://nat64.example/ http://0x7f.example/ http://127.0.0.1.nip.example/"},
}

var inside = map[string][]string{
	"rebound.example": {"127.0.0.1"}, "mixed.example": {"10.0.0.1", "192.168.0.1", "169.254.169.254"}, "six.example": {"::1", "fd00::1"}, "mapped.example": {"::ffff:127.0.0.1"},
	"metadata.google.internal": {"169.254.169.254"}, "nat64.example": {"64:ff9b::7f00:1"}, "0x7f.example": {"127.0.0.1"}, "127.0.0.1.nip.example": {"127.0.0.1"}, "localhost": {"127.0.0.1"},
}

func TestNoHostileAddressIsVisited(t *testing.T) {
	redirect := ""
	f := newFortress(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Location"] = []string{redirect}
		w.WriteHeader(http.StatusFound)
	})
	for name, addresses := range inside {
		var to []netip.Addr
		for _, address := range addresses {
			to = append(to, netip.MustParseAddr(address))
		}
		f.names.Set(name, to...)
	}
	var count int
	for _, group := range hostile {
		for address := range strings.SplitSeq(group.urls, " ") {
			count++
			for _, anywhere := range []bool{false, true} {
				_, err := f.client.Do(t.Context(), fetch.Request{URL: address, Anywhere: anywhere}, 10*time.Second)
				if !fault.Is(err, fault.Invalid) {
					t.Errorf("%s: %q: %v", group.why, address, err)
				}
				// As a place that a public site sends us to. A header holds no line break.
				if redirect = address; strings.ContainsAny(address, "\r\n") {
					continue
				}
				from := strings.Replace(f.outer.URL, "127.0.0.2", "public.example", 1)
				answer, err := f.client.Do(t.Context(), fetch.Request{URL: from, Anywhere: anywhere}, 10*time.Second)
				if err == nil || answer.Requests > 2 || f.reached.Load() > 0 {
					t.Errorf("%s: a redirect to %q, anywhere %v: %+v, %v", group.why, address, anywhere, answer, err)
				}
			}
		}
	}
	if count < 100 {
		t.Errorf("%d addresses; some were lost", count)
	}
	t.Logf("%d addresses, each asked for in four ways", count)
}

// TestANameThatChangesItsAddressGainsNothing looks like a public one when the connection is made, and leads inside when
// it is used.
func TestANameThatChangesItsAddressGainsNothing(t *testing.T) {
	f := newFortress(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/next", http.StatusFound) })
	inner, outer := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	port := must(url.Parse(f.inner.URL)).Port()
	address := "http://rebinding.example:" + port + "/"

	f.names.Rebind("rebinding.example", []netip.Addr{outer}, []netip.Addr{inner})
	if err := f.client.Reach(t.Context(), address); err != nil {
		t.Errorf("at first: %v", err)
	}
	if _, err := f.client.Do(t.Context(), fetch.Request{URL: address}, 5*time.Second); fetch.SymptomOf(err) != fetch.PrivateAddress {
		t.Errorf("then: %v", err)
	}
	// Between a request and the redirect that it is answered with.
	f.names.Rebind("rebinding.example", []netip.Addr{outer}, []netip.Addr{inner})
	if _, err := f.client.Do(t.Context(), fetch.Request{URL: strings.Replace(f.outer.URL, "127.0.0.2", "rebinding.example", 1)}, 5*time.Second); fetch.SymptomOf(err) != fetch.PrivateAddress {
		t.Errorf("at the redirect: %v", err)
	}
	// Among good addresses, whichever comes first.
	f.names.Set("rebinding.example", inner, netip.MustParseAddr("::1"), inner)
	if _, err := f.client.Do(t.Context(), fetch.Request{URL: address}, 5*time.Second); fetch.SymptomOf(err) != fetch.PrivateAddress {
		t.Errorf("among others: %v", err)
	}
	if n := f.reached.Load(); n > 0 {
		t.Errorf("the inner service was reached %d times", n)
	}
	// The guard is what held: without it the same request arrives.
	f.names.Set("rebinding.example", inner)
	open := fetch.New(fetch.Config{Allow: loopback(), Resolver: f.names.Resolver()})
	if _, err := open.Do(t.Context(), fetch.Request{URL: address}, 5*time.Second); err != nil || f.reached.Load() != 1 {
		t.Errorf("without a guard: %v", err)
	}
}

func TestNoProxyIsAsked(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(proxy.Close)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	f := newFortress(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := f.client.Do(t.Context(), fetch.Request{URL: strings.Replace(f.outer.URL, "127.0.0.2", "public.example", 1)}, 5*time.Second); err != nil || asked.Load() > 0 {
		t.Errorf("%v, the proxy was asked %d times", err, asked.Load())
	}
	if _, err := f.client.Do(t.Context(), fetch.Request{URL: "https://10.0.0.1/"}, 5*time.Second); fetch.SymptomOf(err) != fetch.PrivateAddress || asked.Load() > 0 {
		t.Errorf("%v, the proxy was asked %d times", err, asked.Load())
	}
}

// A real website under an odd name is no disguise.
func TestOddNamesOfRealSitesAreVisited(t *testing.T) {
	f := newFortress(t, func(http.ResponseWriter, *http.Request) {})
	for _, name := range []string{"1.example", "0x7f.example", "xn--mnchen-3ya.example", "münchen.example", "my_club.example", "a-b.example", "public.example."} {
		to := strings.ReplaceAll(strings.TrimSuffix(name, "."), "münchen", "xn--mnchen-3ya")
		f.names.Set(to, netip.MustParseAddr("127.0.0.2"))
		if _, err := f.client.Do(t.Context(), fetch.Request{URL: strings.Replace(f.outer.URL, "127.0.0.2", name, 1)}, 5*time.Second); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r, err := f.client.Do(t.Context(), fetch.Request{URL: f.outer.URL}, 5*time.Second); err != nil || r.Status != 200 {
		t.Errorf("an address that is written as one: %v", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
