package website

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The most that is kept of each part of an answer, in characters or in number. What is longer is cut.
const (
	maxNiche       = 120
	maxAudience    = 220
	maxPositioning = 400
	maxPattern     = 220
	maxPrice       = 40
	maxQuote       = 300
	maxPatterns    = 12
	maxPrices      = 12
	maxQuotes      = 3
)

// errUnreadable is an answer that is not of the shape that was asked for.
var errUnreadable = errors.New("website: the answer is not a profile")

// decode reads an answer's text, strictly: a field that was not asked for, a kind that there is not, something after
// the end, and it is no answer. What it returns is plain text without markup and addresses, within its bounds, and each
// kind of pattern once; nothing is proved yet.
func decode(text string) (draft, error) {
	if !utf8.ValidString(text) {
		return draft{}, fmt.Errorf("%w: not UTF-8", errUnreadable)
	}
	var whole struct {
		Niche           *rawClaim     `json:"niche"`
		Audience        *rawClaim     `json:"audience"`
		Positioning     *rawClaim     `json:"positioning"`
		PricingPatterns *[]rawPricing `json:"pricing_patterns"`
		ContentPatterns *[]rawContent `json:"content_patterns"`
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&whole); err != nil {
		return draft{}, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return draft{}, fmt.Errorf("%w: something follows it", errUnreadable)
	}
	if whole.Niche == nil || whole.Audience == nil || whole.Positioning == nil || whole.PricingPatterns == nil || whole.ContentPatterns == nil {
		return draft{}, fmt.Errorf("%w: a field is missing", errUnreadable)
	}
	d := draft{PricingPatterns: []pricing{}, ContentPatterns: []content{}}
	for _, c := range []struct {
		from *rawClaim
		to   *claim
		most int
	}{{whole.Niche, &d.Niche, maxNiche}, {whole.Audience, &d.Audience, maxAudience}, {whole.Positioning, &d.Positioning, maxPositioning}} {
		if c.from.Text == nil || c.from.Quotes == nil {
			return draft{}, fmt.Errorf("%w: a statement lacks its text or quotes", errUnreadable)
		}
		*c.to = claim{short(plain(*c.from.Text), c.most), quotes(*c.from.Quotes)}
	}
	for _, p := range *whole.PricingPatterns {
		if p.Text == nil || p.Prices == nil || p.Quotes == nil || !slices.Contains(pricingKinds(), p.Kind) {
			return draft{}, fmt.Errorf("%w: a way of charging of kind %q", errUnreadable, p.Kind)
		}
		same := func(have pricing) bool { return have.Kind == p.Kind }
		if text := short(plain(*p.Text), maxPattern); text != "" && len(d.PricingPatterns) < maxPatterns && !slices.ContainsFunc(d.PricingPatterns, same) {
			d.PricingPatterns = append(d.PricingPatterns, pricing{p.Kind, text, prices(*p.Prices), quotes(*p.Quotes)})
		}
	}
	for _, p := range *whole.ContentPatterns {
		if p.Text == nil || p.Quotes == nil || !slices.Contains(contentKinds(), p.Kind) {
			return draft{}, fmt.Errorf("%w: content of kind %q", errUnreadable, p.Kind)
		}
		same := func(have content) bool { return have.Kind == p.Kind }
		if text := short(plain(*p.Text), maxPattern); text != "" && len(d.ContentPatterns) < maxPatterns && !slices.ContainsFunc(d.ContentPatterns, same) {
			d.ContentPatterns = append(d.ContentPatterns, content{p.Kind, text, quotes(*p.Quotes)})
		}
	}
	return d, nil
}

// The raw forms tell what is missing from what is empty.
type (
	rawClaim struct {
		Text   *string   `json:"text"`
		Quotes *[]string `json:"quotes"`
	}
	rawPricing struct {
		Kind   string    `json:"kind"`
		Text   *string   `json:"text"`
		Prices *[]string `json:"prices"`
		Quotes *[]string `json:"quotes"`
	}
	rawContent struct {
		Kind   string    `json:"kind"`
		Text   *string   `json:"text"`
		Quotes *[]string `json:"quotes"`
	}
)

// pricingKinds and contentKinds are those of schema.json.
func pricingKinds() []string {
	return []string{"subscription", "one_time", "tiers", "trial", "discount", "free", "donation", "on_request", "other"}
}

func contentKinds() []string {
	return []string{
		"articles", "courses", "videos", "audio", "events", "community", "coaching", "newsletter", "downloads", "facilities", "discounts", "other",
	}
}

var (
	markup    = regexp.MustCompile(`<[^<>]*>`)
	entities  = regexp.MustCompile(`&(#\w+|[a-zA-Z]\w*);`)
	addresses = regexp.MustCompile(`(?i)\b(?:[a-z][a-z0-9+.-]*://|www\.|(?:mailto|javascript|data|tel):)\S*|\S+@\S+\.\S+|` +
		`\b(?:[a-z0-9-]+\.)+(?:[a-z]{2,24}/\S*|(?:com|net|org|info|biz|io|co|app|dev|shop|club|site|online|xyz|example|test)\b)`)
)

// Texts of many bytes and many layers are cut and peeled only so far: what is kept is short, and an answer may be made to be slow.
const (
	maxRaw    = 4 << 10
	maxLayers = 8
)

// plain makes one line of plain text: no markup, no addresses, nothing that cannot be seen.
func plain(text string) string {
	text = visible(cut(text, maxRaw))
	text = peel(text, func(text string) string { return entities.ReplaceAllString(markup.ReplaceAllString(text, " "), " ") })
	text = strings.Map(func(r rune) rune { // before addresses are looked for: it must not put one together
		if r == '<' || r == '>' || r == '`' {
			return -1
		}
		return r
	}, text)
	return oneLine(peel(text, func(text string) string { return addresses.ReplaceAllString(text, " ") }))
}

// peel takes away until nothing is left to be taken, since what is left of one may make another.
func peel(text string, layer func(string) string) string {
	for range maxLayers {
		before := text
		if text = layer(text); text == before {
			break
		}
	}
	return text
}

// visible leaves out what is not shown: control characters, marks that turn the direction of writing, empty letters.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs), r == utf8.RuneError:
			return -1
		}
		return r
	}, text)
}

// oneLine brings white space in order.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// short cuts text at the end of a word.
func short(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	cut := string(runes[:most])
	if at := strings.LastIndexByte(cut, ' '); at > len(cut)/2 {
		cut = cut[:at]
	}
	return strings.TrimRight(cut, " ,;:-")
}

// quotes keeps those that may be evidence by their form alone.
func quotes(given []string) []string {
	kept := []string{}
	for _, q := range given {
		q = oneLine(visible(q))
		if q == "" || utf8.RuneCountInString(q) > maxQuote || plain(q) != q || slices.Contains(kept, q) || len(kept) == maxQuotes {
			continue
		}
		kept = append(kept, q)
	}
	return kept
}

func prices(given []string) []string {
	kept := []string{}
	for _, p := range given {
		p = plain(p)
		if p == "" || utf8.RuneCountInString(p) > maxPrice || !strings.ContainsAny(p, "0123456789") || slices.Contains(kept, p) || len(kept) == maxPrices {
			continue
		}
		kept = append(kept, p)
	}
	return kept
}
