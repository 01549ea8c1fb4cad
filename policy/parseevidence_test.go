package policy_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/policy"
)

var zeroBuild = "sha256:" + strings.Repeat("0", 64)

// onHardware is the usual policy with machines of both vendors.
func onHardware(t testing.TB) string {
	t.Helper()
	return strings.Replace(policyText(t), `evidence: {accept: [simulated], builds: ["`+zeroBuild+`"], perimeters: [process]}`, `evidence:
  accept: [sgx-dcap, tdx-dcap, snp, nitro]
  builds: ["`+zeroBuild+`"]
  perimeters: [vm]
  tcb_status: [UpToDate, SWHardeningNeeded]
  advisories: [INTEL-SA-00615]
  min_tcb_date: 2024-11-13
  min_tcb_evaluation: 18
  min_tcb_snp:
    milan: {bootloader: 4, tee: 0, snp: 24, microcode: 219}
    turin: {fmc: 1, bootloader: 2, tee: 3, snp: 4, microcode: 255}
  debug: host-can-read-enclave-memory`, 1)
}

func TestEvidenceOfHardware(t *testing.T) {
	p, err := policy.Parse([]byte(onHardware(t)))
	if err != nil {
		t.Fatal(err)
	}
	want := policy.Evidence{
		Accept: []string{"sgx-dcap", "tdx-dcap", "snp", "nitro"}, Builds: []string{zeroBuild}, Perimeters: []string{"vm"}, Debug: true,
		TCBStatus: []string{"UpToDate", "SWHardeningNeeded"}, Advisories: []string{"INTEL-SA-00615"},
		MinTCBDate: time.Date(2024, 11, 13, 0, 0, 0, 0, time.UTC), MinTCBEvaluation: 18,
		MinTCBSNP: map[string]map[string]uint8{
			"Milan": {"bootloader": 4, "tee": 0, "snp": 24, "microcode": 219}, "Turin": {"fmc": 1, "bootloader": 2, "tee": 3, "snp": 4, "microcode": 255},
		},
	}
	got := p.Evidence()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	got.MinTCBSNP["Milan"]["snp"], got.TCBStatus[0], got.Advisories[0] = 0, "Revoked", ""
	if !reflect.DeepEqual(p.Evidence(), want) {
		t.Error("a caller changed the policy")
	}
	plain, err := policy.Parse([]byte(policyText(t)))
	if err != nil || plain.Evidence().Debug {
		t.Error("debug without a word", err)
	}
}

// Each case breaks one thing.
func TestEvidenceFaults(t *testing.T) {
	for name, c := range map[string]struct{ old, new, at, msg string }{
		"unknown kind":              {"accept: [sgx-dcap,", "accept: [sgx,", "26:12", `not allowed in accept: "sgx"`},
		"another debug":             {"debug: host-can-read-enclave-memory", "debug: allowed", "36:10", "not a value of debug"},
		"debug true":                {"debug: host-can-read-enclave-memory", "debug: true", "36:10", "must be text"},
		"no status":                 {"  tcb_status: [UpToDate, SWHardeningNeeded]\n", "", "26:3", "tcb_status is missing"},
		"revoked":                   {"[UpToDate, SWHardeningNeeded]", "[UpToDate, Revoked]", "29:26", "not allowed"},
		"unknown status":            {"[UpToDate, SWHardeningNeeded]", "[uptodate]", "29:16", "not allowed"},
		"no date":                   {"  min_tcb_date: 2024-11-13\n", "", "26:3", "min_tcb_date is missing"},
		"not a date":                {"min_tcb_date: 2024-11-13", "min_tcb_date: 2024", "31:17", "must be a date"},
		"no evaluation":             {"  min_tcb_evaluation: 18\n", "", "26:3", "min_tcb_evaluation is missing"},
		"evaluation zero":           {"min_tcb_evaluation: 18", "min_tcb_evaluation: 0", "32:23", "from 1"},
		"empty advisories":          {"[INTEL-SA-00615]", "[]", "30:15", "empty"},
		"advisory of another form":  {"[INTEL-SA-00615]", "['any advisory']", "30:16", "not allowed"},
		"no AMD":                    {"  min_tcb_snp:\n    milan: {bootloader: 4, tee: 0, snp: 24, microcode: 219}\n    turin: {fmc: 1, bootloader: 2, tee: 3, snp: 4, microcode: 255}\n", "", "26:3", "min_tcb_snp is missing"},
		"unknown line":              {"    milan:", "    rome:", "34:5", "unknown key"},
		"component missing":         {"tee: 0, ", "", "34:12", "tee is missing"},
		"component of another line": {"milan: {", "milan: {fmc: 1, ", "34:13", "unknown key"},
		"component too large":       {"microcode: 219", "microcode: 256", "34:56", "from 0 to 255"},
		"Intel's without Intel":     {"[sgx-dcap, tdx-dcap, snp, nitro]", "[snp, nitro]", "29:3", "no kind of theirs is accepted"},
		"AMD's without AMD":         {"[sgx-dcap, tdx-dcap, snp, nitro]", "[sgx-dcap, nitro]", "33:3", "no kind of theirs is accepted"},
		"no line":                   {"\n    milan: {bootloader: 4, tee: 0, snp: 24, microcode: 219}\n    turin: {fmc: 1, bootloader: 2, tee: 3, snp: 4, microcode: 255}", " {}", "33:16", "min_tcb_snp is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(onHardware(t), c.old, c.new, 1)
			p, err := policy.Parse([]byte(text))
			var s *policy.SyntaxError
			if !errors.As(err, &s) || p != nil {
				t.Fatalf("accepted or of another kind: %v", err)
			}
			if !strings.HasPrefix(s.Error(), "policy:"+c.at+": ") || !strings.Contains(s.Error(), c.msg) || s.Hint == "" {
				t.Errorf("%v\nwant %s at %s", err, c.msg, c.at)
			}
		})
	}
}

