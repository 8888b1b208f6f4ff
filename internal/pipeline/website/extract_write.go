package website

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What one page may show at most; more than any that is made for people.
const (
	maxBlocks  = 4000
	maxLinks   = 2000
	maxVisible = 128 << 10 // bytes of text
	maxLine    = 8 << 10   // of them in one line
	maxOptions = 12        // of a list to choose from; longer ones are countries and years
	maxChunk   = 600       // bytes of a block; longer text is divided at its sentences
)

// writer makes a page's blocks, links and headings of elements as they open and close.
type writer struct {
	page   *Page
	base   *url.URL
	styles *styles
	stack  []frame // the first stands for the document

	line  strings.Builder // the text since the last line break
	size  int             // of all text so far
	after string          // the tag that closed last, "" once text or another tag has come
	part  int             // how many letters that one had, roughly: it counts to a few
	seam  bool            // an element began or ended since the last text
	link  *openLink
	based bool
}

// frame is an open element and what is in force within.
type frame struct {
	tag    string
	hidden bool // nobody sees it
	silent bool // it is kept from screen readers alone: a price is written so, and an icon
	menu   bool // within navigation
	edge   bool // within a header or footer of the page
	inner  bool // within the page's contents: article, main, section
	bodily bool // within the body, or a picture that has a title of its own
	row    int  // where the innermost table row stands on the stack, 0 without one
	sort   Sort
	level  int
	color  shade
	ground shade
	first  int // of page.Blocks at its beginning
	begin  int // of the line at its beginning
	cells  int // of a row
	raised bool
}

type openLink struct {
	url    string
	within bool // it leads to a place of the page itself
	text   strings.Builder
}

func newWriter(at *url.URL, page *Page) *writer { return &writer{page: page, base: at} }

// begin opens the document, once its styles are known. Where no style sheet is outside, its ground is white.
func (w *writer) begin() {
	root := frame{sort: Paragraph}
	if !w.styles.outside {
		root.ground, root.color = white, knownShade
	}
	w.stack = append(w.stack, root)
}

func (w *writer) top() *frame { return &w.stack[len(w.stack)-1] }

func (w *writer) open(tag string, attrs attributes) {
	f := *w.top()
	f.tag, f.first, f.cells = tag, len(w.page.Blocks), 0
	if !f.hidden {
		says := w.styles.of(tag, attrs)
		f.hidden = hiddenBy(tag, attrs, says)
		f.silent = f.silent || strings.EqualFold(attrs.get("aria-hidden"), "true")
		f.paint(w.styles.outside && (attrs.has("class") || attrs.has("id")), says)
	}
	w.place(&f, tag, attrs)
	if tag == "br" && f.sort != Paragraph {
		w.line.WriteByte(' ') // a heading in two lines is one heading
	} else if breaks[tag] {
		w.flush()
	} else if w.after == tag && (attrs.has("class") || tag == "a") {
		w.gap()
	}
	w.after, w.seam = "", true
	if f.raised = !f.hidden && raises(tag, attrs); f.raised {
		w.line.WriteByte(superscript)
	}
	f.begin = w.line.Len()
	w.stack = append(w.stack, f)
	w.note(tag, attrs, f)
}

// paint keeps the colours of text and ground.
func (f *frame) paint(unknown bool, says declarations) {
	if unknown {
		f.ground = 0
	}
	for _, property := range []string{"background-image", "background", "background-color"} {
		if value, ok := says[property]; ok && value != "none" && value != "inherit" && !seeThrough(value) && value != "transparent" {
			f.ground = shadeOf(value)
		}
	}
	if value, ok := says["color"]; ok && value != "inherit" {
		f.color = shadeOf(value)
	}
}

// place notes what part of the page an element is.
func (w *writer) place(f *frame, tag string, attrs attributes) {
	role := strings.ToLower(attrs.get("role"))
	switch {
	case tag == "nav", role == "navigation", role == "menubar", role == "menu":
		f.menu = true
	case tag == "header" || tag == "footer" || role == "banner" || role == "contentinfo":
		f.edge = f.edge || !f.inner
	case tag == "main", tag == "article", tag == "body":
		f.menu, f.edge = false, false
	case tag == "ul" || tag == "ol" || tag == "div" || tag == "table" || tag == "td" || tag == "aside":
		f.menu = f.menu || isMenu(append(attrs.words("class"), strings.ToLower(attrs.get("id"))))
	}
	f.inner = f.inner || tag == "article" || tag == "main" || tag == "section"
	f.bodily = f.bodily || tag == "body" || tag == "svg"
	switch tag {
	case "tr":
		f.row = len(w.stack)
	case "h1", "h2", "h3", "h4", "h5", "h6":
		f.sort, f.level = Heading, int(tag[1]-'0')
	case "li", "dt", "dd", "button", "option", "summary":
		if f.sort != Heading {
			f.sort = Item
		}
	case "td", "th":
		f.sort = Row
	case "table", "div", "section", "article", "p":
		if f.sort == Row || tag == "section" || tag == "article" {
			f.sort, f.level = Paragraph, 0
		}
	}
}

