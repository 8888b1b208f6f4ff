package stripe

import (
	"sync"
	"testing"

	"github.com/google/uuid"

	"memberintel/internal/connection"
)

func TestALaneLosesNobodyWhenTwoCommittersOpenIt(t *testing.T) {
	for range 20000 {
		l := newLanes()
		in := &Intake{lanes: l, closed: make(chan struct{})}
		close(in.closed) // a lane that opens commits nothing
		d := &door{c: connection.Connection{ID: uuid.UUID{1}}}
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				in.giveWay([]*arrival{{door: d}})
				l.divert([]*arrival{{door: d}}) // what comes next
			})
		}
		both.Wait()
		in.workers.Wait()
		if n := len(l.waiting[d.c.ID]); n < 2 {
			t.Fatalf("%d wait, and two came after the lane was open", n)
		}
	}
}
