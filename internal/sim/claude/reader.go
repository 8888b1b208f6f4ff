package claude

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// Reader answers as a careful reader of websites would: it describes the text of the question {"site", "previous",
// "text"}, keeps the words of the previous profile where the text still has what they were taken from, and quotes what it
// says. It is for the shape of a site's profile alone; see Profile for any other.
func Reader(q Question) Answer {
	var turn struct {
		Site     string   `json:"site"`
		Previous *reading `json:"previous"`
		Text     string   `json:"text"`
	}
	if err := json.Unmarshal([]byte(q.Text), &turn); err != nil {
		return Answer{Text: "This is not the question that I know."}
	}
	lines := []string{}
	for line := range strings.Lines(turn.Text) {
		line = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(line), "#-"))
		if len(line) > 8 && strings.Contains(line, " ") && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "Navigation:") {
			lines = append(lines, line[:min(len(line), 200)])
		}
	}
	now := readingOf(lines)
	if turn.Previous != nil {
		now.keep(*turn.Previous, turn.Text)
	}
	said, err := json.Marshal(now)
	if err != nil {
		return Answer{ErrorType: "api_error"}
	}
	return Answer{Text: string(said)}
}

type statement struct {
	Text   string   `json:"text"`
	Quotes []string `json:"quotes"`
}

type pricingPattern struct {
	Kind   string   `json:"kind"`
	Text   string   `json:"text"`
	Prices []string `json:"prices"`
	Quotes []string `json:"quotes"`
}

type contentPattern struct {
	Kind   string   `json:"kind"`
	Text   string   `json:"text"`
	Quotes []string `json:"quotes"`
}

// reading is a site's profile in the shape that is asked for.
type reading struct {
	Niche           statement        `json:"niche"`
	Audience        statement        `json:"audience"`
	Positioning     statement        `json:"positioning"`
	PricingPatterns []pricingPattern `json:"pricing_patterns"`
	ContentPatterns []contentPattern `json:"content_patterns"`
}

var (
	money  = regexp.MustCompile(`(?:[$€£]\s?\d[\d.,]*\d|[$€£]\s?\d|\d[\d.,]*(?:-\s)?\s?(?:USD|EUR|GBP|€))`)
	whom   = regexp.MustCompile(`(?i)\b(?:for|für)\b.{0,40}\b(?:women|men|people|parents|families|beginners|owners|teachers|coaches|adults|runners|players|members|everyone|anyone|alle|familien|you)\b`)
	charge = []struct {
		kind, text string
		like       *regexp.Regexp
	}{
		{"subscription", "Memberships that are paid again and again", regexp.MustCompile(`(?i)month|year|annual|week|quarter|monat|jahr|\badult|\bfamily|\bstudent|\bsenior|erwachsene|jugend|familie`)},
		{"one_time", "Single payments", regexp.MustCompile(`(?i)day pass|once|one-time|single|drop-in|per class|court fee|guest|einmal|lifetime`)},
		{"trial", "A trial before joining", regexp.MustCompile(`(?i)\btrial\b|\btry (?:us|it|\d)|first (?:class|\d+ days)|probetraining|kostenlos zum training`)},
		{"discount", "Reductions for some", regexp.MustCompile(`(?i)discount|\bsave\b|% off|reduced|ermäßigt|rabatt|half[- ]price`)},
	}
	gives = []struct {
		kind, text string
		like       *regexp.Regexp
	}{
		{"courses", "Courses and classes", regexp.MustCompile(`(?i)\bcourse|class|lesson|workshop|kurs`)},
		{"coaching", "Coaching", regexp.MustCompile(`(?i)\bcoach|training|trainer`)},
		{"events", "Events and matches", regexp.MustCompile(`(?i)\bevent|tournament|league|match|ladder|termin|turnier|regatta`)},
		{"facilities", "Use of the grounds", regexp.MustCompile(`(?i)\bcourt|studio|gym|boat|pool|clubhouse|boot|halle`)},
		{"community", "A community of members", regexp.MustCompile(`(?i)\bcommunity|forum|social|gemeinschaft|verein`)},
		{"videos", "Videos", regexp.MustCompile(`(?i)\bvideo`)},
		{"articles", "Articles", regexp.MustCompile(`(?i)\barticle|journal|blog|news`)},
	}
)

// readingOf describes a site by its first lines, and what it charges and gives by the words of the others.
func readingOf(lines []string) reading {
	r := reading{PricingPatterns: []pricingPattern{}, ContentPatterns: []contentPattern{}}
	say := func(fits func(string) bool, skip int) statement {
		for _, line := range lines {
			if fits(line) {
				if skip--; skip < 0 {
					return statement{line, []string{line}}
				}
			}
		}
		return statement{Quotes: []string{}}
	}
	plain := func(line string) bool { return !money.MatchString(line) }
	r.Niche, r.Positioning = say(plain, 0), say(plain, 1)
	r.Audience = say(func(line string) bool { return plain(line) && whom.MatchString(line) }, 0)
	for _, c := range charge {
		p := pricingPattern{Kind: c.kind, Text: c.text, Prices: []string{}}
		for _, line := range lines {
			if found := money.FindAllString(line, -1); c.like.MatchString(line) && (found != nil || c.kind == "trial" || c.kind == "discount") {
				p.Prices = append(p.Prices, found...)
				if len(p.Quotes) < 3 {
					p.Quotes = append(p.Quotes, line)
				}
			}
		}
		if p.Quotes != nil {
			r.PricingPatterns = append(r.PricingPatterns, p)
		}
	}
	for _, g := range gives {
		if i := slices.IndexFunc(lines, g.like.MatchString); i >= 0 {
			r.ContentPatterns = append(r.ContentPatterns, contentPattern{g.kind, g.text, []string{lines[i]}})
		}
	}
	return r
}

// keep takes over what the previous profile said, where the text has all that it was taken from.
func (r *reading) keep(before reading, text string) {
	text = strings.Join(strings.Fields(text), " ")
	for _, s := range []struct {
		now *statement
		old statement
	}{{&r.Niche, before.Niche}, {&r.Audience, before.Audience}, {&r.Positioning, before.Positioning}} {
		still := len(s.old.Quotes) > 0
		for _, quote := range s.old.Quotes {
			still = still && strings.Contains(text, quote)
		}
		if still {
			*s.now = s.old
		}
	}
}
