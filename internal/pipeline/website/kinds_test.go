package website

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// kindOfPage is a page written for this purpose, as the usual builder of its kind makes it, with what a visitor reads on it.
// What nobody sees on it holds the word DECOY.
type kindOfPage struct {
	Name       string   `json:"-"`
	HTML       []byte   `json:"-"`
	Prices     []string `json:"prices"`
	Offers     []string `json:"offers"`
	Navigation []string `json:"navigation"`
}

// kindsOfPages are a landing page, a table of prices, a shop, a course, a blog, and an old page about a club.
func kindsOfPages(t testing.TB) (all []kindOfPage) {
	t.Helper()
	files, err := filepath.Glob("testdata/kinds/*.html")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d kinds of page, %v", len(files), err)
	}
	for _, file := range files {
		k := kindOfPage{Name: strings.TrimSuffix(filepath.Base(file), ".html")}
		if k.HTML, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		facts, err := os.ReadFile(strings.TrimSuffix(file, ".html") + ".json")
		if err == nil {
			err = json.Unmarshal(facts, &k)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, k)
	}
	return all
}

func (k kindOfPage) extract() Page {
	p := extract(&url.URL{Scheme: "https", Host: "lakeside.example", Path: "/" + k.Name}, k.HTML, "text/html")
	p.Kind = Other
	return p
}

// TestEachKindOfPageKeepsWhatIsLabelled: prices, offers and navigation, in the page and in the text that is read of it.
func TestEachKindOfPageKeepsWhatIsLabelled(t *testing.T) {
	for _, k := range kindsOfPages(t) {
		t.Run(k.Name, func(t *testing.T) {
			if len(k.Prices) < 5 || len(k.Offers) < 5 || len(k.Navigation) < 5 {
				t.Fatalf("little is labelled: %+v", k)
			}
			p := k.extract()
			text := compose([]Page{p})
			for _, price := range k.Prices {
				if !slices.ContainsFunc(p.Prices, func(found string) bool { return stands(price, found) }) {
					t.Errorf("no price %q in %q", price, p.Prices)
				}
			}
			for _, found := range p.Prices {
				if !slices.ContainsFunc(k.Prices, func(price string) bool { return stands(price, found) }) {
					t.Errorf("%q is not labelled", found)
				}
			}
			for _, link := range k.Navigation {
				if !slices.ContainsFunc(p.Navigation, func(l Link) bool { return l.Text == link }) {
					t.Errorf("no link %q in %v", link, p.Navigation)
				}
			}
			for _, fact := range slices.Concat(k.Prices, k.Offers, k.Navigation) {
				if !stands(fact, text) {
					t.Errorf("the text lacks %q", fact)
				}
			}
			if strings.Contains(text+shown(p)+p.Title, "DECOY") {
				t.Error("what nobody sees is read")
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}
