package meter

import (
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/statement"
)

// Meter of one job. Its methods may be called concurrently.
type Meter struct {
	mu     sync.Mutex
	now    func() time.Time
	stages []statement.Stage
	name   string
	since  time.Time
	held   time.Time
	closed time.Time
}

// New starts a meter in the stage of that name, which began at since.
func New(now func() time.Time, name string, since time.Time) *Meter {
	return &Meter{now: now, name: name, since: since}
}

// Stage ends the stage before and begins the next.
func (m *Meter) Stage(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.now()
	m.stages = append(m.stages, m.current(at))
	m.name, m.since = name, at
}

func (m *Meter) current(at time.Time) statement.Stage {
	return statement.Stage{Name: m.name, Micros: micros(at.Sub(m.since))}
}

// Stages so far, with what the last one has taken until now.
func (m *Meter) Stages() []statement.Stage {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append(append([]statement.Stage{}, m.stages...), m.current(m.now()))
}

// Held notes that a key is in clear. The first time counts.
func (m *Meter) Held() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held.IsZero() {
		m.held = m.now()
	}
}

// Closed notes that all keys and data have been let go. The last time counts.
func (m *Meter) Closed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = m.now()
}

// Clear is the account of what was in clear. peak is the most memory that was resident.
func (m *Meter) Clear(exposures []statement.Exposure, peak int64) statement.Clear {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := statement.Clear{PeakMemory: min(max(peak, 0), most)}
	for _, e := range exposures {
		c.Bytes += e.Bytes
	}
	if !m.held.IsZero() {
		end := m.closed
		if end.Before(m.held) {
			end = m.now() // nobody said that it is over
		}
		c.Micros = micros(end.Sub(m.held))
	}
	c.ByteMilliseconds = statement.ByteMilliseconds(c.Bytes, c.Micros)
	return c
}

// most is the largest number that a statement holds.
const most = 1<<53 - 1

// micros rounds up: what took time is never said to have taken none.
func micros(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return min((d.Nanoseconds()+999)/1000, most)
}
