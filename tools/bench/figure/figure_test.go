package figure

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func side(v float64, answer any) Side {
	return func(context.Context) (Sample, error) { return Sample{Amount: v, Answer: answer}, nil }
}

func same(x, y any) error {
	if x != y {
		return errors.New("not the same")
	}
	return nil
}

func pair(t *testing.T, a, b float64) *Pair {
	t.Helper()
	p, err := Turns(t.Context(), 3, side(a, 1), side(b, 1), same)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTurnsRefuse(t *testing.T) {
	broken := errors.New("broken")
	for _, tc := range []struct {
		name        string
		n           int
		ours, plain Side
		want        error
	}{
		{"different answers", 1, side(1, "x"), side(1, "y"), ErrAnswers},
		{"no answer on one side", 1, side(1, nil), side(1, "y"), ErrAnswers},
		{"no answer on both", 1, side(1, nil), side(1, nil), ErrAnswers},
		{"a side that fails", 1, side(1, 1), func(context.Context) (Sample, error) { return Sample{Amount: 1, Answer: 1}, broken }, broken},
		{"a side without time", 1, side(0, 1), side(1, 1), nil},
		{"no turns", 0, side(1, 1), side(1, 1), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := Turns(t.Context(), tc.n, tc.ours, tc.plain, same)
			if err == nil || p != nil {
				t.Fatal("measured", p)
			}
			if tc.want != nil && !errors.Is(err, tc.want) {
				t.Error(err)
			}
		})
	}
}

// A difference in any turn counts, not only in the first.
func TestTurnsRefuseLate(t *testing.T) {
	calls := 0
	ours := func(context.Context) (Sample, error) {
		calls++
		return Sample{Amount: 1, Answer: calls < 4}, nil
	}
	if _, err := Turns(t.Context(), 5, ours, side(1, true), same); !errors.Is(err, ErrAnswers) || calls != 4 {
		t.Error(calls, err)
	}
}

func TestTurnsAlternate(t *testing.T) {
	var order strings.Builder
	s := func(name string) Side {
		return func(context.Context) (Sample, error) {
			order.WriteString(name)
			return Sample{Amount: 1, Answer: 1}, nil
		}
	}
	if _, err := Turns(t.Context(), 3, s("a"), s("b"), same); err != nil {
		t.Fatal(err)
	}
	if got, want := order.String(), "ba"+"ab"+"ba"+"ab"; got != want {
		t.Errorf("order %s, not %s", got, want)
	}
}

func TestLines(t *testing.T) {
	mean, err := Mean("mean", []*Pair{pair(t, 2, 1), pair(t, 8, 1)}, Goal{AtMost: 4.5})
	if err != nil {
		t.Fatal(err)
	}
	busy := func(least float64) Side {
		n := 0
		return func(context.Context) (Sample, error) {
			n++
			return Sample{Amount: 10, Processor: least + float64(n%4), Answer: 1}, nil
		}
	}
	told, err := Turns(t.Context(), 8, busy(30), busy(20), same)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		f    *Figure
		want string
	}{
		{Of("processors", told, Goal{}, ""), "bench: processors ratio=1.000 goal=none (a=10.0ms b=10.0ms n=8, quartiles 1.000–1.000; processor time 1.500)"},
		{Of("open+query", pair(t, 105.25, 100), Goal{AtMost: 1.05}, "").In("t", "note %d", 7), "bench: open+query ratio=1.052 goal=1.050 MISS (a=105ms b=100ms n=3, quartiles 1.052–1.052; note 7)"},
		{Of("met", pair(t, 104, 100), Goal{AtMost: 1.05}, ""), "bench: met ratio=1.040 goal=1.050 (a=104ms b=100ms n=3, quartiles 1.040–1.040)"},
		{Of("speed", pair(t, 2.55e9, 3e9), Goal{AtLeast: 0.85}, "B/s"), "bench: speed ratio=0.850 goal=0.850+ (a=2.55GB/s b=3.00GB/s n=3, quartiles 0.850–0.850)"},
		{mean, "bench: mean ratio=4.000 goal=4.500 (a=4.00ms b=1.00ms n=3, quartiles 4.000–4.000)"},
		{At("start", Millis, []float64{20, 31, 60}, 0.5, Goal{AtMost: 30}), "bench: start ms=31.0 goal=30.0 MISS (n=3, quartiles 25.5–45.5)"},
		{At("releases", PerSecond, []float64{450, 410}, 0.5, Goal{AtLeast: 400}), "bench: releases per_second=430 goal=400+ (n=2, quartiles 420–440)"},
		{At("slope", Exponent, []float64{1.051}, 0.5, Goal{AtLeast: 0.95, AtMost: 1.05}), "bench: slope slope=1.051 goal=0.950..1.050 MISS (n=1, quartiles 1.051–1.051)"},
		{At("memory", Bytes, []float64{1.5e9}, 0.5, Goal{}), "bench: memory bytes=1.50GB goal=none (n=1, quartiles 1.50GB–1.50GB)"},
		{Fail("jobs", Ratio, Goal{AtMost: 1.05}, "too quick"), "bench: jobs FAIL goal=1.050 (too quick)"},
		{At("nothing", Millis, nil, 0.5, Goal{AtMost: 1}), "bench: nothing FAIL goal=1.00 (nothing was measured)"},
	} {
		if got := tc.f.Line(); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}

