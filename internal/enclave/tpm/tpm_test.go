package tpm_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	verify "github.com/cordon-exchange/cordon/evidence/tpm"
	"github.com/cordon-exchange/cordon/internal/enclave/tpm"
	"github.com/cordon-exchange/cordon/internal/enclave/tpm/swtpmtest"
)

// A register holds what was extended into it, and a quote of it verifies: by the verifier that relying parties use, which another
// library reads for.
func TestQuoteVerifies(t *testing.T) {
	d := tpm.New(swtpmtest.Start(t))
	program := sha256.Sum256([]byte("program"))
	if v, err := d.Read(11); err != nil || v != [32]byte{} {
		t.Fatalf("fresh register: %x, %v", v, err)
	}
	if err := d.Extend(11, program); err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(append(make([]byte, 32), program[:]...))
	got, err := d.Read(11)
	if err != nil || got != want {
		t.Fatalf("register %x, want %x: %v", got, want, err)
	}
	k, err := d.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	nonce := sha256.Sum256([]byte("nonce"))
	message, sig, err := d.Quote(k, 11, nonce)
	if err != nil {
		t.Fatal(err)
	}
	ak, err := verify.ParsePublic(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	q := verify.Quote{Message: message, Signature: sig, PCRs: map[uint][]byte{11: want[:]}}
	if _, err := verify.Verify(q, ak, nonce[:]); err != nil {
		t.Error(err)
	}
	other := sha256.Sum256([]byte("another nonce"))
	if _, err := verify.Verify(q, ak, other[:]); err == nil {
		t.Error("the quote is good for another nonce")
	}
	q.PCRs = map[uint][]byte{11: program[:]}
	if _, err := verify.Verify(q, ak, nonce[:]); err == nil {
		t.Error("the quote is good for another value")
	}
}

// Two keys of one TPM, and of two, are different ones.
func TestKeysAreTheirTPMs(t *testing.T) {
	a, b := tpm.New(swtpmtest.Start(t)), tpm.New(swtpmtest.Start(t))
	ka, err := a.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	kb, err := b.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(ka.Public(), kb.Public()) {
		t.Error("two TPMs made the same key")
	}
}

// What a TPM refuses is its word, with the code.
func TestRefused(t *testing.T) {
	d := tpm.New(swtpmtest.Start(t))
	if err := d.Extend(24, [32]byte{}); !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("register 24: %v", err)
	}
	if _, err := d.Read(24); !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("register 24: %v", err)
	}
	var code *tpm.CodeError
	if _, _, err := d.Quote(&tpm.Key{}, 11, [32]byte{}); !errors.As(err, &code) || !errors.Is(err, tpm.ErrRefused) || code.Code == 0 {
		t.Errorf("no key: %v", err)
	}
}

// canned answers every command with the same bytes.
type canned struct {
	answer []byte
	rest   []byte
}

func (c *canned) Write(b []byte) (int, error) { c.rest = c.answer; return len(b), nil }
func (c *canned) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func answer(tag uint16, code uint32, body []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, tag)
	b = binary.BigEndian.AppendUint32(b, uint32(10+len(body)))
	return append(binary.BigEndian.AppendUint32(b, code), body...)
}

// busy answers that it is, some times, and then as canned does.
type busy struct {
	canned
	times int
}

func (b *busy) Write(p []byte) (int, error) {
	if b.times--; b.times >= 0 {
		b.rest = answer(0x8001, 0x922, nil)
		return len(p), nil
	}
	return b.canned.Write(p)
}

func TestBusy(t *testing.T) {
	for times, ok := range map[int]bool{0: true, 3: true, 1000: false} {
		b := &busy{canned: canned{answer: answer(0x8002, 0, make([]byte, 4))}, times: times}
		if err := tpm.New(b).Extend(11, [32]byte{}); (err == nil) != ok {
			t.Errorf("busy %d times: %v", times, err)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	good := concat(u32(7), u32(1), u16(0xb), []byte{3, 0, 8, 0}, u32(1), u16(32), make([]byte, 32))
	if _, err := tpm.New(&canned{answer: answer(0x8001, 0, good)}).Read(11); err != nil {
		t.Fatalf("the answer that the others are made of: %v", err)
	}
	other := concat(u32(7), u32(1), u16(0xb), []byte{3, 0, 16, 0}, u32(1), u16(32), make([]byte, 32))
	for name, a := range map[string][]byte{
		"nothing":         nil,
		"half a header":   {0x80, 1, 0, 0},
		"shorter":         answer(0x8001, 0, good)[:30],
		"longer":          append(answer(0x8001, 0, good), 0),
		"size below":      {0x80, 1, 0, 0, 0, 9, 0, 0, 0, 0},
		"size above":      {0x80, 1, 0, 1, 0, 0, 0, 0, 0, 0},
		"other tag":       answer(0x8002, 0, good),
		"empty":           answer(0x8001, 0, nil),
		"other register":  answer(0x8001, 0, other),
		"short digest":    answer(0x8001, 0, concat(good[:14], u32(1), u16(31), make([]byte, 31))),
		"no digest":       answer(0x8001, 0, concat(good[:14], u32(0))),
		"something after": answer(0x8001, 0, append(bytes.Clone(good), 0)),
	} {
		if v, err := tpm.New(&canned{answer: a}).Read(11); !errors.Is(err, tpm.ErrAnswer) || v != [32]byte{} {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An answer to one command is nothing more than that.
func TestLongAnswer(t *testing.T) {
	key := answer(0x8002, 0, concat(u32(0x80000000), u32(4), u16(2), []byte{1, 2}))
	if _, err := tpm.New(&canned{answer: key}).NewKey(); err != nil {
		t.Fatal(err)
	}
	if k, err := tpm.New(&canned{answer: append(key, 0)}).NewKey(); !errors.Is(err, tpm.ErrAnswer) || k != nil {
		t.Errorf("got %v", err)
	}
}

// FuzzAnswer: whatever a TPM says, there is a value or an error.
func FuzzAnswer(f *testing.F) {
	f.Add(answer(0x8001, 0, concat(u32(7), u32(1), u16(0xb), []byte{3, 0, 8, 0}, u32(1), u16(32), make([]byte, 32))))
	f.Add(answer(0x8002, 0, concat(u32(0x80000000), u32(4), u16(2), []byte{1, 2})))
	f.Add(answer(0x8002, 0, concat(u32(8), u16(2), []byte{1, 2}, []byte{3, 4, 5, 6})))
	f.Fuzz(func(t *testing.T, a []byte) {
		d := tpm.New(&canned{answer: a})
		_, _ = d.Read(11)
		_ = d.Extend(11, [32]byte{1})
		if k, err := d.NewKey(); (k == nil) == (err == nil) {
			t.Fatal("a key or an error")
		}
		if m, s, err := d.Quote(&tpm.Key{}, 11, [32]byte{}); (len(m) > 0 && len(s) > 0) != (err == nil) {
			t.Fatal("a quote or an error")
		}
	})
}

func u16(v uint16) []byte           { return binary.BigEndian.AppendUint16(nil, v) }
func u32(v uint32) []byte           { return binary.BigEndian.AppendUint32(nil, v) }
func concat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
