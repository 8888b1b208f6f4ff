package website

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	formDecimals = `(?:[.,](?:\d{1,2}|-{1,2}|–|—))?`
	formAmount   = `(?:\d{1,3}(?:[.,'’]\d{3})+` + formDecimals + `|\d+` + formDecimals + `)`
	formSpaced   = `(?:\d{1,3}(?:[.,'’ ]\d{3})+` + formDecimals + `|\d+` + formDecimals + `)`
	formSign     = `(?:\b(?:US|CA|AU|NZ|HK|C|A|R|S)\$|[$€£¥₹₩₽₪₺₴₫฿]|\bFr\.|zł|Kč)`
	formCode     = `(?:USD|EUR|GBP|CHF|CAD|AUD|NZD|SEK|NOK|DKK|JPY|INR|BRL|MXN|ZAR|PLN|CZK|SGD|HKD|kr\.?)`
	formWord     = `(?:dollars?|euros?|francs|kroner|kronor)\b`
	formInterval = `(?:\s*(?:/|per|a|an|each|every|pro|par|al|por|je|im|p\.)\s*(?:person\s*/?\s*)?(?:mo(?:nth)?s?|mth|y(?:ea)?rs?|wk|weeks?|days?|session|class|visit|hour|hr|lesson|quarter|season|` +
		`person|member|monat|jahr|woche|mois|mes|año|mese|anno|maand|jaar|annum|m|a|an)\b|\s*(?:monthly|yearly|annually|weekly|one[- ]time|once)\b)?`
)

// A price is an amount with its currency, and what it is for where that stands beside it.
var (
	priceForm = regexp.MustCompile(`(?i)(?:` + formSign + `\s?` + formAmount + `|\b` + formCode + `\s?` + formAmount + `|\b` + formSpaced + `\s?(?:` + formSign + `|` + formCode + `\b|` + formWord + `))` + formInterval)
	priceBits = regexp.MustCompile(`(?i)^[\s\d.,'’/+–—-]*(?:` + formSign + `|` + formCode + `)?[\s\d.,'’/+–—-]*(?:/?\s*(?:mo(?:nth)?|y(?:ea)?r|week|day))?\s*$`)
	prefixed  = regexp.MustCompile(`(?:^|[^A-Za-z])(?:US|CA|AU|NZ|HK|C|A|R|S)$`)
	signLast  = regexp.MustCompile(`(?i)(?:` + formSign + `|` + formCode + `)$`)
)

// maxLooked is how many currencies of a page are looked at: more than a shop has.
const maxLooked = 2000

// pricer finds prices. It holds how many currencies it still looks at.
type pricer int

// hasPrice reports whether a price stands in a text of a few words.
func hasPrice(text string) bool {
	few := pricer(12)
	return len(few.in(text)) > 0
}

// in returns the prices of a text as they are written. It looks around each currency alone, since most text has none and the
// pattern is slow.
func (p *pricer) in(text string) (all []string) {
	if !strings.ContainsAny(text, "0123456789") {
		return nil
	}
	for {
		at, end := nextCurrency(text)
		if at < 0 || *p <= 0 {
			return all
		}
		*p--
		from, to := around(text, at, end)
		found := priceForm.FindStringIndex(text[from:to])
		if found == nil || from+found[0] > at {
			text = text[end:]
			continue
		}
		price, rest := text[from+found[0]:from+found[1]], text[from+found[1]:]
		// "for 4 $80": the sign belongs to what follows.
		if last := signLast.FindStringIndex(price); last != nil && last[0] > 0 && beginsNumber.MatchString(strings.TrimPrefix(rest, " ")) {
			text = text[from+found[0]+last[0]:]
			continue
		}
		all, text = append(all, price), rest
	}
}

// nextCurrency finds the first sign or name of a currency; -1 without one.
func nextCurrency(text string) (at, end int) {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if unicode.Is(unicode.Sc, r) {
			return i, i + size
		}
		if !unicode.IsLetter(r) {
			i += size
			continue
		}
		word := i
		for i < len(text) && unicode.IsLetter(r) {
			i += size
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		if n := i - word; n <= 8 && currencies[strings.ToLower(text[word:i])] {
			return word, i
		}
	}
	return -1, 0
}

var currencies = map[string]bool{
	"usd": true, "eur": true, "gbp": true, "chf": true, "cad": true, "aud": true, "nzd": true, "sek": true, "nok": true, "dkk": true, "jpy": true, "inr": true, "brl": true, "mxn": true,
	"zar": true, "pln": true, "czk": true, "sgd": true, "hkd": true, "kr": true, "fr": true, "zł": true, "kč": true, "dollar": true, "dollars": true, "euro": true, "euros": true,
	"francs": true, "kroner": true, "kronor": true,
}

// around is where a price may stand whose currency does from at to end. It begins with no half number.
func around(text string, at, end int) (from, to int) {
	from = max(0, at-24)
	for from > 0 && from < at && (!utf8.RuneStart(text[from]) || text[from-1] >= '0' && text[from-1] <= '9') {
		from++
	}
	return from, end + len(cut(text[end:], 64))
}

// onlyPrice reports whether there is nothing but parts of a price: it can be an amount, and nothing that is said.
func onlyPrice(text string) bool { return len(text) <= 40 && priceBits.MatchString(text) }

// symbolPrefix reports whether the letters at the end belong to the sign of a currency that follows.
func symbolPrefix(line string) bool { return prefixed.MatchString(line[max(0, len(line)-4):]) }
