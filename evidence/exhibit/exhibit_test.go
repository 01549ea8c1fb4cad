package exhibit

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/evidencetest"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/evidence/stage"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

var folders = []string{"sgx", "tdx", "snp", "nitro", "token", "vtpm"}

// of is the exhibit of a case; its kind is told by the bytes.
func of(t testing.TB, folder string, c evidencetest.Case) *Exhibit {
	t.Helper()
	e, err := Open(c.Read(t, c.File), "")
	if err != nil {
		t.Fatalf("%s/%s: %v", folder, c.ID, err)
	}
	e.At = c.At
	e.Demands = Demands{Issuer: c.Require.Issuer, Audience: c.Require.Audience, Nonce: c.Require.Nonce, AnyNonce: c.Require.Nonce == "", AllowDebug: c.Require.AllowDebug, AKAsGiven: true}
	e.Qualifying, _ = hex.DecodeString(c.Require.NonceHex + c.Require.NoncePrefixHex)
	if c.Require.NoncePrefixHex != "" {
		e.Qualifying = append(e.Qualifying, make([]byte, 64-len(e.Qualifying))...)
	}
	if c.Collateral != "" {
		e.Collateral = c.Read(t, c.Collateral)
	}
	for _, name := range c.Endorsements {
		e.Endorsements = append(e.Endorsements, c.Read(t, name))
	}
	if strings.HasSuffix(c.Root, ".pem") {
		e.Root = c.Read(t, c.Root)
	}
	return e
}

func all(t testing.TB, f func(folder string, c evidencetest.Case)) {
	for _, folder := range folders {
		for _, c := range evidencetest.Load(t, folder) {
			if c.ID != "neg-ppid-certdata" { // is no quote that can be told by its bytes' reader; see TestRefusedForm
				f(folder, c)
			}
		}
	}
}

func (f *Finding) state(s stage.Error) State {
	for _, c := range f.Checks {
		if c.Name == string(s) {
			return c.State
		}
	}
	return ""
}

// TestExplains: what is accepted passed every check of its kind; what is refused failed the stage that the case names; nothing
// behind a refusal is said to hold that was not looked at.
func TestExplains(t *testing.T) {
	optional := []string{"no-crl", "stale-collateral", "revoked"} // of SNP, where no list is given
	all(t, func(folder string, c evidencetest.Case) {
		f := Judge(of(t, folder, c))
		if (f.Err == nil) != (c.Expect == "accept") {
			t.Errorf("%s/%s: %v", folder, c.ID, f.Err)
			return
		}
		if c.Expect == "accept" {
			for _, x := range f.Checks {
				open := folder == "snp" && slices.Contains(optional, x.Name) || folder == "token" && x.Name == "nonce" && c.Require.Nonce == ""
				if x.State != OK && !open || open && x.State == Failed {
					t.Errorf("%s/%s: %s is %s", folder, c.ID, x.Name, x.State)
				}
			}
			if f.Root == "" {
				t.Errorf("%s/%s: by whose root?", folder, c.ID)
			}
			return
		}
		at := f
		if f.Hardware != nil && f.Hardware.Err != nil {
			at = f.Hardware
		}
		if at.state(stage.Error(c.RejectStage)) != Failed {
			t.Errorf("%s/%s: not refused at %s: %+v", folder, c.ID, c.RejectStage, f.Checks)
		}
		for _, x := range f.Checks {
			if x.Says == "" || x.State == OK && errors.Is(f.Err, stage.Error(x.Name)) {
				t.Errorf("%s/%s: %+v", folder, c.ID, x)
			}
		}
	})
}

// TestRefusedAtOneCheck: a bit of the signature changed fails the signature, and nothing later is said to hold.
func TestRefusedAtOneCheck(t *testing.T) {
	c := evidencetest.Get(t, "sgx", "automata-a/2025-08-30")
	e := of(t, "sgx", c)
	e.Raw = evidencetest.Flipped(e.Raw, 48+384+4)
	f := Judge(e)
	for s, want := range map[stage.Error]State{
		stage.Parse: OK, stage.Chain: OK, stage.QuoteSignature: Failed, stage.QEBinding: OK, stage.QESignature: OK,
		stage.NoCollateral: NotReached, stage.TCBStatus: NotReached, stage.Debug: NotReached,
	} {
		if got := f.state(s); got != want {
			t.Errorf("%s is %s, want %s", s, got, want)
		}
	}
	if f.Genuine() || f.Malformed() || f.Root != "" {
		t.Errorf("genuine %v, malformed %v, root %q", f.Genuine(), f.Malformed(), f.Root)
	}
}

