package memberpress

// Gateway is a way to pay; Account is the acct_ of Stripe.
type Gateway struct {
	ID      string `json:"id"`
	Class   string `json:"class"`
	Label   string `json:"label"`
	Test    bool   `json:"test"`
	Account Text   `json:"account"`
}

// CustomField is a field that the site adds to its members.
type CustomField struct {
	Key  string `json:"key"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// Email is a message that MemberPress sends.
type Email struct {
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
	Subject string `json:"subject"`
}

// Post is a plan or a reminder.
type Post struct {
	ID     int64  `json:"id"`
	Title  string `json:"title"`
	Status string `json:"status"`
}

type extent struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
	MaxID int64  `json:"max_id"`
}

type limits struct {
	PageDefault int `json:"page_default"`
	PageMax     int `json:"page_max"`
	Seconds     int `json:"seconds"`
	MemoryLimit int `json:"memory_limit"`
}

// description is how the site describes itself.
type description struct {
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
	Currency           string        `json:"currency"`
	Gateways           []Gateway     `json:"gateways"`
	CustomFields       []CustomField `json:"custom_fields"`
	Entities           []extent      `json:"entities"`
	Plans              []Post        `json:"plans"`
	Emails             []Email       `json:"emails"`
	Reminders          []Post        `json:"reminders"`
	Capabilities       []string      `json:"capabilities"`
	Limits             limits        `json:"limits"`
}

// pageMax is the most rows that an answer holds, pageDefault how many it holds unless told.
const (
	pageMax     = 2000
	pageDefault = 1000
)

func (s *Site) handshake(e *envelope) {
	if s.state.baseline.IsZero() {
		s.state.baseline = s.now()
	}
	e.Watermark = s.watermark(s.state.seq, 0, nil)
	d := description{
		ProtocolMin: s.speaks[0], ProtocolMax: s.speaks[1], PluginVersion: s.cfg.PluginVersion, MemberPressVersion: s.cfg.MemberPressVersion,
		WordPressVersion: "6.8.7", PHPVersion: "8.2.36", DatabaseVersion: "10.11.19-MariaDB", HomeURL: s.home, SiteURL: s.home,
		Name: s.cfg.Name, Timezone: s.cfg.Timezone, Locale: "en_US", Currency: s.state.money(s.cfg.Currency), Gateways: list(s.cfg.Gateways),
		CustomFields: list(s.cfg.CustomFields), Entities: []extent{}, Plans: []Post{}, Emails: list(s.cfg.Emails), Reminders: list(s.cfg.Reminders),
		Capabilities: []string{"changes", "since_timestamp", "sweep_choice", "entity_choice", "checksums", "gzip", "post", "disconnect", "knock"},
		Limits:       limits{pageDefault, pageMax, 8, 128 << 20},
	}
	for _, entity := range s.available() {
		is := extent{Name: entity}
		if ids := s.state.sorted(entity); len(ids) > 0 {
			is.Count, is.MaxID = len(ids), ids[len(ids)-1]
		}
		d.Entities = append(d.Entities, is)
	}
	for _, id := range s.state.sorted("products") {
		if p, ok := s.state.tables["products"][id].row.(Product); ok {
			fill(&p.Status, "publish")
			d.Plans = append(d.Plans, Post{p.ID, p.Title, p.Status})
		}
	}
	e.Site = &d
}
