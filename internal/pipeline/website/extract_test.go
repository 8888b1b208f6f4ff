package website

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"

	"github.com/google/go-cmp/cmp"
)

var here = must(url.Parse("https://lakeside.example/prices/"))

func extractText(body string) Page { return extract(here, []byte(body), "text/html; charset=utf-8") }

// shown is all that a page gives to anybody: blocks, headings, navigation and prices.
func shown(p Page) string {
	texts := slices.Concat(p.Headings, p.Prices)
	for _, b := range p.Blocks {
		texts = append(texts, b.Text)
	}
	for _, l := range slices.Concat(p.Navigation, p.Links) {
		texts = append(texts, l.Text)
	}
	return strings.Join(texts, "\n")
}

// hiddenPlaces hold "DECOY" where no visitor sees it, "SHOWN" stands beside.
var hiddenPlaces = map[string]string{
	"display none":             `<p style="display:none">DECOY</p>`,
	"display none, written so": `<p style="COLOR:red; Display : NONE !important">DECOY</p>`,
	"within what is not shown": `<div style="display:none"><section><p style="display:block">DECOY</p></section></div>`,
	"visibility":               `<p style="visibility:hidden">DECOY</p>`,
	"hidden":                   `<p hidden>DECOY</p>`,
	"hidden until found":       `<p hidden="until-found">DECOY</p>`,
	"aria-hidden":              `<p aria-hidden="true">DECOY</p>`,
	"a comment":                `<!-- DECOY --><!--[if IE]><p>DECOY</p><![endif]-->`,
	"noscript":                 `<noscript><p>DECOY</p></noscript>`,
	"template":                 `<template><p>DECOY</p></template>`,
	"a script":                 `<script>document.write("DECOY")</script><script type="text/plain">DECOY</script>`,
	"JSON-LD":                  `<script type="application/ld+json">{"description":"DECOY"}</script>`,
	"a style sheet":            `<style>.x::after{content:"DECOY"}</style>`,
	"alt":                      `<img src="a.png" alt="DECOY">`,
	"title":                    `<p title="DECOY">a</p><abbr title="DECOY">b</abbr>`,
	"meta":                     `<meta name="description" content="DECOY">`,
	"other attributes":         `<p data-x="DECOY" aria-label="DECOY" aria-description="DECOY" itemprop="DECOY">a</p>`,
	"a form's values":          `<input type="hidden" value="DECOY"><input placeholder="DECOY"><textarea>DECOY</textarea><datalist><option>DECOY</option></datalist>`,
	"font size":                `<p style="font-size:0">DECOY</p><p style="font-size:1px">DECOY</p><p style="font-size:0.05em">DECOY</p><p style="font:0/0 a">DECOY</p>`,
	"no height":                `<p style="height:0;overflow:hidden">DECOY</p><p style="max-height:0px;overflow-y:hidden">DECOY</p>`,
	"no height by a rule":      `<style>.fold{max-height:0;overflow:hidden}.gold{max-height:9em}</style><p class="fold">DECOY</p>`,
	"one pixel":                `<p style="position:absolute;width:1px;height:1px;overflow:hidden">DECOY</p>`,
	"off the screen":           `<p style="position:absolute;left:-9999px">DECOY</p><p style="position:fixed;top:-200em">DECOY</p><p style="margin-left:-5000px">DECOY</p><p style="position:absolute;left:10000px">DECOY</p>`,
	"indented away":            `<p style="text-indent:-9999px">DECOY</p>`,
	"moved away":               `<p style="transform:translateX(-9999px)">DECOY</p><p style="transform: scale(0)">DECOY</p>`,
	"the ground's colour":      `<div style="background:#fff"><p style="color:#fff">DECOY</p></div><p style="color:white;background-color:rgb(255,255,255)">DECOY</p>`,
	"white on the page":        `<p style="color:#fefefe">DECOY</p>`,
	"an old font":              `<table bgcolor="#000000"><tr><td><font color="black">DECOY</font></td></tr></table>`,
	"no colour":                `<p style="color:transparent">DECOY</p><p style="color:rgba(0,0,0,0)">DECOY</p><p style="color:#0000">DECOY</p>`,
	"opacity":                  `<p style="opacity:0">DECOY</p><p style="opacity:0.01">DECOY</p><p style="filter:opacity(0%)">DECOY</p>`,
	"clipped":                  `<p style="position:absolute;clip:rect(0 0 0 0)">DECOY</p><p style="clip-path:inset(100%)">DECOY</p><p style="clip-path: circle(0)">DECOY</p>`,
	"for screen readers":       `<span class="screen-reader-text">DECOY</span><span class="sr-only">DECOY</span><span class="visually-hidden">DECOY</span>`,
	"classes of libraries":     `<div class="d-none">DECOY</div><div class="hidden">DECOY</div>`,
	"a rule of the page":       `<style>/* x */ .quiet, #q { display : none } @media screen { p { color: red } }</style><p class="loud quiet">DECOY</p><p id="q">DECOY</p>`,
	"a rule with two classes":  `<style>p.a.b{visibility:hidden}</style><p class="b a">DECOY</p>`,
	"a closed dialog":          `<dialog>DECOY</dialog>`,
	"frames and media":         `<iframe>DECOY</iframe><video>DECOY</video><audio>DECOY</audio><canvas>DECOY</canvas><object>DECOY</object><noframes>DECOY</noframes>`,
	"drawings":                 `<svg><title>DECOY</title><desc>DECOY</desc><text>DECOY</text><foreignObject><p>DECOY</p></foreignObject></svg>`,
	"content-visibility":       `<p style="content-visibility:hidden">DECOY</p>`,
	"the link's address":       `<a href="/x?q=DECOY">a</a><a href="mailto:DECOY@x.example">b</a>`,
	"a hidden link":            `<nav><a href="/x" style="display:none">DECOY</a></nav><a href="/y" hidden>DECOY</a>`,
	"signs without a form":     "<p>a\U000E0044\U000E0045\U000E0043\U000E004F\U000E0059b</p>",
	"split by such signs":      "<p>a</p><p style='display:none'>DE\u200bCOY</p>",
}