func TestResolveBuilds(t *testing.T) {
	one := "sha256:" + strings.Repeat("1", 64)
	known := map[string]string{"cordon-1.0": one, "bad": "sha256:1"}
	for name, builds := range map[string]string{
		"plain": "[cordon-1.0]", "double quotes": `["cordon-1.0"]`, "single quotes": "['cordon-1.0']", "behind letters": "[  cordon-1.0 ] # è cordon-1.0",
		"with a digest": `["` + zeroBuild + `", cordon-1.0]`, "a line each": "\n  - cordon-1.0\n  - \"" + zeroBuild + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(onHardware(t), `builds: ["`+zeroBuild+`"]`, "builds: "+builds, 1)
			if _, err := policy.Parse([]byte(text)); err == nil {
				t.Error("a name is taken for a digest")
			}
			got, err := policy.ResolveBuilds([]byte(text), known)
			if err != nil {
				t.Fatal(err)
			}
			p, err := policy.Parse(got)
			if err != nil {
				t.Fatalf("%v\n%s", err, got)
			}
			if list := p.Evidence().Builds; !reflect.DeepEqual(list, []string{one}) && !reflect.DeepEqual(list, []string{zeroBuild, one}) && !reflect.DeepEqual(list, []string{one, zeroBuild}) {
				t.Error(list)
			}
			if _, err := policy.ResolveBuilds([]byte(text), nil); err == nil {
				t.Error("a name that nobody knows")
			}
		})
	}
	text := onHardware(t)
	if got, err := policy.ResolveBuilds([]byte(text), nil); err != nil || string(got) != text {
		t.Error("a policy without names was changed", err)
	}
	for name, builds := range map[string]string{"unknown": "[other]", "resolved to no digest": "[bad]", "written with escapes": `["cordon\u002d1.0"]`} {
		var s *policy.SyntaxError
		_, err := policy.ResolveBuilds([]byte(strings.Replace(text, `["`+zeroBuild+`"]`, builds, 1)), known)
		if !errors.As(err, &s) || s.Line != 27 || s.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, other := range []string{"", "a: [", "evidence: x", "evidence: {builds: x}", "[]", "a: 1\n---\nb: 2"} {
		if got, err := policy.ResolveBuilds([]byte(other), known); err != nil || string(got) != other {
			t.Errorf("%q: %v", other, err)
		}
	}
}

// FuzzResolveBuilds: nothing but names of builds is replaced, so that resolving again changes nothing.
func FuzzResolveBuilds(f *testing.F) {
	f.Add([]byte("evidence: {builds: [a, \"b\", 'a']}"))
	f.Add([]byte(onHardware(f)))
	known := map[string]string{"a": "sha256:" + strings.Repeat("1", 64), "b": "sha256:" + strings.Repeat("2", 64)}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := policy.ResolveBuilds(text, known)
		if err != nil {
			return
		}
		again, err := policy.ResolveBuilds(got, nil)
		if err != nil || string(again) != string(got) {
			t.Fatalf("%q became %q, and then %q, %v", text, got, again, err)
		}
	})
}
