package runner

import (
	"slices"
	"testing"

	"github.com/cordon-exchange/cordon/pme"
)

// TestSmallGaps: small gaps are fetched with what lies around them, and nothing is lost.
func TestSmallGaps(t *testing.T) {
	const gap = worthARange
	for name, c := range map[string]struct {
		in, want []pme.Range
	}{
		"none":             {nil, nil},
		"small gap":        {[]pme.Range{{Off: 0, Len: 4}, {Off: 4 + gap, Len: 10}}, []pme.Range{{Off: 0, Len: 14 + gap}}},
		"large gap":        {[]pme.Range{{Off: 0, Len: 4}, {Off: 5 + gap, Len: 10}}, []pme.Range{{Off: 0, Len: 4}, {Off: 5 + gap, Len: 10}}},
		"three":            {[]pme.Range{{Off: 0, Len: 4}, {Off: 9, Len: 1}, {Off: 20, Len: 1}}, []pme.Range{{Off: 0, Len: 21}}},
		"one after a join": {[]pme.Range{{Off: 0, Len: 4}, {Off: 5, Len: 1}, {Off: 8 + gap, Len: 1}}, []pme.Range{{Off: 0, Len: 6}, {Off: 8 + gap, Len: 1}}},
	} {
		if got := withSmallGaps(c.in); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
