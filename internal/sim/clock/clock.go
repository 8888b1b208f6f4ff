// Package clock is the time of the simulated world. A clock either stands still until it is advanced, which makes tests
// exact, or follows the machine's time from a chosen base, at a chosen speed, which makes a demo lively.
package clock

import (
	"sync"
	"time"
)

// Clock tells one time to everything that shares it. Its methods may be called by several goroutines at once.
type Clock struct {
	mu    sync.Mutex
	base  time.Time
	since time.Time
	speed float64
}

// At returns a clock that stands at t until it is advanced or set.
func At(t time.Time) *Clock {
	return &Clock{base: t.UTC()}
}

// Follow returns a clock that shows base now and runs from there at speed seconds for each real second. A speed of 1 is
// the pace of real time; 0 stands still.
func Follow(base time.Time, speed float64) *Clock {
	return &Clock{base: base.UTC(), since: time.Now(), speed: speed}
}

// Now returns the clock's time in UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

// Advance moves the clock forward by d and returns the new time. A running clock goes on running from there. A negative
// d moves it back, which a source never does: it is for tests of a clock that jumps.
func (c *Clock) Advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rebase(c.read().Add(d))
	return c.base
}

// Set moves the clock to t. A running clock goes on running from there.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rebase(t.UTC())
}

// Speed changes how many seconds pass for each real second; 0 stops the clock where it is.
func (c *Clock) Speed(factor float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rebase(c.read())
	c.speed = factor
}

// Paced reports whether the clock runs at the pace of real time, so that a span measured on the machine's clock is the
// same span on this one.
func (c *Clock) Paced() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.speed == 1
}

func (c *Clock) read() time.Time {
	if c.speed == 0 {
		return c.base
	}
	return c.base.Add(time.Duration(float64(time.Since(c.since)) * c.speed))
}

func (c *Clock) rebase(t time.Time) {
	c.base, c.since = t, time.Now()
}
