//go:build wordpress

package memberpress

import (
	"cmp"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"memberintel/internal/syncrun"
)

// taken is how long the plugin alone took for what a sync asks of it, in seconds.
type taken struct {
	Rows       int64   `json:"rows"`
	Seconds    float64 `json:"seconds"`
	FirstSweep float64 `json:"first_sweep"`
	Sweep      float64 `json:"sweep"`
	Memory     float64 `json:"memory"` // most that PHP needed for a page, in MB, over what WordPress had taken before
}

// Measures a club of 50,000 members and 200,000 transactions against the plugin's own export, in one run: with pages of
// 1,000 rows, which is what the protocol has unless told, and of 2,000, which is what a sync comes to. With
// MEMBERINTEL_TEST_PART=N it is the N-th part of that club.
func TestALargeRealSite(t *testing.T) {
	drive(t, "seed", cmp.Or(os.Getenv("MEMBERINTEL_TEST_PART"), "1"))
	alone := map[string]taken{}
	for _, rows := range []string{"1000", "2000"} {
		before := spentSoFar(t, "")
		var export taken
		if err := json.Unmarshal(driveRaw(t, "export", rows), &export); err != nil {
			t.Fatal(err)
		}
		alone[rows] = export
		t.Logf("the plugin alone, pages of %s: %d rows in %.1f s, %.1f MB a page; first changes with a sweep %.1f s, a sweep %.2f s; %s",
			rows, export.Rows, export.Seconds, export.Memory, export.FirstSweep, export.Sweep, spentSoFar(t, "").since(before))
	}

	c := realClub(t)
	database := value[string](c, `SELECT current_database()`)
	rows := alone["1000"].Rows
	var run *syncrun.Run
	quarter := 0.0
	c.p.Config.Now = func() time.Time { // asked with each request
		if records, _ := run.Progress(); quarter == 0 && records >= rows/4 {
			quarter = peakMB(t)
		}
		return time.Now()
	}
	before, began := spentSoFar(t, database), time.Now()
	report, err := c.p.Sync(t.Context(), c.current(), "", func(r *syncrun.Run) { run = r })
	if err != nil || report.Status != syncrun.Succeeded || report.RecordsProcessed < rows {
		t.Fatalf("%+v, %v", report, err)
	}
	full := time.Since(began).Seconds()
	t.Logf("full sync: %d records in %.1f s, %.2f of the pages of 1,000 alone, %.2f of those of 2,000; peak %.0f MB after a quarter, %.0f MB after all; %s",
		report.RecordsProcessed, full, full/alone["1000"].Seconds, full/alone["2000"].Seconds, quarter, peakMB(t), spentSoFar(t, database).since(before))

	none := timed(t, c)
	drive(t, "some")
	some := timed(t, c)
	t.Logf("incremental: nothing new %.2f s; 100 rows by raw SQL %.2f s, which is a sweep and %.1f %% of the full sync",
		none, some, (some-none)/full*100)
	began = time.Now()
	c.mustEqual()
	t.Logf("verify: no difference, %.1f s", time.Since(began).Seconds())
}

func timed(t *testing.T, c *club) float64 {
	t.Helper()
	began := time.Now()
	c.mustSync(syncrun.Incremental)
	return time.Since(began).Seconds()
}

// peakMB is the most memory that this process has had.
func peakMB(t *testing.T) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Error(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	kb, _ := strconv.ParseFloat(strings.Fields(peak + " 0")[0], 64)
	return kb / 1024
}