// TestMarks: what nobody may overlook stands in capitals, also where the evidence is refused.
func TestMarks(t *testing.T) {
	has := func(f *Finding, start string) bool {
		return slices.ContainsFunc(f.Marks, func(m string) bool { return strings.HasPrefix(m, start) })
	}
	debug := Judge(of(t, "tdx", evidencetest.Get(t, "tdx", "trustee-debug/2023-06-28")))
	if !has(debug, "DEBUG") || !debug.Genuine() || debug.Err == nil || has(debug, "TEST ROOT") {
		t.Errorf("debug: %v %v", debug.Marks, debug.Err)
	}
	if f := Judge(of(t, "sgx", evidencetest.Get(t, "sgx", "maa-debug/chain-only"))); f.Genuine() || !has(f, "DEBUG") {
		t.Errorf("debug, and nothing says that its machine is current: genuine %v", f.Genuine())
	}
	plain := Judge(of(t, "vtpm", evidencetest.Get(t, "vtpm", "plain-tpm")))
	if !has(plain, "PLAIN TPM") || !has(plain, "KEY NOT PINNED") {
		t.Errorf("plain: %v", plain.Marks)
	}
	e := of(t, "snp", evidencetest.Get(t, "snp", "aci-milan"))
	if f := Judge(e); len(f.Marks) != 0 || f.Err != nil {
		t.Errorf("marks without reason: %v %v", f.Marks, f.Err)
	}
	e.Root = e.Root[:len(e.Root)/2]
	if f := Judge(e); !has(f, "TEST ROOT") || f.Err == nil {
		t.Errorf("a root cut in half: %v", f.Marks)
	}
	s, _ := simulatedEvidence(t)
	if f := Judge(s); !has(f, "SIMULATED") || f.Err != nil || f.state(stage.Signature) != OK {
		t.Errorf("simulated: %v %v", f.Marks, f.Err)
	}
}

func simulatedEvidence(t testing.TB) (*Exhibit, *statement.Evidence) {
	t.Helper()
	k, err := seal.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	s, err := simulated.Attest(k, statement.Sum([]byte("build")), evidence.HelloBinding("j", "s"), statement.Perimeter{Form: "process", Details: []statement.Property{}}, at)
	if err != nil {
		t.Fatal(err)
	}
	src, err := statement.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(src, "")
	if err != nil {
		t.Fatal(err)
	}
	e.At = at
	return e, s
}

// TestAbsenceRefuses: what evidence must be judged by has no default.
func TestAbsenceRefuses(t *testing.T) {
	for name, x := range map[string]struct {
		folder, id string
		edit       func(*Exhibit)
		want       error
	}{
		"time":           {"sgx", "automata-a/2025-08-30", func(e *Exhibit) { e.At = time.Time{} }, ErrMissing},
		"collateral":     {"sgx", "automata-a/2025-08-30", func(e *Exhibit) { e.Collateral = nil }, stage.NoCollateral},
		"endorsement":    {"snp", "aci-milan", func(e *Exhibit) { e.Endorsements = nil }, ErrMissing},
		"audience":       {"token", "gcp-cs-pki/allow-debug", func(e *Exhibit) { e.Audience = "" }, ErrMissing},
		"nonce":          {"token", "gcp-cs-pki/allow-debug", func(e *Exhibit) { e.Nonce = "" }, ErrMissing},
		"nonce and any":  {"token", "gcp-cs-pki/allow-debug", func(e *Exhibit) { e.AnyNonce = true }, ErrMissing},
		"TPM's nonce":    {"vtpm", "plain-tpm", func(e *Exhibit) { e.Qualifying = nil }, ErrMissing},
		"Azure's nonce":  {"vtpm", "az-snp-v1", func(e *Exhibit) { e.Qualifying = nil }, ErrMissing},
		"key":            {"vtpm", "plain-tpm", func(e *Exhibit) { e.AKAsGiven = false }, ErrMissing},
		"another key":    {"vtpm", "plain-tpm", func(e *Exhibit) { e.AK = []byte("x") }, stage.Parse},
		"another kind":   {"sgx", "automata-a/2025-08-30", func(e *Exhibit) { e.Kind = TDX }, stage.Parse},
		"no such kind":   {"sgx", "automata-a/2025-08-30", func(e *Exhibit) { e.Kind = "x" }, stage.Parse},
		"debug, unnamed": {"nitro", "mysten-2024-debug", func(e *Exhibit) {}, stage.Debug},
	} {
		e := of(t, x.folder, evidencetest.Get(t, x.folder, x.id))
		x.edit(e)
		if f := Judge(e); !errors.Is(f.Err, x.want) || !slices.ContainsFunc(f.Checks, func(c Check) bool { return c.State == Failed }) {
			t.Errorf("%s: %v %+v", name, f.Err, f.Checks)
		}
	}
}

