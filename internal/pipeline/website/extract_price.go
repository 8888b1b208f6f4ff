package website

import (
	"regexp"
	"strings"
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
	currency  = regexp.MustCompile(`(?i)` + formSign + `|` + formCode + `|dollar|euro|franc|kron`)
	signLast  = regexp.MustCompile(`(?i)(?:` + formSign + `|` + formCode + `)$`)
)

// pricesIn returns the prices of a text as they are written. It looks around each currency, since to look everywhere
// takes ten times as long.
func pricesIn(text string) (all []string) {
	for {
		at := currency.FindStringIndex(text)
		if at == nil {
			return all
		}
		from, to := around(text, at[0], at[1])
		found := priceForm.FindStringIndex(text[from:to])
		if found == nil || from+found[0] > at[0] {
			text = text[at[1]:]
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
func symbolPrefix(line string) bool { return prefixed.MatchString(line) }
