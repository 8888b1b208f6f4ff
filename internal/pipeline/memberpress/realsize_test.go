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
}

// Measures a club of 50,000 members and 200,000 transactions against the plugin's own export, in one run. With
// MEMBERINTEL_TEST_PART=N it is the N-th part of that club.
func TestALargeRealSite(t *testing.T) {
	drive(t, "seed", cmp.Or(os.Getenv("MEMBERINTEL_TEST_PART"), "1"))
	before := spentSoFar(t, "")
	var alone taken
	if err := json.Unmarshal(driveRaw(t, "export", "1000"), &alone); err != nil {
		t.Fatal(err)
	}
	export := alone.Seconds + alone.FirstSweep
	t.Logf("the plugin alone: %d rows in %.1f s, first changes with a sweep %.1f s, together %.1f s; a sweep %.2f s; %s",
		alone.Rows, alone.Seconds, alone.FirstSweep, export, alone.Sweep, spentSoFar(t, "").since(before))

	c := realClub(t)
	database := value[string](c, `SELECT current_database()`)
	var run *syncrun.Run
	quarter := 0.0
	c.p.Config.Now = func() time.Time { // asked with each request
		if records, _ := run.Progress(); quarter == 0 && records >= alone.Rows/4 {
			quarter = peakMB(t)
		}
		return time.Now()
	}
	before = spentSoFar(t, database)
	began := time.Now()
	report, err := c.p.Sync(t.Context(), c.current(), "", func(r *syncrun.Run) { run = r })
	if err != nil || report.Status != syncrun.Succeeded || report.RecordsProcessed < alone.Rows {
		t.Fatalf("%+v, %v", report, err)
	}
	full := time.Since(began).Seconds()
	t.Logf("full sync: %d records in %.1f s, %.2f of the pages alone, %.2f of pages and sweep; peak %.0f MB after a quarter, %.0f MB after all; %s",
		report.RecordsProcessed, full, full/alone.Seconds, full/export, quarter, peakMB(t), spentSoFar(t, database).since(before))

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
