//go:build wordpress

package memberpress

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// spent is the processor time in seconds that each side has used. Where a machine is shared it says more than the clock.
type spent struct{ php, mariadb, service, postgres float64 }

func (s spent) since(before spent) spent {
	return spent{s.php - before.php, s.mariadb - before.mariadb, s.service - before.service, s.postgres - before.postgres}
}

func (s spent) String() string {
	return fmt.Sprintf("processor time: PHP %.1f, MariaDB %.1f, service %.1f, PostgreSQL %.1f, together %.1f s",
		s.php, s.mariadb, s.service, s.postgres, s.php+s.mariadb+s.service+s.postgres)
}

// spentSoFar reads the site's processes by their groups, and PostgreSQL's by the name of the test's database, "" for none.
func spentSoFar(t *testing.T, database string) (s spent) {
	t.Helper()
	root := filepath.Dir(os.Getenv("MEMBERINTEL_TEST_SITE"))
	group := map[string]*float64{pidIn(t, root, "php"): &s.php, pidIn(t, root, "mariadbd"): &s.mariadb}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		raw, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(raw), ") ")
		f := strings.Fields(after)
		if of := group[f[2]]; of != nil {
			*of += ticks(f[11]) + ticks(f[12])
		}
		if line, _ := os.ReadFile(filepath.Dir(name) + "/cmdline"); database != "" && strings.HasPrefix(string(line), "postgres:") && strings.Contains(string(line), database) {
			s.postgres += ticks(f[11]) + ticks(f[12])
		}
	}
	var use unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &use); err != nil {
		t.Error(err)
	}
	s.service = float64(use.Utime.Sec+use.Stime.Sec) + float64(use.Utime.Usec+use.Stime.Usec)/1e6
	return s
}

func pidIn(t *testing.T, root, name string) string {
	t.Helper()
	pid, err := os.ReadFile(filepath.Join(root, name+".pid"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(pid))
}

// ticks are hundredths of a second.
func ticks(text string) float64 {
	n, _ := strconv.ParseFloat(text, 64)
	return n / 100
}
