package website

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math/bits"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	sameBits = 3                      // of the similarity hash may differ without a change
	longest  = 8 * 7 * 24 * time.Hour // that a profile goes unquestioned
)

// changed says whether a reading is worth a new profile, and why, or why not. before is of the reading that the
// profile was made of, the zero Fingerprint where there is none. A similarity hash alone would miss a price
// or a headline that was replaced, so those are compared exactly. A reading that misses a page is not judged:
// what it lacks would look like a change, and the profile made of it would be worse.
func changed(before, now Fingerprint) (bool, string) {
	distance := bits.OnesCount64(before.Body ^ now.Body)
	switch {
	case before.At.IsZero():
		return true, "first reading"
	case before.Version != now.Version:
		return true, "new version of the prompt"
	case now.At.Sub(before.At) >= longest:
		return true, "last profile is eight weeks old"
	case now.Partial:
		return false, "reading is not whole"
	case before.Facts != now.Facts:
		return true, "headings, prices, navigation or pages differ"
	case distance > sameBits:
		return true, fmt.Sprintf("text differs by %d bits", distance)
	}
	return false, fmt.Sprintf("unchanged, text differs by %d bits", distance)
}

// factsHash is the hash of what is never allowed to change unseen. Volatile tokens do not count, nor the order of pages.
func factsHash(pages []Page) [32]byte {
	hash := sha256.New()
	say := func(what, value string) { _, _ = fmt.Fprintf(hash, "%s %q\n", what, value) }
	var prices []string
	for _, p := range slices.SortedFunc(slices.Values(pages), func(a, b Page) int { return cmp.Compare(pathOf(a.URL), pathOf(b.URL)) }) {
		say("page", pathOf(p.URL))
		say("title", steady(p.Title))
		for _, h := range p.Headings {
			say("heading", steady(h))
		}
		for _, l := range p.Navigation {
			say("link", steady(l.Text)+" "+pathOf(l.URL))
		}
		prices = append(prices, labelled(p)...)
	}
	slices.Sort(prices)
	for _, price := range slices.Compact(prices) {
		say("price", price)
	}
	return [32]byte(hash.Sum(nil))
}

// labelled returns a page's prices, each with the words before it and the heading that it stands under: two plans that change their prices
// have the same prices as before.
func labelled(p Page) (prices []string) {
	heading, all := "", pricer(maxLooked)
	for _, b := range p.Blocks {
		if b.Sort == Heading {
			heading = steady(b.Text)
		}
		rest := b.Text
		for _, price := range all.in(b.Text) {
			before, after, _ := strings.Cut(rest, price)
			prices, rest = append(prices, heading+" / "+steady(label(before))+" / "+price), after
		}
	}
	return prices
}

// label is the last words of what stands before a price.
func label(before string) string {
	const words = 6
	all := strings.Fields(before)
	return strings.Join(all[max(0, len(all)-words):], " ")
}

// pathOf leaves out the query, which may hold tokens, and the host, which may lose its "www.".
func pathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.EscapedPath()
}

// judge fills in what the gate compares.
func (r *Reading) judge() {
	r.Facts, r.Body = factsHash(r.Pages), similarity(r.Pages)
}