func TestWhatNobodySeesIsNotRead(t *testing.T) {
	if len(hiddenPlaces) < 18 {
		t.Error("places are missing")
	}
	deep := strings.Repeat("<div>", 600)
	for place, markup := range hiddenPlaces {
		for how, page := range map[string]string{
			"tree":   `<!doctype html><html><head><title>T</title></head><body><p>SHOWN ` + `</p>` + markup + `<p>SHOWN AFTER</p></body></html>`,
			"stream": `<!doctype html><html><head><title>T</title></head><body><p>SHOWN ` + `</p>` + markup + `<p>SHOWN AFTER</p>` + deep + `</body></html>`,
		} {
			p := extractText(page)
			got := shown(p)
			if strings.Contains(got, "DECOY") || !strings.Contains(got, "SHOWN") || !strings.Contains(got, "SHOWN AFTER") || p.Flat != (how == "stream") {
				t.Errorf("%s, as a %s: %q", place, how, got)
			}
			for _, r := range got {
				if r >= 0xE0000 || r == 0x200b {
					t.Errorf("%s: %q holds signs that nobody sees", place, got)
				}
			}
		}
	}
}

// TestWhatIsSeenIsRead: what looks like hiding and is not.
func TestWhatIsSeenIsRead(t *testing.T) {
	for what, markup := range map[string]string{
		"a tab":                       `<style>.panel{display:none}.panel.open{display:block}</style><div class="panel">SEEN</div>`,
		"a menu that opens":           `<style>.sub{visibility:hidden;opacity:0}li:hover .sub{visibility:visible;opacity:1}</style><ul class="sub"><li>SEEN</li></ul>`,
		"a panel that unfolds":        `<style>.panel{max-height:0;overflow:hidden}.panel.open,.x{max-height:40em}</style><div class="panel">SEEN</div>`,
		"wide screens":                `<style>.wide{display:none}@media(min-width:600px){.wide{display:flex}}</style><p class="wide">SEEN</p>`,
		"hidden on small screens":     `<style>@media(max-width:600px){.big{display:none}}</style><p class="big">SEEN</p>`,
		"hidden in print":             `<style>@media print{.screen{display:none}}</style><p class="screen">SEEN</p>`,
		"a library's wide screens":    `<p class="d-none d-md-block">SEEN</p><p class="hidden lg:flex">SEEN</p>`,
		"details":                     `<details><summary>SEEN</summary>SEEN</details>`,
		"an open dialog":              `<dialog open>SEEN</dialog>`,
		"white on dark":               `<div style="background:#123"><p style="color:#fff">SEEN</p></div>`,
		"white on a picture":          `<div style="background:url(a.jpg)"><p style="color:#fff">SEEN</p></div>`,
		"white, a sheet is outside":   `<link rel="stylesheet" href="a.css"><div class="hero"><p style="color:#fff">SEEN</p></div>`,
		"a full width":                `<div style="position:relative;left:50%;margin-left:-50vw;width:100vw">SEEN</div>`,
		"half visible":                `<p style="opacity:0.6">SEEN</p>`,
		"small print":                 `<p style="font-size:9px">SEEN</p>`,
		"another's rule":              `<style>.a .b{display:none}.c>.b{display:none}#x .b{display:none}</style><p class="b">SEEN</p>`,
		"a price for eyes alone":      `<p><span aria-hidden="true">$49</span><span class="sr-only">forty-nine</span> SEEN</p>`,
		"a rule that comes back":      `<style>.x{display:none}</style><style>.x{display:block}</style><p class="x">SEEN</p>`,
		"an unclosed comment in CSS":  `<style>.a{color:red} /* .b{display:none}</style><p class="b">SEEN</p>`,
		"an address within a heading": `<h2><a href="/a">SEEN</a></h2>`,
	} {
		if p := extractText("<!doctype html><body>" + markup + "</body>"); !strings.Contains(shown(p), "SEEN") {
			t.Errorf("%s: %q", what, shown(p))
		}
	}
	if p := extractText(`<p><span aria-hidden="true">$49</span><span class="sr-only">forty-nine</span></p>`); !slices.Equal(p.Prices, []string{"$49"}) {
		t.Errorf("%q", p.Prices)
	}
}

