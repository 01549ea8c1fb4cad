package dcap

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence/stage"
	"github.com/cordon-exchange/cordon/tools/evidence/cases"
)

// recorded is a case with its files.
type recorded struct {
	*cases.Case
	raw        []byte
	collateral *Collateral
	roots      []*x509.Certificate
}

func load(t testing.TB, kind string) (out []*recorded) {
	t.Helper()
	list, err := cases.Load("../testdata/" + kind)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		out = append(out, read(t, c))
	}
	return out
}

func read(t testing.TB, c *cases.Case) *recorded {
	t.Helper()
	raw, err := c.Read(c.File)
	if err != nil {
		t.Fatal(err)
	}
	root, err := c.Read(c.Root)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := pem.Decode(root)
	cert, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorded{Case: c, raw: raw, roots: []*x509.Certificate{cert}}
	if c.Collateral == "" {
		return r
	}
	src, err := c.Read(c.Collateral)
	if err != nil {
		t.Fatal(err)
	}
	if r.collateral, err = ParseCollateral(src); err != nil {
		t.Fatalf("%s: %v", c.ID, err)
	}
	return r
}

func open(t testing.TB, kind, id string) *recorded {
	t.Helper()
	list, err := cases.Load("../testdata/" + kind)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.ID == id {
			return read(t, c)
		}
	}
	t.Fatalf("no case %s", id)
	return nil
}

// usual is the policy of the collection.
func usual() Policy {
	return Policy{
		Statuses: []Status{UpToDate, SWHardeningNeeded}, AnyAdvisory: true,
		MinTCBDate: time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC), MinEvaluation: 1,
	}
}

func (r *recorded) judge(p Policy) (*Result, error) {
	v, err := Verify(r.raw, r.collateral, Options{Roots: r.roots, At: r.At})
	if err != nil {
		return nil, err
	}
	return Appraise(v, p)
}

func TestRecorded(t *testing.T) {
	for _, kind := range []string{"sgx", "tdx"} {
		for _, r := range load(t, kind) {
			_, err := r.judge(usual())
			if (err == nil) != (r.Expect == cases.Accept) || r.RejectStage != "" && !errors.Is(err, stage.Error(r.RejectStage)) {
				t.Errorf("%s: %v, want %s %s", r.ID, err, r.Expect, r.RejectStage)
			}
		}
	}
}

func TestEmbeddedRoot(t *testing.T) {
	r := open(t, "tdx", "near-gas/2025-09-08")
	if roots := IntelRoots(); len(roots) != 1 || !roots[0].Equal(r.roots[0]) {
		t.Error("not the root of the collection")
	}
	r.roots = nil
	if _, err := r.judge(usual()); err != nil {
		t.Error(err)
	}
	r.roots = []*x509.Certificate{}
	if _, err := r.judge(usual()); !slices.Equal(stages(err), []stage.Error{stage.Chain}) {
		t.Errorf("an empty list is no default: %v", err)
	}
}

// The same quote, later: other collateral, and then none that is current.
func TestClockMoves(t *testing.T) {
	for _, ids := range [][2]string{{"dcapqvl-tdx/2025-06-23", "dcapqvl-tdx/2026-08-28"}, {"edgeless-qpl/2023-02-17", "edgeless-qpl/2025-06-11"}} {
		then, now := open(t, "tdx", ids[0]), open(t, "tdx", ids[1])
		if !bytes.Equal(then.raw, now.raw) {
			t.Fatal("not the same quote")
		}
		if r, err := then.judge(usual()); err != nil || r.TCB.Status != UpToDate {
			t.Errorf("%s: %v", ids[0], err)
		}
		v, err := Verify(now.raw, now.collateral, Options{Roots: now.roots, At: now.At})
		if err != nil || v.TCB.Status != OutOfDate {
			t.Fatalf("%s: %v", ids[1], err)
		}
		if _, err := Appraise(v, usual()); !slices.Equal(stages(err), []stage.Error{stage.TCBStatus}) {
			t.Errorf("%s: %v", ids[1], err)
		}
		for name, at := range map[string]time.Time{"after": then.At.AddDate(0, 2, 0), "before": then.At.AddDate(0, 0, -21)} {
			moved := *then
			c := *then.Case
			moved.Case, c.At = &c, at
			if _, err := moved.judge(usual()); !slices.Equal(stages(err), []stage.Error{stage.StaleCollateral}) {
				t.Errorf("%s, a clock %s: %v", ids[0], name, err)
			}
		}
	}
}

// Collateral so old that its signer's certificate has ended is stale as well.
func TestOldCollateral(t *testing.T) {
	r := open(t, "tdx", "edgeless-qpl/2023-02-17")
	c := *r.Case
	r.Case, c.At = &c, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := r.judge(usual()); !slices.Equal(stages(err), []stage.Error{stage.StaleCollateral, stage.TCBInfoChain}) {
		t.Error(err)
	}
}

func TestDebugRefused(t *testing.T) {
	for _, x := range [][2]string{{"sgx", "maa-debug/2025-06-11"}, {"sgx", "occlum-debug/2025-08-30"}, {"tdx", "trustee-debug/2023-06-28"}, {"tdx", "trustee-debug/2025-10-01"}} {
		r, p := open(t, x[0], x[1]), usual()
		p.Statuses = append(p.Statuses, OutOfDate)
		if _, err := r.judge(p); !slices.Equal(stages(err), []stage.Error{stage.Debug}) {
			t.Errorf("%s: %v", r.ID, err)
		}
		p.AllowDebug = true
		if got, err := r.judge(p); err != nil || !got.DebugAllowed {
			t.Errorf("%s, allowed: %v", r.ID, err)
		}
	}
	p := usual()
	p.AllowDebug = true
	if got, err := open(t, "tdx", "near-gas/2025-09-08").judge(p); err != nil || got.DebugAllowed {
		t.Errorf("no debug enclave, but marked as one: %v", err)
	}
}

