package dcap

import (
	"bytes"
	"runtime"
	"testing"
)

// allocated is what f allocates; other goroutines are not running.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// most that may be allocated for n bytes of input: 1 MiB for each 64 KiB begun.
func most(n int) uint64 { return uint64(n/(64<<10)+1) << 20 }

func FuzzParse(f *testing.F) {
	for _, kind := range []string{"sgx", "tdx"} {
		for _, r := range load(f, kind) {
			f.Add(r.raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		own := bytes.Clone(raw)
		var q *Quote
		var err error
		if n := allocated(func() { q, err = Parse(raw) }); n > most(len(raw)) {
			t.Errorf("%d bytes allocated for %d", n, len(raw))
		}
		if !bytes.Equal(raw, own) {
			t.Error("the input was changed")
		}
		if (q == nil) != (err != nil) {
			t.Fatalf("%v, and a quote: %v", err, q != nil)
		}
		if q != nil {
			q.Fields()
			if q.Debug(); (q.Enclave == nil) == (q.TD == nil) {
				t.Error("SGX and TDX, or neither")
			}
		}
		if v, err := Verify(raw, nil, Options{At: forgedAt}); (v == nil) != (err != nil) {
			t.Errorf("%v, and a verdict: %v", err, v != nil)
		}
	})
}

func FuzzCollateral(f *testing.F) {
	quotes := map[string]*recorded{}
	for _, kind := range []string{"sgx", "tdx"} {
		for _, r := range load(f, kind) {
			if r.collateral == nil {
				continue
			}
			src, err := r.collateral.Marshal()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
			f.Add([]byte(r.collateral.TCBInfo))
			f.Add([]byte(r.collateral.QEIdentity))
			quotes[kind] = r
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		// What Intel signs is read as if anybody could sign.
		for _, into := range []any{new(tcbInfo), new(qeIdentity)} {
			if n := allocated(func() { _ = decodeDocument(string(src), into) }); n > most(len(src)) {
				t.Errorf("%d bytes allocated for a document of %d", n, len(src))
			}
		}
		var c *Collateral
		var err error
		if n := allocated(func() { c, err = ParseCollateral(src) }); n > most(len(src)) {
			t.Errorf("%d bytes allocated for %d", n, len(src))
		}
		if (c == nil) != (err != nil) {
			t.Fatalf("%v, and collateral: %v", err, c != nil)
		}
		if c == nil {
			return
		}
		again, err := c.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if c2, err := ParseCollateral(again); err != nil {
			t.Fatal(err)
		} else if b, err := c2.Marshal(); err != nil || !bytes.Equal(b, again) {
			t.Error("does not come back as it was written")
		}
		for _, r := range quotes {
			var v *Verified
			if n := allocated(func() { v, err = Verify(r.raw, c, Options{At: r.At}) }); n > most(len(src)+len(r.raw)) {
				t.Errorf("%d bytes allocated for collateral of %d", n, len(src))
			}
			if (v == nil) != (err != nil) {
				t.Errorf("%v, and a verdict: %v", err, v != nil)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for name, x := range map[string][2]string{"SGXv3": {"sgx", "automata-a/2025-08-30"}, "TDXv4": {"tdx", "gcp-cos113/2025-06-11"}, "TDXv5": {"tdx", "v5-google/2026-02-04"}} {
		r := open(b, x[0], x[1])
		for what, c := range map[string]*Collateral{"full": r.collateral, "chain-only": nil} {
			b.Run(name+"/"+what, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Verify(r.raw, c, Options{At: r.At}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