func TestAThousandElementsWithinEachOtherAreRead(t *testing.T) {
	for _, n := range []int{500, 513, 1000, 15_000} {
		page := "<html lang=de><head><title>Deep</title></head><body><nav><a href=/join>Join</a></nav><h1>Top</h1>" + strings.Repeat("<div>", n) +
			"<h2>Bottom</h2><p>Only $49 per month</p>" + strings.Repeat("</div>", n) + "<p hidden>DECOY</p><p>After</p></body></html>"
		p := extractText(page)
		if diff := cmp.Diff([]string{"Top", "Bottom"}, p.Headings); diff != "" || p.Title != "Deep" || p.Lang != "de" || !slices.Equal(p.Prices, []string{"$49 per month"}) ||
			len(p.Navigation) != 1 || p.Flat != (n > 500) || !strings.Contains(shown(p), "After") || strings.Contains(shown(p), "DECOY") {
			t.Errorf("%d: %+v %s", n, p, diff)
		}
	}
}

// TestNoMarkupTakesLong: a megabyte made to be slow, against as much of the usual kind on the same machine.
func TestNoMarkupTakesLong(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, (1<<20)/len(s)) }
	digest := func(page string) time.Duration {
		before := used() // of the processor: the clock on the wall counts what others do, too
		p := extractText(page)
		if text := compose([]Page{p}); len(text) > MaxText {
			t.Errorf("%d bytes", len(text))
		}
		similarity([]Page{p})
		factsHash([]Page{p})
		return used() - before
	}
	usual := digest(fill(`<div class="card"><h3>Adult</h3><p>Play all week for <a href="/join">$49 a month</a></p></div>`))
	rules := strings.Repeat(".a.b.c{display:none}p{color:red}", 8000)
	for name, page := range map[string]string{
		"open formatting":  fill("<b><i><p>"),
		"links":            fill("<a href=/x>x"),
		"tables":           fill("<table><tr><td>$1 "),
		"attributes":       "<p " + fill("a=b ") + ">",
		"many attributes":  "<p " + fill("a b c d e f g h ") + ">",
		"classes":          "<style>" + rules + "</style><p class='" + fill("a b c ") + "'>",
		"rules":            "<style>" + rules + "</style>" + fill("<p class='a b c'>"),
		"open rules":       "<style>" + fill("@media x{a{") + "</style>",
		"selectors":        "<style>" + fill(".a") + "{display:none}" + "</style>",
		"prices":           "<p>" + fill("1,1 "),
		"signs":            "<p>" + fill("$ 1.1.1"),
		"amounts":          "<p>" + fill("1"),
		"words":            "<p>" + fill("free trial "),
		"end tags":         "<div>" + fill("</p></b>"),
		"raised":           fill("<sup>$</sup>1<sup>99</sup>"),
		"options":          "<select>" + fill("<option>x"),
		"comments":         fill("<!--"),
		"templates":        fill("<template>"),
		"drawings":         fill("<svg><p>"),
		"entities":         "<p>" + fill("&amp;&#x41;&notanentity"),
		"framesets":        fill("<frameset>"),
		"deep and no ends": fill("<div>"),
		"deep, odd ends":   fill("<div></span>"),
		"one line":         fill("a "),
	} {
		if took := digest(page); took > 40*usual+patience {
			t.Errorf("%s: %v, a usual page %v", name, took.Round(time.Millisecond), usual.Round(time.Millisecond))
		}
	}
}

