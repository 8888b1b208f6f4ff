// Package website reads a customer's public website once a week and tells it as a short profile with evidence.
//
// What the source is like:
//   - Identity: a page is its address without fragment and tracking. The same page stands under several addresses
//     (with and without www., index pages, redirects), so an address counts as it was after redirects.
//   - Order: there is none. Each reading stands for itself; the newest whole one is the truth.
//   - Mutability: everything changes at any time, much of it without meaning: counters, dates, tokens, the order of
//     what is featured. What counts as a change is said by the gate.
//   - Deletes: a page that is gone is no longer in the reading. Nothing is swept.
//   - Limits: the site's own robots.txt, one request at a time with a pause, at most six pages, 2 MiB a page.
//   - Clock: none of the site's is used.
//   - Trust: none. The text is written by strangers, some of it for machines alone. What no visitor sees is left
//     out, and what is left is data, never an instruction.
package website

import "time"

// SiteState is what a reading found. Only a site that is Up has anything to describe.
type SiteState string

// The states of a site.
const (
	Up         SiteState = "up"
	Down       SiteState = "down"        // no answer of use: worth another try
	Blocked    SiteState = "blocked"     // a firewall, a challenge or a password stands before it
	Parked     SiteState = "parked"      // somebody's advertisements stand where the site was
	OffSite    SiteState = "off_site"    // it sends its visitors to another site
	ScriptOnly SiteState = "script_only" // the text is made by scripts in the browser
	TooThin    SiteState = "too_thin"    // there is too little to describe
	Disallowed SiteState = "disallowed"  // its robots.txt keeps us out
)

// Kind is what a page is for, as its address and the links to it tell.
type Kind string

// The kinds of page, in the order in which they are wanted.
const (
	Home    Kind = "home"
	Pricing Kind = "pricing"
	Join    Kind = "join"
	About   Kind = "about"
	Offers  Kind = "offers"
	Content Kind = "content"
	FAQ     Kind = "faq"
	Other   Kind = "other"
)

// Link is a link as a visitor sees it.
type Link struct {
	Text string
	URL  string // absolute, without fragment
}

// Sort is what kind of text a block is.
type Sort string

// The sorts of block.
const (
	Heading    Sort = "heading"
	Paragraph  Sort = "paragraph"
	Item       Sort = "item" // of a list, or a button
	Row        Sort = "row"  // of a table, its cells with bars between them
	Navigation Sort = "navigation"
)

// Block is a piece of visible text between two line breaks of the page.
type Block struct {
	Sort  Sort
	Level int    // of a heading, 1 to 6; else 0
	Text  string // one line, no control or invisible characters
}

// Page is what one page shows.
type Page struct {
	URL        string // after redirects
	Kind       Kind
	Status     int
	ETag       string
	Title      string
	Lang       string // as the page says, "" where it does not
	Headings   []string
	Navigation []Link   // of menus, headers and footers, those within the page too
	Links      []Link   // all that lead to pages of any site
	Prices     []string // as written, each once, in the order of the page
	Blocks     []Block
	Bytes      int  // of the page, unpacked
	Flat       bool // the markup was too deep for a tree and was read as a stream of tags
}

// Missed is a page that was wanted and did not come.
type Missed struct {
	URL     string
	Kind    Kind
	Symptom string // as fetch names it
}

// Reading is one look at a site.
type Reading struct {
	State     SiteState
	Detail    string   // one sentence for the customer; "" while Up
	Checklist []string // what helps; nil while Up
	Pages     []Page   // the homepage first; none unless one came
	Missed    []Missed // pages that may come the next time: the reading is not whole
	Text      string   // what the model reads: at most MaxText bytes, nothing said twice
	Facts     [32]byte // hash of what is never allowed to change unseen
	Body      uint64   // similarity hash of the rest
	FetchedAt time.Time
}

// MaxText is the most bytes of a site's text that anybody reads.
const MaxText = 24 << 10

// Fingerprint is what the gate remembers of a reading.
type Fingerprint struct {
	Facts   [32]byte
	Body    uint64
	Version string    // of prompt and schema, of the profile that was made of it
	At      time.Time // of the reading; of the one before, when its profile was made
	Partial bool      // a page was missed
}

// Fingerprint returns what the gate compares, under the version that a profile would be made with now.
func (r Reading) Fingerprint(version string) Fingerprint {
	return Fingerprint{Facts: r.Facts, Body: r.Body, Version: version, At: r.FetchedAt, Partial: len(r.Missed) > 0}
}
