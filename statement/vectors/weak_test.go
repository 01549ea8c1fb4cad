package vectors_test

import (
	"cmp"
	"crypto/ed25519"
	"encoding/hex"
	"slices"
	"strconv"
	"testing"

	"github.com/cordon-exchange/cordon/statement/vectors"
)

func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}

func sortBad(list []vectors.Bad) {
	slices.SortFunc(list, func(a, b vectors.Bad) int { return cmp.Compare(a.Name, b.Name) })
}

// weakKeys are the encodings of the points of small order, with both sign bits.
func weakKeys() map[string][32]byte {
	out := map[string][32]byte{}
	for name, y := range map[string]string{
		"order 1":        "0100000000000000000000000000000000000000000000000000000000000000",
		"order 2":        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"order 4":        "0000000000000000000000000000000000000000000000000000000000000000",
		"order 8":        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"order 8, other": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	} {
		var k [32]byte
		if n, err := hex.Decode(k[:], []byte(y)); err != nil || n != 32 {
			panic("weak key")
		}
		out[name] = k
		k[31] |= 0x80
		out[name+", negative"] = k
	}
	return out
}

// TestWeakKeysWouldVerifyAnything shows why they are refused: the standard
// library takes one signature that nobody made for some of any few messages.
func TestWeakKeysWouldVerifyAnything(t *testing.T) {
	sig := append([]byte{1}, make([]byte, 63)...) // R is the neutral point, S is 0
	for name, k := range weakKeys() {
		forged := 0
		for i := range 200 {
			if ed25519.Verify(k[:], []byte("message "+strconv.Itoa(i)), sig) {
				forged++
			}
		}
		if forged == 0 && name != "order 1, negative" && name != "order 2, negative" { // these two spell no point
			t.Errorf("%s: not a key of small order", name)
		}
	}
}
