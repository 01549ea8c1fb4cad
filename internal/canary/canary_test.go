package canary

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

const secret = "KINGFISHER-7741-Q"
const number = int64(7_741_003_991_117)

func set(t *testing.T) *Set {
	t.Helper()
	s := &Set{}
	if err := s.Text("text", secret); err != nil {
		t.Fatal(err)
	}
	if err := s.Number("number", number); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFindsEveryEncoding(t *testing.T) {
	le, be := utf16Bytes(secret)
	enc, _ := zstd.NewWriter(nil)
	cases := map[string][]byte{
		"raw":       []byte(secret),
		"utf-16le":  le,
		"utf-16be":  be,
		"hex":       []byte(hex.EncodeToString([]byte(secret))),
		"HEX":       []byte(strings.ToUpper(hex.EncodeToString([]byte(secret)))),
		"base64 +0": []byte(base64.StdEncoding.EncodeToString([]byte(secret + "tail"))),
		"base64 +1": []byte(base64.StdEncoding.EncodeToString([]byte("x" + secret + "tail"))),
		"base64 +2": []byte(base64.URLEncoding.EncodeToString([]byte("xy" + secret + "tail"))),
		"zstd":      enc.EncodeAll(bytes.Repeat([]byte("filler "+secret), 50), nil),
		"int64le":   binary.LittleEndian.AppendUint64(nil, uint64(number)),
		"int64be":   binary.BigEndian.AppendUint64(nil, uint64(number)),
		"float64le": binary.LittleEndian.AppendUint64(nil, math.Float64bits(float64(number))),
		"float64be": binary.BigEndian.AppendUint64(nil, math.Float64bits(float64(number))),
		"decimal":   []byte("cost=7741003991117;"),
	}
	s := set(t)
	for name, hay := range cases {
		t.Run(name, func(t *testing.T) {
			b := append(bytes.Repeat([]byte{0xa5, 0x10}, 1000), hay...)
			b = append(b, bytes.Repeat([]byte{0x11, 0x9c}, 500)...)
			if len(s.Bytes(b)) == 0 {
				t.Error("not found")
			}
		})
	}
	if hits := s.Bytes(bytes.Repeat([]byte("nothing to see here "), 5000)); len(hits) != 0 {
		t.Errorf("found %v where there is none", hits)
	}
}

func TestReaderFindsAcrossWindows(t *testing.T) {
	b := bytes.Repeat([]byte{7}, 16<<20)
	at := int64(8<<20) + int64(set(t).longest()) - 5
	copy(b[at:], secret)
	hits, err := set(t).Reader(bytes.NewReader(b))
	if err != nil || len(hits) == 0 || hits[0].Offset != at {
		t.Fatalf("hits %v, err %v; want one at %d", hits, err, at)
	}
}

func TestRefusesWeakCanaries(t *testing.T) {
	s := &Set{}
	if s.Text("short", "abc") == nil || s.Number("small", 42) == nil {
		t.Error("accepted a canary that chance would find")
	}
}

func TestMemoryFindsOwnSecret(t *testing.T) {
	live := []byte(strings.Repeat("x", 10) + secret)
	hits, err := set(t).Memory(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if len(hits) == 0 {
		t.Error("did not find a secret in this very process")
	}
	_ = live[0]
}
