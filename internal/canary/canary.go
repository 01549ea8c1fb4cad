package canary

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
)

// Set is what to look for. Build it with Text and Number, then search.
// A Set may be searched from several goroutines once it is built.
type Set struct {
	patterns []pattern
	byPrefix [1 << 16][]int32 // patterns by their first two bytes
}

type pattern struct {
	name  string
	bytes []byte
}

// Hit is one find. Name says which value and encoding, not the value.
type Hit struct {
	Name   string
	Offset int64
}

// minLength keeps patterns from matching by chance.
const minLength = 7

func (s *Set) add(name string, b []byte) {
	if len(b) < minLength {
		return
	}
	i := int32(len(s.patterns))
	s.patterns = append(s.patterns, pattern{name, b})
	p := binary.LittleEndian.Uint16(b)
	s.byPrefix[p] = append(s.byPrefix[p], i)
}

// Text looks for a text of at least 8 bytes: raw, UTF-16 in both byte orders,
// hex in both cases, base64 in both alphabets at every alignment.
func (s *Set) Text(name, value string) error {
	if len(value) < 8 {
		return fmt.Errorf("canary %s: shorter than 8 bytes", name)
	}
	raw := []byte(value)
	s.add(name+" raw", raw)
	le, be := utf16Bytes(value)
	s.add(name+" utf-16le", le)
	s.add(name+" utf-16be", be)
	s.add(name+" hex", []byte(hex.EncodeToString(raw)))
	s.add(name+" HEX", []byte(strings.ToUpper(hex.EncodeToString(raw))))
	s.base64(name, raw)
	return nil
}

func utf16Bytes(v string) (le, be []byte) {
	for _, u := range utf16.Encode([]rune(v)) {
		le = binary.LittleEndian.AppendUint16(le, u)
		be = binary.BigEndian.AppendUint16(be, u)
	}
	return le, be
}

// base64 at alignment k: k unknown bytes come before, so the first ceil(8k/6)
// characters, and the last that mixes with what follows, are not predictable.
func (s *Set) base64(name string, raw []byte) {
	for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for k := 0; k < 3; k++ {
			padded := append(make([]byte, k), raw...)
			whole := len(padded) / 3 * 3
			enc := alphabet.EncodeToString(padded[:whole])
			s.add(fmt.Sprintf("%s base64+%d", name, k), []byte(enc[(8*k+5)/6:]))
		}
	}
}

// Number looks for an integer of at least 2^33, as eight bytes in both orders, as a float64 in both orders,
// and as decimal text.
func (s *Set) Number(name string, v int64) error {
	if v < 1<<33 {
		return fmt.Errorf("canary %s: below 2^33, would be found by chance", name)
	}
	f := math.Float64bits(float64(v))
	s.add(name+" int64le", binary.LittleEndian.AppendUint64(nil, uint64(v)))
	s.add(name+" int64be", binary.BigEndian.AppendUint64(nil, uint64(v)))
	s.add(name+" float64le", binary.LittleEndian.AppendUint64(nil, f))
	s.add(name+" float64be", binary.BigEndian.AppendUint64(nil, f))
	return s.Text(name+" decimal", fmt.Sprintf("%d", v))
}

// Len is the number of patterns.
func (s *Set) Len() int { return len(s.patterns) }

func (s *Set) longest() int {
	n := 0
	for _, p := range s.patterns {
		n = max(n, len(p.bytes))
	}
	return n
}

// Bytes searches b, then the contents of every zstd frame found in it.
func (s *Set) Bytes(b []byte) []Hit {
	hits := s.scan(b, 0, nil)
	return append(hits, s.frames(b)...)
}

func (s *Set) scan(b []byte, base int64, hits []Hit) []Hit {
	for i := 0; i+1 < len(b); i++ {
		for _, id := range s.byPrefix[binary.LittleEndian.Uint16(b[i:])] {
			if bytes.HasPrefix(b[i:], s.patterns[id].bytes) {
				hits = append(hits, Hit{s.patterns[id].name, base + int64(i)})
			}
		}
	}
	return hits
}

var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// maxFrame bounds how much of one zstd frame is looked at, in bytes.
const maxFrame = 64 << 20

func (s *Set) frames(b []byte) []Hit {
	var hits []Hit
	for at := 0; ; {
		i := bytes.Index(b[at:], zstdMagic)
		if i < 0 {
			return hits
		}
		at += i
		for _, h := range s.scan(inflate(b[at:]), 0, nil) {
			hits = append(hits, Hit{h.Name + " in zstd", int64(at)})
		}
		at += len(zstdMagic)
	}
}

// inflate returns what it can of a frame: a damaged one may still leak its beginning.
func inflate(b []byte) []byte {
	d, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFrame))
	if err != nil {
		return nil
	}
	defer d.Close()
	out, _ := io.ReadAll(io.LimitReader(d, maxFrame))
	return out
}

// Reader searches a stream in windows, so that a value across two reads is found.
func (s *Set) Reader(r io.Reader) ([]Hit, error) {
	const window = 8 << 20
	keep := s.longest()
	buf := make([]byte, 0, window+keep)
	var hits []Hit
	var base int64
	for {
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		for _, h := range s.Bytes(buf) {
			hits = append(hits, Hit{h.Name, base + h.Offset})
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return hits, nil
		}
		if err != nil {
			return hits, err
		}
		tail := min(keep, len(buf))
		base += int64(len(buf) - tail)
		buf = append(buf[:0], buf[len(buf)-tail:]...)
	}
}
