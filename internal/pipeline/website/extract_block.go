package website

import "strings"

// joinRow makes one block of a row whose cells are short, as in a table of prices. Others are layout.
func (w *writer) joinRow(row frame) {
	blocks := w.page.Blocks[row.first:]
	total := 0
	for _, b := range blocks {
		if total += len(b.Text); b.Sort == Heading {
			return
		}
	}
	if len(blocks) < 2 || len(blocks) > 2*row.cells || total > 400 {
		return
	}
	texts := make([]string, len(blocks))
	for i, b := range blocks {
		texts[i] = b.Text
	}
	w.page.Blocks = append(w.page.Blocks[:row.first], Block{Sort: Row, Text: strings.Join(texts, " | ")})
}

// thinOptions keeps a short list to choose from, and of a long one what has a price.
func (w *writer) thinOptions(first int) {
	options := w.page.Blocks[first:]
	if len(options) <= maxOptions {
		return
	}
	kept := w.page.Blocks[:first]
	for _, b := range options {
		if hasPrice(b.Text) {
			kept = append(kept, b)
		}
	}
	w.page.Blocks = kept
}

// flush ends the line.
func (w *writer) flush() {
	if w.link != nil {
		w.link.text.WriteByte(' ')
	}
	if w.line.Len() == 0 {
		return
	}
	text := clean(superscripts(w.line.String()))
	w.line.Reset()
	f := w.top()
	if text == "" || len(w.page.Blocks) >= maxBlocks {
		return
	}
	sort := f.sort
	if f.menu {
		sort = Navigation
	}
	for _, chunk := range chunks(text, maxChunk) {
		w.page.Blocks = append(w.page.Blocks, Block{Sort: sort, Level: f.level, Text: chunk})
	}
}

// finish ends the page.
func (w *writer) finish() {
	w.flush()
	p := w.page
	p.Blocks = joinBlocks(p.Blocks)
	seen, prices := map[string]bool{}, pricer(maxLooked)
	for _, b := range p.Blocks {
		if b.Sort == Heading {
			p.Headings = append(p.Headings, b.Text)
		}
		for _, price := range prices.in(b.Text) {
			if !seen[price] {
				p.Prices, seen[price] = append(p.Prices, price), true
			}
		}
	}
}

// breaks are elements before and after which a line ends.
var breaks = map[string]bool{
	"address": true, "article": true, "aside": true, "blockquote": true, "body": true, "br": true, "button": true, "caption": true, "center": true, "dd": true, "details": true,
	"dialog": true, "dir": true, "div": true, "dl": true, "dt": true, "fieldset": true, "figcaption": true, "figure": true, "footer": true, "form": true, "h1": true, "h2": true,
	"h3": true, "h4": true, "h5": true, "h6": true, "header": true, "hgroup": true, "hr": true, "html": true, "label": true, "legend": true, "li": true, "main": true, "menu": true,
	"nav": true, "ol": true, "optgroup": true, "option": true, "p": true, "pre": true, "search": true, "section": true, "select": true, "summary": true, "table": true, "tbody": true,
	"td": true, "tfoot": true, "th": true, "thead": true, "tr": true, "ul": true,
}
