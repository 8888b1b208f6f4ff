package website

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestWhatMattersComesFirst gives a site of six large pages, of which a third fits.
func TestWhatMattersComesFirst(t *testing.T) {
	var pages []Page
	for i, kind := range []Kind{Home, Pricing, Join, About, Content, FAQ} {
		var b strings.Builder
		fmt.Fprintf(&b, `<html><head><title>Title %d</title></head><body><nav><a href="/">Start</a><a href="/p%d">Menu %d</a></nav><h1>Headline %d</h1>`, i, i, i, i)
		for j := range 60 {
			fmt.Fprintf(&b, "<h3>Heading %d of %d</h3><p>%s</p>", j, i, strings.Repeat(fmt.Sprintf("Filler words %d %d that nobody would miss. ", i, j), 5))
		}
		fmt.Fprintf(&b, "<p>The last line: $%d9 a month, with a free trial of %d days.</p><footer>© Club, all rights reserved, cookies.</footer></body></html>", i+1, i+3)
		p := extractText(b.String())
		p.Kind = kind
		p.URL = fmt.Sprintf("https://lakeside.example/p%d", i)
		pages = append(pages, p)
	}
	text := compose(pages)
	if len(text) > MaxText || len(text) < MaxText-800 || !utf8.ValidString(text) {
		t.Errorf("%d bytes", len(text))
	}
	for i := range 6 {
		for _, want := range []string{fmt.Sprintf("Title %d", i), fmt.Sprintf("Menu %d", i), fmt.Sprintf("Headline %d", i), fmt.Sprintf("$%d9 a month, with a free trial", i+1), fmt.Sprintf("Heading 10 of %d", i)} {
			if !strings.Contains(text, want) {
				t.Errorf("the text lacks %q", want)
			}
		}
	}
	if strings.Count(text, "Start") != 1 || strings.Count(text, "all rights reserved") > 1 || strings.Index(text, "Headline 0") > strings.Index(text, "Headline 5") {
		t.Error("something is said twice, or the order is not the site's")
	}
	if filler := strings.Count(text, "Filler words"); filler == 0 || filler == 6*60*5 {
		t.Errorf("%d fillers", filler)
	}
}

// TestNoRankTakesAll: a shop's prices do not push out what the site says of itself.
func TestNoRankTakesAll(t *testing.T) {
	var b strings.Builder
	b.WriteString("<body><h1>Corner shop</h1>")
	for i := range 1500 {
		fmt.Fprintf(&b, "<p>Article number %d costs $%d today</p>", i, i)
	}
	b.WriteString("<h2>Who we are</h2><p>We have sold everything to everybody since the year of the flood.</p></body>")
	text := compose([]Page{extractText(b.String())})
	if len(text) > MaxText || !strings.Contains(text, "Corner shop") || !strings.Contains(text, "Who we are") {
		t.Errorf("%d bytes, %s", len(text), text[:200])
	}
}

func TestWhatIsRepeatedIsReadOnce(t *testing.T) {
	page := func(own string, online int) Page {
		p := extractText(fmt.Sprintf(`<body><nav><a href="/">Home</a><a href="/join">Join</a></nav><p>%s</p><p>Open daily, %d visitors online.</p><p>12 Shore Road!</p><h2>Join</h2></body>`, own, online))
		p.Kind = Other
		return p
	}
	text := compose([]Page{page("One", 12), page("Two", 345)})
	for _, once := range []string{"Home", "Open daily", "12 Shore Road", "## Join", "One", "Two"} {
		if strings.Count(text, once) != 1 {
			t.Errorf("%q: %s", once, text)
		}
	}
}

func TestChunksEndWithSentences(t *testing.T) {
	long := strings.Repeat("This is a sentence of some length. ", 60)
	all := chunks(strings.TrimSpace(long), maxChunk)
	if len(all) < 4 || strings.Join(all, " ") != strings.TrimSpace(long) {
		t.Errorf("%d chunks", len(all))
	}
	for _, c := range all {
		if !strings.HasSuffix(c, ".") || len(c) > maxChunk {
			t.Errorf("%q", c)
		}
	}
	if all := chunks(strings.Repeat("ö", 1000), maxChunk); slices.ContainsFunc(all, func(c string) bool { return !utf8.ValidString(c) }) || strings.Join(all, "") != strings.Repeat("ö", 1000) {
		t.Errorf("%q", all)
	}
}
