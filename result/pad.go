package result

import (
	"encoding/binary"
	"errors"
)

// ErrPadding says that padded bytes are not what Pad writes.
var ErrPadding = errors.New("not a padded result")

const (
	lengthBytes = 8
	minBucket   = 4 << 10
	maxBucket   = 2 * MaxBytes
)

// Pad hides the length of a result: eight bytes of length, the result, and zeros up to the next power of two, at least
// 4 KiB. Who sees the length of what it returns learns the bucket only.
func Pad(b []byte) ([]byte, error) {
	size, ok := bucket(len(b))
	if !ok {
		return nil, ErrPadding
	}
	out := make([]byte, size)
	binary.BigEndian.PutUint64(out, uint64(len(b)))
	copy(out[lengthBytes:], b)
	return out, nil
}

// Unpad undoes Pad, and refuses a bucket that is not the one for its length and padding that is not zero.
func Unpad(padded []byte) ([]byte, error) {
	if len(padded) < minBucket || len(padded) > maxBucket {
		return nil, ErrPadding
	}
	n := binary.BigEndian.Uint64(padded)
	if n > uint64(len(padded)-lengthBytes) {
		return nil, ErrPadding
	}
	if size, ok := bucket(int(n)); !ok || size != len(padded) {
		return nil, ErrPadding
	}
	b, rest := padded[lengthBytes:lengthBytes+n], padded[lengthBytes+n:]
	for _, c := range rest {
		if c != 0 {
			return nil, ErrPadding
		}
	}
	return b, nil
}

func bucket(n int) (size int, ok bool) {
	if n > MaxBytes {
		return 0, false
	}
	size = minBucket
	for size < n+lengthBytes {
		size *= 2
	}
	return size, true
}
