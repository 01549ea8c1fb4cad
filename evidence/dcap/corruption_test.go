package dcap

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// region of a quote, and where a refusal must come from if a byte in it is another. A fault may break more.
type region struct {
	name string
	size int
	want stage.Error
}

// regions of a quote, in order.
func regions(raw []byte) []region {
	out := []region{
		{"version, attestation key type, TEE type", 8, stage.Parse},
		{"reserved in the header", 4, stage.QuoteSignature},
		{"vendor", 16, stage.Parse},
		{"user data", 20, stage.QuoteSignature},
	}
	version, body := binary.LittleEndian.Uint16(raw), enclaveSize
	switch version {
	case 4:
		body = td10Size
	case 5:
		body = int(binary.LittleEndian.Uint32(raw[headerSize+2:]))
		out = append(out, region{"descriptor", 6, stage.Parse})
	}
	out = append(out, region{"body", body, stage.QuoteSignature}, region{"length of signature data", 4, stage.Parse},
		region{"quote signature", 64, stage.QuoteSignature}, region{"attestation key", 64, stage.QEBinding})
	if version >= 4 {
		out = append(out, region{"certification data", 6, stage.Parse})
	}
	out = append(out, region{"QE report", enclaveSize, stage.QESignature}, region{"QE report signature", 64, stage.QESignature})
	at := 0
	for _, r := range out {
		at += r.size
	}
	auth := int(binary.LittleEndian.Uint16(raw[at:]))
	chain := int(binary.LittleEndian.Uint32(raw[at+2+auth+2:]))
	return append(out, region{"length of authentication data", 2, stage.Parse}, region{"authentication data", auth, stage.QEBinding},
		region{"inner certification data", 6, stage.Parse}, region{"certificates", chain, stage.Chain})
}

// Every byte of a quote counts.
func TestCorruptQuote(t *testing.T) {
	for kind, id := range map[string]string{"sgx": "automata-a/2025-08-30", "tdx": "gcp-cos113/2025-06-11", "tdx5": "v5-google/2026-02-04"} {
		r := open(t, kind[:3], id)
		if _, err := bothWays(t, r.raw, r.collateral, Options{Roots: r.roots, At: r.At}); err != nil {
			t.Fatal(err)
		}
		at := 0
		for _, g := range regions(r.raw) {
			step := 3
			if g.name == "certificates" {
				step = 29
			}
			for i := 0; i < g.size; i++ {
				if i%step != 0 && g.size > 64 && i != g.size-1 {
					continue
				}
				raw := slices.Clone(r.raw)
				raw[at+i] ^= 1
				_, err := bothWays(t, raw, r.collateral, Options{Roots: r.roots, At: r.At})
				// Between the last certificate and its end stand a line feed and NUL.
				if g.name == "certificates" && err == nil && i >= g.size-2 {
					continue
				}
				if !errors.Is(err, g.want) {
					t.Errorf("%s, byte %d of %s: %v, want %v", id, i, g.name, err, g.want)
				}
			}
			at += g.size
		}
		if q, err := Parse(r.raw); err != nil || at+q.Trailing != len(r.raw) {
			t.Errorf("%s: regions end at %d of %d", id, at, len(r.raw))
		}
	}
}

func flip(s string, i int) string {
	b := []byte(s)
	b[i] ^= 1
	return string(b)
}

// Every byte of the collateral counts.
func TestCorruptCollateral(t *testing.T) {
	for kind, id := range map[string]string{"sgx": "automata-a/2025-08-30", "tdx": "gcp-cos113/2025-06-11"} {
		r := open(t, kind, id)
		if _, err := bothWays(t, r.raw, r.collateral, Options{Roots: r.roots, At: r.At}); err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct {
			name string
			size int
			flip func(c *Collateral, i int)
			want stage.Error
		}{
			{"root CRL", len(r.collateral.RootCACRL), func(c *Collateral, i int) { c.RootCACRL = []byte(flip(string(c.RootCACRL), i)) }, stage.NoCRL},
			{"PCK CRL", len(r.collateral.PCKCRL), func(c *Collateral, i int) { c.PCKCRL = []byte(flip(string(c.PCKCRL), i)) }, stage.NoCRL},
			{"PCK CRL issuer", len(r.collateral.PCKCRLIssuerChain) - 1, func(c *Collateral, i int) { c.PCKCRLIssuerChain = flip(c.PCKCRLIssuerChain, i) }, stage.NoCRL},
			{"TCB info", len(r.collateral.TCBInfo), func(c *Collateral, i int) { c.TCBInfo = flip(c.TCBInfo, i) }, stage.TCBInfoSignature},
			{"TCB info signature", 64, func(c *Collateral, i int) {
				c.TCBInfoSignature = []byte(flip(string(c.TCBInfoSignature), i))
			}, stage.TCBInfoSignature},
			{"TCB info issuer", len(r.collateral.TCBInfoIssuerChain) - 1, func(c *Collateral, i int) { c.TCBInfoIssuerChain = flip(c.TCBInfoIssuerChain, i) }, stage.TCBInfoChain},
			{"QE identity", len(r.collateral.QEIdentity), func(c *Collateral, i int) { c.QEIdentity = flip(c.QEIdentity, i) }, stage.QEIdentitySignature},
			{"QE identity signature", 64, func(c *Collateral, i int) {
				c.QEIdentitySignature = []byte(flip(string(c.QEIdentitySignature), i))
			}, stage.QEIdentitySignature},
			{"QE identity issuer", len(r.collateral.QEIdentityIssuerChain) - 1, func(c *Collateral, i int) {
				c.QEIdentityIssuerChain = flip(c.QEIdentityIssuerChain, i)
			}, stage.QEIdentitySignature},
		} {
			step := max(1, x.size/60)
			for i := 0; i < x.size; i += step {
				c := *r.collateral
				x.flip(&c, i)
				if _, err := bothWays(t, r.raw, &c, Options{Roots: r.roots, At: r.At}); !errors.Is(err, x.want) {
					t.Errorf("%s, byte %d of %s: %v, want %v", id, i, x.name, err, x.want)
				}
			}
		}
	}
}

// A quote that ends anywhere before its end is none.
func TestTruncated(t *testing.T) {
	r := open(t, "tdx", "v5-google/2026-02-04")
	q, err := Parse(r.raw)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(r.raw) - q.Trailing {
		if q, err := Parse(r.raw[:n]); !errors.Is(err, stage.Parse) || q != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}
