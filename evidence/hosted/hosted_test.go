package hosted_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

const kind = evidence.SNP

var (
	at    = time.UnixMilli(1767366245000)
	data  = evidence.HelloBinding("job", "session")
	quote = hosted.Quoted{Quote: []byte("a quote"), Endorsements: [][]byte{[]byte("a certificate")}}
	build = hosted.Build(kind, []byte("measurement"), []byte("host data"))
)

func perimeter() statement.Perimeter {
	return statement.Perimeter{Form: "guest", Details: []statement.Property{{Name: "swap", Value: "off"}}}
}

// raw has the fields of raw evidence, so that tests can sign what Attest would not.
type raw struct {
	Report []byte `json:"report"`
	Sig    []byte `json:"sig"`
	Quote  []byte `json:"quote"`
}

func report(op *receipttest.Party) evidence.Report {
	p := perimeter()
	p.Kind = kind
	return evidence.Report{Build: build, ReportData: hex.EncodeToString(data[:]), Operator: op.Key.Public().String(), Perimeter: p, AtMS: at.UnixMilli()}
}

// sign wraps a report as an operator would, whatever it says.
func sign(t testing.TB, op *receipttest.Party, kind string, r evidence.Report, q []byte) *statement.Evidence {
	t.Helper()
	body, err := statement.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(q)
	sig, err := op.Key.Sign(statement.Frame("cordon/hosted-evidence/v1", []byte(kind), body, sum[:]))
	if err != nil {
		t.Fatal(err)
	}
	src, err := statement.Marshal(raw{Report: body, Sig: sig, Quote: q})
	if err != nil {
		t.Fatal(err)
	}
	return &statement.Evidence{Kind: kind, Raw: src, Endorsements: quote.Endorsements}
}

// machine answers what a quote would show.
func machine(m *hosted.Machine, err error) hosted.MachineVerifier {
	return func(_ context.Context, q []byte, endorsements [][]byte, when time.Time) (*hosted.Machine, error) {
		if !bytes.Equal(q, quote.Quote) || len(endorsements) != 1 || !when.Equal(at) {
			return nil, errors.New("not what the evidence holds")
		}
		return m, err
	}
}

func genuine() *hosted.Machine {
	return &hosted.Machine{Build: build, ReportData: data, Debug: true, TCB: evidence.TCB{Status: "UpToDate"}}
}

func TestAttest(t *testing.T) {
	op := receipttest.NewParty(t, "cloudco")
	e, err := hosted.Attest(op.Key, kind, build, data, perimeter(), quote, at)
	if err != nil {
		t.Fatal(err)
	}
	c, err := hosted.Verifier(kind, machine(genuine(), nil))(context.Background(), e, at)
	if err != nil || c.ReportData != data || c.Build != build || c.Operator != op.Fingerprint() || c.Simulated || !c.Debug ||
		c.Kind != kind || c.Perimeter.Form != "guest" || c.Perimeter.Simulated || c.Perimeter.Kind != kind || !c.MadeAt.Equal(at) || c.TCB.Status != "UpToDate" {
		t.Fatalf("%v, %+v", err, c)
	}
	if again := sign(t, op, kind, report(op), quote.Quote); !bytes.Equal(again.Raw, e.Raw) {
		t.Error("tests sign in another form than Attest")
	}
}

