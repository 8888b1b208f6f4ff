package website

import (
	"hash/fnv"
	"regexp"
	"strings"
)

// Volatile tokens say nothing of the site: when the page was made, who is there, and the keys of forms.
var volatile = regexp.MustCompile(`(?i)` + strings.Join([]string{
	`\b\d{1,2}[:.h]\d{2}(:\d{2})?\s?([ap]\.?m\.?|uhr)?\b`, `\b\d{1,2}\s?[ap]\.?m\b`, // times
	`\b\d{4}-\d{2}-\d{2}(t[\d:.]+z?)?\b`, `\b\d{1,2}[/.]\d{1,2}[/.]\d{2,4}\b`, // dates
	`\b\d{1,2}(st|nd|rd|th|\.)?\s+(of\s+)?` + months + `\b(\.?,?\s+\d{4}\b)?`, `\b` + months + `\.?\s+\d{1,2}(st|nd|rd|th)?\b(,?\s+\d{4}\b)?`, `\b` + months + `\.?,?\s+\d{4}\b`,
	`\b(mon|tues|wednes|thurs|fri|satur|sun)day\b`,
	`\b(\d+|an?|one|two|three|few)\s+(seconds?|minutes?|mins?|hours?|days?|weeks?|months?|years?)\s+(ago|left|remaining)\b`,
	`\b(just now|yesterday|today|tomorrow)\b`,
	`\b\d[\d.,]*k?\+?\s+(\w+\s+)?(online|views?|comments?|likes?|shares?|spots?|places?|seats?|tickets?|left|replies|followers|subscribers|votes?|ratings?|reviews?|visitors?|users?|people|members|remaining)\b(\s+(online|left|remaining|now))?`,
	`©\s?\d{4}(\s?[-–]\s?\d{4})?`, `\b[0-9a-f]{12,}\b`, `\b[a-z]*\d[a-z\d]{15,}\b`,
}, "|"))

const months = `(january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)`

// steady is a text without volatile tokens.
func steady(text string) string {
	text = strings.ToLower(text)
	if strings.ContainsAny(text, "0123456789") || strings.Contains(text, "day") || strings.Contains(text, "ago") || strings.Contains(text, "now") || strings.Contains(text, "left") ||
		strings.Contains(text, "remaining") || strings.Contains(text, "tomorrow") { // most text has none of them, and the pattern is slow
		text = volatile.ReplaceAllString(text, " ")
	}
	return strings.Join(strings.Fields(text), " ")
}

// shingles counts, for each bit, how many groups of three words have it.
type shingles [64]int

// similarity is a hash that differs in few bits where few words differ (simhash). Order of blocks, repetition and navigation
// do not count, numbers only in prices.
func similarity(pages []Page) (hash uint64) {
	var counts shingles
	seen := map[string]bool{}
	for _, p := range pages {
		for _, b := range p.Blocks {
			text := steady(b.Text)
			if b.Sort == Navigation || text == "" || seen[text] {
				continue
			}
			seen[text] = true
			counts.add(plainWords(text))
		}
	}
	for bit, count := range counts {
		if count > 0 {
			hash |= 1 << bit
		}
	}
	return hash
}

func plainWords(text string) (all []string) {
	for _, word := range strings.Fields(text) {
		word = strings.Trim(word, ".,:;!?()[]\"'“”‘’|-–—•·")
		if word != "" && strings.Trim(word, "0123456789.,+") != "" {
			all = append(all, word)
		}
	}
	return all
}

func (s *shingles) add(words []string) {
	for i := range max(1, len(words)-2) {
		if i >= len(words) {
			return
		}
		h := fnv.New64a()
		for _, word := range words[i:min(i+3, len(words))] {
			_, _ = h.Write([]byte(word))
			_, _ = h.Write([]byte{0})
		}
		for bit, sum := 0, mix(h.Sum64()); bit < 64; bit++ {
			s[bit] += int(sum>>bit&1)*2 - 1
		}
	}
}

// mix spreads what FNV leaves in its low bits (the end of MurmurHash3).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
