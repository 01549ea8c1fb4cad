package remembered

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

var start = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// asked counts how often a verdict was reached, not remembered.
func asked(t *testing.T, m *Memory, about string, at time.Time, parts ...string) (n int) {
	t.Helper()
	var in [][]byte
	for _, p := range parts {
		in = append(in, []byte(p))
	}
	got, err := Do(m, about, at, in, func() (string, Span, error) {
		n++
		return fmt.Sprint(about, parts), Span{From: start, Until: start.Add(time.Hour)}, nil
	})
	if err != nil || got != fmt.Sprint(about, parts) {
		t.Errorf("%q, %v", got, err)
	}
	return n
}

func TestDo(t *testing.T) {
	m := New()
	asked(t, m, "q", start, "a", "b")
	for _, c := range []struct {
		name  string
		about string
		at    time.Time
		parts []string
		want  int
	}{
		{"the same", "q", start, []string{"a", "b"}, 0},
		{"at its end", "q", start.Add(time.Hour), []string{"a", "b"}, 0},
		{"after its end", "q", start.Add(time.Hour + 1), []string{"a", "b"}, 1},
		{"before its beginning", "q", start.Add(-1), []string{"a", "b"}, 1},
		{"back in time", "q", start, []string{"a", "b"}, 0},
		{"another question", "r", start, []string{"a", "b"}, 1},
		{"another byte", "q", start, []string{"a", "c"}, 1},
		{"another order", "q", start, []string{"b", "a"}, 1},
		{"one part less", "q", start, []string{"a"}, 1},
		{"one part more", "q", start, []string{"a", "b", ""}, 1},
		{"parts run together", "q", start, []string{"ab"}, 1},
		{"cut elsewhere", "q", start, []string{"", "ab"}, 1},
	} {
		if got := asked(t, m, c.about, c.at, c.parts...); got != c.want {
			t.Errorf("%s: verified %d times, want %d", c.name, got, c.want)
		}
	}
	for range 2 {
		if asked(t, nil, "q", start, "a") != 1 {
			t.Error("no memory remembers")
		}
	}
}

// TestErrorsAreNotRemembered: what was refused is looked at again.
func TestErrorsAreNotRemembered(t *testing.T) {
	m, no := New(), errors.New("no")
	for range 2 {
		n := 0
		if _, err := Do(m, "q", start, nil, func() (bool, Span, error) { n++; return true, Always(), no }); !errors.Is(err, no) || n != 1 {
			t.Fatal(err, n)
		}
	}
}

// TestOtherType: a verdict of another type is no answer.
func TestOtherType(t *testing.T) {
	m := New()
	_, _ = Do(m, "q", start, nil, func() (int, Span, error) { return 1, Always(), nil })
	if s, err := Do(m, "q", start, nil, func() (string, Span, error) { return "s", Always(), nil }); s != "s" || err != nil {
		t.Fatal(s, err)
	}
}

func TestBounded(t *testing.T) {
	m := New()
	for i := range most + 100 {
		asked(t, m, "q", start, fmt.Sprint(i))
		asked(t, m, "q", start.Add(2*time.Hour), fmt.Sprint(i)) // not remembered
	}
	if len(m.known) != most || len(m.order) != most {
		t.Fatalf("%d verdicts, %d in order", len(m.known), len(m.order))
	}
	if asked(t, m, "q", start, "0") != 1 || asked(t, m, "q", start, fmt.Sprint(most+99)) != 0 {
		t.Error("not the oldest are forgotten")
	}
}

func TestBoundedInBytes(t *testing.T) {
	m := New()
	big := strings.Repeat("x", mostBytes/4)
	for i := range 9 {
		asked(t, m, "q", start, big, fmt.Sprint(i))
	}
	if len(m.known) != 3 || m.size > mostBytes || m.size < mostBytes/2 {
		t.Fatalf("%d verdicts of %d bytes", len(m.known), m.size)
	}
	asked(t, m, "q", start, strings.Repeat("x", mostBytes+1))
	if asked(t, m, "q", start, big, "8") != 0 || len(m.known) != 3 {
		t.Error("something that is too large took the place of others")
	}
}

func TestWithin(t *testing.T) {
	a, b := Span{start, start.Add(3 * time.Hour)}, Span{start.Add(time.Hour), start.Add(2 * time.Hour)}
	for _, s := range []Span{a.Within(b), b.Within(a)} {
		if s != b {
			t.Errorf("%v", s)
		}
	}
	if a.Within(Always()) != a || Always().Within(a) != a {
		t.Error("what always holds bounds something")
	}
}

func TestConcurrent(t *testing.T) {
	m := New()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 500 {
				asked(t, m, "q", start, fmt.Sprint(i%50))
			}
		})
	}
	wg.Wait()
}
