package stripe

import (
	"net/url"
	"strconv"

	"github.com/tidwall/gjson"

	"memberintel/internal/syncrun"
)

// span is a part of a stream: the objects of one listing that were created in [From, To), newest first.
type span struct {
	stream Stream
	part   int

	Variant string `json:"variant,omitempty"`
	From    int64  `json:"from,omitempty"`  // unix seconds; 0 is the beginning
	To      int64  `json:"to"`              // exclusive
	After   string `json:"after,omitempty"` // the last object read, "" at the start
	Whole   bool   `json:"whole,omitempty"` // not to be split: the source ignores the bounds
	Start   int64  `json:"start,omitempty"` // To at first, for the estimate
	Read    int64  `json:"read,omitempty"`  // objects so far
}

func (part span) key() spanKey { return spanKey{part.stream.Name, part.part} }

// remaining estimates the objects that are left, as if they lay as densely as those that were read.
func (part span) remaining(created int64) int64 {
	from := max(part.From, oldest)
	covered := part.Start - created
	if covered <= 0 || created <= from {
		return 0
	}
	return part.Read * (created - from) / covered
}

// worthHalving is how many objects must be left for a half: each costs a request of its own that is not full.
const worthHalving = 1000

// oldest is when Stripe opened; splitting earlier than that only costs requests.
const oldest = 1293840000 // 2011-01-01

func (part span) query() url.Values {
	q := url.Values{"limit": {"100"}, "created[lt]": {strconv.FormatInt(part.To, 10)}}
	for _, v := range part.stream.Variants {
		if v.Name == part.Variant {
			for k, values := range v.Query {
				q[k] = values
			}
		}
	}
	if part.From > 0 {
		q.Set("created[gte]", strconv.FormatInt(part.From, 10))
	}
	if part.After != "" {
		q.Set("starting_after", part.After)
	}
	return q
}

// advance moves the span behind the page and, where workers are idle and enough is left, gives its older half away,
// and again of what it keeps: objects lie denser the newer they are. The part numbers are the queue's.
func (part *span) advance(page Page, q *spanQueue) (halves []span) {
	if len(page.Objects) == 0 {
		return nil
	}
	part.Read += int64(len(page.Objects))
	last := page.Objects[len(page.Objects)-1]
	part.After = gjson.GetBytes(last, "id").String()
	created := gjson.GetBytes(last, "created").Int()
	if created < part.From || gjson.GetBytes(page.Objects[0], "created").Int() >= part.To {
		part.Whole = true
	}
	if part.Whole {
		q.unsplittable(part.stream)
	}
	for page.HasMore && !part.Whole {
		from := max(part.From, oldest)
		if created-from < 2 || part.remaining(created) < worthHalving || !q.wantsHalf(part.stream, len(halves)) {
			break
		}
		middle := from + (created-from)/2
		half := *part
		half.To, half.After, half.part = middle, "", q.nextPart(part.stream.Name)
		half.Start, half.Read = middle, 0
		part.From = middle
		halves = append(halves, half)
	}
	return halves
}

func (part span) checkpoint(done bool, records int) syncrun.Checkpoint {
	return syncrun.Checkpoint{Stream: part.stream.Name, Part: part.part, Position: part, Done: done, Records: records}
}
