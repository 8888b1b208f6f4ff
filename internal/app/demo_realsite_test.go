//go:build wordpress

package app

import (
	"encoding/json"
	"strings"
	"testing"
)

// The same people in a real WordPress: what the plugin tells of them equals what the warehouse holds.
func TestDemoWithWordPress(t *testing.T) {
	folder := demoFolderForTest(t)
	var out, log strings.Builder
	code := Run(t.Context(), Process{Args: demoArgs(folder, "--wordpress", "--once", "--json"), Env: demoEnv(), Stdout: &out, Stderr: &log})
	var view demoView
	if err := json.Unmarshal([]byte(out.String()), &view); err != nil || code != exitDone {
		t.Fatalf("exit %d, %v\n%s%s", code, err, out.String(), log.String())
	}
	if len(view.Verdicts) != 3 || view.Verdicts[1].Checked == 0 || view.People.Linked == 0 || view.People.Candidates == 0 || view.People.ByPlatform["memberpress"] == 0 {
		t.Errorf("not everybody is where they should be: %s", out.String())
	}
}
