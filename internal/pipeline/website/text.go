package website

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// The ranks of a line: what must stand in the text comes first when not all of it fits.
const (
	rankFrame   = iota // a page's title and navigation
	rankPrice          // prices and offers
	rankHeading        // what the page speaks of
	rankBeside         // what stands beside a price
	rankBody           // the rest
	rankLegal          // cookies, rights reserved
	ranks
)

// shares are how much of the text a rank may take while others still wait, in percent.
var shares = [ranks]int{15, 45, 20, 30, 100, 100}

type textLine struct {
	page int
	rank int
	text string
	in   bool
}

// compose makes of a site's pages the text that is read of it: what is said on several pages once, and at most
// MaxText bytes. What does not fit is left out in the order of the ranks, from all pages alike.
func compose(pages []Page) string {
	lines := listLines(pages)
	size := 0
	for _, capped := range []bool{true, false} {
		for rank := range ranks {
			most := MaxText
			if capped {
				most = MaxText * shares[rank] / 100
			}
			size += fillLines(lines, rank, most, MaxText-size)
		}
	}
	var b strings.Builder
	for _, l := range lines {
		if l.in {
			b.WriteString(l.text)
			b.WriteByte('\n')
		}
	}
	return strings.TrimSpace(b.String())
}

// fillLines takes lines of a rank from the pages in turn, and returns how many bytes it took.
func fillLines(lines []textLine, rank, most, left int) (taken int) {
	waiting := map[int][]int{}
	last := 0
	for i, l := range lines {
		if l.rank == rank && !l.in {
			waiting[l.page] = append(waiting[l.page], i)
			last = max(last, l.page)
		}
	}
	for len(waiting) > 0 {
		for page := 0; page <= last; page++ {
			queue := waiting[page]
			if len(queue) == 0 {
				delete(waiting, page)
				continue
			}
			waiting[page] = queue[1:]
			l := &lines[queue[0]]
			if n := len(l.text) + 1; n <= left-taken && taken+n <= most {
				l.in = true
				taken += n
			}
		}
	}
	return taken
}

// listLines writes the pages as lines, each once. What another page said but for the time and a counter counts as said.
func listLines(pages []Page) (lines []textLine) {
	seen, menus, steadily := map[string]bool{}, map[string]bool{}, map[string]int{}
	for i, p := range pages {
		lines = append(lines, textLine{page: i, rank: rankFrame, text: headLine(p)})
		if menu := menuLine(p, menus); menu != "" {
			lines = append(lines, textLine{page: i, rank: rankFrame, text: menu})
		}
		priced, prices := make([]bool, len(p.Blocks)), pricer(maxLooked)
		for at, b := range p.Blocks {
			priced[at] = len(prices.in(b.Text)) > 0
		}
		for at, b := range p.Blocks {
			key := sameness(b.Text)
			if key == "" || seen[key] || menus[key] && b.Sort != Heading {
				continue
			}
			seen[key] = true
			without := steady(b.Text)
			if on, ok := steadily[without]; ok && on != i && without != "" {
				continue
			}
			steadily[without] = i
			lines = append(lines, textLine{page: i, rank: rankOf(b, priced[max(0, at-4):min(at+5, len(priced))], priced[at]), text: markLine(b)})
		}
	}
	return lines
}

// pageMark begins the line that heads a page.
const pageMark = "=== "

func headLine(p Page) string {
	return fmt.Sprintf("\n%s%s (%s) %s", pageMark, headPath(pathOf(p.URL)), p.Kind, p.Title)
}

// headPath writes a path as it is read, "/" for the homepage's.
func headPath(escaped string) string {
	path, err := url.PathUnescape(escaped)
	if err != nil || path == "" {
		return "/"
	}
	return cut(clean(path), 120)
}

// menuLine is the navigation that no page before had.
func menuLine(p Page, seen map[string]bool) string {
	var texts []string
	size := 0
	for _, l := range p.Navigation {
		key := sameness(l.Text)
		if key == "" || seen[key] || size > 1500 {
			continue
		}
		seen[key] = true
		size += len(l.Text)
		texts = append(texts, l.Text)
	}
	if texts == nil {
		return ""
	}
	return "Navigation: " + strings.Join(texts, " | ")
}

// sameness is the text without what makes no difference.
func sameness(text string) string {
	return strings.ToLower(strings.Trim(text, " \t.,:;!|»›→-–—•·*"))
}

func markLine(b Block) string {
	switch b.Sort {
	case Heading:
		return strings.Repeat("#", b.Level) + " " + b.Text
	case Item, Row:
		return "- " + b.Text
	default:
		return b.Text
	}
}

var (
	offer = regexp.MustCompile(`(?i)\b(free|trial|discounts?|save|off|guarantee\w*|refund\w*|cancel anytime|coupon|promo\w*|bonus|special offer|limited|early[- ]bird|gift|scholarship|` +
		`per cent|half[- ]price|waived|no (joining|sign-?up|setup|enrol\w*) fee|includes|included|including|unlimited|join (now|today|us)|sign up|become a member|start (now|today|your)|enrol\w*|apply now|` +
		`gratis|kostenlos|rabatt|angebot|essai|gratuit|offre|remise|oferta|prueba|descuento|sconto|prova|aanbieding|korting)\b|\d\s?%`)
	legal = regexp.MustCompile(`(?i)\b(cookies?|all rights reserved|privacy policy|terms (of|and)|powered by|copyright|gdpr)\b|©`)
)

// rankOf judges a block by itself and by whether it or one of those around it has a price.
func rankOf(b Block, around []bool, priced bool) int {
	switch {
	case priced:
		return rankPrice
	case legal.MatchString(b.Text):
		return rankLegal
	case len(b.Text) <= 300 && offer.MatchString(b.Text):
		return rankPrice
	case b.Sort == Heading:
		return rankHeading
	case slices.Contains(around, true):
		return rankBeside
	}
	return rankBody
}
