package testenv

import (
	"sync/atomic"
	"time"
)

// Clock is the time as one member of the exchange sees it. The zero Clock is right.
type Clock struct{ skew atomic.Int64 }

// Now is the time on this clock.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.skew.Load())) }

// Set puts the clock ahead by d; 0 makes it right again.
func (c *Clock) Set(d time.Duration) { c.skew.Store(int64(d)) }