func TestSlope(t *testing.T) {
	if got := Slope([]float64{6, 7, 8}, []float64{1, 2.1, 3}); got < 0.999 || got > 1.001 {
		t.Error(got)
	}
	if f := At("x", Exponent, []float64{Slope([]float64{1, 1}, []float64{1, 2})}, 0.5, Goal{}); f.Failed == "" {
		t.Error("a slope of one x is a figure")
	}
}

func TestBusy(t *testing.T) {
	for _, tc := range []struct {
		name   string
		others []float64
		spread float64
		busy   bool
	}{
		{"quiet", []float64{1, 2, 90}, 0.1, false},
		{"others", []float64{1, 20, 30}, 0.1, true},
		{"spread", []float64{1}, 0.3, true},
	} {
		r := Report{Machine: Machine{samples: tc.others}, Figures: []*Figure{{PlainSpread: tc.spread}}}
		if r.Judge(); r.Machine.Busy != tc.busy {
			t.Error(tc.name, r.Machine.Busy)
		}
		var b bytes.Buffer
		if err := r.Print(&b); err != nil || strings.Contains(b.String(), "BUSY MACHINE") != tc.busy {
			t.Error(tc.name, b.String(), err)
		}
	}
}

func reports(t *testing.T) []*Report {
	points := []*Figure{Of("10^6 <rows>", pair(t, 11, 10), Goal{AtMost: 1.05}, ""), Of("10^7", pair(t, 101, 100), Goal{AtMost: 1.05}, ""), Fail("10^8", Ratio, Goal{}, "no room")}
	points[0].X, points[1].X = 1e6, 1e7
	for _, f := range points {
		f.In("rows", "")
	}
	return []*Report{{Part: "scale", Command: "bench -only scale", Date: "2026-01-02", Figures: points}}
}

func TestRender(t *testing.T) {
	texts := func(s string) fstest.MapFS { return fstest.MapFS{"1.md": {Data: []byte(s)}} }
	first, err := Render(texts(`# T
{{table "rows"}}
{{bars "rows" "Bars"}} {{machine}}`), reports(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| 10^6 <rows> | 1.100 (11.0ms to 10.0ms) | 1.100–1.100 | 3 | ≤ 1.050 | **MISS** |", "**FAIL**: no room", "`bench -only scale`, 2026-01-02", "![Bars](benchmarks/rows.svg)"} {
		if !strings.Contains(string(first.Text), want) {
			t.Errorf("%s\nlacks %s", first.Text, want)
		}
	}
	second, err := Render(texts(`{{table "rows"}}{{bars "rows" "Bars"}}`), reports(t))
	if err != nil || !bytes.Equal(first.Plots["rows.svg"], second.Plots["rows.svg"]) {
		t.Error("the same figures give another plot", err)
	}
	for _, bad := range []string{`no table`, `{{table "rows"}}{{table "others"}}`, `{{table`} {
		if _, err := Render(texts(bad), reports(t)); err == nil {
			t.Errorf("rendered %s", bad)
		}
	}
}

// A part that waits for its figures has its place.
func TestRenderWaits(t *testing.T) {
	all := append(reports(t), &Report{Part: "later"})
	p, err := Render(fstest.MapFS{"1.md": {Data: []byte(`{{table "rows"}} {{table "others"}} {{bars "others" "B"}}`)}}, all)
	if err != nil || !strings.Contains(string(p.Text), "Not measured yet.") || len(p.Plots) != 0 {
		t.Error(err)
	}
}

func TestPlotsAreXML(t *testing.T) {
	f := reports(t)[0].Figures
	line, err := Series("Time & rows", "rows", f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Series("one point", "rows", f[:1]); err == nil {
		t.Error("one point is a series")
	}
	for _, svg := range [][]byte{line, Bars("Bars <of> all", f), Bars("empty", nil)} {
		d := xml.NewDecoder(bytes.NewReader(svg))
		for {
			_, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%v in\n%s", err, svg)
			}
		}
	}
	if !bytes.Contains(Bars("b", f), []byte(colourMissed)) || bytes.Contains(Bars("b", f[1:]), []byte(colourMissed)) {
		t.Error("a missed goal has not its colour")
	}
}

func TestLoad(t *testing.T) {
	r := reports(t)[0]
	var b bytes.Buffer
	if err := r.Encode(&b); err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/r.json"
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil || len(got.Figures) != 3 || got.Figures[0].Line() != r.Figures[0].Line() {
		t.Error(got, err)
	}
}
