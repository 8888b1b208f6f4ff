package website

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// patience is how long a page may take to be parsed into a tree. Usual ones take a few milliseconds; markup made to be slow
// is read as a stream instead, whose time grows with its length alone.
const patience = 5 * time.Second

// extract reads what a visitor of the page sees. It never fails: what is no HTML has little to show. The page's
// address is where it came from after redirects.
func extract(at *url.URL, body []byte, contentType string) Page {
	text := decodeText(body, contentType)
	page := Page{URL: at.String(), Bytes: len(body)}
	var tree *html.Node
	err := errTangled
	if !tangled(text) {
		tree, err = html.Parse(&timed{bytes.NewReader(text), time.Now().Add(patience)})
	}
	w := newWriter(at, &page)
	if err == nil {
		w.styles = stylesOfTree(tree)
		w.begin()
		w.tree(tree)
	} else { // more than 512 elements within each other, or too slow, or too large
		page.Flat = true
		w.styles = stylesOfStream(text)
		w.begin()
		w.stream(text)
	}
	w.finish()
	return page
}

var errSlow = errors.New("parsing takes too long")

// timed ends a reading that takes too long.
type timed struct {
	io.Reader
	until time.Time
}

func (t *timed) Read(p []byte) (int, error) {
	if time.Now().After(t.until) {
		return 0, errSlow
	}
	return t.Reader.Read(p)
}

// tree writes a node and what is within.
func (w *writer) tree(n *html.Node) {
	switch n.Type {
	case html.TextNode:
		w.text(n.Data)
	case html.ElementNode:
		w.open(n.Data, attributes(n.Attr))
		for child := n.FirstChild; child != nil; child = child.NextSibling {
			w.tree(child)
		}
		w.close()
	case html.DocumentNode:
		for child := n.FirstChild; child != nil; child = child.NextSibling {
			w.tree(child)
		}
	}
}

// maxOpen is how many elements within each other a stream is followed into. Deeper ones are counted, not known.
const (
	maxOpen   = 20_000
	maxSearch = 1000 // elements that an end tag may end at once
)

// barriers are elements that the end tag of one outside does not end.
var barriers = map[string]bool{"button": true, "table": true, "td": true, "th": true, "caption": true, "object": true, "template": true, "marquee": true, "svg": true, "math": true}

// void elements have nothing within.
var void = map[string]bool{"area": true, "base": true, "br": true, "col": true, "embed": true, "hr": true, "img": true, "input": true, "link": true,
	"meta": true, "param": true, "source": true, "track": true, "wbr": true}

// stream writes tags as they come. It knows less of the rules of HTML than a tree, and where it errs it hides too
// much rather than too little.
func (w *writer) stream(text []byte) {
	tokens, deeper := html.NewTokenizer(bytes.NewReader(text)), 0
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			for len(w.stack) > 1 {
				w.close()
			}
			return
		case html.TextToken:
			w.text(string(tokens.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			token := tokens.Token()
			if last := w.stack[len(w.stack)-1].tag; last == token.Data && siblings[last] {
				w.close()
			}
			switch {
			case void[token.Data]:
				w.open(token.Data, attributes(token.Attr))
				w.close()
			case len(w.stack) >= maxOpen:
				deeper++
			default:
				w.open(token.Data, attributes(token.Attr))
			}
		case html.EndTagToken:
			name, _ := tokens.TagName()
			if deeper > 0 {
				deeper--
			} else {
				w.closeTo(string(name))
			}
		}
	}
}

// siblings end each other without an end tag.
var siblings = map[string]bool{"li": true, "p": true, "tr": true, "td": true, "th": true, "dt": true, "dd": true, "option": true}

// closeTo ends the innermost element of the name and all within it; without one it does nothing.
func (w *writer) closeTo(name string) {
	for i := len(w.stack) - 1; i > max(0, len(w.stack)-maxSearch); i-- {
		if w.stack[i].tag == name {
			for len(w.stack) > i {
				w.close()
			}
			return
		}
		if barriers[w.stack[i].tag] {
			return
		}
	}
}

// attributes are an element's, by name; the first of a name counts.
type attributes []html.Attribute

func (a attributes) get(name string) string {
	for _, one := range a {
		if one.Key == name && one.Namespace == "" {
			return one.Val
		}
	}
	return ""
}

func (a attributes) has(name string) bool {
	for _, one := range a {
		if one.Key == name && one.Namespace == "" {
			return true
		}
	}
	return false
}

// words are the names in a class or a rel.
func (a attributes) words(name string) []string { return strings.Fields(strings.ToLower(a.get(name))) }
