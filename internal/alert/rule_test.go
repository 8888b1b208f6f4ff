package alert

import (
	"testing"
	"time"
)

func TestAProgramThatWasAwayLetsWhatIsDueCatchUp(t *testing.T) {
	var a attention
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	look := func(after time.Duration) bool {
		now = now.Add(after)
		settling := a.settling(now)
		a.looked = now
		return settling
	}
	for minute := range 6 * 60 {
		if !look(time.Minute) {
			t.Fatalf("settled after %d minutes", minute)
		}
	}
	if look(time.Minute) || look(10*time.Minute) {
		t.Error("not settled after six hours")
	}
	if !look(3*24*time.Hour) || !look(time.Minute) {
		t.Error("a weekend asleep was not noticed")
	}
}
