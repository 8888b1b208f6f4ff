package website

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestADiffSaysWhatChanged(t *testing.T) {
	d, _ := decode(oakAnswer())
	base := d.profile()
	site := display{Headline: []string{"Oak Hill", "Tennis for busy adults"}, Prices: []string{"$49", "$89"}, Navigation: []string{"Join (/join)"}, Pages: []string{"/", "/join"}}
	with := func(change func(*Profile)) Profile { p := d.profile(); change(&p); return p }
	say := func(text string) *string { return &text }
	headline := display{Headline: []string{"Oak Hill", "Padel for whole families"}, Prices: site.Prices, Navigation: site.Navigation, Pages: site.Pages}
	newHeadline := []Change{
		{Kind: "removed", Field: "headline", Before: "Tennis for busy adults"}, {Kind: "added", Field: "headline", After: "Padel for whole families"},
	}
	elsewhere := "Cheap padel weekends for whole families with children"
	for name, c := range map[string]struct {
		now  Profile
		here display
		want []Change
	}{
		"nothing":       {base, display{site.Headline, []string{"$89", "$49"}, site.Navigation, site.Pages}, []Change{}},
		"a price":       {base, display{site.Headline, []string{"$49", "$95"}, site.Navigation, site.Pages}, []Change{{Kind: "removed", Field: "prices", Before: "$89"}, {Kind: "added", Field: "prices", After: "$95"}}},
		"a page":        {base, display{site.Headline, site.Prices, site.Navigation, []string{"/", "/join", "/blog"}}, []Change{{Kind: "added", Field: "pages", After: "/blog"}}},
		"a link":        {base, display{site.Headline, site.Prices, []string{"Join (/apply)"}, site.Pages}, []Change{{Kind: "removed", Field: "navigation", Before: "Join (/join)"}, {Kind: "added", Field: "navigation", After: "Join (/apply)"}}},
		"a kind":        {with(func(p *Profile) { p.PricingPatterns = p.PricingPatterns[:1] }), site, []Change{{Kind: "removed", Field: "pricing_patterns", Before: "one_time"}}},
		"other words":   {with(func(p *Profile) { p.Positioning = say("Clay courts that open early, and close late at night") }), site, []Change{{Kind: "reworded", Field: "positioning", Before: *base.Positioning, After: "Clay courts that open early, and close late at night"}}},
		"another sense": {with(func(p *Profile) { p.Positioning = &elsewhere }), site, []Change{{Kind: "rewritten", Field: "positioning", Before: *base.Positioning, After: elsewhere}}},
		"a shift":       {with(func(p *Profile) { p.Positioning = &elsewhere }), headline, append(newHeadline[:2:2], Change{Kind: "positioning shifted", Field: "positioning", Before: *base.Positioning, After: elsewhere})},
		"a headline":    {base, headline, newHeadline},
		"a gap":         {with(func(p *Profile) { p.Audience = nil }), site, []Change{{Kind: "removed", Field: "audience", Before: *base.Audience}}},
	} {
		if diff := cmp.Diff(c.want, diff(base, c.now, site, c.here)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSimilarityIsOfWhatWordsMean(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		alike bool
	}{
		{"Clay courts that open early", "Early opening clay courts", true},
		{"Tennis coaching for busy adults", "Coaching in tennis for adults who are busy", true},
		{"Tennis coaching for busy adults", "Sourdough recipes for home bakers", false},
		{"Low-cost yoga at home", "Premium yoga retreats in Bali", false},
	} {
		if s := likeness(c.a, c.b); (s >= sameSense) != c.alike {
			t.Errorf("%q and %q: %.2f", c.a, c.b, s)
		}
	}
}

// A site that is made to be a burden fills no version with its prices and links.
func TestOnlySoMuchIsTold(t *testing.T) {
	var flood Page
	for i := range 50_000 {
		flood.Prices = append(flood.Prices, fmt.Sprintf("$%d", i))
		flood.Navigation = append(flood.Navigation, Link{Text: fmt.Sprint("Page ", i), URL: "https://oak.example/join"})
	}
	if changes := diff(Profile{}, Profile{}, display{}, showing(Reading{Pages: []Page{flood, flood}})); len(changes) > 2*mostShown+2 {
		t.Errorf("%d changes", len(changes))
	}
}
