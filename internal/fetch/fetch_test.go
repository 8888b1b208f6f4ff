package fetch_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/fault"
	"memberintel/internal/fetch"
	"memberintel/internal/sim/site"
)

func TestAHealthySiteIsReadByAnHonestClient(t *testing.T) {
	p := open(t, nil, nil)
	p.site.OnRequest(p.clock.take(2 * time.Second))
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	r, err := p.do(t)
	if err != nil || r.Status != 200 || string(r.Body) != `{"protocol":1,"rows":[]}` || r.Took != 2*time.Second || r.Requests != 1 || r.URL != p.url {
		t.Errorf("%+v, %v", r, err)
	}
	asked := p.site.Requests()[0]
	if asked.Method != http.MethodGet || asked.Path != "/" || asked.Query != "rest_route=/memberintel/v1/sync" ||
		asked.Header.Get("User-Agent") != "memberintel/1 (+https://memberintel.example)" || asked.Header.Get("Accept") != "application/json" {
		t.Errorf("%+v", asked)
	}
	_, err = p.client.Do(t.Context(), fetch.Request{URL: p.url, Body: []byte("{}"), Header: http.Header{"X-Memberintel-Nonce": {"n"}}}, 5*time.Second)
	asked = p.site.Requests()[1]
	if err != nil || asked.Method != http.MethodPost || asked.Header.Get("X-MemberIntel-Nonce") != "n" {
		t.Errorf("%+v, %v", asked, err)
	}
}

// A timer may go off late, and an answer may seem to end well because the site noticed that nobody reads it any more.
func TestAnAnswerThatComesTooLateIsNone(t *testing.T) {
	p := open(t, nil, nil)
	p.site.OnRequest(p.clock.take(5 * time.Second))
	client := fetch.New(fetch.Config{
		Allow: loopback(), Resolver: p.names.Resolver(), Now: p.clock.Now,
		After: func(time.Duration) (<-chan time.Time, func() bool) { return nil, func() bool { return true } },
	})
	if _, err := client.Do(t.Context(), fetch.Request{URL: p.url, JSON: true}, 5*time.Second); fetch.SymptomOf(err) != fetch.SlowDrip {
		t.Errorf("after 5 s of 5: %v", err)
	}
	if _, err := client.Do(t.Context(), fetch.Request{URL: p.url, JSON: true}, 6*time.Second); err != nil {
		t.Errorf("after 5 s of 6: %v", err)
	}
}

func TestJSONBehindNoticesIsAnAnswerOfUse(t *testing.T) {
	p := open(t, nil, nil)
	p.site.Be(site.Noticed)
	if r, err := p.do(t); err != nil || !strings.HasSuffix(string(r.Body), `"}`) {
		t.Errorf("%s, %v", r.Body, err)
	}
}

func TestAPageIsFineWhereNoJSONWasAskedFor(t *testing.T) {
	p := open(t, nil, nil)
	p.site.Be(site.ComingSoon)
	if _, err := p.client.Do(t.Context(), fetch.Request{URL: p.url}, time.Second); err != nil {
		t.Error(err)
	}
	// Cloudflare puts this script into good pages too.
	p = open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`<html><script src="/cdn-cgi/challenge-platform/scripts/jsd/main.js"></script>Join the club</html>`))
	}), nil)
	if _, err := p.client.Do(t.Context(), fetch.Request{URL: p.url}, time.Second); err != nil {
		t.Error(err)
	}
}

// Where pages are read there may be no WordPress, and there is no plugin.
func TestWhoeverOwnsAWebsiteIsNotToldOfThePlugin(t *testing.T) {
	for _, what := range []site.Sickness{
		site.Fatal, site.Gateway, site.Challenge, site.Wordfence, site.ModSecurity, site.SignedIn, site.Locked, site.Missing, site.TooMany, site.Maintenance,
		site.Parked, site.MovedAway, site.Looping,
	} {
		p := open(t, nil, nil)
		p.site.Be(what)
		_, err := p.client.Do(t.Context(), fetch.Request{URL: p.url}, 5*time.Second)
		var f *fault.Error
		if !errors.As(err, &f) || len(f.Checklist) == 0 {
			t.Errorf("%s: %v", what, err)
			continue
		}
		for _, step := range append(f.Checklist, f.Sentence) {
			for _, foreign := range []string{"memberintel/", "the plugin", "REST", "asks for less"} {
				if strings.Contains(step, foreign) {
					t.Errorf("%s: %s", what, step)
				}
			}
		}
	}
}

