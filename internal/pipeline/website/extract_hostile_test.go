package website

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// Two megabytes that are made to be slow or to fill the memory take the processor about as long as a usual page
// of their size. Without their bounds these take up to minutes.
func TestNoPageMadeToBeSlowTakesLong(t *testing.T) {
	at, err := url.Parse("https://example.org/")
	if err != nil {
		t.Fatal(err)
	}
	digest := func(page []byte) time.Duration {
		before := used()
		r := Reading{Pages: []Page{extract(at, page, "text/html; charset=utf-8")}}
		r.Text = compose(r.Pages)
		r.judge()
		showing(r)
		return used() - before
	}
	const size = 2 << 20
	usual := digest(bytes.Repeat([]byte(`<div class="card"><h3>Adult</h3><p>Play all week for <a href="/join">$49 a month</a></p></div>`), size/96))
	deep := strings.Repeat("<div>", maxOpen-10)
	for name, p := range map[string]struct{ head, unit string }{
		"headers deep within":      {deep, "<header></header>"},
		"titles deep within":       {deep, "<title> </title>"},
		"cells deep within":        {deep, "<td></td>"},
		"formats that never end":   {unended(400), "<p>x"},
		"classes that fit rules":   {manyRules(), "<p id=%x class='" + strings.ReplaceAll(letters, "", " ") + "'>x"},
		"names that rules show":    {manyNames(), ""},
		"currencies after letters": {"<p>" + strings.Repeat("a", 8<<10), "<i>$</i>a"},
		"prices":                   {"<p>", "<sup>$</sup>1 "},
		"a menu without end":       {"<nav>", "<a href=/%x>%[1]x</a>"},
	} {
		page := []byte(p.head)
		for i := 0; p.unit != "" && len(page) < size; i++ {
			if strings.Contains(p.unit, "%") {
				page = fmt.Appendf(page, p.unit, i)
			} else {
				page = append(page, p.unit...)
			}
		}
		if took := digest(page); took > 6*usual {
			t.Errorf("%s: %v, a usual page of its size %v", name, took, usual)
		}
	}
}

func TestFormatsThatNeverEndGrowNoTree(t *testing.T) {
	hostile := strings.Repeat("<p>x", 50_000)
	for name, page := range map[string]string{
		"plain":                unended(100) + hostile,
		"ended within a cell":  unended(100) + "<table><td>" + strings.Repeat("</b>", 100) + "</td></table>" + hostile,
		"ended within a list":  unended(100) + "<select>" + strings.Repeat("</b>", 100) + "</select>" + hostile,
		"begun within a style": "<svg><style>" + unended(100) + hostile,
	} {
		if !tangled([]byte(page)) {
			t.Errorf("%s: it is made a tree", name)
		}
	}
	usual := strings.Repeat("<p><b>Gold</b> <em>all</em> of <u>it</u><table><tr><td><b>9</b></td></tr></table>", 20_000)
	if tangled([]byte("<font>" + usual)) {
		t.Error("a usual page is not made a tree")
	}
}

// Rules that nobody can compare hide too much rather than too little.
func TestWhatIsBeyondAllRulesIsNotShown(t *testing.T) {
	page := bytes.NewBufferString(manyRules())
	for i := range 5_000 {
		fmt.Fprintf(page, "<p id=%x class='%s'>%d", i, strings.ReplaceAll(letters, "", " "), i)
	}
	at, _ := url.Parse("https://example.org/")
	got := extract(at, page.Bytes(), "text/html")
	last := func(b Block) bool { return b.Text == "4999" }
	if slices.ContainsFunc(got.Blocks, last) || len(got.Blocks) == 0 {
		t.Errorf("%d blocks, the last shown: %v", len(got.Blocks), slices.ContainsFunc(got.Blocks, last))
	}
}

const letters = "abcdefghijklmnopqrstuvwxyzäöüßéè"

func unended(n int) string {
	var b strings.Builder
	b.WriteString("<p>")
	for i := range n {
		fmt.Fprintf(&b, "<b id=%d>", i)
	}
	return b.String()
}

// manyRules are as many as are kept, each of which fits an element that has all letters as its classes.
func manyRules() string {
	var b strings.Builder
	b.WriteString("<style>")
	for i, last := range []rune(letters) {
		others := append(append([]rune{}, []rune(letters)[i+1:]...), []rune(letters)[:i]...)
		for range maxRules {
			for _, class := range append(others, last) {
				b.WriteString("." + string(class))
			}
			b.WriteString("{top:1px}")
		}
	}
	return b.String() + "</style>"
}

func manyNames() string {
	var b strings.Builder
	b.WriteString("<style>")
	for i := 0; b.Len() < maxStyle-2000; i++ {
		fmt.Fprintf(&b, ".%x,", i)
	}
	b.WriteString("x{")
	for property := range concerns {
		b.WriteString(property + ":1;")
	}
	return b.String() + "}</style>"
}
