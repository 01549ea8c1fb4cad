package bound

import (
	"encoding/binary"
	"errors"

	"github.com/cordon-exchange/cordon/privacy"
)

// Group is the key of a group in its one encoding (docs/spec/dp.md, section 3): for every value a byte, 0 for NULL, 1 for
// a text, which follows behind its length as eight big-endian bytes. Groups order as these bytes do.
type Group string

// ErrGroup says that bytes are not the encoding of a key.
var ErrGroup = errors.New("bound: not the key of a group")

const (
	maxValues = 64      // of one key
	maxGroup  = 1 << 20 // bytes of one key
)

// Encode gives the group of a key.
func Encode(key []privacy.Value) (Group, error) {
	var out []byte
	for _, v := range key {
		if v.Null {
			if v.Text != "" {
				return "", ErrGroup
			}
			out = append(out, 0)
			continue
		}
		out = binary.BigEndian.AppendUint64(append(out, 1), uint64(len(v.Text)))
		out = append(out, v.Text...)
	}
	if len(key) > maxValues || len(out) > maxGroup {
		return "", ErrGroup
	}
	return Group(out), nil
}

// Key gives the key of a group. What it accepts encodes to the same bytes.
func (g Group) Key() ([]privacy.Value, error) {
	if len(g) > maxGroup {
		return nil, ErrGroup
	}
	key := []privacy.Value{}
	for rest := []byte(g); len(rest) > 0; {
		v, n := value(rest)
		if n == 0 || len(key) == maxValues {
			return nil, ErrGroup
		}
		key, rest = append(key, v), rest[n:]
	}
	return key, nil
}

// value reads one value, and how many bytes it took: 0 is an error.
func value(b []byte) (privacy.Value, int) {
	if b[0] == 0 {
		return privacy.Value{Null: true}, 1
	}
	if b[0] != 1 || len(b) < 9 {
		return privacy.Value{}, 0
	}
	size := binary.BigEndian.Uint64(b[1:])
	if size > uint64(len(b)-9) {
		return privacy.Value{}, 0
	}
	return privacy.Value{Text: string(b[9 : 9+size])}, 9 + int(size)
}