func TestTheAnswerComesBesideTheFault(t *testing.T) {
	p := open(t, nil, nil)
	p.site.Be(site.Missing)
	r, err := p.do(t)
	if !fault.Is(err, fault.NotFound) || r.Status != 404 || !strings.Contains(string(r.Body), "rest_no_route") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestPatienceIsReadInBothForms(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"120": 2 * time.Minute, start.Add(time.Hour).Format(http.TimeFormat): time.Hour, "": 0, "soon": 0, "-5": 0,
		start.Add(-time.Hour).Format(http.TimeFormat): 0, "1e99": 365 * 24 * time.Hour,
	} {
		p := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(http.StatusTooManyRequests)
		}), nil)
		_, err := p.do(t)
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.RateLimited || f.RetryAfter != want || f.Status != 429 {
			t.Errorf("%q: %+v", value, f)
		}
	}
}

func TestAnEndedContextIsNobodysFault(t *testing.T) {
	p := open(t, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	p.site.Be(site.Hanging)
	p.site.OnRequest(func(*http.Request) { cancel() })
	if _, err := p.client.Do(ctx, fetch.Request{URL: p.url}, time.Minute); !errors.Is(err, context.Canceled) || fault.KindOf(err) != "" {
		t.Errorf("got %v", err)
	}
}

func TestRedirectsWithinTheSiteAreFollowed(t *testing.T) {
	var p *place
	p = open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Host, "www.") {
			http.Redirect(w, r, strings.Replace(p.server.URL, "127.0.0.1", "www."+host, 1)+r.URL.RequestURI(), http.StatusMovedPermanently)
			return
		}
		_, _ = w.Write([]byte(`{"signed": "` + r.Header.Get("X-MemberIntel-Signature") + `"}`))
	}), func(p *place) { p.names.Set("www."+host, netip.MustParseAddr("127.0.0.1")) })
	r, err := p.client.Do(t.Context(), fetch.Request{URL: p.url, JSON: true, Header: http.Header{"X-Memberintel-Signature": {"v1=00"}}}, time.Second)
	if err != nil || r.Requests != 2 || string(r.Body) != `{"signed": "v1=00"}` || !strings.Contains(r.URL, "www.") {
		t.Errorf("%s, %+v, %v", r.Body, r, err)
	}
}

func TestASignatureNeverLeavesTheSite(t *testing.T) {
	stranger := httptest.NewServer(site.New(nil))
	t.Cleanup(stranger.Close)
	for name, to := range map[string]string{
		"another host": strings.Replace(stranger.URL, "127.0.0.1", "hillside.example", 1), "another port": strings.Replace(stranger.URL, "127.0.0.1", host, 1),
		"a part of the name": "http://evil" + host, "inner address": "http://169.254.169.254/latest/meta-data/",
	} {
		p := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }),
			func(p *place) { p.names.Set("hillside.example", netip.MustParseAddr("127.0.0.1")) })
		_, err := p.do(t)
		if fetch.SymptomOf(err) != fetch.Moved || len(p.site.Requests()) != 1 {
			t.Errorf("%s: %v", name, err)
		}
		if text := err.Error(); strings.Contains(text, "meta-data") {
			t.Errorf("the address is told: %s", text)
		}
	}
	p := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/again", http.StatusTemporaryRedirect)
	}), nil)
	if _, err := p.client.Do(t.Context(), fetch.Request{URL: p.url, Body: []byte("{}")}, time.Second); fetch.SymptomOf(err) != fetch.Moved || len(p.site.Requests()) != 1 {
		t.Errorf("a body was sent on: %v", err)
	}
}

func TestManyRedirectsAreALoop(t *testing.T) {
	p := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }), nil)
	r, err := p.do(t)
	if fetch.SymptomOf(err) != fetch.RedirectLoop || r.Requests != 6 || len(p.site.Requests()) != 6 {
		t.Errorf("%d requests, %v", r.Requests, err)
	}
}

