package memberpress

import (
	"fmt"
	"slices"
	"strconv"
)

// available is the entities that the site has.
func (s *Site) available() []string {
	return slices.DeleteFunc(entities(), func(name string) bool { return slices.Contains(s.cfg.Without, name) })
}

func (s *Site) lacks(entity string) *problem {
	if slices.Contains(s.available(), entity) {
		return nil
	}
	return &problem{"mi_entity_unsupported", "This site has no " + entity + ".", problemData{Entity: entity, Entities: s.available()}}
}

// page tells rows by ascending id. What it tells is known afterwards, and no change. Once a round has begun there are
// readers of changes who have not seen the page: then a new row is noted without its hash, so that it is told to them.
func (s *Site) page(e *envelope, entity string, after int64, limit int) *problem {
	if refused := s.lacks(entity); refused != nil {
		return refused
	}
	ids := s.state.after(entity, after)
	if most := s.most(limit); len(ids) > most {
		ids, e.More = ids[:most], true
	}
	next := after
	for _, id := range ids {
		is := s.state.tables[entity][id]
		e.Rows = append(e.Rows, is.text)
		if _, known := s.state.told[ref{entity, id}]; !known {
			var note told
			if s.state.round == 0 {
				note.hash = is.hash
			}
			s.state.told[ref{entity, id}] = note
		}
		next = id
	}
	e.Next = &next
	return nil
}

// run is a line of checksums.
type run struct {
	From  int64  `json:"from"`
	To    int64  `json:"to"`
	Count int    `json:"count"`
	XOR   string `json:"xor"`
}

// checksums tells count and hash of each run of ids.
func (s *Site) checksums(e *envelope, entity string, after, bucket int64) *problem {
	if refused := s.lacks(entity); refused != nil {
		return refused
	}
	e.Of, e.Bucket = entity, bucket
	after = after / bucket * bucket
	ids := s.state.after(entity, after)
	next := after
	for len(ids) > 0 {
		if len(e.Rows) > 0 && s.cfg.PageRows > 0 && len(e.Rows) >= s.cfg.PageRows {
			e.More = true
			break
		}
		from := (ids[0] - 1) / bucket * bucket
		line := run{From: from + 1, To: from + bucket}
		var sum uint64
		for len(ids) > 0 && ids[0] <= line.To {
			hash, err := strconv.ParseUint(s.state.tables[entity][ids[0]].hash, 16, 64)
			if err != nil {
				panic("memberpress: a hash that is none: " + err.Error()) // render makes them
			}
			sum ^= hash
			line.Count++
			ids = ids[1:]
		}
		line.XOR = fmt.Sprintf("%016x", sum)
		e.Rows = append(e.Rows, encode(line))
		next = line.To
	}
	if all := s.state.sorted(entity); !e.More && len(all) > 0 {
		next = max(next, all[len(all)-1])
	}
	e.Next = &next
	return nil
}
