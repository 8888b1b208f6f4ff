package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A demo with a real WordPress says what it lacks before it starts anything.
func TestDemoSaysWhatWordPressNeeds(t *testing.T) {
	refused := func() string {
		t.Helper()
		folder := demoFolderForTest(t)
		var log strings.Builder
		code := Run(t.Context(), Process{Args: demoArgs(folder, "--wordpress"), Env: demoEnv(), Stdout: &log, Stderr: &log})
		if _, err := os.Stat(filepath.Join(folder, "postgres")); code != exitError || !os.IsNotExist(err) {
			t.Errorf("exit %d, %v: %s", code, err, log.String())
		}
		return log.String()
	}
	t.Run("the packages", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		told := refused()
		for _, part := range []string{"sudo apt-get install", "mariadb-server", "mariadb-client", "php-cli", "php-mysql"} {
			if !strings.Contains(told, part) {
				t.Errorf("no word of %s in %q", part, told)
			}
		}
	})
	t.Run("a checkout", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if told := refused(); !strings.Contains(told, "checkout of memberintel") {
			t.Errorf("%q", told)
		}
	})
}