func TestOnlyPublicAddressesAreVisited(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "169.254.1.1",
		"100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[2001:db8::1]", "[ff02::1]", "[64:ff9b::a00:1]",
	} {
		client := fetch.New(fetch.Config{})
		_, err := client.Do(t.Context(), fetch.Request{URL: "http://" + address + "/"}, 10*time.Second)
		if fetch.SymptomOf(err) != fetch.PrivateAddress || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", address, err)
		}
	}
	p := open(t, nil, nil)
	p.names.Set(host, netip.MustParseAddr("10.0.0.1"))
	if _, err := p.do(t); fetch.SymptomOf(err) != fetch.PrivateAddress {
		t.Errorf("a name that leads inside: %v", err)
	}
	unlucky := fetch.New(fetch.Config{})
	if _, err := unlucky.Do(t.Context(), fetch.Request{URL: "http://93.184.216.34:22/"}, 10*time.Second); fetch.SymptomOf(err) != fetch.WrongPort || !fault.Is(err, fault.Invalid) {
		t.Errorf("a port where no website is: %v", err)
	}
	if _, err := unlucky.Do(t.Context(), fetch.Request{URL: "http://10.0.0.1:22/"}, 10*time.Second); fetch.SymptomOf(err) != fetch.PrivateAddress {
		t.Errorf("an inner address at such a port: %v", err)
	}
	for address, want := range map[string]string{
		"https://nonsense":             "nonsense is not the address of a site", // and no matter of name servers
		"https://nonsense.":            "is not the address of a site",
		"https://nowhere.example":      "no name server knows",
		"https://93.184.216.34:22":     "names a port",
		"https://lakeside.example:25/": "names a port",
	} {
		names := site.NewNames()
		names.Set(host, netip.MustParseAddr("93.184.216.34"))
		err := fetch.New(fetch.Config{Resolver: names.Resolver()}).Reach(t.Context(), address)
		if !strings.Contains(fault.Sentence(err), want) {
			t.Errorf("%s: %q, want %q", address, fault.Sentence(err), want)
		}
	}
}

func TestAnAddressMustBeAWebsites(t *testing.T) {
	client := fetch.New(fetch.Config{})
	for _, address := range []string{"", "lakeside.example", "ftp://lakeside.example", "https://", "https://u:p@lakeside.example", "file:///etc/passwd", "http://a b"} {
		if _, err := client.Do(t.Context(), fetch.Request{URL: address}, time.Second); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestASiteHasOneName(t *testing.T) {
	got := map[string]string{}
	for _, address := range []string{"https://www.Lakeside.example/x?y", "http://lakeside.example", "https://lakeside.example:443", "https://lakeside.example.",
		"https://lakeside.example:8443", "http://lakeside.example:443", "https://club.lakeside.example", "nonsense"} {
		got[address] = fetch.SiteName(address)
	}
	want := map[string]string{
		"https://www.Lakeside.example/x?y": host, "http://lakeside.example": host, "https://lakeside.example:443": host, "https://lakeside.example.": host,
		"https://lakeside.example:8443": host + ":8443", "http://lakeside.example:443": host + ":443", "https://club.lakeside.example": "club." + host, "nonsense": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestTheAskerKnowsItsOwnAnswers has a program behind the site say no, in a status and with words that would be taken
// for the site's trouble.
func TestTheAskerKnowsItsOwnAnswers(t *testing.T) {
	said := errors.New("the program says no")
	for _, c := range []struct {
		be      site.Sickness
		own     bool
		said    error
		symptom fetch.Symptom
	}{
		{site.Parked, true, nil, ""},
		{site.SignedIn, true, said, ""},
		{site.SignedIn, false, said, fetch.SignIn},
		{site.Healthy, true, said, ""},
		{site.Healthy, false, said, ""},
		{site.Healthy, false, nil, ""},
		{site.Resetting, true, nil, fetch.Reset},
	} {
		p := open(t, nil, nil)
		p.site.Be(c.be)
		_, err := p.client.Do(t.Context(), fetch.Request{URL: p.url, JSON: true, Own: func(a fetch.Response) (bool, error) {
			if a.Status == 0 || len(a.Body) == 0 {
				t.Errorf("%s: asked about %+v", c.be, a)
			}
			return c.own, c.said
		}}, 5*time.Second)
		if fetch.SymptomOf(err) != c.symptom || c.symptom == "" && !errors.Is(err, c.said) {
			t.Errorf("%s, own %v: %v", c.be, c.own, err)
		}
	}
}

// TestAPostTellsItsLength since some hosts lose a body that comes in chunks.
func TestAPostTellsItsLength(t *testing.T) {
	var lengths []int64
	p := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lengths = append(lengths, r.ContentLength)
		if r.Method != http.MethodPost || len(r.TransferEncoding) > 0 {
			t.Errorf("%s, %v", r.Method, r.TransferEncoding)
		}
		_, _ = w.Write([]byte("{}"))
	}), nil)
	for _, body := range []string{"{}", ""} {
		if _, err := p.client.Do(t.Context(), fetch.Request{URL: p.url, Body: []byte(body)}, 5*time.Second); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]int64{2, 0}, lengths); diff != "" {
		t.Error(diff)
	}
}
