package website

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// superscript marks where small raised text begins and ends, until the line is whole.
const superscript = '\x01'

var (
	raisedCents = regexp.MustCompile(`(\d)\s*\x01\s*[.,]?(\d\d)\s*\x01`)
	raisedSign  = regexp.MustCompile(`\x01\s*(\p{Sc})\s*\x01\s*(\d)`)
)

// superscripts writes raised cents behind a point: without, 49 and 99 would be 4999.
func superscripts(line string) string {
	if strings.IndexByte(line, superscript) < 0 {
		return line
	}
	line = raisedSign.ReplaceAllString(line, "$1$2")
	line = raisedCents.ReplaceAllString(line, "$1.$2")
	return strings.ReplaceAll(line, string(superscript), " ")
}

// clean makes one line of text: no line breaks, and nothing that a visitor does not see.
func clean(s string) string {
	var b strings.Builder
	space := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r), r == '\u2800', r == '\u3164', r == '\u115f', r == '\u1160', r == '\uffa0':
			space = b.Len() > 0
			continue
		case r == utf8.RuneError, unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Variation_Selector):
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// cut shortens at a rune.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// chunks divides long text at the ends of sentences, or else at a space.
func chunks(s string, most int) (all []string) {
	for len(s) > most {
		head := cut(s, most)
		end := strings.LastIndexAny(head, ".!?;")
		if end < most/3 {
			end = strings.LastIndexByte(head, ' ')
		}
		if end < most/3 {
			end = len(head) - 1
		}
		all = append(all, strings.TrimSpace(s[:end+1]))
		s = strings.TrimSpace(s[end+1:])
	}
	if s != "" {
		all = append(all, s)
	}
	return all
}

// joinBlocks puts together what stands in boxes of its own and belongs together: a sign and its amount, a price and what it
// is for.
func joinBlocks(blocks []Block) []Block {
	var joined []Block
	for _, b := range blocks {
		if len(joined) > 0 {
			last := &joined[len(joined)-1]
			if (last.Sort == b.Sort || len(last.Text) < 8) && b.Sort != Navigation {
				if glue, ok := belongs(last.Text, b.Text); ok {
					last.Text += glue + b.Text
					continue
				}
			}
		}
		joined = append(joined, b)
	}
	return joined
}

var (
	endsInSign   = regexp.MustCompile(`(?i)(^|\s)(\p{Sc}|US\$|C\$|CA\$|A\$|AU\$|NZ\$|USD|EUR|GBP|CHF|CAD|AUD|NZD)$`)
	beginsNumber = regexp.MustCompile(`^\d`)
	isCents      = regexp.MustCompile(`^[.,]\d\d\b`)
	isPeriod     = regexp.MustCompile(`(?i)^(/|per |a |an |each |pro |par |al |por |je |p\.|monthly|yearly|annually|once|one[- ]time)`)
	isSignAlone  = regexp.MustCompile(`(?i)^(\p{Sc}|USD|EUR|GBP|CHF|CAD|AUD|NZD)( |$)`)
	wholePrice   = regexp.MustCompile(`\p{Sc}\s?\d+$`)
	isTwoDigits  = regexp.MustCompile(`^\d\d$`)
	endsInNumber = regexp.MustCompile(`\d$`)
)

func belongs(before, next string) (glue string, ok bool) {
	if len(before) > 120 || len(next) > 60 {
		return "", false
	}
	first, _ := utf8.DecodeRuneInString(next)
	if !endsInSign.MatchString(before) && !strings.ContainsAny(before, "0123456789") || !unicode.IsDigit(first) && !isSignAlone.MatchString(next) && !isPeriod.MatchString(next) && !isCents.MatchString(next) {
		return "", false
	}
	priced := hasPrice(before)
	switch {
	case endsInSign.MatchString(before) && beginsNumber.MatchString(next):
		if last, _ := utf8.DecodeLastRuneInString(before); unicode.Is(unicode.Sc, last) {
			return "", true
		}
		return " ", true
	case priced && isCents.MatchString(next) && endsInNumber.MatchString(before):
		return "", true
	case len(next) == 2 && wholePrice.MatchString(before) && isTwoDigits.MatchString(next):
		return ".", true
	case priced && isPeriod.MatchString(next) && len(next) <= 24:
		return " ", true
	case !priced && endsInNumber.MatchString(before) && len(before) < 10 && isSignAlone.MatchString(next):
		return " ", true
	}
	return "", false
}
