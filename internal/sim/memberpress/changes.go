package memberpress

import (
	"cmp"
	"maps"
	"slices"
)

// change is a row of the answer to changes.
type change struct {
	Entity string  `json:"entity"`
	Seq    int64   `json:"seq"`
	Row    rawJSON `json:"row"`
}

type deletion struct {
	Entity string `json:"entity"`
	ID     int64  `json:"id"`
	Seq    int64  `json:"seq"`
}

type sweepState struct {
	Round    int64 `json:"round"`
	Complete bool  `json:"complete"`
}

// changes takes the marks, sweeps, numbers what was found and tells it in the order of the numbers.
// It tells of the entities that are named, of all where none is.
func (s *Site) changes(e *envelope, since string, names []string, limit int, sweep bool) *problem {
	from, reading, refused := s.since(since, names)
	if refused != nil {
		return refused
	}
	if from > s.state.seq {
		s.renew()
		return s.resync("ahead")
	}
	s.prune()
	chosen := entities()
	if names != nil {
		chosen = slices.DeleteFunc(chosen, func(entity string) bool { return !slices.Contains(names, entity) })
	}
	round := reading
	if sweep {
		round = s.sweepOn(reading, chosen)
	} else {
		s.takeMarks()
	}
	s.state.seq++
	newest := s.state.seq
	last, more := s.tell(e, from, chosen, limit)
	e.Sweep = &sweepState{s.state.round, s.state.swept}
	e.More = more || sweep && !s.state.swept
	if !more {
		last = newest
	}
	if !e.More && sweep {
		round = 0
	}
	e.Watermark = s.watermark(last, round, names)
	return nil
}

// sweepOn goes on with the reader's round, or begins one where the reader was up to date or asks for what the round
// leaves out. What a round that is under way still owes others is taken along.
func (s *Site) sweepOn(round int64, chosen []string) int64 {
	st := &s.state
	if round == 0 || round > st.round || !contains(st.sweepKinds, chosen) {
		kinds := slices.Clone(chosen)
		if !st.swept {
			kinds = append(kinds, st.sweepKinds...)
		}
		st.round++
		st.swept, st.sweepKinds, st.sweepEntity, st.sweepAfter = false, kinds, 0, 0
	}
	s.takeMarks()
	left := s.cfg.SweepRows
	for !st.swept {
		entity := entities()[st.sweepEntity]
		if !slices.Contains(st.sweepKinds, entity) {
			st.sweepEntity, st.sweepAfter = st.sweepEntity+1, 0
			st.swept = st.sweepEntity == len(entities())
			continue
		}
		ids := st.after(entity, st.sweepAfter)
		whole := true
		if s.cfg.SweepRows > 0 && len(ids) > left {
			ids, whole = ids[:left], false
		}
		left -= len(ids)
		upTo := int64(1<<63 - 1)
		if !whole {
			upTo = st.sweepAfter
			if len(ids) > 0 {
				upTo = ids[len(ids)-1]
			}
		}
		s.compare(entity, ids, st.sweepAfter, upTo)
		if !whole {
			st.sweepAfter = upTo
			return st.round
		}
		st.sweepEntity, st.sweepAfter = st.sweepEntity+1, 0
		st.swept = st.sweepEntity == len(entities())
	}
	return st.round
}

// takeMarks looks at the rows that hooks named.
func (s *Site) takeMarks() {
	marked := slices.SortedFunc(maps.Keys(s.state.marks), func(a, b ref) int {
		return cmp.Or(cmp.Compare(slices.Index(entities(), a.entity), slices.Index(entities(), b.entity)), cmp.Compare(a.id, b.id))
	})
	clear(s.state.marks)
	for _, at := range marked {
		s.look(at)
	}
}

// compare looks at rows, and at those that were told between two ids and are gone.
func (s *Site) compare(entity string, ids []int64, after, upTo int64) {
	for _, id := range ids {
		s.look(ref{entity, id})
	}
	var gone []int64
	for at, is := range s.state.told {
		if at.entity == entity && at.id > after && at.id <= upTo && !is.deleted {
			if _, there := s.state.tables[entity][at.id]; !there {
				gone = append(gone, at.id)
			}
		}
	}
	slices.Sort(gone)
	for _, id := range gone {
		s.look(ref{entity, id})
	}
}

// look numbers a row that is not as it was told last.
func (s *Site) look(at ref) {
	was, known := s.state.told[at]
	is, there := s.state.tables[at.entity][at.id]
	switch {
	case there && (!known || was.deleted || was.hash != is.hash), !there && known && !was.deleted:
		s.state.seq++
		s.state.told[at] = told{hash: is.hash, seq: s.state.seq, at: s.cfg.Clock.Now(), deleted: !there}
	}
}

// contains reports whether all of some are among the names.
func contains(names, some []string) bool {
	return !slices.ContainsFunc(some, func(name string) bool { return !slices.Contains(names, name) })
}

// tell writes what of the chosen entities has a number above seq, and says where it stopped.
func (s *Site) tell(e *envelope, seq int64, chosen []string, limit int) (last int64, more bool) {
	var found []ref
	for at, is := range s.state.told {
		if is.seq > seq && slices.Contains(chosen, at.entity) {
			found = append(found, at)
		}
	}
	slices.SortFunc(found, func(a, b ref) int { return cmp.Compare(s.state.told[a].seq, s.state.told[b].seq) })
	if most := s.most(limit); len(found) > most {
		found, more = found[:most], true
	}
	last = seq
	for _, at := range found {
		is := s.state.told[at]
		last = is.seq
		row, there := s.state.tables[at.entity][at.id]
		switch {
		case is.deleted:
			e.Deleted = append(e.Deleted, deletion{at.entity, at.id, is.seq})
		case there:
			e.Rows = append(e.Rows, encode(change{at.entity, is.seq, row.text}))
		}
	}
	return last, more
}

// most is how many rows fit into an answer.
func (s *Site) most(limit int) int {
	if s.cfg.PageRows > 0 {
		return min(limit, s.cfg.PageRows)
	}
	return limit
}
