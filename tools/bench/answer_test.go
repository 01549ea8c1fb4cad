package main

import "testing"

func TestAgree(t *testing.T) {
	q := question{name: "q", keys: 1, kinds: []kind{count, sum, mean}}
	exact := answer{"A": {1002, 123456789012, 123214360.29}}
	for _, tc := range []struct {
		name     string
		released answer
		ok       bool
	}{
		{"the same", exact, true},
		{"rounded as stated", answer{"A": {1000, 123456789000, 123456789}}, true},
		{"a count beyond its rounding", answer{"A": {1005, 123456789000, 123456789}}, false},
		{"a sum beyond its digits", answer{"A": {1000, 123456789900, 123456789}}, false},
		{"a mean beyond both roundings", answer{"A": {1000, 123456789000, 123956789}}, false},
		{"a row too few", answer{}, false},
		{"a row too many", answer{"A": exact["A"], "B": exact["A"]}, false},
		{"another key", answer{"B": exact["A"]}, false},
		{"a column too few", answer{"A": {1000, 123456789000}}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := agree(q, exact, tc.released); (err == nil) != tc.ok {
				t.Error(err)
			}
		})
	}
	if agree(q, answer{}, answer{}) == nil {
		t.Error("nothing agrees with nothing")
	}
}

// A subtotal may differ by what its cells are rounded by, together, and no more.
func TestSubtotals(t *testing.T) {
	q := question{keys: 2, kinds: []kind{count, sum, mean}}
	exact := answer{"A|x|": {1002, 123456789012, 123210368}, "A|y|": {2002, 1, 0.0005}, "B|x|": {3002, 5, 0.001}, "A||": {3004, 123456789013, 41097466}, "||": {6006, 123456789018, 20555575}}
	for _, tc := range []struct {
		name, key string
		column    int
		by        float64
		ok        bool
	}{
		{"a count of a cell", "A|x|", 0, 2, true},
		{"a count of a cell, more", "A|x|", 0, 3, false},
		{"a count of two", "A||", 0, 5, true},
		{"a count of two, more", "A||", 0, 6, false},
		{"a count of all three", "||", 0, 7, true},
		{"a count of all three, more", "||", 0, 8, false},
		{"a sum of two", "A||", 1, 500, true},
		{"a sum of two, more", "A||", 1, 501, false},
		{"a mean of two", "A||", 2, 68000, true},
		{"a mean of two, more", "A||", 2, 69000, false},
	} {
		released := answer{}
		for key, row := range exact {
			released[key] = append([]float64{}, row...)
		}
		released[tc.key][tc.column] += tc.by
		if err := agree(q, exact, released); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// What the rules hide agrees with nothing that is there: a row all of which is hidden is none, one with holes lacks columns.
func TestSuppressed(t *testing.T) {
	q := question{keys: 1, kinds: []kind{count, count}}
	for _, tc := range []struct {
		name, row string
		exact     answer
		ok        bool
	}{
		{"a cell without rows", `{"k":"A","n":{"suppressed":true},"m":{"suppressed":true}}`, answer{"B|": {10, 10}}, true},
		{"a cell with rows", `{"k":"A","n":{"suppressed":true},"m":{"suppressed":true}}`, answer{"A|": {10, 10}, "B|": {10, 10}}, false},
		{"a part of one", `{"k":"A","n":10,"m":{"suppressed":true}}`, answer{"A|": {10, 10}, "B|": {10, 10}}, false},
	} {
		src := `{"columns":[{"name":"k"},{"name":"n"},{"name":"m"}],"rows":[{"k":"B","n":10,"m":10},` + tc.row + `]}`
		got, err := q.answerOfJSON([]byte(src))
		if err != nil {
			t.Fatal(err)
		}
		if err := agree(q, tc.exact, got); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if got, err := q.answerOfJSON([]byte(`{"columns":[{"name":"k"},{"name":"n"}],"rows":[{"k":"A","n":"suppressed"}]}`)); err == nil {
		t.Error("read", got)
	}
}

// A quantile may differ by what plain DuckDB cuts off, and no more; a subtotal's key is the same on both sides.
func TestQuantile(t *testing.T) {
	q := question{name: "q", keys: 1, kinds: []kind{count, quantile}}
	exact := answer{"|": {1000, 67188.05}}
	for _, tc := range []struct {
		value string
		ok    bool
	}{{"67188.057", true}, {"67188.065", false}, {"67188.035", false}} {
		got, err := q.answerOfJSON([]byte(`{"columns":[{"name":"k"},{"name":"n"},{"name":"v"}],"rows":[{"k":null,"n":1000,"v":` + tc.value + `}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := agree(q, exact, got); (err == nil) != tc.ok {
			t.Error(tc.value, err)
		}
	}
}
