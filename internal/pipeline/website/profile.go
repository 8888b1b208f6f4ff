package website

import "time"

// draft is a profile as Claude writes it, and as it is shown to Claude the next time.
type draft struct {
	Niche           claim     `json:"niche"`
	Audience        claim     `json:"audience"`
	Positioning     claim     `json:"positioning"`
	PricingPatterns []pricing `json:"pricing_patterns"`
	ContentPatterns []content `json:"content_patterns"`
}

type claim struct {
	Text   string   `json:"text"`
	Quotes []string `json:"quotes"`
}

type pricing struct {
	Kind   string   `json:"kind"`
	Text   string   `json:"text"`
	Prices []string `json:"prices"`
	Quotes []string `json:"quotes"`
}

type content struct {
	Kind   string   `json:"kind"`
	Text   string   `json:"text"`
	Quotes []string `json:"quotes"`
}

// Profile is one version of what a site is, as it stands in customer_brain.site_profile. It is written once and never
// changed. All its text is text: whoever shows it escapes it.
type Profile struct {
	Version         int              `json:"version"`
	CreatedAt       time.Time        `json:"created_at"`
	Niche           *string          `json:"niche"`       // nil: the site does not show it
	Audience        *string          `json:"audience"`    // nil likewise
	Positioning     *string          `json:"positioning"` // nil likewise
	PricingPatterns []PricingPattern `json:"pricing_patterns"`
	ContentPatterns []ContentPattern `json:"content_patterns"`
	Evidence        []Evidence       `json:"evidence"`
	Changes         []Change         `json:"changes"`
	Model           string           `json:"model"`
	PromptVersion   string           `json:"prompt_version"`
	Grounded        float64          `json:"grounded"` // which part of what Claude stated was borne out by a quote
	Fresh           bool             `json:"fresh"`    // it was written without a look at the version before
}

// PricingPattern is a way in which the site charges.
type PricingPattern struct {
	Kind   string   `json:"kind"`
	Text   string   `json:"text"`
	Prices []string `json:"prices"` // as written on the site
}

// ContentPattern is a kind of thing that members or readers get.
type ContentPattern struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// Evidence is the site's own words for a statement.
type Evidence struct {
	Field string `json:"field"` // niche, audience, positioning, pricing_patterns.KIND or content_patterns.KIND
	Quote string `json:"quote"` // stands in the text that was read, but for its white space
	Page  string `json:"page"`  // the path of the first page that says it; "" where it cannot be told
}

// The fields of a profile, as evidence and changes name them.
const (
	fieldNiche       = "niche"
	fieldAudience    = "audience"
	fieldPositioning = "positioning"
	fieldPricing     = "pricing_patterns"
	fieldContent     = "content_patterns"
)

// profile makes a version of what is left of a draft after ground. Version, time, model and changes are for the caller.
func (d draft) profile() Profile {
	p := Profile{PricingPatterns: []PricingPattern{}, ContentPatterns: []ContentPattern{}, Evidence: []Evidence{}, Changes: []Change{}}
	cite := func(field string, quotes []string) {
		for _, q := range quotes {
			p.Evidence = append(p.Evidence, Evidence{Field: field, Quote: q})
		}
	}
	for _, c := range []struct {
		field string
		from  claim
		to    **string
	}{{fieldNiche, d.Niche, &p.Niche}, {fieldAudience, d.Audience, &p.Audience}, {fieldPositioning, d.Positioning, &p.Positioning}} {
		if c.from.Text == "" {
			continue
		}
		*c.to = &c.from.Text
		cite(c.field, c.from.Quotes)
	}
	for _, c := range d.PricingPatterns {
		p.PricingPatterns = append(p.PricingPatterns, PricingPattern{c.Kind, c.Text, none(c.Prices)})
		cite(fieldPricing+"."+c.Kind, c.Quotes)
	}
	for _, c := range d.ContentPatterns {
		p.ContentPatterns = append(p.ContentPatterns, ContentPattern{c.Kind, c.Text})
		cite(fieldContent+"."+c.Kind, c.Quotes)
	}
	return p
}

// draft makes of a version what it was made of, for Claude to keep its wording; nil of none.
func (p *Profile) draft() *draft {
	if p == nil {
		return nil
	}
	quotes := map[string][]string{}
	for _, e := range p.Evidence {
		quotes[e.Field] = append(quotes[e.Field], e.Quote)
	}
	one := func(field string, text *string) claim {
		if text == nil {
			return claim{Quotes: []string{}}
		}
		return claim{*text, none(quotes[field])}
	}
	d := draft{
		Niche: one(fieldNiche, p.Niche), Audience: one(fieldAudience, p.Audience), Positioning: one(fieldPositioning, p.Positioning),
		PricingPatterns: []pricing{}, ContentPatterns: []content{},
	}
	for _, c := range p.PricingPatterns {
		d.PricingPatterns = append(d.PricingPatterns, pricing{c.Kind, c.Text, none(c.Prices), none(quotes[fieldPricing+"."+c.Kind])})
	}
	for _, c := range p.ContentPatterns {
		d.ContentPatterns = append(d.ContentPatterns, content{c.Kind, c.Text, none(quotes[fieldContent+"."+c.Kind])})
	}
	return &d
}

// none turns nil, which JSON shows as null, into an empty list.
func none(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
