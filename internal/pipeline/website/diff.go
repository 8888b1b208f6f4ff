package website

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Change is one difference between a version and the one before, or between what the site showed at the two.
type Change struct {
	Kind   string `json:"kind"`             // see the constants
	Field  string `json:"field"`            // of the profile, or prices, headline, navigation, pages
	Before string `json:"before,omitempty"` // "" where something came
	After  string `json:"after,omitempty"`  // "" where something went
}

// The kinds of change.
const (
	changeAdded   = "added"
	changeRemoved = "removed"
	// changeReworded says the same in other words, and so says little.
	changeReworded = "reworded"
	// changeRewritten says something else, without a headline that bears it out.
	changeRewritten = "rewritten"
	// changeShifted is a positioning that says something else while the site's own headline changed too.
	changeShifted = "positioning shifted"
)

// The fields that are the site's own, and not the profile's.
const (
	fieldPrices   = "prices"
	fieldHeadline = "headline"
	fieldPages    = "pages"
	fieldMenu     = "navigation"
)

// display is what a reading showed, as far as changes of it are told. It is kept with each reading.
type display struct {
	Headline   []string `json:"headline"` // title and first headings of the homepage
	Prices     []string `json:"prices"`
	Navigation []string `json:"navigation"` // the links' words, with their paths
	Pages      []string `json:"pages"`      // paths
}

// mostShown is how many prices and links are kept of a reading, since they are kept for ever: more than any club has.
const mostShown = 200

// sameSense is the similarity from which on two sentences say the same.
const sameSense = 0.5

// diff tells what is different: kinds and prices exactly, sentences by their similarity. Both sides' lists are in any
// order. It is never nil.
func diff(before, now Profile, then, here display) []Change {
	changes := []Change{}
	changes = append(changes, exactly(fieldPrices, then.Prices, here.Prices)...)
	changes = append(changes, exactly(fieldHeadline, then.Headline, here.Headline)...)
	changes = append(changes, exactly(fieldMenu, then.Navigation, here.Navigation)...)
	changes = append(changes, exactly(fieldPages, then.Pages, here.Pages)...)
	changes = append(changes, exactly(fieldPricing, kindsOfPricing(before), kindsOfPricing(now))...)
	changes = append(changes, exactly(fieldContent, kindsOfContent(before), kindsOfContent(now))...)
	headline := len(exactly(fieldHeadline, wordsOf(then.Headline), wordsOf(here.Headline))) > 0
	for _, s := range []struct {
		field       string
		before, now *string
	}{{fieldNiche, before.Niche, now.Niche}, {fieldAudience, before.Audience, now.Audience}, {fieldPositioning, before.Positioning, now.Positioning}} {
		if c, ok := sentence(s.field, s.before, s.now, headline); ok {
			changes = append(changes, c)
		}
	}
	return changes
}

// wordsOf leaves out the numbers: a price in a headline is told as a price.
func wordsOf(headlines []string) (words []string) {
	for _, h := range headlines {
		words = append(words, strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || r == ' ' {
				return unicode.ToLower(r)
			}
			return -1
		}, h))
	}
	return words
}

// exactly compares two sets.
func exactly(field string, before, now []string) (changes []Change) {
	for _, one := range sorted(before) {
		if !slices.Contains(now, one) {
			changes = append(changes, Change{Kind: changeRemoved, Field: field, Before: one})
		}
	}
	for _, one := range sorted(now) {
		if !slices.Contains(before, one) {
			changes = append(changes, Change{Kind: changeAdded, Field: field, After: one})
		}
	}
	return changes
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// sentence compares two sentences, either of which may be missing.
func sentence(field string, before, now *string, headline bool) (Change, bool) {
	switch {
	case before == nil && now == nil || before != nil && now != nil && *before == *now:
		return Change{}, false
	case before == nil:
		return Change{Kind: changeAdded, Field: field, After: *now}, true
	case now == nil:
		return Change{Kind: changeRemoved, Field: field, Before: *before}, true
	}
	c := Change{Kind: changeReworded, Field: field, Before: *before, After: *now}
	if likeness(*before, *now) < sameSense {
		c.Kind = changeRewritten
		if field == fieldPositioning && headline {
			c.Kind = changeShifted
		}
	}
	return c, true
}

// likeness is how much two sentences share, from 0 to 1: the words that both have, of those that either has. Words
// that carry no meaning do not count, and of the others the beginning does.
func likeness(a, b string) float64 {
	left, right := stems(a), stems(b)
	if len(left) == 0 || len(right) == 0 {
		return 0
	}
	both := 0
	for w := range left {
		if right[w] {
			both++
		}
	}
	return float64(both) / float64(len(left)+len(right)-both)
}

func stems(text string) map[string]bool {
	const stem = 5
	found := map[string]bool{}
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return strings.ContainsRune(" ,.;:!?()-–—'\"/&", r) }) {
		runes := []rune(word)
		if len(runes) <= 3 && !strings.ContainsAny(word, "0123456789") {
			continue
		}
		found[string(runes[:min(len(runes), stem)])] = true
	}
	return found
}

func kindsOfPricing(p Profile) (kinds []string) {
	for _, one := range p.PricingPatterns {
		kinds = append(kinds, one.Kind)
	}
	return kinds
}

func kindsOfContent(p Profile) (kinds []string) {
	for _, one := range p.ContentPatterns {
		kinds = append(kinds, one.Kind)
	}
	return kinds
}

// showing picks of a reading what changes are told of. Pages go by their path, since a site's name may change its
// spelling.
func showing(r Reading) display {
	const headings = 4
	s := display{Headline: []string{}, Prices: []string{}, Navigation: []string{}, Pages: []string{}}
	for i, p := range r.Pages {
		if i == 0 {
			s.Headline = append(s.Headline, p.Title)
			s.Headline = append(s.Headline, p.Headings[:min(len(p.Headings), headings)]...)
		}
		s.Prices = append(s.Prices, p.Prices...)
		s.Pages = append(s.Pages, pathOf(p.URL))
		for _, l := range p.Navigation {
			words := oneLine(volatile.ReplaceAllString(l.Text, " "))
			s.Navigation = append(s.Navigation, fmt.Sprintf("%s (%s)", words, cut(pathOf(l.URL), 200)))
		}
	}
	s.Prices, s.Navigation, s.Pages = sorted(s.Prices), sorted(s.Navigation), sorted(s.Pages)
	s.Prices, s.Navigation = s.Prices[:min(len(s.Prices), mostShown)], s.Navigation[:min(len(s.Navigation), mostShown)]
	return s
}
