package evidence_test

import (
	"errors"
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
)

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

// hardware is a policy on machines of both vendors.
func hardware() evidence.TCBPolicy {
	return evidence.TCBPolicy{
		Statuses: []string{"UpToDate", "SWHardeningNeeded"}, Advisories: []string{"INTEL-SA-1", "INTEL-SA-2"},
		MinDate: day("2025-03-01"), MinEvaluation: 18,
		MinVersion: map[string]map[string]uint8{"Milan": {"bootloader": 4, "tee": 0, "snp": 24, "microcode": 219}},
	}
}

// machine is one that hardware accepts, just so.
func machine(kind string) *evidence.Claims {
	c := claims()
	c.Kind = kind
	switch kind {
	case evidence.SGX, evidence.TDX:
		c.TCB = evidence.TCB{Status: "SWHardeningNeeded", Advisories: []string{"INTEL-SA-2"}, Date: day("2025-03-01"), Evaluation: 18}
	case evidence.SNP:
		c.TCB = evidence.TCB{Line: "Milan", Components: map[string]uint8{"bootloader": 4, "tee": 0, "snp": 24, "microcode": 219}}
	}
	return c
}

func TestAppraiseTCB(t *testing.T) {
	type what struct {
		c *evidence.TCB
		p *evidence.TCBPolicy
	}
	for _, x := range []struct {
		name, kind string
		edit       func(what)
		want       error
	}{
		{"SGX as agreed", evidence.SGX, func(what) {}, nil},
		{"TDX as agreed", evidence.TDX, func(what) {}, nil},
		{"SNP as agreed", evidence.SNP, func(what) {}, nil},
		{"Nitro has none", evidence.Nitro, func(w what) { *w.p = evidence.TCBPolicy{} }, nil},
		{"simulated has none", evidence.Simulated, func(w what) { *w.p = evidence.TCBPolicy{} }, nil},
		{"software TPM has none", evidence.TPMSoftware, func(w what) { *w.p = evidence.TCBPolicy{} }, nil},
		{"left to owners", evidence.TDX, func(w what) { *w.p, *w.c = evidence.TCBPolicy{LeftToOwners: true}, evidence.TCB{Status: "OutOfDate"} }, nil},
		{"left to owners, and stated", evidence.TDX, func(w what) { w.p.LeftToOwners = true }, evidence.ErrPolicy},
		{"no status stated", evidence.TDX, func(w what) { w.p.Statuses = nil }, evidence.ErrPolicy},
		{"no date stated", evidence.TDX, func(w what) { w.p.MinDate = time.Time{} }, evidence.ErrPolicy},
		{"no evaluation stated", evidence.TDX, func(w what) { w.p.MinEvaluation = 0 }, evidence.ErrPolicy},
		{"no AMD stated", evidence.SNP, func(w what) { w.p.MinVersion = nil }, evidence.ErrPolicy},
		{"another status", evidence.TDX, func(w what) { w.c.Status = "OutOfDate" }, evidence.ErrTCBStatus},
		{"no status", evidence.TDX, func(w what) { w.c.Status = "" }, evidence.ErrTCBStatus},
		{"another advisory", evidence.TDX, func(w what) { w.c.Advisories = append(w.c.Advisories, "INTEL-SA-3") }, evidence.ErrAdvisory},
		{"no advisory is accepted", evidence.SGX, func(w what) { w.p.Advisories = nil }, evidence.ErrAdvisory},
		{"a day too old", evidence.TDX, func(w what) { w.c.Date = day("2025-02-28") }, evidence.ErrTCBDate},
		{"an evaluation too early", evidence.TDX, func(w what) { w.c.Evaluation = 17 }, evidence.ErrTCBEvaluation},
		{"another line", evidence.SNP, func(w what) { w.c.Line = "Genoa" }, evidence.ErrTCBVersion},
		{"no line", evidence.SNP, func(w what) { w.c.Line = "" }, evidence.ErrTCBVersion},
		{"bootloader too low", evidence.SNP, func(w what) { w.c.Components["bootloader"] = 3 }, evidence.ErrTCBVersion},
		{"snp too low, microcode higher", evidence.SNP, func(w what) { w.c.Components["snp"], w.c.Components["microcode"] = 23, 255 }, evidence.ErrTCBVersion},
		{"microcode too low", evidence.SNP, func(w what) { w.c.Components["microcode"] = 218 }, evidence.ErrTCBVersion},
		{"tee missing", evidence.SNP, func(w what) { delete(w.c.Components, "tee") }, evidence.ErrTCBVersion},
		{"tee not stated", evidence.SNP, func(w what) { delete(w.p.MinVersion["Milan"], "tee") }, evidence.ErrPolicy},
	} {
		t.Run(x.name, func(t *testing.T) {
			c, p := machine(x.kind), policy()
			p.Kinds, p.TCB = []string{x.kind}, hardware()
			x.edit(what{&c.TCB, &p.TCB})
			if err := evidence.Appraise(c, p, data); !errors.Is(err, x.want) || (err == nil) != (x.want == nil) {
				t.Errorf("%v, want %v", err, x.want)
			}
		})
	}
}