func TestWrongCharsetsAreRead(t *testing.T) {
	const text = "<p>Übungen für José, 49 € – “sofort”</p>"
	windows := must(charmap.Windows1252.NewEncoder().String(text))
	for what, c := range map[string]struct{ body, kind, want string }{
		"said right":                      {text, "text/html; charset=utf-8", ""},
		"nothing said":                    {text, "text/html", ""},
		"UTF-8 that calls itself Latin":   {`<meta charset="iso-8859-1">` + text, "text/html; charset=ISO-8859-1", ""},
		"Windows that calls itself UTF8":  {`<meta charset="utf-8">` + windows, "text/html; charset=utf-8", ""},
		"Windows, nothing said":           {windows, "", ""},
		"Windows that calls itself Latin": {windows, "text/html; charset=iso-8859-1", ""},
		"a mark against the header":       {"\ufeff" + text, "text/html; charset=windows-1251", ""},
		"UTF-16 with a mark":              {must(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(text)), "text/html", ""},
		"a charset that is none":          {text, "text/html; charset=klingon", ""},
		"Japanese by the header":          {must(japanese.ShiftJIS.NewEncoder().String("<p>会費は月額</p>")), "text/html; charset=shift_jis", "会費は月額"},
		"Japanese by the page":            {`<meta charset="euc-jp">` + must(japanese.EUCJP.NewEncoder().String("<p>会費は月額</p>")), "text/html", "会費は月額"},
		"Japanese with escapes":           {`<meta charset="iso-2022-jp">` + must(japanese.ISO2022JP.NewEncoder().String("<p>会費は月額</p>")), "text/html", "会費は月額"},
		"cut within a letter":             {text + strings.Repeat(" ", 100) + "<p>Gr\xc3", "text/html", ""},
	} {
		want := c.want
		if want == "" {
			want = "Übungen für José, 49 € – “sofort”"
		}
		if got := shown(extract(here, []byte(c.body), c.kind)); !strings.Contains(got, want) {
			t.Errorf("%s: %q", what, got)
		}
	}
}

func TestPricesAreFoundAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]string{
		"$49": "$49", "only $4,500.00 a year!": "$4,500.00 a year", "from €12,50 pro Monat": "€12,50 pro Monat", "49,- €": "49,- €", "CHF 1'200": "CHF 1'200", "US$20/mo": "US$20/mo", "C$15": "C$15",
		"1 200 kr": "1 200 kr", "kr 299 per month": "kr 299 per month", "£9.99/week": "£9.99/week", "USD 20 each": "USD 20", "20 dollars a month": "20 dollars a month", "R$ 30": "R$ 30", "₹500": "₹500",
		"a family of 4 $80 a month": "$80 a month", "$20 to $30": "$20|$30", "$49 100% money back": "$49", "12 courts": "", "2026": "", "lose 10 pounds": "", "call 555-1234": "", "30 € par mois": "30 € par mois",
		"$10-$20": "$10|$20", "Classes$5": "$5", "$": "", "€ soon": "", "20 Euro pro Person": "20 Euro pro Person", "Europe 20": "", "500 zł": "500 zł", "¥3000 per session": "¥3000 per session",
	} {
		all := pricer(maxLooked)
		if got := strings.Join(all.in(text), "|"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestMarkupThatDividesAPriceDoesNotChangeIt(t *testing.T) {
	for markup, want := range map[string]string{
		`<div>$</div><div>49</div><div>/month</div>`:    "$49 /month",
		`<span>$</span><span>49</span><span>/mo</span>`: "$49/mo",
		`$49<sup>99</sup>`:                       "$49.99",
		`<sup>$</sup>49<sup>.99</sup> per month`: "$49.99 per month",
		`<span class=cur>€</span><span>9</span><span class="fraction">90</span>`: "€9.90",
		`<p>£14</p><p>50</p><p>a month</p>`:                                      "£14.50 a month",
		`<b>USD</b><br><b>20</b>`:                                                "USD 20",
		`<td>$49<br>per year</td>`:                                               "$49 per year",
		`Adult<span>$45</span>`:                                                  "$45",
		`<ul><li>$5<li>10 visits</ul>`:                                           "$5",
	} {
		if p := extractText("<body>" + markup); strings.Join(p.Prices, "|") != want {
			t.Errorf("%s: %q, want %q; %v", markup, p.Prices, want, p.Blocks)
		}
	}
}

func TestNavigationIsFoundWhereverItStands(t *testing.T) {
	for what, markup := range map[string]string{
		"nav": `<nav><a href="/join#top">Join</a></nav>`, "a role": `<div role="navigation"><a href="/join">Join</a></div>`, "a class": `<ul class="nav-menu"><li><a href="/join">Join</a></ul>`,
		"a header": `<header><div><a href="https://lakeside.example/join">Join</a></div></header>`, "a footer": `<footer><a href="../join">Join</a></footer>`, "a table": `<table id=menu><tr><td><a href="//lakeside.example/join">Join</a></table>`,
		"a base": `<base href="https://lakeside.example/a/b"><nav><a href="../join"><span>Join</span></a></nav>`, "boxes": `<nav><a href="/join"><div>Join</div><i class="icon"></i></a></nav>`,
	} {
		want := []Link{{Text: "Join", URL: "https://lakeside.example/join"}}
		if diff := cmp.Diff(want, extractText("<body>"+markup).Navigation); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	within := []Link{{Text: "Prices", URL: here.String()}, {Text: "More", URL: here.String()}}
	one := extractText(`<body><nav><a href="#prices">Prices</a><a href="#">More</a><a href="#x"></a><a href="javascript:x()">J</a></nav><p><a href="#top">Top</a>`)
	if diff := cmp.Diff(within, one.Navigation); diff != "" || len(one.Links) != 0 {
		t.Errorf("a menu of one page: %v %s", one.Links, diff)
	}
	old := extractText(`<body><table><tr><td id=menu><a href="/join">Join</a><br><a href="/fees">Fees</a></td><td><a href="/y">Y</a></td></table>`)
	if len(old.Navigation) != 2 || len(old.Links) != 3 {
		t.Errorf("a menu in a cell: %v", old.Navigation)
	}
	p := extractText(`<body><main><header><h1>A</h1><a href="/x">X</a></header><p><a href="javascript:alert(1)">J</a><a href="data:,x">D</a><a href="#a">H</a><a href="http://u:p@x.example/">U</a><a href="/y">Y</a></p></main>`)
	if len(p.Navigation) != 0 || len(p.Links) != 2 {
		t.Errorf("%v %v", p.Navigation, p.Links)
	}
}

func TestWordsStayWholeAndApart(t *testing.T) {
	for markup, want := range map[string]string{
		`<p>un<b>believ</b>able</p>`:                                             "unbelievable",
		`<p><span class=a>Gold</span><span class=b>Membership</span>`:            "Gold Membership",
		`<p><span class=l>C</span><span class=l>l</span><span class=l>ub</span>`: "Club",
		`<p><span class=drop>W</span>elcome`:                                     "Welcome",
		`<p>A<br>B`:                                                              "A|B",
		`<h1>A<br>B</h1>`:                                                        "A B",
		`<p> a &nbsp; b&shy;c ` + "\u200b\u2060" + `d</p>`:                       "a bc d",
		`<p>` + strings.Repeat("word ", 300):                                     "",
	} {
		var texts []string
		for _, b := range extractText("<body>" + markup).Blocks {
			if texts = append(texts, b.Text); len(b.Text) > maxChunk {
				t.Errorf("a block of %d bytes", len(b.Text))
			}
		}
		if got := strings.Join(texts, "|"); want != "" && got != want {
			t.Errorf("%s: %q, want %q", markup, got, want)
		}
	}
}

func FuzzExtract(f *testing.F) {
	for _, markup := range hiddenPlaces {
		f.Add([]byte("<body>"+markup), "text/html")
	}
	f.Add([]byte("<table><tr><td>Adult<td>$49<sup>99</sup>"+strings.Repeat("<div>", 520)), "text/html; charset=iso-8859-1")
	f.Add(must(base64.StdEncoding.DecodeString("//48AHAAPgBhAA==")), "")
	f.Fuzz(func(t *testing.T, body []byte, kind string) {
		p := extract(here, body, kind)
		again := extract(here, bytes.Clone(body), kind)
		if diff := cmp.Diff(p, again); diff != "" {
			t.Errorf("twice is not the same: %s", diff)
		}
		text := compose([]Page{p, p})
		if len(text) > MaxText || strings.ToValidUTF8(text, "?") != text {
			t.Errorf("%d bytes: %q", len(text), text)
		}
		for _, r := range text {
			if r < ' ' && r != '\n' || r >= 0xE0000 || r == 0x200b || r == 0x202e {
				t.Errorf("%U in %q", r, text)
			}
		}
		for _, b := range p.Blocks {
			if b.Text == "" || len(b.Text) > 4*maxChunk || strings.ContainsAny(b.Text, "\n\r\x00\x01") {
				t.Errorf("a block %+v", b)
			}
		}
		for _, l := range p.Links {
			if !strings.HasPrefix(l.URL, "http") {
				t.Errorf("a link %+v", l)
			}
		}
		if factsHash([]Page{p}) != factsHash([]Page{again}) || similarity([]Page{p}) != similarity([]Page{again}) {
			t.Error("the gate sees two things in one")
		}
		// What is not seen stays unseen, whatever stands before it in the page.
		if !bytes.Contains(bytes.ToLower(body), []byte("<")) {
			hidden := extract(here, []byte(fmt.Sprintf("<body><p hidden>%s</p>", body)), "text/html; charset=utf-8")
			if len(hidden.Blocks) > 0 {
				t.Errorf("hidden text is shown: %+v", hidden.Blocks)
			}
		}
	})
}
