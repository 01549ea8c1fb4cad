package meter

import (
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/statement"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time            { return c.t }
func (c *clock) pass(d time.Duration)      { c.t = c.t.Add(d) }
func exposed(n int64) []statement.Exposure { return []statement.Exposure{{Bytes: n}} }

func TestStagesFollowOneAnother(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	m := New(c.now, "start", c.t.Add(-time.Millisecond))
	c.pass(time.Millisecond)
	m.Stage("hello")
	c.pass(3 * time.Millisecond)
	got := m.Stages()
	want := []statement.Stage{{Name: "start", Micros: 2000}, {Name: "hello", Micros: 3000}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestClearFromFirstKeyToLastClose(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	m := New(c.now, "start", c.t)
	c.pass(time.Second)
	m.Held()
	c.pass(time.Second)
	m.Held() // a later key
	m.Closed()
	c.pass(time.Second)
	m.Closed() // a later close
	c.pass(time.Second)
	got := m.Clear(exposed(10), 77)
	if want := (statement.Clear{Bytes: 10, Micros: 2e6, ByteMilliseconds: 20000, PeakMemory: 77}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestNeverClosedCountsUntilNow(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	m := New(c.now, "start", c.t)
	m.Closed() // before the key came: says nothing about it
	c.pass(time.Second)
	m.Held()
	c.pass(5 * time.Second)
	if got := m.Clear(nil, 0).Micros; got != 5e6 {
		t.Errorf("got %d", got)
	}
}

func TestMicrosRoundUp(t *testing.T) {
	if micros(1) != 1 || micros(1000) != 1 || micros(1001) != 2 || micros(-5) != 0 {
		t.Error("not rounded up")
	}
}
