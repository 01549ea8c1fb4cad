package pme

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
)

// seeds are whole files of every kind.
func seeds(f *testing.F) {
	names, err := filepath.Glob("testdata/*.encrypted")
	if err != nil || len(names) == 0 {
		f.Fatal("no seeds")
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("PAR1\x00\x01\x00\x00\x00PAR1"))
}

func fuzzKeys() Keys {
	return Keys{Footer: []byte(hostileFooterKey), Columns: map[string][]byte{
		"double_field": []byte("1234567890123450"), "float_field": []byte("1234567890123451"),
	}}
}

// FuzzOpen: what opens is a plain Parquet file that seals and opens again to the same bytes; what is refused gives nothing.
func FuzzOpen(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		opt := OpenOptions{Keys: fuzzKeys(), AllWithKeys: true, Unauthenticated: true, Workers: 1, HeaderRoom: len(b) % 3 * 256}
		out, res, err := Open(context.Background(), Bytes(b), int64(len(b)), opt)
		if err != nil {
			if out != nil || res != nil {
				t.Fatal("result with an error")
			}
			if viewed, err := throughView(b, opt); err == nil {
				t.Fatalf("a view gives %d bytes of what does not open", len(viewed))
			}
			return
		}
		if viewed, err := throughView(b, opt); err != nil || !bytes.Equal(viewed, out) {
			t.Fatal("a view gives another file:", err)
		}
		if int64(len(out)) != res.Size || string(out[:4]) != magicPlain {
			t.Fatal("no plain file")
		}
		resealed(t, out)
	})
}

// throughView is the opened file as its view gives it.
func throughView(b []byte, opt OpenOptions) ([]byte, error) {
	p, err := ReadPlan(Bytes(b), int64(len(b)), opt)
	if err != nil {
		return nil, err
	}
	v, err := p.View(context.Background(), Bytes(b))
	if err != nil {
		return nil, err
	}
	if err := v.Rest(context.Background()); err != nil {
		return nil, err
	}
	out := make([]byte, v.Size())
	_, err = v.ReadAt(out, 0)
	return out, err
}

// resealed: sealing takes what opening gives, and gives it back. Where unauthenticated input lets plain pages in, their
// checksums may be wrong, and those alone Seal may refuse.
func resealed(t *testing.T, plain []byte) {
	paths, err := PlainColumns(Bytes(plain), int64(len(plain)))
	if err != nil {
		t.Fatal("output is not plain Parquet:", err)
	}
	keys := Keys{Footer: bytes.Repeat([]byte{255}, 32), Columns: map[string][]byte{}}
	for i, p := range paths {
		keys.Columns[p] = bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 16)
	}
	var sealed bytes.Buffer
	_, err = Seal(context.Background(), Bytes(plain), int64(len(plain)), &sealed, SealOptions{Keys: keys, AADPrefix: []byte("p"), Workers: 1})
	if err != nil {
		return
	}
	opt := OpenOptions{Keys: keys, AADPrefix: []byte("p"), AllWithKeys: true, Workers: 1}
	if _, err := openBytes(sealed.Bytes(), opt); err != nil {
		t.Fatal("sealed file does not open:", err)
	}
}

// FuzzFooter puts arbitrary bytes where the authenticated footer is: the owner of the key may be the attacker.
func FuzzFooter(f *testing.F) {
	src, err := os.ReadFile(hostileFile)
	if err != nil {
		f.Fatal(err)
	}
	refooter(f, src, func(m record) record { f.Add(appendRecord(nil, m)); return m })
	key, err := newBoxKey([]byte(hostileFooterKey))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := wholeRecord(b); err == nil && !bytes.Equal(appendRecord(nil, r), b) {
			t.Fatal("re-encodes to other bytes")
		}
		file := withFooter(t, src, key, b)
		opt := hostileOptions()
		opt.Workers = 1
		out, err := openBytes(file, opt)
		if err != nil && out != nil {
			t.Fatal("result with an error")
		}
		if err == nil {
			resealed(t, out)
		}
	})
}

// withFooter seals arbitrary bytes as the footer of a file.
func withFooter(t *testing.T, src []byte, key *boxKey, meta []byte) []byte {
	tl, err := splitTail(src, int64(len(src)))
	if err != nil {
		t.Fatal(err)
	}
	aad, err := tl.algorithm.aad(nil)
	if err != nil {
		t.Fatal(err)
	}
	footer := key.seal(bytes.Clone(tl.crypto), meta, aad.footer())
	out := append(bytes.Clone(src[:tl.start]), footer...)
	out = append(out, byte(len(footer)), byte(len(footer)>>8), byte(len(footer)>>16), byte(len(footer)>>24))
	return append(out, magicEncrypted...)
}

// FuzzInspect: an inspection or an error, for any bytes.
func FuzzInspect(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := Inspect(Bytes(b), int64(len(b)))
		if (in == nil) == (err == nil) {
			t.Fatal("neither inspection nor error")
		}
	})
}

// FuzzSeal: plain files of any making are sealed or refused.
func FuzzSeal(f *testing.F) {
	names, err := filepath.Glob("testdata/*.encrypted")
	if err != nil || len(names) == 0 {
		f.Fatal("no seeds")
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		opt := OpenOptions{Keys: fuzzKeys(), AllWithKeys: true, Unauthenticated: true}
		if bytes.Contains([]byte(name), []byte("disable")) {
			opt.AADPrefix = []byte("tester")
		}
		plain, err := openBytes(b, opt)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := PlainColumns(Bytes(b), int64(len(b))); err == nil {
			resealed(t, b)
		}
	})
}
