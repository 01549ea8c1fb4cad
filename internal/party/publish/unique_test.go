package publish

import (
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
