package served

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cordon-exchange/cordon/internal/enclave/keymem"
	"github.com/cordon-exchange/cordon/internal/need"
)

// eachLevel runs a test by all code that the program has, from the fastest down: what the processor lacks is missed.
func eachLevel(t *testing.T, test func(t *testing.T)) {
	needDirect(t)
	defer limit(levelMost)
	for n := levelMost; n > levelNone; n-- {
		limit(n)
		t.Run(fmt.Sprint("level ", n), func(t *testing.T) {
			need.That(t, level() == n, "the processor lacks what this code needs")
			test(t)
		})
	}
}

// needDirect is for tests of code that a program has by its build, and a processor or not.
func needDirect(t *testing.T) {
	t.Helper()
	if !hasDirect {
		t.Skip("this build decrypts in Go: see scripts/ipsecmb")
	}
	need.That(t, Direct(), "the processor has no AES that the code knows")
}

func memory(t *testing.T) *keymem.Memory {
	m := keymem.New()
	t.Cleanup(m.Close)
	return m
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Test cases 13 to 16 of the proposal of GCM to NIST, which are those of 256 bits with a nonce of 96.
func TestKnownAnswers(t *testing.T) { eachLevel(t, knownAnswers) }

func knownAnswers(t *testing.T) {
	const key, nonce = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888"
	const plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
	const sealed = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
	zeros := hex.EncodeToString(make([]byte, 32))
	for name, c := range map[string]struct{ key, nonce, plain, aad, sealed, tag string }{
		"13": {zeros, zeros[:24], "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
		"14": {zeros, zeros[:24], zeros[:32], "", "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
		"15": {key, nonce, plain, "", sealed, "b094dac5d93471bdec1a502270e3cc6c"},
		"16": {key, nonce, plain[:120], "feedfacedeadbeeffeedfacedeadbeefabaddad2", sealed[:120], "76fc6ece0f4e1768cddf8853bb2d551b"},
	} {
		s := NewSchedules(memory(t)).Expand(unhex(t, c.key))
		want := unhex(t, c.plain)
		out := make([]byte, len(want)+1)[:len(want)]
		if !openBox(s, out, unhex(t, c.nonce+c.sealed+c.tag), unhex(t, c.aad+"00")[:len(c.aad)/2]) || !bytes.Equal(out, want) {
			t.Errorf("case %s: %x", name, out)
		}
	}
}

// sealer is Go's own AES-GCM, which puts a fresh nonce before each box.
func sealer(t *testing.T, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	return gcm
}

// boxed is a box of Go's making, at some distance from an aligned address.
func boxed(r *rand.Rand, gcm cipher.AEAD, n, aad, shift int) (box, plain, with []byte) {
	fill := func(n int) []byte {
		b := make([]byte, shift+n+1)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b[shift : shift+n]
	}
	plain, with = fill(n), fill(aad)
	box = make([]byte, shift, shift+n+28)
	return gcm.Seal(box, nil, plain, with)[shift:], plain, with
}

// Sizes from nothing to 2 MiB, additional data of all sorts, at all distances from aligned addresses: as Go seals, so it is opened, and
// nothing is written beside it.
func TestOpensWhatGoSeals(t *testing.T) { eachLevel(t, opensWhatGoSeals) }

func opensWhatGoSeals(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 62))
	mem := memory(t)
	var sizes []int
	for n := range 1300 {
		sizes = append(sizes, n)
	}
	for range 60 {
		sizes = append(sizes, r.IntN(200_000))
	}
	sizes = append(sizes, 1<<16, 1<<20, 1<<20+1, 2<<20-1)
	for i, n := range sizes {
		key := make([]byte, 32)
		for j := range key {
			key[j] = byte(r.Uint32())
		}
		gcm := sealer(t, key)
		keys := NewSchedules(mem)
		box, plain, aad := boxed(r, gcm, n, []int{0, 12, 27, 31, 16 + i%300, i}[i%6], i%67)
		room := bytes.Repeat([]byte{0xa5}, n+2*64)
		out := room[i%64 : i%64+n : i%64+n]
		if !openBox(keys.Expand(key), out, box, aad) || !bytes.Equal(out, plain) {
			t.Fatalf("%d bytes: not opened, or something else", n)
		}
		clear(out)
		if bytes.Count(room, []byte{0xa5}) < 2*64 {
			t.Fatalf("%d bytes: written beside them", n)
		}
		keys.Wipe()
	}
}

// One bit is enough, wherever it is: of nonce, ciphertext, tag, additional data and key. Nothing of the page is left then.
func TestOpensNothingElse(t *testing.T) { eachLevel(t, opensNothingElse) }

func opensNothingElse(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 62))
	key := []byte("32 bytes that nobody would guess")
	s := NewSchedules(memory(t))
	schedule := s.Expand(key)
	gcm := sealer(t, key)
	for _, n := range []int{0, 1, 15, 16, 17, 100, 255, 256, 257, 767, 768, 769, 5000} {
		box, _, aad := boxed(r, gcm, n, 33, n%5)
		out := make([]byte, n, n+1)
		refused := func(what string, at int) {
			t.Helper()
			if openBox(schedule, out, box, aad) || !bytes.Equal(out, make([]byte, n)) {
				t.Fatalf("%d bytes: a bit of %s at %d", n, what, at)
			}
		}
		for at := range box {
			bit := byte(1) << r.IntN(8)
			box[at] ^= bit
			refused("the box", at)
			box[at] ^= bit
		}
		for at := range aad {
			aad[at] ^= 1
			refused("the additional data", at)
			aad[at] ^= 1
		}
		if !openBox(schedule, out, box, aad) {
			t.Fatalf("%d bytes: unchanged", n)
		}
		for at := range key {
			other := bytes.Clone(key)
			other[at] ^= 1 << r.IntN(8)
			if openBox(s.Expand(other), out, box, aad) || !bytes.Equal(out, make([]byte, n)) {
				t.Fatalf("%d bytes: another key", n)
			}
		}
		s.Wipe()
		schedule = s.Expand(key)
	}
}