var menuWords = map[string]bool{"menu": true, "nav": true, "navbar": true, "navigation": true, "main-menu": true, "primary-menu": true, "main-nav": true, "mainmenu": true, "topnav": true,
	"sub-menu": true, "site-nav": true, "nav-menu": true, "nav-links": true, "menu-primary": true, "main-navigation": true, "footer-menu": true, "breadcrumbs": true, "breadcrumb": true}

func isMenu(words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return menuWords[word] })
}

// note reads what an element tells beside its text.
func (w *writer) note(tag string, attrs attributes, f frame) {
	switch tag {
	case "html":
		w.page.Lang = clean(attrs.get("lang"))
		w.page.Lang = w.page.Lang[:min(len(w.page.Lang), 16)]
	case "base":
		if to, err := w.base.Parse(attrs.get("href")); err == nil && !w.based && attrs.get("href") != "" {
			w.base, w.based = to, true
		}
	case "a", "area":
		href := attrs.get("href")
		to := w.address(href)
		within := to == "" && f.menu && strings.HasPrefix(strings.TrimSpace(href), "#")
		if within {
			to = w.page.URL
		}
		if to != "" && !f.hidden {
			w.link = &openLink{url: to, within: within}
		}
	case "td", "th":
		if f.row > 0 {
			w.stack[f.row].cells++
		}
	}
}

// address is a link's, "" for what leads to no page.
func (w *writer) address(href string) string {
	href = strings.TrimSpace(href)
	if href == "" || href[0] == '#' || len(href) > 2000 {
		return ""
	}
	to, err := w.base.Parse(href)
	if err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Host == "" || to.User != nil {
		return ""
	}
	to.Fragment, to.RawFragment = "", ""
	return to.String()
}

func (w *writer) text(s string) {
	f := w.top()
	if f.tag == "title" && w.page.Title == "" && !f.bodily {
		w.page.Title = cut(clean(s), 300)
		return
	}
	if f.hidden || w.size > maxVisible || w.inHead() || alike(f.color, f.ground) || f.silent && !onlyPrice(s) {
		return
	}
	s = cut(s, maxVisible)
	w.size += len(s)
	if w.line.Len() > maxLine {
		w.flush()
	}
	if w.seam {
		w.separate(s)
	}
	w.after, w.seam = "", false
	if w.link != nil && w.link.text.Len() < maxChunk {
		w.link.text.WriteString(s)
	}
	if !f.menu || w.link == nil {
		w.line.WriteString(s)
	}
}

func (w *writer) inHead() bool {
	return len(w.stack) > 2 && w.stack[2].tag == "head" || w.top().tag == "head" || w.top().tag == "title"
}

// separate puts a space where elements stand beside each other and a visitor sees a gap: before a currency's sign, and
// after a number that a word follows.
func (w *writer) separate(next string) {
	line := w.line.String()
	last, _ := utf8.DecodeLastRuneInString(line)
	first, _ := utf8.DecodeRuneInString(next)
	if unicode.IsDigit(last) && unicode.IsLetter(first) || unicode.IsLetter(last) && unicode.Is(unicode.Sc, first) && !symbolPrefix(line) {
		w.line.WriteByte(' ')
	}
}

// gap puts a space between two elements of a line, unless letters are set one by one.
func (w *writer) gap() {
	last, _ := utf8.DecodeLastRuneInString(w.line.String())
	if unicode.IsLetter(last) && w.part > 1 || last == ')' || last == '%' {
		w.line.WriteByte(' ')
	}
}

func (w *writer) close() {
	f := w.stack[len(w.stack)-1]
	if f.raised {
		w.line.WriteByte(superscript)
	}
	w.after, w.seam = f.tag, true
	w.part = utf8.RuneCountInString(cut(w.line.String()[min(f.begin, w.line.Len()):], 2*utf8.UTFMax))
	if breaks[f.tag] && f.tag != "br" {
		w.flush()
		w.after = ""
	}
	switch f.tag {
	case "a", "area":
		w.closeLink(f)
	case "tr":
		w.joinRow(f)
	case "select":
		w.thinOptions(f.first)
	}
	w.stack = w.stack[:len(w.stack)-1]
}

// raises reports whether an element holds cents behind the whole amount.
func raises(tag string, attrs attributes) bool {
	class := strings.ToLower(attrs.get("class"))
	return tag == "sup" || !breaks[tag] && (strings.Contains(class, "fraction") || strings.Contains(class, "cents") || strings.Contains(class, "decimal"))
}

func (w *writer) closeLink(f frame) {
	if w.link == nil {
		return
	}
	link, within := Link{Text: cut(clean(w.link.text.String()), 120), URL: w.link.url}, w.link.within
	w.link = nil
	if len(w.page.Links) < maxLinks && !within {
		w.page.Links = append(w.page.Links, link)
	}
	if (f.menu || f.edge) && link.Text != "" && len(w.page.Navigation) < maxLinks {
		w.page.Navigation = append(w.page.Navigation, link)
	}
}
