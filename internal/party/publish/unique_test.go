package publish

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/cordon-exchange/cordon/internal/party/rowgroup"
)

// TestUniqueNumbers: a number that comes again is noticed, in its row group or in a later one, whether they ascend or not.
func TestUniqueNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		groups [][]int64
		want   int // row of the last group, -1: none
	}{
		"ascending":           {[][]int64{{1, 2, 3}, {4, 5}}, -1},
		"descending":          {[][]int64{{9, 8}, {7, -1}}, -1},
		"the same again":      {[][]int64{{1, 2, 2}}, 2},
		"of an earlier group": {[][]int64{{1, 2, 3}, {5, 2}}, 1},
		"after a fall":        {[][]int64{{5, 9}, {3, 7}, {8, 3}}, 1},
		"the last one":        {[][]int64{{5, 9}, {9}}, 0},
		"zero":                {[][]int64{{5, 0}, {3, 0}}, 1},
	} {
		u, got := newUniques(), -1
		for _, g := range c.groups {
			got = u.first(rowgroup.Int64, &rowgroup.Values{Rows: len(g), Ints: g})
		}
		if got != c.want {
			t.Errorf("%s: row %d, want %d", name, got, c.want)
		}
	}
	for _, v := range []struct {
		kind   rowgroup.Kind
		values rowgroup.Values
	}{
		{rowgroup.Boolean, rowgroup.Values{Bools: []bool{true, false, true}}},
		{rowgroup.Double, rowgroup.Values{Doubles: []float64{1, 2, 1}}},
		{rowgroup.Text, rowgroup.Values{Text: rowgroup.Strings{Bytes: []byte("aba"), Ends: []int{1, 2, 3}}}},
	} {
		if got := newUniques().first(v.kind, &v.values); got != 2 {
			t.Errorf("%v: row %d", v.kind, got)
		}
	}
}

// TestUniqueOfMany: many values, as numbers and as texts, in groups of any size, tables that grow, and the one that comes again.
func TestUniqueOfMany(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		all, known := []int64{}, map[int64]bool{}
		for n := r.IntN(3000); len(all) < n; {
			x := int64(r.Uint64N(100_000)) - 50_000
			if r.IntN(2) == 0 {
				x = int64(r.Uint64() << r.IntN(60)) // the same in their lowest bits
			}
			if !known[x] {
				known[x], all = true, append(all, x)
			}
		}
		twice := -1
		if len(all) > 0 && r.IntN(3) > 0 {
			twice = 1 + r.IntN(len(all))
			all = append(append(append([]int64{}, all[:twice]...), all[r.IntN(twice)]), all[twice:]...)
		}
		numbers, texts := newUniques(), newUniques()
		gotNumber, gotText, from := -1, -1, 0
		for gotNumber < 0 && from < len(all) {
			group := all[from:min(len(all), from+1+r.IntN(700))]
			words := rowgroup.Values{Rows: len(group)}
			for _, x := range group {
				words.Text.Append(strconv.FormatInt(x, 10))
			}
			gotNumber = numbers.first(rowgroup.Int64, &rowgroup.Values{Rows: len(group), Ints: group})
			if gotText = texts.first(rowgroup.Text, &words); gotText != gotNumber {
				t.Fatalf("row %d as a number, %d as a text", gotNumber, gotText)
			}
			if gotNumber >= 0 {
				gotNumber += from
			}
			from += len(group)
		}
		if gotNumber != twice {
			t.Fatalf("row %d of %d, want %d", gotNumber, len(all), twice)
		}
	}
}
