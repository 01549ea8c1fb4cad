package simulated_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/statement/vectors"
)

// What verifies and what does not is in statement/vectors.

func perimeter() statement.Perimeter {
	return statement.Perimeter{Form: "process", Details: []statement.Property{{Name: "swap", Value: "off"}}}
}

func TestAttest(t *testing.T) {
	op, at := receipttest.NewParty(t, "cloudco"), time.UnixMilli(1767366245000)
	data := evidence.HelloBinding("job", "session")
	e, err := simulated.Attest(op.Key, receipttest.Build, data, perimeter(), at)
	if err != nil {
		t.Fatal(err)
	}
	c, err := simulated.Verify(context.Background(), e, at)
	if err != nil || c.ReportData != data || c.Build != receipttest.Build || c.Operator != op.Fingerprint() || !c.Simulated || c.Debug ||
		c.Kind != simulated.Kind || c.Perimeter.Form != "process" || !c.Perimeter.Simulated || !c.MadeAt.Equal(at) {
		t.Fatalf("%v, %+v", err, c)
	}
	if _, err := simulated.Verify(context.Background(), &statement.Evidence{Kind: "sgx", Raw: e.Raw}, at); !errors.Is(err, evidence.ErrKind) {
		t.Errorf("another kind: %v", err)
	}
}

func TestAttestRefuses(t *testing.T) {
	op := receipttest.NewParty(t, "cloudco")
	unnamed, unsorted := perimeter(), perimeter()
	unnamed.Form = ""
	unsorted.Details = append(unsorted.Details, statement.Property{Name: "landlock", Value: "6"})
	for name, x := range map[string]struct {
		build statement.Digest
		p     statement.Perimeter
	}{"no build": {"", perimeter()}, "no form": {receipttest.Build, unnamed}, "details not sorted": {receipttest.Build, unsorted}} {
		if e, err := simulated.Attest(op.Key, x.build, evidence.ReportData{1}, x.p, time.Now()); e != nil || !errors.Is(err, evidence.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzSimulated: any bytes give claims or an error, never both and no panic. What
// verifies encodes to the same bytes again: there is one form of a report.
func FuzzSimulated(f *testing.F) {
	var at time.Time
	for _, v := range vectors.AllEvidence() {
		var e statement.Evidence
		if err := statement.Unmarshal([]byte(v.Evidence), &e); err != nil {
			f.Fatal(err)
		}
		at = time.UnixMilli(v.AtMS)
		f.Add(e.Raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e := &statement.Evidence{Kind: simulated.Kind, Raw: raw}
		c, err := evidence.Verifiers{simulated.Kind: simulated.Verify}.Verify(context.Background(), e, at)
		if (c == nil) == (err == nil) {
			t.Fatal("either claims or an error")
		}
		if err != nil {
			return
		}
		if !c.Simulated || c.Kind != simulated.Kind || !c.Build.Valid() || !c.Operator.Valid() || !c.Perimeter.Valid() {
			t.Fatalf("incomplete claims: %+v", c)
		}
		var s struct {
			Report []byte `json:"report"`
			Sig    []byte `json:"sig"`
		}
		var r evidence.Report
		if statement.Unmarshal(raw, &s) != nil || statement.Unmarshal(s.Report, &r) != nil {
			t.Fatal("verified, but not in the one encoding")
		}
	})
}
