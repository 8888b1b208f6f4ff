package website

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPagesAreKnownByTheirLinks(t *testing.T) {
	for _, c := range []struct {
		path, text string
		want       Kind
	}{
		{"/pricing", "", Pricing}, {"/membership-levels/", "", Pricing}, {"/p/17", "Prices", Pricing}, {"/our-membership-prices", "", Pricing}, {"/beitraege.html", "", Pricing}, {"/de/preise", "", Pricing},
		{"/join", "", Join}, {"/become-a-member", "", Join}, {"/register/gold/", "", Other}, {"/x", "Sign up", Join}, {"/x", "Become a member!", Join}, {"/mitglied-werden", "", Join},
		{"/about", "", About}, {"/x", "Our Story", About}, {"/über-uns", "", About}, {"/qui-sommes-nous", "", About}, {"/classes", "", Offers}, {"/what-we-offer", "", Offers}, {"/x", "Courses & Classes", Offers},
		{"/blog", "", Content}, {"/news/", "", Content}, {"/faq", "", FAQ}, {"/help/faqs.php", "", FAQ}, {"/x", "Frequently asked questions", FAQ},
		{"/contact", "Contact", Other}, {"/", "Pricing", Other}, {"/x", "Read more", Other}, {"/gallery", "Gallery", Other},
	} {
		if got := judgeLink("https://lakeside.example"+c.path, c.text, true); got.kind != c.want {
			t.Errorf("%s %q: %+v", c.path, c.text, got)
		}
	}
}

func TestOnlyPagesOfTheSiteAreChosen(t *testing.T) {
	site := must(url.Parse("https://lakeside.example/"))
	for address, want := range map[string]string{
		"https://lakeside.example/join#form": "https://lakeside.example/join", "http://www.lakeside.example/join": "https://lakeside.example/join", "https://LAKESIDE.example/join?utm_source=x&fbclid=y": "https://lakeside.example/join",
		"https://lakeside.example": "https://lakeside.example/", "https://lakeside.example/a.html": "https://lakeside.example/a.html", "https://lakeside.example/?page_id=7": "https://lakeside.example/?page_id=7",
		"https://hillside.example/join": "", "https://lakeside.example:8443/join": "", "https://shop.lakeside.example/": "", "https://lakeside.example/prices.pdf": "", "https://lakeside.example/wp-login.php": "",
		"https://lakeside.example/cart/": "", "https://lakeside.example/?add-to-cart=7": "", "https://lakeside.example/join?_wpnonce=1": "", "https://lakeside.example/feed/": "", "https://lakeside.example/x?a=1&b=2&c=3": "", "https://lakeside.example/logo.png": "",
		"https://lakeside.example/v2.0/join": "https://lakeside.example/v2.0/join",
	} {
		got, ok := onSite(site, address)
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

func TestTheBestOfEachKindComesFirst(t *testing.T) {
	var b strings.Builder
	b.WriteString(`<body><nav><a href="/blog">Blog</a><a href="/about">About</a><a href="/pricing">Pricing</a><a href="/faq">FAQ</a><a href="/courses">Courses</a><a href="/join">Join</a></nav>`)
	for _, more := range []string{"/blog/2026/pricing-your-game", "/pricing/students", "/about/team", "/news/join-the-fun", "https://elsewhere.example/pricing", "/gallery"} {
		b.WriteString(`<p><a href="` + more + `">Read</a></p>`)
	}
	site := must(url.Parse("https://lakeside.example/"))
	page := extract(site, []byte(b.String()), "text/html")
	read, order := map[Kind]bool{}, []string{}
	for range 7 {
		next, ok := pick(choose(site, []Page{page}, func(address string) bool { return slices.Contains(order, address) }), read)
		if !ok {
			t.Fatal("nothing is left")
		}
		order, read[next.kind] = append(order, next.url), true
	}
	for i := range order {
		order[i] = strings.TrimPrefix(order[i], "https://lakeside.example")
	}
	if diff := cmp.Diff([]string{"/pricing", "/join", "/about", "/courses", "/blog", "/faq", "/about/team"}, order); diff != "" {
		t.Error(diff)
	}
}
