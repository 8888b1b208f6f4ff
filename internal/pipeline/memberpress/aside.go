package memberpress

import (
	"context"
	"fmt"
	"strings"
	"time"

	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
)

// aside is what the quarantine holds of a connection, by entity and id, and until when it was seen.
type aside map[[2]string]time.Time

func (a aside) holds(entity, id string) bool {
	_, held := a[[2]string{entity, id}]
	return held
}

// nameless counts the rows of an entity that do not tell their id and were seen since then. As long as there is one,
// nobody knows which of the rows that were not shown is that one, and none may be taken for gone.
func (a aside) nameless(entity string, since time.Time) (n int) {
	for key, until := range a {
		if key[0] == entity && strings.HasPrefix(key[1], unnamed) && !until.Before(since.Truncate(time.Microsecond)) {
			n++
		}
	}
	return n
}

// outdated names the rows without an id that a pass since then has not shown any more. Nothing else lets them out of
// quarantine, because no other reading can be known to be theirs.
func (a aside) outdated(entity string, since time.Time) (found []syncrun.Understood) {
	for key, until := range a {
		if key[0] == entity && strings.HasPrefix(key[1], unnamed) && until.Before(since.Truncate(time.Microsecond)) {
			found = append(found, syncrun.Understood{Stream: entity, SourceID: key[1], Settles: until})
		}
	}
	return found
}

// quarantined lists what is held of the connection.
func (s *pass) quarantined(ctx context.Context) (aside, error) {
	held := aside{}
	for after := int64(0); ; {
		var page []syncrun.Held
		err := s.p.DB.TenantTx(ctx, s.c.TenantID, func(tx *postgres.TenantTx) (err error) {
			page, err = syncrun.ListQuarantine(ctx, tx, s.c.Pipeline, after, sweepBatch)
			return err
		})
		if err != nil || len(page) == 0 {
			return held, err
		}
		for _, o := range page {
			after = o.ID
			held[[2]string{o.Stream, o.SourceID}] = o.ObservedUntil.UTC()
		}
	}
}

// blindness is what a run says whose sweep had to leave entities out.
func blindness(entities []string) string {
	return fmt.Sprintf("The site shows %s without a readable id, so nothing of them could be taken for gone; see `memberintel quarantine list`, "+
		"and when they can be read, sync once more with --mode full.", strings.Join(entities, " and "))
}
