package memberpress

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"memberintel/internal/canonical"
	"memberintel/internal/warehouse"
)

// lookUp reads rows of an entity once more, in as few pages as hold them, and hands over each page with those of the ids,
// ascending, that it would show if they were there.
func (s *pass) lookUp(ctx context.Context, entity string, ids []int64, take func(answer Envelope, ids []int64) error) error {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for len(ids) > 0 {
		answer, err := s.client.page(ctx, entity, ids[0]-1)
		if err != nil {
			return err
		}
		// What lies behind the page's end is looked at with the next one.
		covered := len(ids)
		if answer.More {
			if covered = sortedUpTo(ids, answer.Next); covered == 0 {
				return fmt.Errorf("memberpress: %s: the page after %d leads nowhere", entity, ids[0]-1)
			}
		}
		if err := take(answer, ids[:covered]); err != nil {
			return err
		}
		ids = ids[covered:]
	}
	return nil
}

func sortedUpTo(ids []int64, last int64) int {
	n, found := slices.BinarySearch(ids, last)
	if found {
		n++
	}
	return n
}

// confirmGone looks for records that a full pass did not show, once more before they are buried: what the site shows by
// now is written as it is, and the rest gets a tombstone of that moment. A row that shows no record of the variant any
// more, as one whose refund was taken back, lives without it.
func (s *pass) confirmGone(ctx context.Context, d *collector, stream stream, variant string, ids []string) error {
	numbers := make([]int64, 0, len(ids))
	for _, id := range ids {
		number, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			continue // no id of the site's, so nothing of it could be looked up
		}
		numbers = append(numbers, number)
	}
	return s.lookUp(ctx, stream.entity, numbers, func(answer Envelope, ids []int64) error {
		d.protocol = answer.Protocol
		at := s.clock.reading(answer.ServerTime)
		odd := map[string]bool{}
		for _, row := range answer.Rows {
			if id, err := strconv.ParseInt(idOf(row), 10, 64); err != nil {
				odd[""] = true
			} else if _, wanted := slices.BinarySearch(ids, id); !wanted {
				continue
			}
			strange := len(d.strange)
			d.row(stream.entity, row, at)
			odd[idOf(row)] = len(d.strange) > strange
		}
		d.buryUnshown(stream, variant, ids, odd, at)
		return nil
	})
}

// buryUnshown adds tombstones for those of the ids that the batch shows no record of. What is odd was shown, and not
// understood; "" is a row that does not tell its id, and may be any.
func (d *collector) buryUnshown(stream stream, variant string, ids []int64, odd map[string]bool, at canonical.Observation) {
	if odd[""] {
		return
	}
	shown := d.shown(stream, variant)
	for _, number := range ids {
		if id := strconv.FormatInt(number, 10); !odd[id] && !shown[id] {
			bury(&d.batch, stream.table, variant, id, at, canonical.DeletedBySweep)
		}
	}
}

// shown are the living records of a stream that the batch has, of the variant where one row may be several.
func (d *collector) shown(stream stream, variant string) map[string]bool {
	shown := map[string]bool{}
	for _, ref := range warehouse.Living(&d.batch) {
		if ref.Table == stream.table && stream.entity != transactions {
			shown[ref.SourceID] = true
		}
	}
	for i := range d.batch.Transactions {
		if t := &d.batch.Transactions[i]; stream.entity == transactions && t.Kind == variant && t.Deleted == "" {
			shown[t.SourceID] = true
		}
	}
	return shown
}
