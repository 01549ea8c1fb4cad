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

func TestSuppressedCellIsNoAnswer(t *testing.T) {
	src := `{"columns":[{"name":"k"},{"name":"n"}],"rows":[{"k":"A","n":"suppressed"}]}`
	if got, err := (question{keys: 1}).answerOfJSON([]byte(src)); err == nil {
		t.Error("read", got)
	}
}
