package consent

import (
	"net/url"
	"strings"
	"testing"

	"memberintel/internal/fault"
)

func asked(change func(url.Values)) url.Values {
	values := url.Values{
		"site": {"https://lakeside.example"}, "callback": {"https://lakeside.example/wp-admin/admin.php?page=memberintel&mi_callback=1"},
		"state": {"a+b/c=&d?"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
		"site_id": {"6f1d1c0e-3b52-4f0e-9a55-2f6f0c1f7d10"}, "plugin_version": {"1.0.0"},
	}
	change(values)
	return values
}

func set(name, value string) func(url.Values) { return func(v url.Values) { v.Set(name, value) } }

func places(site, callback string) func(url.Values) {
	return func(v url.Values) { v.Set("site", site); v.Set("callback", callback) }
}

const tail = "/wp-admin/admin.php?page=memberintel&mi_callback=1"

func TestARequestOfThePluginIsTaken(t *testing.T) {
	for name, change := range map[string]func(url.Values){
		"as it is":             func(url.Values) {},
		"a folder":             places("https://lakeside.example/club/", "https://lakeside.example/club"+tail),
		"WordPress elsewhere":  places("https://lakeside.example", "https://lakeside.example/wp"+tail),
		"https for the admin":  places("http://lakeside.example", "https://lakeside.example"+tail),
		"without https":        places("http://lakeside.example", "http://lakeside.example"+tail),
		"a port":               places("https://lakeside.example:8443", "https://lakeside.example:8443"+tail),
		"the port that it has": places("https://lakeside.example", "https://lakeside.example:443"+tail),
		"letters of any size":  places("https://Lakeside.Example", "https://lakeside.example"+tail),
		"another alphabet":     places("https://xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example"+tail),
		"an address in digits": places("http://127.0.0.1:8081", "http://127.0.0.1:8081"+tail),
	} {
		r, err := Parse(asked(change))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := Parse(r.Values())
		if err != nil || again != r {
			t.Errorf("%s: the request changed on its way through the form: %+v, %v", name, again, err)
		}
		back, err := url.Parse(r.Denied())
		if err != nil || back.Query().Get("state") != "a+b/c=&d?" || back.Query().Get("error") != "access_denied" || back.Query().Get("mi_callback") != "1" {
			t.Errorf("%s: back to %s, %v", name, r.Denied(), err)
		}
	}
}

func TestNobodyPassesForASite(t *testing.T) {
	const good = "https://lakeside.example"
	for name, change := range map[string]func(url.Values){
		"another host":             places(good, "https://evil.example"+tail),
		"a host below":             places(good, "https://lakeside.example.evil.example"+tail),
		"a host above":             places(good, "https://www.lakeside.example"+tail),
		"a user that looks a host": places("https://lakeside.example@evil.example", "https://lakeside.example@evil.example"+tail),
		"a user in the callback":   places(good, "https://lakeside.example@evil.example"+tail),
		"a backslash":              places(good, `https://evil.example\@lakeside.example`+tail),
		"a backslash as a slash":   places(good, `https:\\evil.example`+tail),
		"no slashes":               places(good, "https:lakeside.example"+tail),
		"a fragment":               places(good+"#", good+tail),
		"a fragment of the admin":  places(good, good+tail+"#x"),
		"a query":                  places(good+"?x=1", good+tail),
		"another port":             places(good, "https://lakeside.example:8443"+tail),
		"less than https":          places(good, "http://lakeside.example"+tail),
		"a script":                 places("javascript:alert(1)", "javascript:alert(1)//"+tail),
		"other letters":            places("https://lakesіde.example", "https://lakesіde.example"+tail), // a Cyrillic i
		"escaped letters":          places("https://lakeside.example/%2e%2e", good+tail),
		"up a folder":              places(good, good+"/x/.."+tail),
		"a page that posts":        places(good, good+"/wp-admin/admin-post.php?page=memberintel&mi_callback=1"),
		"another admin page":       places(good, good+"/wp-admin/admin.php?page=other&mi_callback=1"),
		"one parameter more":       places(good, good+tail+"&redirect_to=https://evil.example"),
		"a new line":               places(good, good+"/x\r\n"+tail),
		"white space":              places(good+" ", good+tail),
		"a quote":                  places(good+`/"`, good+tail),
		"a policy's separator":     places("https://lakeside.example;script-src", "https://lakeside.example;script-src"+tail),
		"no host":                  places("https://", "https://"+tail),
		"a long address":           places(good+"/"+strings.Repeat("x", 500), good+tail),
		"no callback":              set("callback", ""),
		"two sites":                func(v url.Values) { v.Add("site", "https://evil.example") },
		"no state":                 set("state", ""),
		"a state of lines":         set("state", "a\nb"),
		"a plain challenge":        set("code_challenge_method", "plain"),
		"no challenge":             set("code_challenge", ""),
		"a short challenge":        set("code_challenge", "E9Mel"),
		"no site id":               set("site_id", "1"),
		"the empty site id":        set("site_id", "00000000-0000-0000-0000-000000000000"),
		"a bracketed site id":      set("site_id", "{6f1d1c0e-3b52-4f0e-9a55-2f6f0c1f7d10}"),
	} {
		if r, err := Parse(asked(change)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestTwoAddressesOfOnePlaceAreOne(t *testing.T) {
	for other, same := range map[string]bool{
		"http://lakeside.example": true, "https://LAKESIDE.example/": true, "https://lakeside.example:443": true,
		"https://lakeside.example/club": false, "https://www.lakeside.example": false, "https://lakeside.example:8443": false, "": false, "lakeside.example": false,
	} {
		if sameHome("https://lakeside.example", other) != same {
			t.Errorf("%s: not %t", other, same)
		}
	}
}

func TestTheVerifierIsTheChallenges(t *testing.T) {
	const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636, appendix B
	if !proves("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", challenge) {
		t.Error("the RFC's own")
	}
	for _, wrong := range []string{"", challenge, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK", strings.Repeat("a", 42), strings.Repeat("a", 129)} {
		if proves(wrong, challenge) {
			t.Errorf("%q proves it", wrong)
		}
	}
}
