package website

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// leastGrounded is the part of its statements that must be borne out for a profile to be believed at all.
const leastGrounded = 0.5

// ground leaves of a draft what the text bears out: a statement keeps the quotes that stand in the text, one without
// any goes, and so does a price that is not written there. Where one of the three sentences goes and the version
// before has one that the text still bears out, that one stays. It returns which part of the statements was borne out,
// 1 where none was made.
func ground(d draft, text string, previous *draft) (draft, float64) {
	site := sincere(text)
	made, kept := 0, 0
	holds := func(q []string) []string {
		made++
		q = slices.DeleteFunc(slices.Clone(q), func(quote string) bool { return !proves(quote, site) })
		if len(q) > 0 {
			kept++
		}
		return q
	}
	sentence := func(now claim, before func(*draft) claim) claim {
		if now.Text != "" {
			if now.Quotes = holds(now.Quotes); len(now.Quotes) > 0 {
				return now
			}
		}
		if previous != nil && now.Text != "" {
			old := before(previous)
			old.Quotes = slices.DeleteFunc(slices.Clone(old.Quotes), func(quote string) bool { return !proves(quote, site) })
			if len(old.Quotes) > 0 {
				return old
			}
		}
		return claim{Quotes: []string{}}
	}
	out := draft{
		Niche:           sentence(d.Niche, func(p *draft) claim { return p.Niche }),
		Audience:        sentence(d.Audience, func(p *draft) claim { return p.Audience }),
		Positioning:     sentence(d.Positioning, func(p *draft) claim { return p.Positioning }),
		PricingPatterns: []pricing{}, ContentPatterns: []content{},
	}
	for _, p := range d.PricingPatterns {
		if p.Quotes = holds(p.Quotes); len(p.Quotes) == 0 {
			continue
		}
		p.Prices = slices.DeleteFunc(slices.Clone(p.Prices), func(price string) bool { return !stands(price, site) })
		out.PricingPatterns = append(out.PricingPatterns, p)
	}
	for _, p := range d.ContentPatterns {
		if p.Quotes = holds(p.Quotes); len(p.Quotes) > 0 {
			out.ContentPatterns = append(out.ContentPatterns, p)
		}
	}
	if made == 0 {
		return out, 1
	}
	return out, float64(kept) / float64(made)
}

// sincere is a site's text on one line without the lines that speak to whoever describes it: no part of those is evidence, and no quote
// reaches across one.
func sincere(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line = oneLine(visible(line)); commands.MatchString(line) {
			line = "\x00" // stands in no quote
		}
		b.WriteString(line)
		b.WriteByte(' ')
	}
	return oneLine(b.String())
}

// proves reports whether a quote stands in the site's sincere text, says something, and is not addressed to whoever describes
// the site: one may reach across lines. A number alone says nothing: one stands in every text.
func proves(quote, site string) bool {
	letters := strings.ContainsFunc(quote, func(r rune) bool { return unicode.IsLetter(r) || unicode.Is(unicode.Sc, r) })
	telling := utf8.RuneCountInString(quote) >= 8 && strings.ContainsRune(quote, ' ') || strings.ContainsAny(quote, "0123456789") && letters
	return telling && stands(quote, site) && !commands.MatchString(quote)
}

// stands reports whether words are in a text as they are: "$9" is not in "$99" nor in "$9.50", and "art club" not in "smart club".
func stands(words, site string) bool {
	for from := 0; words != ""; {
		at := strings.Index(site[from:], words)
		if at < 0 {
			return false
		}
		begin, end := from+at, from+at+len(words)
		if !joined(site[:begin], words) && !joined(words, site[end:]) {
			return true
		}
		_, size := utf8.DecodeRuneInString(words)
		from = begin + size
	}
	return false
}

// joined reports whether what stands before and after a place is one word or one number.
func joined(before, after string) bool {
	last, size := utf8.DecodeLastRuneInString(before)
	first, width := utf8.DecodeRuneInString(after)
	if (last == '.' || last == ',') && unicode.IsDigit(first) {
		last, _ = utf8.DecodeLastRuneInString(before[:len(before)-size])
		return unicode.IsDigit(last)
	}
	if (first == '.' || first == ',') && unicode.IsDigit(last) {
		first, _ = utf8.DecodeRuneInString(after[width:])
		return unicode.IsDigit(first)
	}
	return unicode.IsLetter(last) && unicode.IsLetter(first) || unicode.IsDigit(last) && unicode.IsDigit(first)
}

// locate names the page that each quote comes from. Only a line that heads a page of the reading divides the text: a site may
// write one that looks so.
func locate(evidence []Evidence, k kept) {
	type section struct{ path, text string }
	known := map[string]string{}
	for _, path := range k.Shown.Pages {
		known[headPath(path)] = path
	}
	all := []section{{}}
	for line := range strings.Lines(k.Text) {
		if head, ok := strings.CutPrefix(line, pageMark); ok {
			name, _, _ := strings.Cut(head, " (")
			if path, ok := known[name]; ok {
				delete(known, name)
				all = append(all, section{path: path})
			}
		}
		all[len(all)-1].text += line
	}
	for i := range all {
		all[i].text = oneLine(visible(all[i].text))
	}
	for i := range evidence {
		for _, s := range all {
			if stands(evidence[i].Quote, s.text) {
				evidence[i].Page = s.path
				break
			}
		}
	}
}

// commands are the words of texts that want to steer a model. A site that merely is about such models loses a quote by
// it and has others.
var commands = regexp.MustCompile(`(?i)\b(?:(?:ignore|disregard|forget|override)\b.{0,40}\b(?:previous|prior|above|earlier|other|all|instruction|prompt|rule)s?` +
	`|(?:system|developer)\s*(?:prompt|message|:)|(?:language|ai)\s+models?|as an ai|(?:dear|hey|hello|attention|note to)\s+(?:ai|llm|claude|gpt|assistant|model|crawler|bot)s?` +
	`|(?:claude|chatgpt|gpt-?\d|llms?)\b|you are (?:now|an? (?:assistant|helpful|ai))|(?:respond|reply|answer|output|return|write|say|state|describe|set|report)\b.{0,40}` +
	`\b(?:json|only with|exactly|the following|profile|niche|audience|positioning|pricing_patterns|content_patterns|field|instead)` +
	`|new instructions?|end of (?:data|text|input)|(?:assistant|human|user)\s*:` +
	`|(?:ignor\w*|vergiss|vergesst|missachte\w*|oubli\w+|olvid\w+|dimentic\w+|negeer|vergeet|esque[cç]\w+)\b.{0,60}(?:\banweisung|\binstru(?:cti|cc|ç)|\bistruzion|\b(?:vorgaben?|consignes?|règles?|reglas?|regras?|regol[ae]|regel[ns]?)\b)` +
	`|(?:sprach|ki-|taal)modell?|mod[eèé]l\w* d[eu] (?:langage|lenguaje|linguagem)|modell\w* linguistic)|[{}]|":`)

// nothing reports whether a draft says nothing at all.
func (d draft) nothing() bool {
	return d.Niche.Text == "" && d.Audience.Text == "" && d.Positioning.Text == "" && len(d.PricingPatterns)+len(d.ContentPatterns) == 0
}