// What opens otherwise than Go does is no code to serve files by.
func TestCheck(t *testing.T) {
	if err := Check(); err != nil {
		t.Error(err)
	}
	if hasDirect {
		eachLevel(t, func(t *testing.T) {
			if err := Check(); err != nil {
				t.Error(err)
			}
		})
	}
	var gcm cipher.AEAD
	var sound []byte
	expand := func(key []byte) { gcm = sealer(t, key) }
	right := func(out, box, aad []byte) bool {
		plain, err := gcm.Open(nil, nil, box, aad)
		clear(out)
		copy(out, plain)
		return err == nil
	}
	if err := check(expand, right); err != nil {
		t.Error("Go's own:", err)
	}
	for name, wrong := range map[string]func(out, box, aad []byte) bool{
		"refuses all":        func([]byte, []byte, []byte) bool { return false },
		"accepts all":        func(out, box, aad []byte) bool { right(out, box, aad); return true },
		"opens to the wrong": func(out, box, aad []byte) bool { ok := right(out, box, aad); out[len(out)-1] ^= 1; return ok },
		"without the aad": func(out, box, aad []byte) bool {
			return right(out, box, aad) || len(aad) == 30
		},
		"without half of the tag": func(out, box, aad []byte) bool {
			if right(out, box, aad) {
				sound = bytes.Clone(box)
				return true
			}
			return bytes.Equal(box[:len(box)-8], sound[:len(sound)-8])
		},
		"leaves what it opened": func(out, box, aad []byte) bool {
			if right(out, box, aad) {
				return true
			}
			out[0] = 1
			return false
		},
	} {
		if check(expand, wrong) == nil {
			t.Errorf("accepted what %s", name)
		}
	}
}

// Schedules are wiped, and none is made of what is no key of theirs.
func TestSchedules(t *testing.T) {
	if NewSchedules(nil).Expand(make([]byte, 32)) != nil {
		t.Error("a schedule without memory")
	}
	needDirect(t)
	mem := memory(t)
	s := NewSchedules(mem)
	for _, n := range []int{0, 16, 24, 31, 33} {
		if s.Expand(make([]byte, n)) != nil {
			t.Errorf("a schedule of %d bytes", n)
		}
	}
	a, b := s.Expand(make([]byte, 32)), s.Expand([]byte("32 bytes that nobody would guess"))
	if len(a) != ScheduleSize || bytes.Equal(a, b) || bytes.Equal(b, make([]byte, len(b))) {
		t.Error("no schedules")
	}
	s.Wipe()
	if !bytes.Equal(a, make([]byte, len(a))) || !bytes.Equal(b, make([]byte, len(b))) {
		t.Error("not wiped")
	}
	for s.Expand(make([]byte, 32)) != nil {
	}
	s.Wipe()
	if s.Expand(make([]byte, 32)) == nil {
		t.Error("not given back")
	}
	mem.Close()
	if s.Expand(make([]byte, 32)) != nil {
		t.Error("memory that is closed")
	}
}
