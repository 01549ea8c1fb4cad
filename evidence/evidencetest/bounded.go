package evidencetest

import (
	"runtime"
	"testing"
)

// MaxAlloc is how much a verifier may allocate for each 64 KiB of input, begun or whole.
const MaxAlloc = 1 << 20

// Bounded runs f, which reads size bytes, and fails if it allocates too much.
func Bounded(t testing.TB, size int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	limit := uint64(size/(64<<10)+1) * MaxAlloc
	if got := after.TotalAlloc - before.TotalAlloc; got > limit {
		t.Errorf("%d bytes allocated for an input of %d", got, size)
	}
}

// Flipped returns a copy with one bit changed.
func Flipped(b []byte, at int) []byte {
	out := append([]byte(nil), b...)
	out[at] ^= 1
	return out
}
