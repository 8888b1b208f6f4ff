package website

import (
	"bytes"
	"errors"
	"maps"

	"golang.org/x/net/html"
)

// maxCopies is how many elements a tree may get beside those that are written.
const maxCopies = 500_000

var errTangled = errors.New("a tree of it would be too large")

// formats are elements that a tree copies into each paragraph that follows until they are ended.
var formats = map[string]bool{"b": true, "big": true, "code": true, "em": true, "font": true, "i": true, "s": true, "small": true, "strike": true, "strong": true, "tt": true, "u": true}

// shelters are elements within which an end tag does not end what was begun outside.
var shelters = map[string]bool{"applet": true, "caption": true, "iframe": true, "marquee": true, "math": true, "noembed": true, "noframes": true, "noscript": true, "object": true,
	"plaintext": true, "script": true, "select": true, "style": true, "svg": true, "table": true, "td": true, "template": true, "textarea": true, "th": true, "title": true, "xmp": true}

// tangled reports whether formats that are not ended would make a page of two megabytes a tree of gigabytes. It counts too many
// copies rather than too few; a page that is made for people has next to none.
func tangled(text []byte) bool {
	tokens := html.NewTokenizer(bytes.NewReader(text))
	open, kept := map[string]int{}, map[string]int{}
	all, copies := 0, 0
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return false
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := tokens.TagName()
			tokens.NextIsNotRawText() // within a picture, a tree takes it for markup
			switch {
			case formats[string(name)]:
				open[string(name)]++
				all++
			case shelters[string(name)]:
				maps.Copy(kept, open)
			}
		case html.EndTagToken:
			if name, _ := tokens.TagName(); open[string(name)] > kept[string(name)] {
				open[string(name)]--
				all--
			}
			continue
		}
		if copies += all; copies > maxCopies {
			return true
		}
	}
}
