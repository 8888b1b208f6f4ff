package website

import (
	"fmt"
	"math/bits"
	"strings"
	"testing"
	"time"

	sim "memberintel/internal/sim/website"
)

const version = "prompt 1, schema 1"

// TestTheGateOpensForChangesAlone goes through the weeks of three clubs, as a pipeline would that makes a profile at each
// change.
func TestTheGateOpensForChangesAlone(t *testing.T) {
	v := newTown(t)
	want := map[string]map[int]bool{sim.Lakeside: {1: true, 3: true, 4: true}, sim.Hillside: {1: true, 6: true}, sim.Hafen: {1: true}}
	for host, opens := range want {
		var profiled Fingerprint
		var before Reading
		for week := 1; week <= 7; week++ {
			now := v.read(host, week)
			got, why := changed(profiled, now.Fingerprint(version))
			if got != opens[week] {
				t.Errorf("%s, week %d: %v, %s; %d bits", host, week, got, why, bits.OnesCount64(now.Body^before.Body))
			}
			if got {
				profiled = now.Fingerprint(version)
			}
			if host == sim.Lakeside && week > 1 && now.Pages[0].Bytes == before.Pages[0].Bytes && now.Text == before.Text {
				t.Error("nothing volatile is on the page")
			}
			before = now
		}
		// Whatever is said of it, the eighth week after its profile is one.
		late := v.read(host, 7)
		late.FetchedAt = profiled.At.Add(8 * 7 * 24 * time.Hour)
		if got, why := changed(profiled, late.Fingerprint(version)); !got {
			t.Errorf("%s, eight weeks later: %s", host, why)
		}
		late.FetchedAt = late.FetchedAt.Add(-time.Minute)
		if got, why := changed(profiled, late.Fingerprint(version)); got {
			t.Errorf("%s, nearly eight weeks later: %s", host, why)
		}
		if got, _ := changed(profiled, late.Fingerprint("prompt 2, schema 1")); !got {
			t.Errorf("%s: a new prompt changes nothing", host)
		}
	}
}

func TestAReadingThatMissesAPageIsNotJudged(t *testing.T) {
	v := newTown(t)
	whole := v.read(sim.Lakeside, 1)
	broken := whole
	broken.Pages = whole.Pages[:3]
	broken.Missed = []Missed{{URL: "/about-us/", Kind: About, Symptom: "timeout"}}
	broken.judge()
	if got, why := changed(whole.Fingerprint(version), broken.Fingerprint(version)); got {
		t.Error(why)
	}
	if got, _ := changed(Fingerprint{}, broken.Fingerprint(version)); !got {
		t.Error("the first reading is better than none")
	}
	broken.Missed = nil // the page is gone
	if got, _ := changed(whole.Fingerprint(version), broken.Fingerprint(version)); !got {
		t.Error("a page that is gone is a change")
	}
}

// TestOnePriceOrHeadlineIsSeen: what a similarity hash alone misses.
func TestOnePriceOrHeadlineIsSeen(t *testing.T) {
	const page = `<html><head><title>Prices</title></head><body><nav><a href="/join">Join</a></nav><h1>Tennis for all</h1><p>Adults pay $45 a month. %s</p></body></html>`
	var sentences []string
	for i := range 40 {
		words := []string{"courts", "members", "river", "evening", "league", "coach", "garden", "clinic", "racket", "friend", "winter"}
		sentences = append(sentences, fmt.Sprintf("Our %s and %s meet the %s of %s.", words[i%11], words[i%7+3], words[(i*i)%11], strings.Repeat(words[i%5], 1+i/11)))
	}
	filler := strings.Join(sentences, " ")
	read := func(text string) Reading {
		r := Reading{Pages: []Page{extractText(fmt.Sprintf(text, filler))}, FetchedAt: start}
		r.judge()
		return r
	}
	before := read(page)
	for old, now := range map[string]string{
		"$45": "$46", "Tennis for all": "Tennis for few", "<title>Prices": "<title>Rates", ">Join<": ">Join us<", `href="/join"`: `href="/apply"`,
	} {
		after := read(strings.Replace(page, old, now, 1))
		if got, why := changed(before.Fingerprint(version), after.Fingerprint(version)); !got || before.Facts == after.Facts {
			t.Errorf("%s for %s: %s", now, old, why)
		}
	}
	for old, now := range map[string]string{
		"<body>": `<body data-nonce="8f3a"><script>var t=1</script>`, "</p></body>": "</p><p>Updated 14:05, 213 members online, 3 hours ago</p></body>", "<h1>": `<h1 class="x">`,
		"Tennis for all": "TENNIS  for all", "<nav>": `<nav id="n">`, "/join": "/join?utm_source=x",
	} {
		after := read(strings.Replace(page, old, now, 1))
		if got, why := changed(before.Fingerprint(version), after.Fingerprint(version)); got {
			t.Errorf("%s: %s", now, why)
		}
	}
	filler = "We have closed all courts and teach chess by letter now. " + strings.Join(sentences[:20], " ")
	if after := read(page); before.Facts != after.Facts {
		t.Error("the facts differ")
	} else if got, why := changed(before.Fingerprint(version), after.Fingerprint(version)); !got {
		t.Errorf("another text: %s", why)
	}
}

// Two plans change their prices, and the site has the prices that it had.
func TestPricesThatChangePlacesAreSeen(t *testing.T) {
	for name, page := range map[string]string{
		"cards":    `<h1>Plans</h1><div><h3>Basic</h3><p>%s</p></div><div><h3>Pro</h3><p>%s</p></div>`,
		"a table":  `<h1>Plans</h1><table><tr><td>Basic</td><td>%s</td></tr><tr><td>Pro</td><td>%s</td></tr></table>`,
		"a phrase": `<h1>Plans</h1><p>Children pay %s here.</p><p>Adults pay %s here.</p>`,
	} {
		read := func(basic, pro string) Reading {
			r := Reading{Pages: []Page{extractText(fmt.Sprintf(page, basic, pro))}, FetchedAt: start}
			r.judge()
			return r
		}
		before, after := read("$10 a month", "$20 a month"), read("$20 a month", "$10 a month")
		if got, why := changed(before.Fingerprint(version), after.Fingerprint(version)); !got || before.Facts == after.Facts {
			t.Errorf("%s: %s", name, why)
		}
	}
}

func TestVolatileTokensDoNotCount(t *testing.T) {
	for _, pair := range [][2]string{
		{"Posted March 9, 2026 by Mei", "Posted 14 April 2027 by Mei"}, {"Open now: 14:05", "Open now: 9:30 pm"}, {"1,204 members online now", "17 members online now"},
		{"Last seen 3 hours ago", "Last seen 2 days ago"}, {"© 2025 Club", "© 2026 Club"}, {"Key 8f3a91c2d4e5f6a7 ok", "Key 00aa11bb22cc33dd ok"}, {"12.03.2026 Regatta", "19.03.2026 Regatta"}, {"3 spots left", "11 spots left"},
	} {
		if steady(pair[0]) != steady(pair[1]) {
			t.Errorf("%q is not %q", steady(pair[0]), steady(pair[1]))
		}
	}
	for _, pair := range [][2]string{
		{"$45 a month", "$49 a month"}, {"You may join", "You join"}, {"12 courts", "14 courts"}, {"March with us", "Walk with us"}, {"Save 10%", "Save 20%"}, {"14-day trial", "7-day trial"},
	} {
		if steady(pair[0]) == steady(pair[1]) {
			t.Errorf("%q and %q are one: %q", pair[0], pair[1], steady(pair[0]))
		}
	}
}
