package website

import (
	"slices"
	"strings"
)

// declarations are what a rule or a style attribute says, in lower case.
type declarations map[string]string

// selector is one element's description without its surroundings: tag.class#id.
type selector struct {
	tag, id string
	classes []string
}

func (s selector) fits(tag, id string, classes []string) bool {
	if s.tag != "" && s.tag != tag || s.id != "" && s.id != id {
		return false
	}
	for _, want := range s.classes {
		if !slices.Contains(classes, want) {
			return false
		}
	}
	return true
}

func withoutComments(css string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(css, "/*")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, css, _ = strings.Cut(rest, "*/")
	}
}

// block returns what stands up to the brace that ends it.
func block(css string) (body, rest string) {
	open := 1
	for i := 0; i < len(css); i++ {
		switch css[i] {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return css[:i], css[i+1:]
			}
		}
	}
	return css, ""
}

// parseSelector also returns the classes and ids as they are written.
func parseSelector(text string) (sel selector, names []string) {
	end := strings.IndexAny(text, ".#[")
	if end < 0 {
		return selector{tag: text}, nil
	}
	sel.tag, text = text[:end], text[end:]
	for len(text) > 1 && text[0] != '[' {
		next := strings.IndexAny(text[1:], ".#[")
		if next < 0 {
			next = len(text) - 1
		}
		name := text[:next+1]
		if names = append(names, name); name[0] == '#' {
			sel.id = name[1:]
		} else {
			sel.classes = append(sel.classes, name[1:])
		}
		text = text[next+1:]
	}
	return sel, names
}

// parseDeclarations keeps what concerns visibility.
func parseDeclarations(text string) declarations {
	var says declarations
	for one := range strings.SplitSeq(text, ";") {
		name, value, ok := strings.Cut(one, ":")
		if !ok {
			continue
		}
		name = strings.TrimSpace(name)
		if !concerns[name] {
			continue
		}
		if says == nil {
			says = declarations{}
		}
		value, _, _ = strings.Cut(value, "!")
		says[name] = strings.TrimSpace(value)
	}
	return says
}

var concerns = map[string]bool{
	"display": true, "visibility": true, "opacity": true, "font-size": true, "font": true, "color": true, "background": true, "background-color": true,
	"background-image": true, "position": true, "left": true, "right": true, "top": true, "bottom": true, "margin-left": true, "margin-top": true, "margin": true, "text-indent": true, "clip": true, "clip-path": true, "width": true,
	"height": true, "max-height": true, "max-width": true, "overflow": true, "overflow-x": true, "overflow-y": true, "transform": true, "scale": true, "translate": true, "content-visibility": true,
	"filter": true, "-webkit-text-fill-color": true, "inset": true, "zoom": true,
}
