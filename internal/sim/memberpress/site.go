// Package memberpress is a WordPress site that runs MemberPress and the plugin, as seen from outside: a stateful HTTP
// server that speaks docs/protocol.md. Its people are the caller's. Tests mount it in httptest, the demo on loopback.
//
// What it plays faithfully, because readers get it wrong: a page is no change; a change is numbered when it is told and
// not when it is made; what no hook sees comes with the sweep alone, which may take several requests; deleting a user
// leaves transactions without a member; a note on a row changes its hash and nothing that is shown; another epoch takes
// every watermark away. What stands between a site and its readers, caches, firewalls and parking services, is played
// too; see Fault.
//
// Everything is deterministic: ids, hashes, epochs and keys follow from the configuration and the calls.
package memberpress

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"memberintel/internal/sim/clock"
)

// Config is what a site is made of. A zero field takes its default.
type Config struct {
	Clock    *clock.Clock // the site's own; required
	Seed     string       // ids and keys follow from it
	Name     string       // default "Lakeside Tennis Club"
	HomeURL  string       // what the site believes its address to be, default https://lakeside.example
	Timezone string       // default America/New_York
	Currency string       // default USD

	Gateways     []Gateway
	CustomFields []CustomField
	Emails       []Email
	Reminders    []Post
	Without      []string // entities that the site lacks, such as corporate_accounts

	ProtocolMin, ProtocolMax int    // default 1
	PluginVersion            string // default 1.0.0
	MemberPressVersion       string // default 1.12.11

	PlainPermalinks bool // nothing is below /wp-json
	NoRouteQuery    bool // something in front drops the query of the home page, so that /?rest_route= shows that page
	PageRows        int  // most rows that fit into the budget of an answer; 0 is any number
	SweepRows       int  // rows that one request can compare; 0 is any number
}

// Site is one site. It is safe for concurrent use.
type Site struct {
	cfg Config

	mu      sync.Mutex
	home    string // where it stands now
	homed   string // where it was connected
	id      string
	keys    map[string][]byte
	keyID   string
	nonces  map[string]time.Time
	code    string // of a connect flow under way
	proof   string // the verifier that belongs to it
	active  bool
	made    int // keys and epochs so far
	speaks  [2]int
	state   state
	faults  []*Fault
	cached  map[string]*keeper
	watches []func(*http.Request)
}

// New makes a site that is connected already; Key tells with which key.
func New(cfg Config) *Site {
	fill(&cfg.Name, "Lakeside Tennis Club")
	fill(&cfg.HomeURL, "https://lakeside.example")
	fill(&cfg.Timezone, "America/New_York")
	fill(&cfg.Currency, "USD")
	fill(&cfg.PluginVersion, "1.0.0")
	fill(&cfg.MemberPressVersion, "1.12.11")
	fill(&cfg.ProtocolMin, 1)
	fill(&cfg.ProtocolMax, cfg.ProtocolMin)
	s := &Site{
		cfg: cfg, home: cfg.HomeURL, active: true, keys: map[string][]byte{}, nonces: map[string]time.Time{},
		cached: map[string]*keeper{}, speaks: [2]int{cfg.ProtocolMin, cfg.ProtocolMax},
	}
	id := s.digest("site")
	s.id = fmt.Sprintf("%s-%s-4%s-8%s-%s", id[:8], id[8:12], id[13:16], id[17:20], id[20:32])
	s.state = newState()
	s.connect()
	return s
}

func fill[T comparable](field *T, otherwise T) {
	var zero T
	if *field == zero {
		*field = otherwise
	}
}

// digest is 64 hex digits that follow from the configuration and the name.
func (s *Site) digest(name string) string {
	sum := sha256.Sum256([]byte(s.cfg.Seed + "|" + s.cfg.HomeURL + "|" + name))
	return hex.EncodeToString(sum[:])
}

// connect makes a key and begins an epoch.
func (s *Site) connect() {
	s.made++
	secret := sha256.Sum256([]byte(s.digest(fmt.Sprint("secret", s.made))))
	s.keyID = "mik_" + s.digest(fmt.Sprint("key", s.made))[:12]
	s.keys[s.keyID] = secret[:]
	s.homed = s.home
	s.renew()
}

// ID returns the site's id.
func (s *Site) ID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Epoch returns the epoch.
func (s *Site) Epoch() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.epoch
}

// Key returns the key with which the site was connected last, as a person would copy it.
func (s *Site) Key() (id, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keyID, base64.RawURLEncoding.EncodeToString(s.keys[s.keyID])
}

// SetKey replaces all keys by one.
func (s *Site) SetKey(id string, secret []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keyID, s.keys = id, map[string][]byte{id: secret}
}

// Connected reports whether the site has a key.
func (s *Site) Connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys) > 0
}

// Revoke takes all keys away, as an administrator's Disconnect does.
func (s *Site) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.keys)
	s.renew()
}

// Reconnect makes a new key, which brings a new epoch. The former ones end.
func (s *Site) Reconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.keys)
	s.connect()
}

// Await makes the site wait for a key that the service brings, as it does after Connect was clicked.
func (s *Site) Await(code, verifier string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code, s.proof = code, verifier
}

// Reinstall drops the plugin's tables: a new epoch.
func (s *Site) Reinstall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renew()
}

// Move gives the site another address. It refuses to answer until Confirm.
func (s *Site) Move(home string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.home = home
}

// SetGateways replaces the site's gateways: nothing about the rows changes by that.
func (s *Site) SetGateways(gateways ...Gateway) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Gateways = gateways
}

// Confirm is an administrator who says that the site has moved.
func (s *Site) Confirm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.homed = s.home
}

// Activate switches MemberPress on or off.
func (s *Site) Activate(memberpress bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = memberpress
}

// Speak changes which versions of the protocol the plugin speaks, as an update of it does.
func (s *Site) Speak(least, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.speaks = [2]int{least, most}
}

// Copy returns the site as a copy of all its files and its database is: the same keys, id and epoch.
func (s *Site) Copy() *Site {
	s.mu.Lock()
	defer s.mu.Unlock()
	twin := &Site{
		cfg: s.cfg, home: s.home, homed: s.homed, id: s.id, keys: maps.Clone(s.keys), keyID: s.keyID, nonces: maps.Clone(s.nonces),
		active: s.active, made: s.made, speaks: s.speaks, state: s.state.clone(), cached: map[string]*keeper{},
	}
	return twin
}

// SetID gives the site another id, as a copy gets that its owner told to be one.
func (s *Site) SetID(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id = id
}

// Backup is a site's database at a moment.
type Backup struct{ state state }

// Backup keeps the database as it is.
func (s *Site) Backup() Backup {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Backup{s.state.clone()}
}

// Restore brings the database back to what it was.
func (s *Site) Restore(b Backup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = b.state.clone()
}

// OnRequest calls f for every request before it is answered. Where f waits, the answer does.
func (s *Site) OnRequest(f func(*http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches = append(slices.Clone(s.watches), f)
}
