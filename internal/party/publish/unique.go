package publish

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/bits"
	"strconv"

	"github.com/cordon-exchange/cordon/internal/party/rowgroup"
)

// uniques notices a value that comes a second time. Values that ascend, as numbers of rows do, are only kept; once they do not,
// all of them go into a set. Of texts, and of whatever else is no whole number, 128 bits of hashes under keys of this process
// stand for the value.
type uniques struct {
	seeds  [2]maphash.Seed
	sorted []int64
	ints   *set[int64]
	hashes *set[hashes]
}

type hashes [2]uint64

func newUniques() *uniques {
	u := &uniques{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	u.hashes = newSet(0, func(h hashes) uint64 { return h[0] })
	return u
}

// ahead is how many values are looked for at once: the memory's answers come together.
const ahead = 64

// first adds the values of a row group, none of them NULL. It says which row has one that was there before, or -1.
func (u *uniques) first(k rowgroup.Kind, v *rowgroup.Values) int {
	text := func(i int) []byte { return v.At(i) }
	switch k {
	case rowgroup.Boolean:
		text = func(i int) []byte { return strconv.AppendBool(nil, v.Bools[i]) }
	case rowgroup.Double:
		var b [8]byte
		text = func(i int) []byte {
			binary.LittleEndian.PutUint64(b[:], math.Float64bits(v.Doubles[i]))
			return b[:]
		}
	case rowgroup.Text:
	default:
		return u.firstInt(v.Ints)
	}
	var some [ahead]hashes
	for from, n := 0, v.Count(k); from < n; from += ahead {
		part := some[:min(ahead, n-from)]
		for i := range part {
			part[i] = u.hash(text(from + i))
		}
		if i := u.hashes.first(part); i >= 0 {
			return from + i
		}
	}
	return -1
}

func (u *uniques) hash(b []byte) hashes {
	return hashes{maphash.Bytes(u.seeds[0], b), maphash.Bytes(u.seeds[1], b)}
}

func (u *uniques) firstInt(v []int64) int {
	at := 0
	if u.ints == nil {
		for ; at < len(v) && (len(u.sorted) == 0 || u.sorted[len(u.sorted)-1] < v[at]); at++ {
			u.sorted = append(u.sorted, v[at])
		}
		if at == len(v) {
			return -1
		}
		u.unsort()
	}
	for ; at < len(v); at += ahead {
		if i := u.ints.first(v[at:min(at+ahead, len(v))]); i >= 0 {
			return at + i
		}
	}
	return -1
}

// unsort puts what ascended into a set. Where a number goes depends on secrets, so that nobody can choose numbers that go to one place.
func (u *uniques) unsort() {
	secret, odd := maphash.Bytes(u.seeds[0], nil), maphash.Bytes(u.seeds[1], nil)|1
	u.ints = newSet(len(u.sorted), func(x int64) uint64 {
		hi, lo := bits.Mul64(uint64(x)^secret, odd)
		return hi ^ lo
	})
	u.ints.first(u.sorted)
	u.sorted = nil
}

// set holds values side by side in one table, each at or behind the place that its hash names. It is several times as quick as a
// map where there are many, and takes less memory.
type set[T comparable] struct {
	hash  func(T) uint64
	slots []T // a power of two; the zero value is an empty one
	n     int // slots that are taken
	zero  bool
	seen  bool // whatever; it keeps looks from being left out
}

func newSet[T comparable](room int, hash func(T) uint64) *set[T] {
	return &set[T]{hash: hash, slots: make([]T, 1<<max(10, bits.Len(uint(2*room))))}
}

// first adds values up to the first that was there before, and says which that is, or -1.
func (s *set[T]) first(v []T) int {
	for 8*(s.n+len(v)) > 5*len(s.slots) {
		s.grow()
	}
	mask := uint64(len(s.slots) - 1)
	for _, x := range v { // so that the next loop need not wait for memory, one value after the other
		s.seen = s.seen != (s.slots[s.hash(x)&mask] == x)
	}
	for i, x := range v {
		if !s.add(x, mask) {
			return i
		}
	}
	return -1
}

// add says whether the value is new.
func (s *set[T]) add(x T, mask uint64) bool {
	var none T
	if x == none {
		before := s.zero
		s.zero = true
		return !before
	}
	for at := s.hash(x) & mask; ; at = (at + 1) & mask {
		switch s.slots[at] {
		case none:
			s.slots[at] = x
			s.n++
			return true
		case x:
			return false
		}
	}
}

func (s *set[T]) grow() {
	var none T
	old := s.slots
	s.slots, s.n = make([]T, 2*len(old)), 0
	for _, x := range old {
		if x != none {
			s.add(x, uint64(len(s.slots)-1))
		}
	}
}