func TestZeroPaddedQuotes(t *testing.T) {
	for id, trailing := range map[string]int{"gcp-cos113/2025-06-11": 8000, "dcapqvl-tdx/2025-06-23": 5006, "cmc-azure/2025-10-01": 5010, "v5-google/2026-02-04": 5006} {
		r := open(t, "tdx", id)
		q, err := Parse(r.raw)
		if err != nil || len(r.raw) != trailing {
			t.Fatalf("%s: %d bytes: %v", id, len(r.raw), err)
		}
		quote := r.raw[:len(r.raw)-q.Trailing]
		for name, x := range map[string]struct {
			raw    []byte
			accept bool
		}{
			"as recorded":           {r.raw, true},
			"no padding":            {quote, true},
			"a zero":                {append(slices.Clone(quote), 0), true},
			"much padding":          {append(slices.Clone(quote), make([]byte, 20000)...), true},
			"a byte less":           {quote[:len(quote)-1], false},
			"one at the end":        {append(slices.Clone(r.raw), 1), false},
			"one behind":            {append(slices.Clone(quote), 1, 0, 0), false},
			"another quote behind":  {append(slices.Clone(quote), quote...), false},
			"padding without bound": {append(slices.Clone(quote), make([]byte, MaxQuote)...), false},
		} {
			again := *r
			again.raw = x.raw
			if _, err := again.judge(usual()); (err == nil) != x.accept || !x.accept && !errors.Is(err, stage.Parse) {
				t.Errorf("%s, %s: %v", id, name, err)
			}
		}
	}
}

func TestUpperCaseFMSPC(t *testing.T) {
	r := open(t, "tdx", "gcp-cos113/2025-06-11")
	if !bytes.Contains([]byte(r.collateral.TCBInfo), []byte(`"fmspc":"00806F050000"`)) {
		t.Fatal("the FMSPC of this collateral is not in upper case")
	}
	if _, err := r.judge(usual()); err != nil {
		t.Error(err)
	}
}

func TestNoMatchingLevel(t *testing.T) {
	for _, id := range []string{"dstack-old/nolevel", "v5-dcapqvl-oldseam/nolevel"} {
		r, p := open(t, "tdx", id), usual()
		p.Statuses = []Status{UpToDate, SWHardeningNeeded, ConfigurationNeeded, ConfigurationAndSWHardeningNeeded, OutOfDate, OutOfDateConfigurationNeeded, Revoked, ""}
		if _, err := r.judge(p); !slices.Equal(stages(err), []stage.Error{stage.TCBNoLevel}) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestCollateralForm(t *testing.T) {
	good := open(t, "sgx", "automata-a/2025-08-30")
	src, err := good.collateral.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseCollateral(src)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := again.Marshal(); err != nil || !bytes.Equal(b, src) {
		t.Errorf("does not come back as it was: %v", err)
	}
	for name, x := range map[string]struct {
		src    string
		accept bool
	}{
		"empty":          {`{}`, true},
		"a name":         {`{"tcb_info": "x"}`, true},
		"a name twice":   {`{"tcb_info": "x", "tcb_info": "x"}`, false},
		"another name":   {`{"tcb": "x"}`, false},
		"another case":   {`{"TCB_info": "x"}`, false},
		"null":           {`{"tcb_info": null}`, false},
		"an object":      {`{"tcb_info": {}}`, false},
		"not hex":        {`{"pck_crl": "xy"}`, false},
		"a list":         {`[]`, false},
		"nothing":        {``, false},
		"cut off":        {`{"tcb_info": "x"`, false},
		"something more": {`{} {}`, false},
		"long signature": {`{"tcb_info_signature": "` + string(bytes.Repeat([]byte("00"), 65)) + `"}`, false},
		"long document":  {`{"tcb_info": "` + string(bytes.Repeat([]byte("0"), maxDocument+1)) + `"}`, false},
		"long chain":     {`{"tcb_info_issuer_chain": "` + string(bytes.Repeat([]byte("0"), maxChain+1)) + `"}`, false},
		"too long":       {`{}` + string(bytes.Repeat([]byte(" "), MaxCollateral)), false},
	} {
		c, err := ParseCollateral([]byte(x.src))
		if (err == nil) != x.accept || (c == nil) == x.accept || !x.accept && !errors.Is(err, stage.Parse) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFields(t *testing.T) {
	for _, kind := range []string{"sgx", "tdx"} {
		for _, r := range load(t, kind) {
			q, err := Parse(r.raw)
			if err != nil {
				continue
			}
			debug := q.Debug()
			if wrong := (&cases.Case{Expect: cases.Accept, Debug: r.Debug, Fields: r.Fields}).Compare(cases.Outcome{Fields: q.Fields(), Debug: &debug}); len(wrong) > 0 {
				t.Errorf("%s: %v", r.ID, wrong)
			}
			data := q.ReportData()
			if q.TD != nil && data != q.TD.ReportData || q.TD == nil && data != q.Enclave.ReportData {
				t.Errorf("%s: report data", r.ID)
			}
		}
	}
}
