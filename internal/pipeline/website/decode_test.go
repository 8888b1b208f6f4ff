package website

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const oakText = `Oak Hill Tennis Club
Tennis for busy adults in Riverton
Six clay courts, open from 6 am to 11 pm. Coaching for beginners and league players.
Adult membership $49 a month. Family membership $89 a month. Day pass $15.
Members book courts online and join the Thursday ladder.`

func oakAnswer() string {
	return `{"niche":{"text":"A tennis club","quotes":["Oak Hill Tennis Club"]},
	"audience":{"text":"Busy adults in Riverton","quotes":["Tennis for busy adults in Riverton"]},
	"positioning":{"text":"Clay courts that open early and close late","quotes":["Six clay courts, open from 6 am to 11 pm."]},
	"pricing_patterns":[{"kind":"subscription","text":"Monthly memberships","prices":["$49 a month","$89 a month"],"quotes":["Adult membership $49 a month."]},
		{"kind":"one_time","text":"A pass for a day","prices":["$15"],"quotes":["Day pass $15."]}],
	"content_patterns":[{"kind":"coaching","text":"Coaching at all levels","quotes":["Coaching for beginners and league players."]}]}`
}

func TestAnAnswerIsReadStrictly(t *testing.T) {
	d, err := decode(oakAnswer())
	if err != nil {
		t.Fatal(err)
	}
	if d.Niche.Text != "A tennis club" || len(d.PricingPatterns) != 2 || d.PricingPatterns[0].Prices[1] != "$89 a month" {
		t.Errorf("decoded %+v", d)
	}
	for name, change := range map[string][2]string{
		"a field of its own":         {`{"niche":`, `{"admin":true,"niche":`},
		"a field of a statement":     {`"quotes":["Oak`, `"url":"x","quotes":["Oak`},
		"a kind that there is not":   {`"kind":"coaching"`, `"kind":"gambling"`},
		"a number in place of words": {`"text":"A tennis club"`, `"text":7`},
		"no quotes at all":           {`,"quotes":["Oak Hill Tennis Club"]`, ``},
		"null in place of a list":    {`"prices":["$15"]`, `"prices":null`},
		"something after it":         {`league players."]}]}`, `league players."]}]} and more`},
		"prose before it":            {`{"niche"`, `Here it is: {"niche"`},
		"cut off":                    {`players."]}]}`, `players.`},
		"not UTF-8":                  {"A tennis club", "A \xff club"},
	} {
		changed := strings.Replace(oakAnswer(), change[0], change[1], 1)
		if changed == oakAnswer() {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := decode(changed); !errors.Is(err, errUnreadable) {
			t.Errorf("%s: %v, want that it is refused", name, err)
		}
	}
}

func TestWhatIsKeptIsShortPlainText(t *testing.T) {
	for given, want := range map[string]string{
		"Tennis <b>for</b> all":                               "Tennis for all",
		"See https://evil.example/a?b now":                    "See now",
		"See www.evil.example, or mail me@evil.example today": "See or mail today",
		"evil.example/win or shop.com":                        "or",
		"<scr<b>ipt>alert(1)</script> courts":                 "alert(1) courts",
		"courts&nbsp;and &lt;script&gt;":                      "courts and script",
		"javascript:alert(1) courts":                          "courts",
		"right\u202eto left\u200b and\x00 nul":                "rightto left and nul",
		"a  b\n\tc":                                           "a b c",
		"hthttps://x.example ://y":                            "://y",
		"members from 6.30 a.m. at 5.5 stars, e.g. adults":    "members from 6.30 a.m. at 5.5 stars, e.g. adults",
	} {
		if got := plain(given); got != want {
			t.Errorf("plain(%q) = %q, want %q", given, got, want)
		}
	}
	long := strings.Replace(oakAnswer(), "A tennis club", strings.Repeat("word ", 100), 1)
	d, err := decode(long)
	if err != nil || utf8.RuneCountInString(d.Niche.Text) > maxNiche || !strings.HasSuffix(d.Niche.Text, "word") {
		t.Errorf("a long sentence became %q, %v", d.Niche.Text, err)
	}
}

func TestAProfileGoesToClaudeAsItCame(t *testing.T) {
	d, err := decode(oakAnswer())
	if err != nil {
		t.Fatal(err)
	}
	d, _ = ground(d, oakText, nil)
	p := d.profile()
	if diff := cmp.Diff(&d, p.draft()); diff != "" {
		t.Errorf("a draft made a profile and a draft again (-was +is):\n%s", diff)
	}
}

// TestNoAnswerTakesLongToRead: an answer made to be slow, against a usual one of the same length, since it is read within a transaction.
func TestNoAnswerTakesLongToRead(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, 60_000/len(s)) }
	digest := func(text string) time.Duration {
		answer, _ := json.Marshal(map[string]any{
			"niche": claim{text, []string{text}}, "audience": claim{text, []string{text}}, "positioning": claim{text, []string{text}},
			"pricing_patterns": []pricing{{"tiers", text, []string{text}, []string{text}}}, "content_patterns": []content{{"events", text, []string{text}}},
		})
		before := used()
		if _, err := decode(string(answer)); err != nil {
			t.Errorf("%.20q: %v", text, err)
		}
		return used() - before
	}
	usual := digest(fill("Play all week for $49 a month. "))
	for name, text := range map[string]string{
		"layers of markup":  strings.Repeat("<", 30_000) + strings.Repeat(">", 30_000),
		"layers of letters": strings.Repeat("&a", 20_000) + strings.Repeat(";", 20_000),
		"addresses":         fill("a.b.") + "com/",
	} {
		if took := digest(text); took > 10*usual {
			t.Errorf("%s: %v, a usual answer of as many letters %v", name, took, usual)
		}
	}
}

func TestNothingIsPutTogetherByWhatIsTakenAway(t *testing.T) {
	for _, hidden := range []string{"win.exam<ple.com now", "win.exam`ple.com now", "ht<b>tps://win.example/x"} {
		if got := plain(hidden); strings.Contains(got, "win.exam") {
			t.Errorf("%q is kept as %q", hidden, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(oakAnswer())
	f.Add(`{"niche":{"text":"<a href=http://x>","quotes":["` + strings.Repeat("a", 400) + `"]}}`)
	f.Add(`{}`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := decode(text)
		if err != nil {
			if !errors.Is(err, errUnreadable) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		site := strings.NewReplacer("{", "", "}", "", `"`, "\n").Replace(text) // the answer's own strings are what it speaks of
		grounded, ratio := ground(d, site, &d)
		if ratio < 0 || ratio > 1 {
			t.Fatalf("grounded by %f", ratio)
		}
		p := grounded.profile()
		for _, s := range []*string{p.Niche, p.Audience, p.Positioning} {
			if s == nil {
				continue
			}
			if plain(*s) != *s || utf8.RuneCountInString(*s) > maxPositioning || *s == "" {
				t.Fatalf("kept %q", *s)
			}
		}
		for _, e := range p.Evidence {
			if !strings.Contains(oneLine(visible(site)), e.Quote) || strings.ContainsAny(e.Quote, "<>") {
				t.Fatalf("kept the quote %q", e.Quote)
			}
		}
		if len(p.PricingPatterns) > maxPatterns || len(p.ContentPatterns) > maxPatterns {
			t.Fatal("too many patterns")
		}
		if _, err := json.Marshal(p); err != nil {
			t.Fatal(err)
		}
	})
}