// TestRead: what is read without proof is what the case lists, and nothing of it is said to be proved.
func TestRead(t *testing.T) {
	all(t, func(folder string, c evidencetest.Case) {
		s := Read(of(t, folder, c))
		if s.Err != nil {
			t.Errorf("%s/%s: %v", folder, c.ID, s.Err)
			return
		}
		for name, raw := range c.Fields {
			if _, ok := s.Fields[name]; !ok {
				t.Errorf("%s/%s: %s not read (%s)", folder, c.ID, name, raw)
			}
		}
		if s.Debug != nil && *s.Debug != c.Debug {
			t.Errorf("%s/%s: debug %v", folder, c.ID, *s.Debug)
		}
	})
}

func TestRefusedForm(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("..", "testdata", "sgx", "neg-ppid-certdata.quote.bin"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(src, "")
	if err != nil {
		t.Fatal(err)
	}
	e.At = time.Now()
	if f := Judge(e); !f.Malformed() || f.state(stage.Parse) != Failed || Read(e).Err == nil {
		t.Errorf("%v", f.Err)
	}
	for _, src := range [][]byte{nil, []byte("x"), []byte("{}"), bytes.Repeat([]byte{0xff}, 1184), make([]byte, MaxFile+1)} {
		if e, err := Open(src, ""); !errors.Is(err, stage.Parse) {
			t.Errorf("%d bytes are %v: %v", len(src), e, err)
		}
	}
}

// TestBundle: the evidence of a receipt, at the end that the receipt states.
func TestBundle(t *testing.T) {
	a := receipttest.New(t, receipttest.Edit{})
	e, err := Open(a.Bytes, "")
	if err != nil {
		t.Fatal(err)
	}
	if e.Kind != Simulated || e.At.IsZero() {
		t.Errorf("%s at %s", e.Kind, e.At)
	}
	if f := Judge(e); f.Err != nil {
		t.Error(f.Err)
	}
}

// hostedEvidence is a quote that an operator vouches for.
func hostedEvidence(t testing.TB, quote []byte, data []byte, digest statement.Digest, endorsements ...[]byte) *statement.Evidence {
	t.Helper()
	k, err := seal.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	p := statement.Perimeter{Form: "gramine", Details: []statement.Property{}}
	e, err := hosted.Attest(k, evidence.SGX, digest, evidence.ReportData(data), p, hosted.Quoted{Quote: quote, Endorsements: endorsements}, time.UnixMilli(1))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestHosted: an operator's word is held against the quote that it vouches for.
func TestHosted(t *testing.T) {
	c := evidencetest.Get(t, "sgx", "automata-a/2025-08-30")
	quote, collateral := c.Read(t, c.File), c.Read(t, c.Collateral)
	data := make([]byte, 64) // as the quote has it
	digest, _ := measured(&Exhibit{Kind: SGX, Raw: quote})
	judge := func(s *statement.Evidence) *Finding {
		e, err := Of(s)
		if err != nil {
			t.Fatal(err)
		}
		e.At = c.At
		return Judge(e)
	}
	good := hostedEvidence(t, quote, data, statement.Digest(digest), collateral)
	if f := judge(good); f.Err != nil || f.state(stageHost) != OK {
		t.Errorf("%v", f.Err)
	}
	if e, _ := Of(good); Read(e).Form != "gramine" || Read(e).Operator == "" || Read(e).Build != digest {
		t.Errorf("%+v", Read(e))
	}
	other := append([]byte(nil), data...)
	other[0] = 1
	for name, s := range map[string]*statement.Evidence{
		"other report data": hostedEvidence(t, quote, other, statement.Digest(digest), collateral),
		"other build":       hostedEvidence(t, quote, data, statement.Sum(nil), collateral),
		"other signature":   {Kind: good.Kind, Raw: bytes.Replace(good.Raw, []byte(`"sig":"`), []byte(`"sig":"AAAA`), 1), Endorsements: good.Endorsements},
	} {
		if f := judge(s); !errors.Is(f.Err, stageHost) || f.state(stageHost) != Failed {
			t.Errorf("%s: %v", name, f.Err)
		}
	}
}

// FuzzOpen: whatever comes, it is judged and read without a panic, and a refusal has a line that says so.
func FuzzOpen(f *testing.F) {
	all(f, func(_ string, c evidencetest.Case) { f.Add(c.Read(f, c.File)) })
	f.Fuzz(func(t *testing.T, src []byte) {
		e, err := Open(src, "")
		if err != nil {
			return
		}
		e.At = time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
		e.Demands = Demands{Audience: "x", AnyNonce: true, Qualifying: []byte("x"), AKAsGiven: true}
		Read(e)
		found := Judge(e)
		if found.Err != nil && !slices.ContainsFunc(found.Checks, func(c Check) bool { return c.State == Failed }) {
			t.Error("refused, and no line says so")
		}
	})
}
