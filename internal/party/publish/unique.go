package publish

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"strconv"

	"github.com/cordon-exchange/cordon/internal/party/rowgroup"
)

// uniques notices a value that comes a second time. Values that ascend, as numbers of rows do, are only kept; once they do not,
// all of them go into a set. Of texts, and of whatever else is no whole number, 128 bits of hashes under keys of this process
// stand for the value.
type uniques struct {
	seeds  [2]maphash.Seed
	sorted []int64
	ints   map[int64]struct{}
	hashes map[[2]uint64]struct{}
}

func newUniques() *uniques {
	return &uniques{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, hashes: map[[2]uint64]struct{}{}}
}

// first adds the values of a row group, none of them NULL. It says which row has one that was there before, or -1.
func (u *uniques) first(k rowgroup.Kind, v *rowgroup.Values) int {
	switch k {
	case rowgroup.Boolean:
		for i, b := range v.Bools {
			if !u.add(strconv.AppendBool(nil, b)) {
				return i
			}
		}
	case rowgroup.Double:
		for i := range v.Doubles {
			if !u.add(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v.Doubles[i]))) {
				return i
			}
		}
	case rowgroup.Text:
		for i := range v.Count(k) {
			if !u.add(v.At(i)) {
				return i
			}
		}
	default:
		return u.firstInt(v.Ints)
	}
	return -1
}

func (u *uniques) add(b []byte) bool {
	h := [2]uint64{maphash.Bytes(u.seeds[0], b), maphash.Bytes(u.seeds[1], b)}
	if _, twice := u.hashes[h]; twice {
		return false
	}
	u.hashes[h] = struct{}{}
	return true
}

func (u *uniques) firstInt(v []int64) int {
	for i, x := range v {
		if u.ints == nil {
			if n := len(u.sorted); n == 0 || u.sorted[n-1] < x {
				u.sorted = append(u.sorted, x)
				continue
			}
			u.ints = make(map[int64]struct{}, 2*len(u.sorted))
			for _, x := range u.sorted {
				u.ints[x] = struct{}{}
			}
			u.sorted = nil
		}
		if _, twice := u.ints[x]; twice {
			return i
		}
		u.ints[x] = struct{}{}
	}
	return -1
}
