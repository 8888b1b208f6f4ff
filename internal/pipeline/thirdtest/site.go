package thirdtest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Row is a row of the stand-in, its fields as the wire has them. It bears its id.
type Row map[string]any

// Site is a stand-in of a site that runs the plugin, over HTTP. It is safe for concurrent use.
type Site struct {
	ID, Key string
	Now     func() time.Time

	mu     sync.Mutex
	rows   map[string]map[int64]Row
	broken string // a kind that cannot be read
}

// pageRows is how many rows a page holds.
const pageRows = 3

// NewSite returns a site without rows.
func NewSite(id, key string, now func() time.Time) *Site {
	return &Site{ID: id, Key: key, Now: now, rows: map[string]map[int64]Row{}}
}

// Put writes a row, which bears the second from then on.
func (s *Site) Put(kind string, id int64, row Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows[kind] == nil {
		s.rows[kind] = map[int64]Row{}
	}
	row["id"], row["modified"] = id, s.Now().UTC().Format(time.RFC3339)
	s.rows[kind][id] = row
}

// Edit changes a field of a row.
func (s *Site) Edit(kind string, id int64, field string, value any) {
	s.mu.Lock()
	row := maps.Clone(s.rows[kind][id])
	s.mu.Unlock()
	row[field] = value
	s.Put(kind, id, row)
}

// Delete takes a row away, of which nothing tells.
func (s *Site) Delete(kind string, id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows[kind], id)
}

// Break lets a kind fail until restore is called.
func (s *Site) Break(kind string) (restore func()) {
	set := func(kind string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.broken = kind
	}
	set(kind)
	return func() { set("") }
}

// ServeHTTP answers GET /third/v1/KIND?after=ID&modified_after=TIME.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := r.URL.Path[len("/third/v1/"):]
	if r.Header.Get("X-Third-Key") != s.Key || kind == s.broken {
		status := http.StatusUnauthorized
		if kind == s.broken {
			status = http.StatusInternalServerError
		}
		w.WriteHeader(status)
		return
	}
	after, _ := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64) // 0 is the beginning
	since := r.URL.Query().Get("modified_after")
	page := map[string]any{"site": s.ID, "now": s.Now().UTC().Truncate(time.Second), "rows": []Row{}, "next": 0}
	var rows []Row
	for _, id := range slices.Sorted(maps.Keys(s.rows[kind])) {
		row := s.rows[kind][id]
		if modified, _ := row["modified"].(string); id <= after || modified < since {
			continue
		}
		if len(rows) == pageRows {
			page["next"] = rows[len(rows)-1]["id"]
			break
		}
		rows = append(rows, row)
	}
	if rows != nil {
		page["rows"] = rows
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(page) // a client that went away is no matter to the site
}

// Club fills the site: two levels, five users, what they are members of and what they paid. Two of them are known at
// Stripe, as cus_1 and by the payment ch_2.
func (s *Site) Club() {
	started := "2026-01-05T09:00:00Z"
	s.Put("levels", 1, Row{"name": "Adult", "billing_amount": "29.00", "currency": "USD", "cycle_number": 1, "cycle_period": "Month"})
	s.Put("levels", 2, Row{"name": "Founders", "billing_amount": "450.00", "currency": "USD", "cycle_number": 0, "cycle_period": ""})
	for i, status := range []string{"active", "active", "expired", "admin_cancelled", "active"} {
		id := int64(i + 1)
		name := strconv.FormatInt(id, 10)
		customer, payment, ends := "", "own-"+name, any(nil)
		switch id {
		case 1:
			customer = "cus_1"
		case 2:
			payment = "ch_2"
		case 3, 4:
			ends = "2026-10-01T00:00:00Z"
		}
		s.Put("users", id, Row{
			"email": "u" + name + "@third.example", "name": "User " + name, "registered": started, "stripe_customer": customer,
			"fields": map[string]string{"membership_type": "Adult"},
		})
		s.Put("memberships", 10+id, Row{
			"user_id": id, "membership_id": 1 + id/5, "status": status, "startdate": started, "enddate": ends, "subscription_transaction_id": "",
		})
		s.Put("orders", 100+id, Row{
			"user_id": id, "membership_row_id": 10 + id, "total": "29.00", "currency": "USD", "status": "success", "payment_transaction_id": payment, "timestamp": started,
		})
	}
}
