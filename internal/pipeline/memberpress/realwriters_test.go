//go:build wordpress

package memberpress

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/care"
	"memberintel/internal/syncrun"
)

// writers are processes that write to the site: one through models, one through $wpdb, one past WordPress.
type writers struct {
	t    *testing.T
	stop string // the file that ends them
	done []*exec.Cmd
	told []*bytes.Buffer
}

func startWriters(t *testing.T, seed int) *writers {
	t.Helper()
	w := &writers{t: t, stop: filepath.Join(t.TempDir(), "stop")}
	for i, how := range []string{"models", "wpdb", "sql"} {
		command := exec.CommandContext(t.Context(), "php", "../../../wordpress/tests/writer.php", how, strconv.Itoa(seed*10+i), w.stop)
		told := &bytes.Buffer{}
		command.Stdout = told
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		w.done, w.told = append(w.done, command), append(w.told, told)
	}
	drive(t, "writing")
	return w
}

// end ends them and returns how many writes they did.
func (w *writers) end() (writes int) {
	w.t.Helper()
	if err := os.WriteFile(w.stop, nil, 0o600); err != nil {
		w.t.Fatal(err)
	}
	for i, command := range w.done {
		if err := command.Wait(); err != nil {
			w.t.Fatalf("%v: %s", err, w.told[i])
		}
		n, err := strconv.Atoi(strings.TrimSpace(w.told[i].String()))
		if err != nil || n == 0 {
			w.t.Fatalf("writer %d: %q", i, w.told[i])
		}
		writes += n
	}
	return writes
}

// A full sync while three writers insert, update, delete and roll back, through models, through $wpdb and past
// WordPress; then one incremental sync. What the tables hold is what the warehouse holds: nothing is missing, nothing
// too much, nothing old. MEMBERINTEL_TEST_REPEATS says how often, once unless told.
func TestWritersAtARealSite(t *testing.T) {
	repeats, _ := strconv.Atoi(os.Getenv("MEMBERINTEL_TEST_REPEATS"))
	drive(t, "plain", "4000")
	c := realClub(t)
	c.care = care.Config{PerMinute: 6000, Burst: 500, PageStart: 150, PageMax: 150} // many pages, so that writes fall between them
	c.restart()
	for run := range max(1, repeats) {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			drive(t, "plain", "4000")
			c.t = t
			w := startWriters(t, run+1)
			full := c.sync(syncrun.Full)
			writes := w.end()
			if full.Status != syncrun.Succeeded || full.Mode != syncrun.Full {
				t.Fatalf("%+v: %s", full, said(full))
			}
			incremental := c.mustSync(syncrun.Incremental)
			if writes < 50 || incremental.RecordsProcessed == 0 {
				t.Fatalf("%d writes, of which %d rows came after the full sync: that tries nothing", writes, incremental.RecordsProcessed)
			}
			held := strings.Split(value[string](c, `SELECT string_agg(concat_ws(' ', source_id, amount_minor, member_source_id, metadata ->> 'trans_num'), chr(10)
				ORDER BY source_id::bigint) FROM transactions WHERE deleted_at IS NULL AND kind = 'payment'`), "\n")
			if diff := cmp.Diff(drive(t, "truth").Names, held); diff != "" {
				t.Errorf("after %d writes the warehouse (+) is not the site (-):\n%s", writes, diff)
			}
			c.mustEqual()
			t.Logf("%d writes, %d records in full, %d after it", writes, full.RecordsProcessed, incremental.RecordsProcessed)
		})
	}
}
