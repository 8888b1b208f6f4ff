package website

import (
	"bytes"
	"maps"
	"strings"

	"golang.org/x/net/html"
)

// What a page may make us compare, far above what any usual one has.
const (
	maxStyle   = 512 << 10  // bytes of CSS
	maxRules   = 64         // for one tag, class or id
	maxClasses = 32         // of one element
	maxKnown   = 20_000     // elements whose rules are remembered
	maxShown   = 100_000    // names that some rule shows
	maxWork    = 20_000_000 // comparisons of elements with rules; what comes after counts as hidden
)

type styleRule struct {
	selector
	says declarations
}

// styles are the rules within a page that concern what is seen. Style sheets outside are not read.
type styles struct {
	byName   map[string][]styleRule  // by the tag, #id or .class that stands last in the selector
	known    map[string]declarations // what of found, by tag, id and classes
	revealed map[string]bool         // "display .name": what some rule shows, under whatever condition
	outside  bool                    // there are style sheets that we do not know
	size     int
	work     int
}

func newStyles() *styles {
	return &styles{byName: map[string][]styleRule{}, known: map[string]declarations{}, revealed: map[string]bool{}}
}

func stylesOfTree(tree *html.Node) *styles {
	s := newStyles()
	for n := range tree.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		s.see(n.Data, n.Attr)
		if n.Data == "style" && n.FirstChild != nil {
			s.add(n.FirstChild.Data)
		}
	}
	return s
}

func stylesOfStream(text []byte) *styles {
	s, tokens, inside := newStyles(), html.NewTokenizer(bytes.NewReader(text)), false
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return s
		case html.StartTagToken, html.SelfClosingTagToken:
			token := tokens.Token()
			s.see(token.Data, token.Attr)
			inside = token.Data == "style"
		case html.TextToken:
			if inside {
				s.add(string(tokens.Text()))
			}
		case html.EndTagToken:
			inside = false
		}
	}
}

func (s *styles) see(tag string, attrs attributes) {
	if tag == "link" {
		for _, rel := range attrs.words("rel") {
			s.outside = s.outside || rel == "stylesheet" || rel == "preload"
		}
	}
}

// add reads a style sheet.
func (s *styles) add(css string) {
	if s.size += len(css); s.size > maxStyle {
		s.outside = true
		return
	}
	s.outside = s.outside || strings.Contains(css, "@import")
	s.rules(withoutComments(strings.ToLower(css)), true, 0)
}

// rules reads rules up to the end. Those under a condition can show what is hidden, and hide nothing.
func (s *styles) rules(css string, always bool, depth int) {
	for {
		start := strings.IndexAny(css, "{;")
		if start < 0 {
			return
		}
		head := strings.TrimSpace(css[:start])
		if css[start] == ';' { // @charset, @import
			css = css[start+1:]
			continue
		}
		body, rest := block(css[start+1:])
		css = rest
		switch {
		case !strings.HasPrefix(head, "@"):
			s.rule(head, parseDeclarations(body), always)
		case strings.HasPrefix(head, "@media print"), strings.HasPrefix(head, "@keyframes"), strings.HasPrefix(head, "@-"), strings.HasPrefix(head, "@font"):
		case depth < 8:
			s.rules(body, always && strings.HasPrefix(head, "@layer"), depth+1)
		}
	}
}

func (s *styles) rule(selectors string, says declarations, always bool) {
	if len(says) == 0 {
		return
	}
	for one := range strings.SplitSeq(selectors, ",") {
		one = strings.TrimSpace(one)
		last := one[strings.LastIndexAny(one, " >+~")+1:]
		plain, pseudo, odd := strings.Cut(last, ":")
		sel, names := parseSelector(plain)
		if len(names) > maxClasses {
			continue
		}
		for property, value := range says {
			if !conceals(property, value) && !strings.HasPrefix(pseudo, "focus") {
				for _, name := range names[:min(len(names), max(0, maxShown-len(s.revealed)))] {
					s.revealed[property+" "+name] = true
				}
			}
		}
		if !always || odd || last != one || len(names) == 0 && sel.tag == "" || strings.ContainsAny(one, "[*") {
			continue
		}
		key := sel.tag
		if len(names) > 0 {
			key = names[len(names)-1]
		}
		if len(s.byName[key]) < maxRules {
			s.byName[key] = append(s.byName[key], styleRule{sel, says})
		}
	}
}

// of returns what the rules and the style attribute say of an element; nil for most.
func (s *styles) of(tag string, attrs attributes) declarations {
	var all declarations
	merge := func(says declarations) {
		if all == nil && len(says) > 0 {
			all = declarations{}
		}
		maps.Copy(all, says)
	}
	if len(s.byName) > 0 {
		key := tag + " " + attrs.get("id") + " " + attrs.get("class")
		says, ok := s.known[key]
		if !ok {
			if says = s.ruled(tag, attrs); len(s.known) < maxKnown && len(key) < 1000 {
				s.known[key] = says
			}
		}
		merge(says)
	}
	if color := attrs.get("color"); color != "" && tag == "font" {
		merge(declarations{"color": strings.ToLower(color)})
	}
	if color := attrs.get("bgcolor"); color != "" {
		merge(declarations{"background-color": strings.ToLower(color)})
	}
	if style := attrs.get("style"); style != "" {
		merge(parseDeclarations(withoutComments(strings.ToLower(style))))
	}
	return all
}

// ruled is what the rules say.
func (s *styles) ruled(tag string, attrs attributes) (all declarations) {
	id, classes := strings.ToLower(attrs.get("id")), attrs.words("class")
	classes = classes[:min(len(classes), maxClasses)]
	names := make([]string, 0, 1+len(classes))
	for _, class := range classes {
		names = append(names, "."+class)
	}
	if id != "" {
		names = append(names, "#"+id)
	}
	for _, key := range append([]string{tag}, names...) {
		for _, rule := range s.byName[key] {
			if s.work += 1 + len(rule.classes)*len(classes); s.work > maxWork {
				return declarations{"display": "none"}
			}
			if !rule.fits(tag, id, classes) {
				continue
			}
			if all == nil {
				all = declarations{}
			}
			s.work += len(rule.says) * (1 + len(names))
			maps.Copy(all, s.unlessRevealed(rule.says, names))
		}
	}
	return all
}

// unlessRevealed leaves out what hides an element that some rule may show after all: as a tab, a menu or a wide
// screen does.
func (s *styles) unlessRevealed(says declarations, names []string) declarations {
	kept := says
	for property, value := range says {
		if !conceals(property, value) {
			continue
		}
		for _, name := range names {
			if s.revealed[property+" "+name] {
				if len(kept) == len(says) {
					kept = maps.Clone(says)
				}
				delete(kept, property)
			}
		}
	}
	return kept
}
