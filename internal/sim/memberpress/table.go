package memberpress

import (
	"maps"
	"slices"
	"time"
)

// entities is the order in which they are told and swept.
func entities() []string {
	return []string{
		"members", "transactions", "subscriptions", "products", "rules", "coupons", "groups", "orders", "events", "corporate_accounts",
	}
}

// ref names a row.
type ref struct {
	entity string
	id     int64
}

// stored is a row of the site's database, rendered.
type stored struct {
	row  Row
	note string
	text []byte
	hash string
}

// told is what the plugin remembers of a row. A row that only a page told has number 0.
type told struct {
	hash    string
	seq     int64
	at      time.Time
	deleted bool
}

// state is the site's database: MemberPress' tables and the plugin's.
type state struct {
	currency string
	tables   map[string]map[int64]stored
	ids      map[string][]int64 // of a table, ascending; missing when it has to be made anew

	epoch, watermarkKey string
	told                map[ref]told
	marks               map[ref]bool
	seq, pruned         int64
	baseline            time.Time // when the first page was told; zero before
	round               int64
	swept               bool // whether the round is complete
	sweepKinds          []string
	sweepEntity         int
	sweepAfter          int64
}

func newState() state {
	return state{tables: map[string]map[int64]stored{}, ids: map[string][]int64{}, told: map[ref]told{}, marks: map[ref]bool{}}
}

func (s state) clone() state {
	s.tables, s.ids, s.told, s.marks = maps.Clone(s.tables), maps.Clone(s.ids), maps.Clone(s.told), maps.Clone(s.marks)
	for name, table := range s.tables {
		s.tables[name] = maps.Clone(table)
	}
	return s
}

// Put writes rows as MemberPress does, new ones and others: its hooks see it.
func (s *Site) Put(rows ...Row) { s.write(true, rows) }

// Slip writes rows as plain SQL does: no hook sees it, and the sweep finds it.
func (s *Site) Slip(rows ...Row) { s.write(false, rows) }

func (s *Site) write(seen bool, rows []Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rows {
		s.state.put(s.cfg.Currency, r, seen)
	}
}

// Delete removes rows as MemberPress does.
func (s *Site) Delete(entity string, ids ...int64) { s.remove(true, entity, ids) }

// Vanish removes rows as plain SQL does.
func (s *Site) Vanish(entity string, ids ...int64) { s.remove(false, entity, ids) }

func (s *Site) remove(seen bool, entity string, ids []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.state.drop(ref{entity, id}, seen)
	}
}

// Note writes meta that belongs to a row and is not shown: its hash changes, and no hook sees it.
func (s *Site) Note(entity string, id int64, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if is, ok := s.state.tables[entity][id]; ok {
		is.note = text
		is.text, is.hash = render(is.row, s.state.money(s.cfg.Currency), text)
		s.state.tables[entity][id] = is
	}
}

// SetCurrency changes the site's currency, which reinterprets all of its history.
func (s *Site) SetCurrency(currency string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.currency = currency
	for _, table := range s.state.tables {
		for id, is := range table {
			is.text, is.hash = render(is.row, currency, is.note)
			table[id] = is
		}
	}
}

// Rows returns the rows of an entity by ascending id, as they were put.
func (s *Site) Rows(entity string) []Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []Row
	for _, id := range s.state.sorted(entity) {
		rows = append(rows, s.state.tables[entity][id].row)
	}
	return rows
}

// Shown returns the rows of an entity by ascending id, as the wire shows them.
func (s *Site) Shown(entity string) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows [][]byte
	for _, id := range s.state.sorted(entity) {
		rows = append(rows, slices.Clone(s.state.tables[entity][id].text))
	}
	return rows
}

// Find returns the row with an id.
func Find[T Row](s *Site, id int64) (T, bool) {
	var none T
	entity, _ := none.at()
	s.mu.Lock()
	defer s.mu.Unlock()
	is, ok := s.state.tables[entity][id]
	if !ok {
		return none, false
	}
	row, ok := is.row.(T)
	return row, ok
}

// money is the currency: the site's setting until somebody changes it.
func (s *state) money(configured string) string {
	if s.currency != "" {
		return s.currency
	}
	return configured
}

func (s *state) put(configured string, r Row, seen bool) {
	entity, id := r.at()
	table := s.tables[entity]
	if table == nil {
		table = map[int64]stored{}
		s.tables[entity] = table
	}
	was, there := table[id]
	is := stored{row: r, note: was.note}
	is.text, is.hash = render(r, s.money(configured), is.note)
	table[id] = is
	if !there {
		delete(s.ids, entity)
	}
	if seen {
		s.marks[ref{entity, id}] = true
	}
}

func (s *state) drop(at ref, seen bool) {
	delete(s.tables[at.entity], at.id)
	delete(s.ids, at.entity)
	if seen {
		s.marks[at] = true
	}
}

// sorted is the ids of an entity, ascending.
func (s *state) sorted(entity string) []int64 {
	ids, ok := s.ids[entity]
	if !ok {
		ids = slices.Sorted(maps.Keys(s.tables[entity]))
		s.ids[entity] = ids
	}
	return ids
}

// after is the ids of an entity above an id, ascending.
func (s *state) after(entity string, id int64) []int64 {
	ids := s.sorted(entity)
	at, found := slices.BinarySearch(ids, id)
	if found {
		at++
	}
	return ids[at:]
}
