package memberpress

import (
	"encoding/json"
	"time"
)

// Protocol is the version of the sync protocol that the service speaks; docs/protocol.md describes it.
const Protocol = 1

// Envelope is an answer of the plugin whose signature was right.
type Envelope struct {
	Protocol   int
	RequestID  string
	SiteID     string
	Epoch      string // 16 hex digits; under another one nothing that was read before counts
	ServerTime time.Time
	Entity     string            // which entity, or "changes"
	Rows       []json.RawMessage // of a page, pointing into the answer; nil in changes
	Changes    []Change          // in the order in which they were numbered; nil in a page
	Deleted    []Deletion        // in changes alone
	Sweep      Sweep             // in changes alone
	Next       int64             // in a page alone: the after of the next one, set on the last page too
	More       bool              // whether to ask again at once
	Watermark  string            // in changes alone: the next since
	Warnings   []string          // what was left out or looked odd
	Took       time.Duration     // what the site says that the answer took it
	MemBase    int64             // bytes of PHP before the work
	MemPeak    int64             // bytes of PHP at its peak
}

// Change is a row that is new or no longer what it was. A row may come several times; the highest number counts,
// deletions included.
type Change struct {
	Entity string
	Seq    int64
	Row    json.RawMessage
}

// Deletion is a row that is gone.
type Deletion struct {
	Entity string `json:"entity"`
	ID     int64  `json:"id"`
	Seq    int64  `json:"seq"`
}

// Sweep tells how far the site has compared all its rows with what it told.
type Sweep struct {
	Round    int64 `json:"round"`
	Complete bool  `json:"complete"`
}

// Handshake is what a site is and can do, and the watermark from which changes count.
type Handshake struct {
	Protocol   int
	SiteID     string
	Epoch      string
	ServerTime time.Time
	Watermark  string
	Warnings   []string
	Site       Description
	Raw        json.RawMessage // the description as it came
}

// Description is how a site describes itself.
type Description struct {
	ProtocolMin        int           `json:"protocol_min"`
	ProtocolMax        int           `json:"protocol_max"`
	PluginVersion      string        `json:"plugin_version"`
	MemberPressVersion string        `json:"memberpress_version"`
	WordPressVersion   string        `json:"wordpress_version"`
	PHPVersion         string        `json:"php_version"`
	DatabaseVersion    string        `json:"database_version"`
	HomeURL            string        `json:"home_url"`
	SiteURL            string        `json:"site_url"`
	Name               string        `json:"name"`
	Timezone           string        `json:"timezone"`
	Locale             string        `json:"locale"`
	Multisite          bool          `json:"multisite"`
	Currency           string        `json:"currency"` // of all money; a setting of the site and of no row
	Gateways           []Gateway     `json:"gateways"`
	CustomFields       []CustomField `json:"custom_fields"`
	Entities           []Extent      `json:"entities"` // those that the site has
	Plans              []Post        `json:"plans"`
	Emails             []Email       `json:"emails"`
	Reminders          []Post        `json:"reminders"`
	Capabilities       []string      `json:"capabilities"`
	Limits             Limits        `json:"limits"`
}

// Gateway is a way to pay. Account is the acct_ of Stripe, "" where the gateway has none.
type Gateway struct {
	ID      string `json:"id"`
	Class   string `json:"class"`
	Label   string `json:"label"`
	Test    bool   `json:"test"`
	Account string `json:"account"`
}

// CustomField is a field that the site adds to its members.
type CustomField struct {
	Key  string `json:"key"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// Extent is how much of an entity a site has.
type Extent struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
	MaxID int64  `json:"max_id"`
}

// Post is a plan or a reminder, which WordPress keeps as posts.
type Post struct {
	ID     int64  `json:"id"`
	Title  string `json:"title"`
	Status string `json:"status"`
}

// Email is a message that MemberPress sends to members or to the administrator.
type Email struct {
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
	Subject string `json:"subject"`
}

// Limits are how much the plugin does for one answer. MemoryLimit is PHP's in bytes, -1 where it has none.
type Limits struct {
	PageDefault int   `json:"page_default"`
	PageMax     int   `json:"page_max"`
	Seconds     int   `json:"seconds"`
	MemoryLimit int64 `json:"memory_limit"`
}

// Checksums are count and hash of each run of an entity's ids, ascending; runs without rows are left out.
type Checksums struct {
	Entity string
	Bucket int
	Runs   []Run
}

// Run is the rows whose ids are From to To.
type Run struct {
	From, To int64
	Count    int64
	XOR      uint64 // the exclusive or of the rows' hashes
}
