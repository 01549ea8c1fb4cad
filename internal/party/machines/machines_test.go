package machines

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/exhibit"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/internal/party/collateral"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

const recorded = "../../../evidence/testdata"

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(recorded, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// past is a home with one job of each kind of machine, each released at its own time.
func past(t *testing.T) (Past, map[string]statement.Digest) {
	t.Helper()
	dir, err := home.Create(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := collateral.Open(dir, collateral.Anchors{})
	if err != nil {
		t.Fatal(err)
	}
	k, err := seal.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	day := func(s string) time.Time {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	sim := func(build string, at time.Time) *statement.Evidence {
		e, err := simulated.Attest(k, statement.Sum([]byte(build)), evidence.HelloBinding("j", "s"), statement.Perimeter{Form: "process", Details: []statement.Property{}}, at)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	p := Past{Home: dir, Cache: c, Now: day("2026-10-01T00:00:00Z")}
	jobs := map[string]statement.Digest{}
	simTime := day("2025-01-01T00:00:00Z")
	for _, x := range []struct {
		name string
		at   time.Time
		e    *statement.Evidence
	}{
		{"simulated", simTime, sim("one", simTime)},
		{"another build", simTime.Add(time.Hour), sim("two", simTime.Add(time.Hour))},
		{"hardening", day("2025-08-30T05:09:06Z"), &statement.Evidence{Kind: "sgx-dcap", Raw: file(t, "sgx/automata-a.quote.bin"), Endorsements: [][]byte{file(t, "sgx/collateral/sgx-00606a000000-20250830-f80c13.json")}}},
		{"up to date", day("2025-06-23T02:49:24Z"), &statement.Evidence{Kind: "tdx-dcap", Raw: file(t, "tdx/dcapqvl-tdx.quote.bin"), Endorsements: [][]byte{file(t, "tdx/collateral/tdx-b0c06f000000-20250623-99ffa7.json")}}},
		{"amd", day("2026-01-04T06:04:27Z"), &statement.Evidence{Kind: "snp", Raw: file(t, "snp/gcp-milan-v5.report.bin"), Endorsements: [][]byte{file(t, "snp/gcp-milan-v5.ek.der")}}},
		{"no collateral", day("2025-08-30T07:28:39Z"), &statement.Evidence{Kind: "tdx-dcap", Raw: file(t, "tdx/near-gas.quote.bin")}},
		{"not kept", day("2025-02-01T00:00:00Z"), nil},
	} {
		job := statement.Sum([]byte(x.name))
		jobs[x.name] = job
		ev := statement.Sum([]byte("evidence of " + x.name))
		if x.e != nil {
			if ev, err = x.e.Digest(); err != nil {
				t.Fatal(err)
			}
			if err := Keep(dir, job, x.e, x.at.UnixMilli()); err != nil {
				t.Fatal(err)
			}
		}
		if x.name != "another build" { // of a job that this party only asked
			p.Entries = append(p.Entries, ledger.Entry{Kind: ledger.KindRelease, Job: job, Evidence: ev, AtMS: x.at.UnixMilli(), Release: job})
		}
	}
	p.Entries = append(p.Entries, ledger.Entry{Kind: ledger.KindClose, Job: jobs["simulated"], Release: jobs["simulated"]})
	return p, jobs
}

func (p Past) names(t *testing.T, jobs map[string]statement.Digest, q Query, tcb ...string) (yes, unknown []string) {
	t.Helper()
	for _, s := range tcb {
		c, err := ParseCriterion(s)
		if err != nil {
			t.Fatal(err)
		}
		q.TCB = append(q.TCB, c)
	}
	list, err := Find(p, q)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		for name, job := range jobs {
			switch {
			case job != r.Job:
			case r.Match == Yes:
				yes = append(yes, name)
			default:
				unknown = append(unknown, name)
				if r.Why == "" {
					t.Errorf("%s: unknown, and not why", name)
				}
			}
		}
	}
	slices.Sort(yes)
	slices.Sort(unknown)
	return yes, unknown
}

func TestFind(t *testing.T) {
	p, jobs := past(t)
	for name, x := range map[string]struct {
		q            Query
		tcb          []string
		yes, unknown string
	}{
		"all":                 {Query{}, nil, "amd another build hardening no collateral simulated up to date", "not kept"},
		"kind":                {Query{Kinds: []string{"simulated"}}, nil, "another build simulated", "not kept"},
		"build":               {Query{Builds: []string{string(statement.Sum([]byte("one")))}}, nil, "simulated", "not kept"},
		"measurement":         {Query{Builds: []string{"a4f45c39dac622cb1dd32ddb35a52ec92db41d0fa88a1c911c49e59c534f61cd"}}, nil, "hardening", "not kept"},
		"perimeter":           {Query{Forms: []string{"process"}}, nil, "another build simulated", "not kept"},
		"kind and other form": {Query{Kinds: []string{"simulated"}, Forms: []string{"vm"}}, nil, "", "not kept"},
		"advisory then":       {Query{Kinds: []string{"sgx", "tdx", "snp"}}, []string{"INTEL-SA-00615"}, "hardening", "no collateral not kept up to date"},
		"status then":         {Query{Kinds: []string{"sgx", "snp"}}, []string{"SWHardeningNeeded"}, "hardening", "not kept"},
		"date":                {Query{Kinds: []string{"sgx", "tdx"}}, []string{"2024-03-14"}, "hardening up to date", "no collateral not kept"},
		"earlier date":        {Query{Kinds: []string{"sgx", "tdx"}}, []string{"2018-01-01"}, "", "no collateral not kept"},
		"AMD below":           {Query{Kinds: []string{"snp", "sgx"}}, []string{"ff00000000000000"}, "amd", "not kept"},
		"AMD not below":       {Query{Kinds: []string{"snp", "sgx"}}, []string{"0000000000000000"}, "", "not kept"},
		"one of several":      {Query{Kinds: []string{"sgx", "snp"}}, []string{"ff00000000000000", "INTEL-SA-00615"}, "amd hardening", "not kept"},
		"no TCB is told":      {Query{Kinds: []string{"simulated"}}, []string{"INTEL-SA-00615"}, "", "another build not kept simulated"},
		"AMD's advisory":      {Query{Kinds: []string{"snp"}}, []string{"AMD-SB-3019"}, "", "amd not kept"},
	} {
		t.Run(name, func(t *testing.T) {
			yes, unknown := p.names(t, jobs, x.q, x.tcb...)
			if strings.Join(yes, " ") != x.yes || strings.Join(unknown, " ") != x.unknown {
				t.Errorf("%v; unknown %v", yes, unknown)
			}
		})
	}
}

// TestFindByWhatIsSaidNow: a machine that was UpToDate when keys were released is found by what its vendor says since.
func TestFindByWhatIsSaidNow(t *testing.T) {
	p, jobs := past(t)
	q := Query{Kinds: []string{"tdx"}}
	if yes, unknown := p.names(t, jobs, q, "OutOfDate"); len(yes) != 0 || !slices.Contains(unknown, "up to date") {
		t.Errorf("without current collateral: %v, unknown %v", yes, unknown)
	}
	p.Now = time.Date(2026, 8, 28, 5, 21, 24, 0, time.UTC)
	if _, err := p.Cache.Put(file(t, "tdx/collateral/tdx-b0c06f000000-20260828-dc25a7.json"), p.Now); err != nil {
		t.Fatal(err)
	}
	if yes, _ := p.names(t, jobs, q, "OutOfDate"); !slices.Equal(yes, []string{"up to date"}) {
		t.Errorf("with it: %v", yes)
	}
	if yes, unknown := p.names(t, jobs, q, "Revoked"); len(yes) != 0 || slices.Contains(unknown, "up to date") {
		t.Errorf("another status: %v, unknown %v", yes, unknown)
	}
}

// TestOpenAndDamaged: exposures without a receipt are told; evidence that was changed is unknown, not absent.
func TestOpenAndDamaged(t *testing.T) {
	p, jobs := past(t)
	list, err := Find(p, Query{})
	if err != nil || len(list) != len(jobs) || !slices.IsSortedFunc(list, func(a, b *Ran) int { return int(a.AtMS - b.AtMS) }) {
		t.Fatalf("%d jobs, %v", len(list), err)
	}
	for _, r := range list {
		if open := r.Job != jobs["simulated"] && r.Job != jobs["another build"]; r.Open != open {
			t.Errorf("%s open: %v", r.Job.Short(), r.Open)
		}
	}
	files, err := filepath.Glob(filepath.Join(p.Home.Job(jobs["hardening"]), "evidence-*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	other, err := filepath.Glob(filepath.Join(p.Home.Job(jobs["amd"]), "evidence-*.json"))
	if err != nil || len(other) != 1 {
		t.Fatal(other, err)
	}
	src, err := os.ReadFile(other[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"cut": src[:100], "of another job": src, "nothing": nil} {
		if err := os.WriteFile(files[0], b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, unknown := p.names(t, jobs, Query{Kinds: []string{"x"}}); !slices.Equal(unknown, []string{"hardening", "not kept"}) {
			t.Errorf("%s: unknown are %v", name, unknown)
		}
	}
}

func TestCriteria(t *testing.T) {
	for _, s := range []string{"", "x", "2024-13-01", "outofdate", "INTEL-SA-", "0123", "0123456789ABCDEF"} {
		if c, err := ParseCriterion(s); err == nil {
			t.Errorf("%q is %+v", s, c)
		}
	}
	f := &exhibit.Facts{Status: "below every level"}
	if !f.Before(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Error("a machine below every level is not old")
	}
}