func TestAttestRefuses(t *testing.T) {
	op := receipttest.NewParty(t, "cloudco")
	unnamed := perimeter()
	unnamed.Form = ""
	for name, x := range map[string]struct {
		build statement.Digest
		p     statement.Perimeter
		q     hosted.Quoted
	}{
		"no build": {"", perimeter(), quote}, "no form": {build, unnamed, quote}, "no quote": {build, perimeter(), hosted.Quoted{}},
		"quote too long":    {build, perimeter(), hosted.Quoted{Quote: make([]byte, hosted.MaxQuote+1)}},
		"empty endorsement": {build, perimeter(), hosted.Quoted{Quote: quote.Quote, Endorsements: [][]byte{{}}}},
	} {
		if e, err := hosted.Attest(op.Key, kind, x.build, data, x.p, x.q, at); e != nil || !errors.Is(err, evidence.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Evidence over a TPM in software is marked as what it is, whoever asks for it.
func TestSoftwareRooted(t *testing.T) {
	op := receipttest.NewParty(t, "cloudco")
	e, err := hosted.Attest(op.Key, evidence.TPMSoftware, build, data, perimeter(), quote, at)
	if err != nil {
		t.Fatal(err)
	}
	m := genuine()
	m.ReportData, m.Qualifying, m.Simulated = evidence.ReportData{}, sha256.Sum256(data[:]), true
	c, err := hosted.Verifier(evidence.TPMSoftware, machine(m, nil))(context.Background(), e, at)
	if err != nil || !c.Simulated || !c.Perimeter.Simulated {
		t.Fatalf("%v, %+v", err, c)
	}
	m.Simulated = false
	if _, err := hosted.Verifier(evidence.TPMSoftware, machine(m, nil))(context.Background(), e, at); !errors.Is(err, evidence.ErrQuote) {
		t.Errorf("a software TPM that says it is hardware: %v", err)
	}
}

// One thing is wrong in each.
func TestVerifierRefuses(t *testing.T) {
	op, other := receipttest.NewParty(t, "cloudco"), receipttest.NewParty(t, "other")
	altered := func(f func(*evidence.Report)) *statement.Evidence {
		r := report(op)
		f(&r)
		return sign(t, op, kind, r, quote.Quote)
	}
	good := func() *statement.Evidence { return altered(func(*evidence.Report) {}) }
	bytesOf := func(f func(*raw)) *statement.Evidence {
		e := good()
		var w raw
		if err := statement.Unmarshal(e.Raw, &w); err != nil {
			t.Fatal(err)
		}
		f(&w)
		e.Raw, _ = statement.Marshal(w)
		return e
	}
	shows := func(f func(*hosted.Machine)) *hosted.Machine {
		m := genuine()
		f(m)
		return m
	}
	for name, x := range map[string]struct {
		e    *statement.Evidence
		m    *hosted.Machine
		err  error
		want error
	}{
		"another kind":                      {e: &statement.Evidence{Kind: evidence.TDX, Raw: good().Raw}, want: evidence.ErrKind},
		"signed for another kind":           {e: &statement.Evidence{Kind: kind, Raw: sign(t, op, evidence.TDX, report(op), quote.Quote).Raw}, want: evidence.ErrSignature},
		"not strict":                        {e: &statement.Evidence{Kind: kind, Raw: append(good().Raw, ' ')}, want: evidence.ErrMalformed},
		"report not strict":                 {e: bytesOf(func(w *raw) { w.Report = append(w.Report, ' ') }), want: evidence.ErrMalformed},
		"no quote":                          {e: bytesOf(func(w *raw) { w.Quote = []byte{} }), want: evidence.ErrMalformed},
		"quote too long":                    {e: bytesOf(func(w *raw) { w.Quote = make([]byte, hosted.MaxQuote+1) }), want: evidence.ErrMalformed},
		"quote exchanged":                   {e: bytesOf(func(w *raw) { w.Quote[0] ^= 1 }), want: evidence.ErrSignature},
		"signature altered":                 {e: bytesOf(func(w *raw) { w.Sig[0] ^= 1 }), want: evidence.ErrSignature},
		"signed by another operator":        {e: sign(t, other, kind, report(op), quote.Quote), want: evidence.ErrSignature},
		"operator is no key":                {e: altered(func(r *evidence.Report) { r.Operator = "ed25519:00" }), want: evidence.ErrMalformed},
		"build is no digest":                {e: altered(func(r *evidence.Report) { r.Build = "sha256:00" }), want: evidence.ErrMalformed},
		"perimeter of another kind":         {e: altered(func(r *evidence.Report) { r.Perimeter.Kind = evidence.TDX }), want: evidence.ErrMalformed},
		"perimeter says simulated":          {e: altered(func(r *evidence.Report) { r.Perimeter.Simulated = true }), want: evidence.ErrMalformed},
		"report data in capitals":           {e: altered(func(r *evidence.Report) { r.ReportData = "AB" + r.ReportData[2:] }), want: evidence.ErrMalformed},
		"report data too short":             {e: altered(func(r *evidence.Report) { r.ReportData = r.ReportData[2:] }), want: evidence.ErrMalformed},
		"too old":                           {e: altered(func(r *evidence.Report) { r.AtMS -= 300_001 }), want: evidence.ErrClock},
		"too far ahead":                     {e: altered(func(r *evidence.Report) { r.AtMS += 300_001 }), want: evidence.ErrClock},
		"quote does not verify":             {e: good(), err: errors.New("not genuine"), want: evidence.ErrQuote},
		"quote does not verify though read": {e: good(), m: genuine(), err: errors.New("not genuine"), want: evidence.ErrQuote},
		"quote's verifier says nothing":     {e: good(), want: evidence.ErrQuote},
		"quote of another build":            {e: good(), m: shows(func(m *hosted.Machine) { m.Build = hosted.Build(kind, []byte("other")) }), want: evidence.ErrQuote},
		"quote for other report data":       {e: good(), m: shows(func(m *hosted.Machine) { m.ReportData[0] ^= 1 }), want: evidence.ErrBinding},
		"quote for no report data":          {e: good(), m: shows(func(m *hosted.Machine) { m.ReportData = evidence.ReportData{} }), want: evidence.ErrBinding},
		"quote with two sorts of binding":   {e: good(), m: shows(func(m *hosted.Machine) { m.Qualifying = sha256.Sum256([]byte("other")) }), want: evidence.ErrBinding},
		"quote for another digest": {e: good(), m: shows(func(m *hosted.Machine) {
			m.ReportData, m.Qualifying = evidence.ReportData{}, sha256.Sum256([]byte("other"))
		}), want: evidence.ErrBinding},
		"software behind a kind of hardware": {e: good(), m: shows(func(m *hosted.Machine) { m.Simulated = true }), want: evidence.ErrQuote},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := hosted.Verifier(kind, machine(x.m, x.err))(context.Background(), x.e, at)
			if c != nil || !errors.Is(err, x.want) {
				t.Errorf("%v, want %v", err, x.want)
			}
		})
	}
	if _, err := hosted.Verifier(kind, nil)(context.Background(), good(), at); !errors.Is(err, evidence.ErrKind) {
		t.Errorf("no verifier: %v", err)
	}
}

func TestTold(t *testing.T) {
	op := receipttest.NewParty(t, "cloudco")
	e := sign(t, op, kind, report(op), quote.Quote)
	c, err := hosted.Told(kind, func() []byte { return quote.Quote })(context.Background(), e, at)
	if err != nil || c.Operator != op.Fingerprint() || c.Build != build || c.ReportData != data {
		t.Fatalf("%v, %+v", err, c)
	}
	for name, own := range map[string][]byte{"another quote": []byte("mine"), "none made": nil} {
		if _, err := hosted.Told(kind, func() []byte { return own })(context.Background(), e, at); !errors.Is(err, evidence.ErrQuote) {
			t.Errorf("%s: %v", name, err)
		}
	}
	e.Raw = e.Raw[1:]
	if _, err := hosted.Told(kind, func() []byte { return quote.Quote })(context.Background(), e, at); !errors.Is(err, evidence.ErrMalformed) {
		t.Errorf("malformed: %v", err)
	}
}

func TestUnwrap(t *testing.T) {
	op := receipttest.NewParty(t, "cloudco")
	w, err := hosted.Unwrap(sign(t, op, kind, report(op), quote.Quote))
	if err != nil || w.Report.Build != build || !bytes.Equal(w.Quote, quote.Quote) {
		t.Fatal(err)
	}
	if key, err := w.Signer(); err != nil || key.Fingerprint() != op.Fingerprint() {
		t.Fatal(err)
	}
}

func TestTPMQuote(t *testing.T) {
	q := hosted.TPMQuote{Message: []byte{1}, Signature: []byte{2}, AK: []byte{3}, PCRs: []hosted.Register{{Index: 0, Value: []byte{4}}, {Index: 11, Value: []byte{5}}}}
	src, err := q.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := hosted.ParseTPMQuote(src)
	if err != nil || hosted.TPMBuild(got.PCRs) != hosted.TPMBuild(q.PCRs) {
		t.Fatal(err)
	}
	if hosted.TPMBuild(q.PCRs) == hosted.TPMBuild(q.PCRs[:1]) || hosted.TPMBuild([]hosted.Register{{Index: 1, Value: []byte{4}}}) == hosted.TPMBuild(q.PCRs[:1]) {
		t.Error("another choice of registers is the same build")
	}
	for name, list := range map[string][]hosted.Register{
		"none": {}, "not rising": {{Index: 2, Value: []byte{1}}, {Index: 1, Value: []byte{1}}}, "twice": {{Index: 2, Value: []byte{1}}, {Index: 2, Value: []byte{1}}},
		"there is none": {{Index: 24, Value: []byte{1}}}, "negative": {{Index: -1, Value: []byte{1}}}, "empty": {{Index: 2, Value: []byte{}}},
	} {
		bad := q
		bad.PCRs = list
		src, err := bad.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := hosted.ParseTPMQuote(src); !errors.Is(err, evidence.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := hosted.ParseTPMQuote(make([]byte, hosted.MaxQuote+1)); !errors.Is(err, evidence.ErrMalformed) {
		t.Error(err)
	}
}

// FuzzHosted: any bytes give claims or an error, and what is read is in its one encoding.
func FuzzHosted(f *testing.F) {
	op := receipttest.NewParty(f, "cloudco")
	f.Add(sign(f, op, kind, report(op), quote.Quote).Raw)
	v := hosted.Verifier(kind, func(context.Context, []byte, [][]byte, time.Time) (*hosted.Machine, error) { return genuine(), nil })
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := v(context.Background(), &statement.Evidence{Kind: kind, Raw: slices.Clone(src)}, at)
		if (c == nil) == (err == nil) {
			t.Fatal("either claims or an error")
		}
		if err == nil && (c.Build != build || c.ReportData != data || c.Simulated || !c.Operator.Valid() || !c.Perimeter.Valid()) {
			t.Fatalf("claims that the quote does not show: %+v", c)
		}
	})
}

// FuzzTPMQuote: what is read encodes to the same bytes.
func FuzzTPMQuote(f *testing.F) {
	src, _ := (&hosted.TPMQuote{Message: []byte{1}, Signature: []byte{2}, AK: []byte{3}, PCRs: []hosted.Register{{Index: 11, Value: []byte{5}}}}).Encode()
	f.Add(src)
	f.Fuzz(func(t *testing.T, src []byte) {
		q, err := hosted.ParseTPMQuote(src)
		if err != nil {
			return
		}
		if again, err := q.Encode(); err != nil || !bytes.Equal(again, src) {
			t.Fatal("another encoding was read")
		}
	})
}

// FuzzAzureQuote: what is read encodes to the same bytes.
func FuzzAzureQuote(f *testing.F) {
	src, _ := (&hosted.AzureQuote{HCL: []byte{1}, TDQuote: []byte{2}, Message: []byte{3}, Signature: []byte{4}, PCRs: []hosted.Register{{Index: 11, Value: []byte{5}}}}).Encode()
	f.Add(src)
	f.Fuzz(func(t *testing.T, src []byte) {
		q, err := hosted.ParseAzureQuote(src)
		if err != nil {
			return
		}
		if again, err := q.Encode(); err != nil || !bytes.Equal(again, src) {
			t.Fatal("another encoding was read")
		}
	})
}
