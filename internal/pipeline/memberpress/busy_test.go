package memberpress

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	site "memberintel/internal/sim/memberpress"
	"memberintel/internal/syncrun"
)

// While everything is read, rows are written, deleted and changed back between any two answers, with hooks and without.
// After one sync more, nothing is missing, nothing is too much and nothing is old.
func TestASiteThatIsBusyWhileItIsRead(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := newClub(t)
			for id := int64(200); id < 320; id++ {
				c.site.Put(site.Member{ID: id, Login: fmt.Sprint("m", id), FirstName: "Pat", LastName: fmt.Sprint(id)})
				c.site.Put(site.Transaction{ID: id, MemberID: site.Ref(id), ProductID: 55, Status: "complete", TransNum: fmt.Sprint("ch_", id), Total: "10.00",
					CreatedAt: at("2026-10-05T09:01:00Z"), ExpiresAt: at("2026-11-20T23:59:59Z")})
			}
			random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test's own dice
			var busy atomic.Bool
			var disturbed atomic.Int64
			busy.Store(true)
			c.site.OnRequest(func(r *http.Request) {
				if !busy.Load() || !strings.Contains(r.URL.RawQuery, "sync") {
					return
				}
				for range 3 {
					disturbed.Add(1)
					disturb(c.site, random)
				}
			})
			if report := c.sync(""); report.Mode != syncrun.Full || report.Status != syncrun.Succeeded {
				t.Fatalf("%+v", report)
			}
			busy.Store(false)
			if n := disturbed.Load(); n < 30 {
				t.Fatalf("only %d writes came between", n)
			}
			if report := c.sync(""); report.Mode != syncrun.Incremental || report.Status != syncrun.Succeeded {
				t.Fatalf("%+v", report)
			}
			c.mustEqual()
		})
	}
}

// disturb changes something, as MemberPress or as plain SQL.
func disturb(s *site.Site, random *rand.Rand) {
	write, remove := s.Put, s.Delete
	if random.IntN(2) == 0 {
		write, remove = s.Slip, s.Vanish
	}
	id := 200 + random.Int64N(140)
	switch random.IntN(5) {
	case 0:
		remove("members", id)
	case 1:
		remove("transactions", id)
	case 2:
		write(site.Member{ID: id, Login: fmt.Sprint("m", id), FirstName: fmt.Sprint("Changed ", random.IntN(9)), LastName: fmt.Sprint(id)})
	default:
		status := []string{"complete", "refunded", "pending", "failed"}[random.IntN(4)]
		write(site.Transaction{ID: id, MemberID: site.Ref(200 + random.Int64N(140)), ProductID: 56, Status: status, TransNum: fmt.Sprint("ch_", id),
			Total: "12.00", CreatedAt: at("2026-10-05T09:01:00Z"), ExpiresAt: at("2026-11-20T23:59:59Z")})
	}
}
