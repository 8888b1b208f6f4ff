package clock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"memberintel/internal/sim/clock"
)

var base = time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)

func TestAtStandsStillUntilAdvanced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.At(base)
		time.Sleep(time.Hour)
		if got := c.Now(); !got.Equal(base) {
			t.Fatalf("Now() = %v, want %v", got, base)
		}
		if got := c.Advance(90 * time.Second); !got.Equal(base.Add(90 * time.Second)) {
			t.Fatalf("Advance = %v", got)
		}
		if c.Paced() {
			t.Fatal("a standing clock says that it keeps pace with real time")
		}
	})
}

func TestFollowRunsAtItsSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.Follow(base, 60)
		time.Sleep(time.Minute)
		if got, want := c.Now(), base.Add(time.Hour); !got.Equal(want) {
			t.Fatalf("after a minute at 60: %v, want %v", got, want)
		}
		c.Advance(time.Hour)
		c.Speed(1)
		time.Sleep(time.Second)
		if got, want := c.Now(), base.Add(2*time.Hour+time.Second); !got.Equal(want) {
			t.Fatalf("after advance and a second at 1: %v, want %v", got, want)
		}
		if !c.Paced() {
			t.Fatal("a clock at speed 1 does not say that it keeps pace")
		}
		c.Set(base)
		c.Speed(0)
		time.Sleep(time.Second)
		if got := c.Now(); !got.Equal(base) {
			t.Fatalf("stopped at %v, want %v", got, base)
		}
	})
}
