package exchange

import (
	"errors"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// Rate is a token bucket: so many calls a second, and so many at once after a rest.
type Rate struct {
	PerSecond float64
	Burst     float64
}

// Limits of each party. A zero field means its default: nothing is without a limit.
type Limits struct {
	Rates         map[string]Rate // by class, at each process
	Introductions Rate            // of all keys that belong to no party, together, at each process
	Polls         int             // long polls that wait at once, at each process
	Storage       int64           // bytes in the lake
	OpenJobs      int64           // that wait or run, of one requester
	OpenOrders    int64           // that have not ended, of one buyer
	FromOne       int64           // items of one sender that wait in one mailbox
	Statements    int64           // that are new, of one author, in a day (UTC)
}

// DefaultLimits are those that are built in: far above what one party's honest use takes, and below what makes the others wait.
func DefaultLimits() Limits {
	return Limits{
		Rates: map[string]Rate{
			ClassRead: {1000, 4000}, ClassWrite: {200, 2000}, ClassHost: {4000, 8000}, ClassBulk: {4000, 8000},
		},
		Introductions: Rate{10, 1000}, Polls: 64, Storage: 1 << 40, OpenJobs: 1024, OpenOrders: 1024, FromOne: 10_000, Statements: 20_000,
	}
}

// ErrLimits says that limits are no limits.
var ErrLimits = errors.New("exchange: a limit is negative, not a number, of an unknown class, or lets nothing pass")

// withDefaults fills in what is not said.
func (l Limits) withDefaults() (Limits, error) {
	d := DefaultLimits()
	for class, r := range l.Rates {
		if _, known := d.Rates[class]; !known || !r.valid() {
			return Limits{}, ErrLimits
		}
		d.Rates[class] = r
	}
	if l.Introductions != (Rate{}) {
		if d.Introductions = l.Introductions; !l.Introductions.valid() {
			return Limits{}, ErrLimits
		}
	}
	if l.Polls < 0 || l.Storage < 0 || l.OpenJobs < 0 || l.OpenOrders < 0 || l.FromOne < 0 || l.Statements < 0 {
		return Limits{}, ErrLimits
	}
	if l.Polls > 0 {
		d.Polls = l.Polls
	}
	for _, f := range []struct{ into, said *int64 }{{&d.Storage, &l.Storage}, {&d.OpenJobs, &l.OpenJobs}, {&d.OpenOrders, &l.OpenOrders},
		{&d.FromOne, &l.FromOne}, {&d.Statements, &l.Statements}} {
		if *f.said > 0 {
			*f.into = *f.said
		}
	}
	return d, nil
}

// Valid refuses limits that a server would.
func (l Limits) Valid() error {
	_, err := l.withDefaults()
	return err
}

func (r Rate) valid() bool {
	return r.PerSecond > 0 && r.Burst >= 1 && !math.IsInf(r.PerSecond, 0) && !math.IsInf(r.Burst, 0)
}

// rates has a bucket for each party and class that called lately. Each process has its own: what a party may do is that times the
// processes that it reaches. A bucket that is full again says nothing and is forgotten.
type rates struct {
	mu      sync.Mutex
	buckets map[bucketKey]*tokens
}

type bucketKey struct {
	party statement.Fingerprint // empty: all who are none
	class string
}

type tokens struct {
	left float64
	at   time.Time
}

// maxBuckets, past which full ones are thrown away. Keys that belong to no party share one, so that nobody can make up others.
const maxBuckets = 1 << 16

// take takes a token, or says after what time there is one.
func (b *rates) take(k bucketKey, r Rate, now time.Time) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.buckets[k]
	if x == nil {
		if len(b.buckets) >= maxBuckets {
			b.sweep(now)
		}
		if b.buckets == nil {
			b.buckets = map[bucketKey]*tokens{}
		}
		x = &tokens{left: r.Burst, at: now}
		b.buckets[k] = x
	}
	if past := now.Sub(x.at).Seconds(); past > 0 { // a clock that is put back gives nothing
		x.left = min(r.Burst, x.left+past*r.PerSecond)
	}
	x.at = now
	if x.left >= 1 {
		x.left--
		return 0
	}
	return time.Duration((1 - x.left) / r.PerSecond * float64(time.Second))
}

// sweep forgets parties that did not call for a while. The caller has the lock.
func (b *rates) sweep(now time.Time) {
	const idle = time.Minute
	for k, x := range b.buckets {
		if now.Sub(x.at) > idle {
			delete(b.buckets, k)
		}
	}
}

// mayCall takes the caller's token for a call of a class. The time is the process's own: the caller's clock is its word.
func (s *Server) mayCall(c *call, class string) error {
	k, r := bucketKey{c.party, class}, s.limits.Rates[class]
	if !c.registered {
		k, r = bucketKey{class: "introduction"}, s.limits.Introductions
	}
	wait := s.rates.take(k, r, time.Now())
	if wait == 0 {
		return nil
	}
	return s.limited("rate", &refusal{
		status: http.StatusTooManyRequests, after: wait,
		body: wire.Error{Text: "too many calls of this party", Code: wire.CodeTooMany, Hint: "wait as long as Retry-After says"},
	})
}

// limited tells the watch that a limit was reached: which, not whose.
func (s *Server) limited(limit string, err error) error {
	if s.watch != nil {
		s.watch.Limited(limit)
	}
	return err
}
