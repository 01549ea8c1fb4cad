package statement_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

func TestDigestBytes(t *testing.T) {
	d := statement.Sum([]byte("x"))
	if b := d.Bytes(); len(b) != 32 || !bytes.HasPrefix(b, []byte{0x2d, 0x71, 0x16, 0x42}) {
		t.Errorf("%x", b)
	}
	if d.Short() != "2d711642b726" || statement.Digest("").Short() != "" || statement.Digest("sha256:ab").Short() != "ab" {
		t.Error("short forms of digests")
	}
	f := receipttest.NewParty(t, "alpha").Fingerprint()
	if f.Short() != string(f[:15]) || statement.Fingerprint("c").Short() != "c" {
		t.Error("short forms of fingerprints")
	}
	if (&statement.Session{Key: "x"}).Fingerprint() != "" || (&statement.Party{Key: "x"}).Authors() != nil {
		t.Error("a malformed key has an owner")
	}
}

func TestOfferCommitment(t *testing.T) {
	o := statement.Offer{Commitments: []statement.Commitment{{Key: "a", Commit: "x"}, {Key: statement.FooterKey, Commit: "y"}}}
	if d, ok := o.Commitment(statement.FooterKey); d != "y" || !ok {
		t.Error("the footer's commitment")
	}
	if d, ok := o.Commitment("b"); d != "" || ok {
		t.Error("a commitment to no key")
	}
}

func TestPartsAreValid(t *testing.T) {
	p := statement.Perimeter{Kind: "sgx", Form: "f"}
	if !p.Valid() {
		t.Error("a perimeter refused")
	}
	p.Kind = ""
	if p.Valid() {
		t.Error("a perimeter of no kind accepted")
	}
	p.Kind = "sgx"
	for i := range 257 {
		p.Details = append(p.Details, statement.Property{Name: fmt.Sprintf("%03d", i), Value: "x"})
	}
	if p.Valid() {
		t.Error("257 details accepted")
	}
	if p.Details = p.Details[:256]; !p.Valid() {
		t.Error("256 details refused")
	}
	if (&statement.Session{}).Valid() || (&statement.Evidence{}).Valid() || (&statement.Body{}).Valid() {
		t.Error("nothing is valid")
	}
}

func TestNames(t *testing.T) {
	for _, s := range []string{"2026-01", "v1", "_", "a.b-c_d"} {
		if !statement.ValidVersion(s) {
			t.Errorf("version %q refused", s)
		}
	}
	for _, s := range []string{"", ".", "-a", "A", "a b", "a/b", "a\x00"} {
		if statement.ValidVersion(s) {
			t.Errorf("version %q accepted", s)
		}
	}
	for _, s := range []string{"a", "_a", "a1"} {
		if !statement.ValidColumn(s) {
			t.Errorf("column %q refused", s)
		}
	}
	for _, s := range []string{"", "1a", "a-b", "A", statement.FooterKey, "a\n"} {
		if statement.ValidColumn(s) {
			t.Errorf("column %q accepted", s)
		}
	}
	commit := statement.Body{SQL: "select 1", Salt: make([]byte, 31)}
	if d, err := commit.Commit(); d != "" || err == nil {
		t.Error("committed with a short salt")
	}
}

// TestOnlyUnreducedKeysAreRefused: a key next to those that are refused is one like any other.
func TestOnlyUnreducedKeysAreRefused(t *testing.T) {
	p := statement.PublicKey{0: 0xed, 31: 0x7f}
	for i := 1; i < 31; i++ {
		p[i] = 0xff
	}
	if _, err := statement.ParsePublicKey(p.String()); err == nil {
		t.Error("the prime itself accepted")
	}
	for _, i := range []int{0, 1, 15, 30, 31} {
		k := p
		k[i] -= 2 // 0: below the prime, and not -1
		got, err := statement.ParsePublicKey(k.String())
		if err != nil || got != k {
			t.Errorf("byte %d less: %v", i, err)
		}
	}
}