// Of several policies the stricter holds in each respect, and what one of them lacks is lacking.
func TestIntersectTCB(t *testing.T) {
	p, q := policy(), policy()
	p.TCB, q.TCB = hardware(), evidence.TCBPolicy{
		Statuses: []string{"UpToDate", "OutOfDate"}, Advisories: []string{"INTEL-SA-2", "INTEL-SA-3"}, MinDate: day("2024-01-01"), MinEvaluation: 20,
		MinVersion: map[string]map[string]uint8{
			"Milan": {"bootloader": 3, "tee": 1, "snp": 25, "microcode": 1}, "Genoa": {"bootloader": 1},
		},
	}
	want := evidence.TCBPolicy{
		Statuses: []string{"UpToDate"}, Advisories: []string{"INTEL-SA-2"}, MinDate: day("2025-03-01"), MinEvaluation: 20,
		MinVersion: map[string]map[string]uint8{"Milan": {"bootloader": 4, "tee": 1, "snp": 25, "microcode": 219}},
	}
	for name, got := range map[string]evidence.Policy{"one way": p.Intersect(q), "other way": q.Intersect(p)} {
		if !reflect.DeepEqual(got.TCB, want) {
			t.Errorf("%s: %+v", name, got.TCB)
		}
	}
	if !maps.Equal(p.TCB.MinVersion["Milan"], hardware().MinVersion["Milan"]) {
		t.Error("a policy was changed")
	}
	left := policy()
	left.TCB.LeftToOwners = true
	for name, got := range map[string]evidence.Policy{"contract first": left.Intersect(p), "contract last": p.Intersect(left)} {
		if !reflect.DeepEqual(got.TCB, hardware()) {
			t.Errorf("%s: %+v", name, got.TCB)
		}
	}
	if !left.Intersect(left).TCB.LeftToOwners {
		t.Error("nobody stated anything, and it is no longer left")
	}
	for name, edit := range map[string]func(*evidence.TCBPolicy){
		"status": func(p *evidence.TCBPolicy) { p.Statuses = nil }, "date": func(p *evidence.TCBPolicy) { p.MinDate = time.Time{} },
		"evaluation": func(p *evidence.TCBPolicy) { p.MinEvaluation = 0 }, "AMD": func(p *evidence.TCBPolicy) { p.MinVersion = nil },
	} {
		lacks := policy()
		lacks.TCB = hardware()
		edit(&lacks.TCB)
		got := lacks.Intersect(p)
		got.Kinds = []string{evidence.TDX}
		kind := evidence.TDX
		if name == "AMD" {
			kind, got.Kinds = evidence.SNP, []string{evidence.SNP}
		}
		if err := evidence.Appraise(machine(kind), got, data); !errors.Is(err, evidence.ErrPolicy) {
			t.Errorf("one lacks the %s: %v", name, err)
		}
	}
}

func TestVendors(t *testing.T) {
	for kind, want := range map[string]evidence.Vendor{
		evidence.SGX: evidence.Intel, evidence.TDX: evidence.Intel, evidence.SNP: evidence.AMD, evidence.AzureTDX: evidence.Intel, evidence.AzureSNP: evidence.AMD, evidence.Nitro: evidence.NoVendor,
		evidence.Simulated: evidence.NoVendor, evidence.TPMSoftware: evidence.NoVendor,
	} {
		if got, known := evidence.VendorOf(kind); got != want || !known {
			t.Errorf("%s: %q, %v", kind, got, known)
		}
	}
	if intel, amd := evidence.Needs([]string{evidence.Nitro, evidence.TDX}); !intel || amd {
		t.Error("needs of TDX", intel, amd)
	}
	if intel, amd := evidence.Needs([]string{evidence.Simulated, evidence.SNP}); intel || !amd {
		t.Error("needs of SNP", intel, amd)
	}
	if intel, amd := evidence.Needs([]string{evidence.Nitro}); intel || amd {
		t.Error("needs of Nitro", intel, amd)
	}
}
