package shamir

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// slow multiplies by the school's method and divides by the polynomial: another way than mul's.
func slow(a, b byte) byte {
	var p uint16
	for i := range 8 {
		if b>>i&1 == 1 {
			p ^= uint16(a) << i
		}
	}
	for i := 15; i >= 8; i-- {
		if p>>i&1 == 1 {
			p ^= 0x11b << (i - 8)
		}
	}
	return byte(p)
}

func TestField(t *testing.T) {
	for a := range 256 {
		for b := range 256 {
			if mul(byte(a), byte(b)) != slow(byte(a), byte(b)) {
				t.Fatalf("%d·%d", a, b)
			}
		}
		if a > 0 && mul(byte(a), inverse(byte(a))) != 1 {
			t.Fatalf("1/%d", a)
		}
	}
	if mul(0x57, 0x83) != 0xc1 || inverse(0x53) != 0xca { // FIPS 197, sections 4.2 and 5.1.1
		t.Fatal("not the field of AES")
	}
}

// TestOthersShares: shares that another implementation made (npm shamir-secret-sharing 0.0.4: the share's number is its last byte).
func TestOthersShares(t *testing.T) {
	src, err := os.ReadFile("testdata/shares.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Threshold int
		Secret    string
		Shares    []string
	}
	if err := json.Unmarshal(src, &vectors); err != nil || len(vectors) < 6 {
		t.Fatal(err)
	}
	for _, v := range vectors {
		var shares []Share
		for _, s := range v.Shares {
			b, err := hex.DecodeString(s)
			if err != nil {
				t.Fatal(err)
			}
			shares = append(shares, Share{X: b[len(b)-1], Y: b[:len(b)-1]})
		}
		got, err := Combine(shares)
		if err != nil || hex.EncodeToString(got) != v.Secret || len(shares) != v.Threshold {
			t.Errorf("%d shares: %x %v", len(shares), got, err)
		}
	}
}

func TestAnyThresholdGivesItBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "secret")
		n := rapid.IntRange(2, 20).Draw(t, "n")
		k := rapid.IntRange(2, n).Draw(t, "t")
		shares, err := Split(secret, n, k)
		if err != nil {
			t.Fatal(err)
		}
		rand.Shuffle(n, func(i, j int) { shares[i], shares[j] = shares[j], shares[i] })
		for _, m := range []int{k, n} {
			if got, err := Combine(shares[:m]); err != nil || !bytes.Equal(got, secret) {
				t.Fatalf("%d of %d: %x %v", m, n, got, err)
			}
		}
	})
}

// TestFewerSayNothing: one share less goes with every secret equally: over all values of the missing share, each secret comes once.
func TestFewerSayNothing(t *testing.T) {
	shares, err := Split([]byte{42}, 3, 3)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[byte]bool{}
	for y := range 256 {
		got, err := Combine([]Share{shares[0], shares[1], {X: 3, Y: []byte{byte(y)}}})
		if err != nil || seen[got[0]] {
			t.Fatalf("%v %v", got, err)
		}
		seen[got[0]] = true
	}
	// And one share of the same secret is uniform: its mean over many splits is that of a uniform byte (127.5, deviation 0.74).
	sum := 0
	for range 10000 {
		s, err := Split([]byte{0}, 2, 2)
		if err != nil {
			t.Fatal(err)
		}
		sum += int(s[0].Y[0])
	}
	if mean := float64(sum) / 10000; mean < 122 || mean > 133 {
		t.Fatalf("mean %v", mean)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range [][3]int{{1, 1, 1}, {3, 1, 1}, {3, 4, 1}, {256, 2, 1}, {3, 2, 0}, {0, 0, 1}} {
		if s, err := Split(make([]byte, c[2]), c[0], c[1]); s != nil || !errors.Is(err, ErrNumbers) {
			t.Errorf("%v: %v", c, err)
		}
	}
	a, b := Share{X: 1, Y: []byte{1}}, Share{X: 2, Y: []byte{2}}
	for name, s := range map[string][]Share{
		"none": nil, "one": {a}, "twice": {a, b, a}, "at zero": {a, {X: 0, Y: []byte{1}}}, "lengths": {a, {X: 2, Y: []byte{1, 2}}}, "empty": {{X: 1}, {X: 2}},
	} {
		if out, err := Combine(s); out != nil || !errors.Is(err, ErrShares) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
