package alert

import (
	"testing"
	"time"

	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
)

// Who looks is of no account: a program that is started again each hour is not away.
func TestAProgramThatWasAwayLetsWhatIsDueCatchUp(t *testing.T) {
	db := pgtest.New(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	look := func(after time.Duration) (settling bool) {
		now = now.Add(after)
		pgtest.SetNow(t, db, now)
		err := db.ServiceTx(t.Context(), func(tx *postgres.ServiceTx) (err error) {
			settling, err = settles(t.Context(), tx)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return settling
	}
	for tens := range 6 * 6 {
		if !look(10 * time.Minute) {
			t.Fatalf("settled after %d minutes", 10*tens)
		}
	}
	if look(10*time.Minute) || look(time.Minute) {
		t.Error("not settled after six hours")
	}
	if !look(3*24*time.Hour) || !look(time.Minute) {
		t.Error("a weekend asleep was not noticed")
	}
}
