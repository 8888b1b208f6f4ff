package page

import (
	"bytes"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func consentView() Consent {
	return Consent{
		Site: "https://lakeside.example/club", Host: "lakeside.example/club", Email: "anna@lakeside.example", Again: "/connect/memberpress?site=x&state=y",
		Agreeable: true, Choices: []Choice{{ID: "t1", Name: "Lakeside Tennis Club", Chosen: true}},
		Fields: []Field{{"site", "https://lakeside.example/club"}, {"form", "token"}},
	}
}

// forms are all pages with forms and notices, in each state.
func forms() map[string]func(*Pages, io.Writer) error {
	all := map[string]func(*Pages, io.Writer) error{}
	for name, view := range map[string]SignIn{
		"fresh":   {Next: "/"},
		"refused": {Email: "anna@lakeside.example", Next: "/connect/memberpress?site=x", Problem: "This e-mail address and password do not go together."},
	} {
		all["signin_"+name] = func(p *Pages, w io.Writer) error { return p.SignIn(w, view) }
	}
	for name, change := range map[string]func(*Consent){
		"one":      func(*Consent) {},
		"several":  func(c *Consent) { c.Choices = []Choice{{ID: "t1", Name: "Abbey"}, {ID: "t2", Name: "Lakeside"}} },
		"insecure": func(c *Consent) { c.Site, c.Insecure = "http://lakeside.example/club", true },
		"viewer": func(c *Consent) {
			c.Choices, c.Agreeable = []Choice{{ID: "t1", Name: "Lakeside", Refused: "Only an owner can connect its site; you are viewer."}}, false
		},
		"nobody": func(c *Consent) {
			c.Choices, c.Agreeable, c.Problem = nil, false, "You have no role at any tenant here."
		},
		"problem": func(c *Consent) {
			c.Agreeable, c.Problem = false, "lakeside.example leads to an address that is not public."
		},
	} {
		view := consentView()
		change(&view)
		all["consent_"+name] = func(p *Pages, w io.Writer) error { return p.Consent(w, view) }
	}
	for name, view := range map[string]Notice{
		"plain":     {Title: "That did not work", Sentence: "The address cannot be used."},
		"checklist": {Title: "That did not work", Sentence: "The site has moved.", Checklist: []string{"Open the site.", "Connect again."}},
	} {
		all["notice_"+name] = func(p *Pages, w io.Writer) error { return p.Notice(w, view) }
	}
	return all
}

func TestFormsInEachState(t *testing.T) {
	pages, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for name, render := range forms() {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := render(pages, &got); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", name+".html"), got.String())
		})
	}
}

func TestFormsCanBeUsedWithoutSeeing(t *testing.T) {
	pages, err := New()
	if err != nil {
		t.Fatal(err)
	}
	control, attribute := regexp.MustCompile(`<input [^>]*>`), regexp.MustCompile(`([a-z-]+)="([^"]*)"`)
	for name, render := range forms() {
		var page bytes.Buffer
		if err := render(pages, &page); err != nil {
			t.Fatal(err)
		}
		html := page.String()
		for _, tag := range control.FindAllString(html, -1) {
			values := map[string]string{}
			for _, found := range attribute.FindAllStringSubmatch(tag, -1) {
				values[found[1]] = found[2]
			}
			if values["type"] == "hidden" {
				continue
			}
			if strings.Count(html, `for="`+values["id"]+`"`) != 1 || strings.Count(html, ` id="`+values["id"]+`"`) != 1 {
				t.Errorf("%s: %s has no label of its own", name, tag)
			}
			if about := values["aria-describedby"]; about != "" && !strings.Contains(html, ` id="`+about+`"`) {
				t.Errorf("%s: %s is described by nothing", name, tag)
			}
		}
		for _, want := range []string{`<html lang="en">`, `<main>`, `<h1>`, `<h2>`, `name="viewport"`} {
			if strings.Count(html, want) != 1 && want != `name="viewport"` || !strings.Contains(html, want) {
				t.Errorf("%s: no %s", name, want)
			}
		}
		if strings.Contains(html, `problem" role`) != strings.Contains(html, `role="alert" id="problem"`) && strings.HasPrefix(name, "signin") {
			t.Errorf("%s: the problem is not told to a screen reader", name)
		}
		if strings.Contains(html, "<script") || strings.Contains(html, "style=") || strings.Contains(html, " on") && regexp.MustCompile(` on[a-z]+="`).MatchString(html) {
			t.Errorf("%s: the page has what its policy forbids", name)
		}
	}
}

func TestFormsEscapeWhatOthersWrote(t *testing.T) {
	pages, err := New()
	if err != nil {
		t.Fatal(err)
	}
	const hostile = `"><script>alert(1)</script>`
	for name, render := range map[string]func(io.Writer) error{
		"signin": func(w io.Writer) error { return pages.SignIn(w, SignIn{hostile, hostile, hostile}) },
		"consent": func(w io.Writer) error {
			return pages.Consent(w, Consent{Site: hostile, Host: hostile, Email: hostile, Again: hostile, Agreeable: true, Problem: hostile,
				Choices: []Choice{{hostile, hostile, true, hostile}}, Fields: []Field{{hostile, hostile}}})
		},
		"notice": func(w io.Writer) error { return pages.Notice(w, Notice{hostile, hostile, []string{hostile}}) },
	} {
		var got bytes.Buffer
		if err := render(&got); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(got.String(), "<script") {
			t.Errorf("%s: a text became markup:\n%s", name, got.String())
		}
	}
}

func TestTheTextHasContrast(t *testing.T) {
	// WCAG 2 asks for 4.5 between text and ground.
	for colours, want := range map[[2]string]float64{{"#ffffff", "#0b57a4"}: 4.5, {"#b3261e", "#ffffff"}: 4.5, {"#f47067", "#121212"}: 4.5} {
		if got := contrast(t, colours[0], colours[1]); got < want {
			t.Errorf("%v: %.2f", colours, got)
		}
	}
	style, err := assets.ReadFile("style.css")
	if err != nil {
		t.Fatal(err)
	}
	for _, used := range []string{"background: #0b57a4", "--bad: #b3261e", "--bad: #f47067", ":focus-visible"} {
		if !strings.Contains(string(style), used) {
			t.Errorf("the style has no %s any more", used)
		}
	}
}
