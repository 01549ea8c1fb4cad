package privacy

import (
	"math/big"
	"testing"
)

func TestRoundCount(t *testing.T) {
	for _, tc := range []struct{ n, multiple, want int64 }{
		{0, 5, 0}, {2, 5, 0}, {3, 5, 5}, {12, 5, 10}, {13, 5, 15}, {15, 5, 15}, {14, 10, 10}, {15, 10, 20}, {7, 1, 7}, {1, 2, 2},
	} {
		if got := RoundCount(big.NewInt(tc.n), tc.multiple); got.Int64() != tc.want {
			t.Errorf("RoundCount(%d, %d) = %v, want %d", tc.n, tc.multiple, got, tc.want)
		}
	}
}

func TestRoundDigits(t *testing.T) {
	for _, tc := range []struct{ v, digits, want string }{
		{"0", "4", "0"}, {"1234", "4", "1234"}, {"12344", "4", "12340"}, {"12345", "4", "12350"}, {"-12345", "4", "-12350"}, {"-12344", "4", "-12340"},
		{"99995", "4", "100000"}, {"99994", "4", "99990"}, {"5", "1", "5"}, {"15", "1", "20"}, {"-15", "1", "-20"}, {"14", "1", "10"},
		{"170141183460469231731687303715884105727", "4", "170100000000000000000000000000000000000"},
	} {
		v, _ := new(big.Int).SetString(tc.v, 10)
		before := v.String()
		digits, _ := new(big.Int).SetString(tc.digits, 10)
		if got := RoundDigits(v, digits.Int64()).String(); got != tc.want {
			t.Errorf("RoundDigits(%s, %s) = %s, want %s", tc.v, tc.digits, got, tc.want)
		}
		if v.String() != before {
			t.Errorf("RoundDigits changed its argument")
		}
	}
}

func TestAddUnitsStops(t *testing.T) {
	const most = 1<<63 - 1
	if addUnits(most, 1) != most || addUnits(most-1, 1) != most || addUnits(1, 2) != 3 {
		t.Error("units overflow")
	}
}
