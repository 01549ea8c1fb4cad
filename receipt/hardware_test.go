package receipt_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/kinds"
	"github.com/cordon-exchange/cordon/evidence/machinetest"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

// hardware makes accounts of jobs on machines of our own.
type hardware struct {
	t       *testing.T
	m       *machinetest.Machines
	kind    string
	enclave machinetest.Enclave
	edit    receipttest.Edit
	found   func(*statement.Appraisal) // what each owner found, before it is signed
	accept  []string                   // lines of the owners' policies on machines; default strict
}

func (h *hardware) verify() (*receipt.Report, error) {
	h.t.Helper()
	build := statement.Digest(machinetest.Build(h.kind, h.enclave))
	at := receipttest.Start.Add(900 * time.Millisecond)
	e, o := h.edit, kinds.Options{Anchors: h.m.Anchors()}
	e.Contract = func(c *statement.Contract) { c.Evidence, c.Builds = []string{h.kind}, []statement.Digest{build} }
	accept := h.accept
	if accept == nil {
		accept = strict(h.kind)
	}
	operators := []statement.Fingerprint{receipttest.NewParty(h.t, "cloudco").Fingerprint()}
	e.Offer = func(o *statement.Offer) { o.Policy = receipttest.PolicyText(operators, h.kind, build, accept...) }
	e.Report = func(r *receipttest.Report) { r.Build = build }
	var shown statement.Appraisal
	e.Hosted = func(data evidence.ReportData) (string, hosted.Quoted) {
		q := h.m.Quote(h.t, h.kind, h.enclave, data)
		if m, err := o.Machine(h.kind)(context.Background(), q.Quote, q.Endorsements, at); err == nil {
			c := evidence.Claims{Kind: h.kind, Simulated: m.Simulated, Debug: m.Debug, TCB: m.TCB}
			shown = c.Appraisal()
		}
		return h.kind, q
	}
	e.Release = func(r *statement.Release) {
		policies := r.Appraisal.Policies
		r.Appraisal = shown
		r.Appraisal.Kind, r.Appraisal.Simulated, r.Appraisal.Policies = h.kind, statement.SoftwareRooted(h.kind), policies
		if h.found != nil {
			h.found(&r.Appraisal)
		}
	}
	a := receipttest.New(h.t, e)
	return receipt.Verify(context.Background(), a.Bytes, receipt.Options{Pins: a.Pins(), Verifiers: kinds.Verifiers(o)})
}

// strict are demands that a machine meets which is up to date, in the words of policies.
func strict(kind string) []string {
	switch v, _ := evidence.VendorOf(kind); v {
	case evidence.Intel:
		return intel("UpToDate", "2025-11-12", "20")
	case evidence.AMD:
		return amd("219")
	}
	return []string{}
}

func intel(statuses, date, evaluation string) []string {
	return []string{"  tcb_status: [" + statuses + "]", "  min_tcb_date: " + date, "  min_tcb_evaluation: " + evaluation}
}

func amd(microcode string) []string {
	return []string{"  min_tcb_snp:", "    milan: {bootloader: 4, tee: 0, snp: 24, microcode: " + microcode + "}"}
}

const (
	debug = "  debug: host-can-read-enclave-memory"
	known = "  advisories: [INTEL-SA-00002]"
)

// outdated accepts old machines of Intel's.
func outdated(more ...string) []string {
	return append(intel("UpToDate, OutOfDate", "2023-11-12", "19"), more...)
}

// A release must be what the policy of its own offer allows, whatever the contract leaves to it: who reads the receipt looks again.
func TestReleaseAgainstItsPolicy(t *testing.T) {
	m := machinetest.New(t, receipttest.Start)
	against := "evidence: a release was made against the policy of its own offer: "
	newer := func(status string) func(*statement.Appraisal) {
		return func(a *statement.Appraisal) { a.Evaluation, a.Status = 21, status }
	}
	for name, x := range map[string]struct {
		h    hardware
		want error
	}{
		"debug":                       {hardware{kind: evidence.TDX, enclave: machinetest.Enclave{Debug: true}}, evidence.ErrDebug},
		"debug of AMD":                {hardware{kind: evidence.SNP, enclave: machinetest.Enclave{Debug: true}}, evidence.ErrDebug},
		"debug of Nitro":              {hardware{kind: evidence.Nitro, enclave: machinetest.Enclave{Debug: true}}, evidence.ErrDebug},
		"old machine":                 {hardware{kind: evidence.TDX, enclave: machinetest.Enclave{Outdated: true}}, evidence.ErrTCBStatus},
		"advisory":                    {hardware{kind: evidence.SGX, enclave: machinetest.Enclave{Outdated: true}, accept: outdated()}, evidence.ErrAdvisory},
		"old TCB of AMD":              {hardware{kind: evidence.SNP, enclave: machinetest.Enclave{Outdated: true}}, evidence.ErrTCBVersion},
		"evaluation":                  {hardware{kind: evidence.SGX, accept: intel("UpToDate", "2023-11-12", "21")}, evidence.ErrTCBEvaluation},
		"newer collateral of its own": {hardware{kind: evidence.SGX, accept: intel("UpToDate", "2023-11-12", "21"), found: newer("UpToDate")}, nil},
		"newer collateral says more":  {hardware{kind: evidence.SGX, found: newer("OutOfDate")}, evidence.ErrTCBStatus},
	} {
		t.Run(name, func(t *testing.T) {
			x.h.t, x.h.m = t, m
			r, err := x.h.verify()
			if x.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if r != nil || !errors.Is(err, x.want) || !strings.Contains(err.Error(), against) {
				t.Errorf("%v, want %v", err, x.want)
			}
		})
	}
	cloudco := []statement.Fingerprint{receipttest.NewParty(t, "cloudco").Fingerprint()}
	elsewhere := statement.Sum([]byte("another build"))
	for name, x := range map[string]struct{ text, want string }{
		"kind":                        {receipttest.PolicyText(cloudco, evidence.Nitro, receipttest.Build), against},
		"build":                       {receipttest.PolicyText(cloudco, evidence.Simulated, elsewhere), against},
		"operator":                    {receipttest.PolicyText([]statement.Fingerprint{receipttest.NewParty(t, "mallory").Fingerprint()}, evidence.Simulated, receipttest.Build), against},
		"policy that nobody can read": {"policy: strikes\n", "evidence: the policy of an offer can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			// One of the three owners alone broke its word.
			a := receipttest.New(t, receipttest.Edit{Offer: of(t, "bravo", func(o *statement.Offer) statement.Fingerprint { return o.Owner }, func(o *statement.Offer) { o.Policy = x.text })})
			refused(t, a, x.want)
		})
	}
}

func text(t *testing.T, r *receipt.Report) string {
	t.Helper()
	var out strings.Builder
	if err := r.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// A receipt over each kind is checked offline, under the roots that the reader pins, and shows what it rests on.
func TestReceiptsOfEveryKind(t *testing.T) {
	m := machinetest.New(t, receipttest.Start)
	for kind, want := range map[string][]string{
		evidence.SGX:      {"sgx-dcap, TCB UpToDate, level of 2025-11-12, no advisory, evaluation 20, collateral until 2026-01-22T15:04:05Z"},
		evidence.TDX:      {"tdx-dcap, TCB UpToDate, level of 2025-11-12, no advisory, evaluation 20, collateral until 2026-01-22T15:04:05Z"},
		evidence.SNP:      {"snp, TCB db18000000000004 of line Milan, collateral until 2026-01-22T15:04:05Z"},
		evidence.Nitro:    {"nitro"},
		evidence.AzureSNP: {"azure-snp, TCB db18000000000004 of line Milan"}, evidence.AzureTDX: {"azure-tdx, TCB UpToDate, level of 2025-11-12"},
		evidence.TPMSoftware: {
			"tpm-software, SOFTWARE-ROOTED", "SOFTWARE-ROOTED (no hardware vouches for it)", "SOFTWARE-ROOTED evidence: the operator runs the TPM",
		},
	} {
		t.Run(kind, func(t *testing.T) {
			h := &hardware{t: t, m: m, kind: kind, enclave: machinetest.Enclave{Program: "honest"}}
			r, err := h.verify()
			if err != nil {
				t.Fatal(err)
			}
			got := text(t, r)
			for _, w := range want {
				if !strings.Contains(got, w) {
					t.Errorf("not shown: %s\n%s", w, got)
				}
			}
			if strings.Contains(got, "DEBUG") || strings.Contains(got, ", SIMULATED") || strings.Contains(got, "SIMULATED (") || r.Simulated() != (kind == evidence.TPMSoftware) {
				t.Error("shown as what it is not")
			}
			if _, err := statement.Marshal(r.Summary()); err != nil {
				t.Errorf("the summary has no encoding: %v", err)
			}
			if s := r.Summary(); len(s.Found) != 3 || s.Shown.Kind != kind || s.Found[0].Appraisal.Kind != kind {
				t.Errorf("%+v", s.Shown)
			}
		})
	}
}

func TestOutdatedAndDebugAreShown(t *testing.T) {
	m := machinetest.New(t, receipttest.Start)
	for _, x := range []struct {
		kind   string
		e      machinetest.Enclave
		accept []string
		want   string
	}{
		{evidence.TDX, machinetest.Enclave{Outdated: true}, outdated(known), "MACHINE NOT CURRENT: its vendor says OutOfDate; every owner"},
		{evidence.TDX, machinetest.Enclave{Outdated: true}, outdated(known), "tdx-dcap, TCB OutOfDate, level of 2023-11-12, INTEL-SA-00002, evaluation 20"},
		{evidence.SNP, machinetest.Enclave{Outdated: true}, amd("115"), "TCB 7318000000000004 of line Milan"},
		{evidence.TDX, machinetest.Enclave{Debug: true}, append(strict(evidence.TDX), debug), "DEBUG: THE HOST CAN READ THE ENCLAVE'S MEMORY"},
		{evidence.SNP, machinetest.Enclave{Debug: true}, append(strict(evidence.SNP), debug), "DEBUG enclave: its host could read the memory"},
		{evidence.Nitro, machinetest.Enclave{Debug: true}, []string{debug}, "nitro, DEBUG: THE HOST CAN READ THE ENCLAVE'S MEMORY"},
	} {
		r, err := (&hardware{t: t, m: m, kind: x.kind, enclave: x.e, accept: x.accept}).verify()
		if err != nil {
			t.Fatal(x.kind, err)
		}
		if got := text(t, r); !strings.Contains(got, x.want) {
			t.Errorf("not shown: %s\n%s", x.want, got)
		}
	}
}

// One thing is untrue in each.
func TestHardwareLies(t *testing.T) {
	m, other := machinetest.New(t, receipttest.Start), machinetest.New(t, receipttest.Start)
	newer := func(a *statement.Appraisal) { a.Evaluation, a.Status = 21, "OutOfDate" }
	if r, err := (&hardware{t: t, m: m, kind: evidence.TDX, found: newer, accept: outdated()}).verify(); err != nil {
		t.Errorf("an owner knew more: %v", err)
	} else if got := text(t, r); !strings.Contains(got, "alpha judged the machine by newer collateral of its own: tdx-dcap, TCB OutOfDate") || !strings.Contains(got, "MACHINE NOT CURRENT, as alpha found") {
		t.Error(got)
	}
	for name, x := range map[string]struct {
		h    hardware
		want string
	}{
		"debug is not told":     {hardware{kind: evidence.TDX, enclave: machinetest.Enclave{Debug: true}, found: func(a *statement.Appraisal) { a.Debug = false }}, "evidence: a release does not say"},
		"debug is made up":      {hardware{kind: evidence.TDX, found: func(a *statement.Appraisal) { a.Debug = true }}, "evidence: a release does not say"},
		"another kind":          {hardware{kind: evidence.TDX, found: func(a *statement.Appraisal) { a.Kind = evidence.SGX }}, "evidence: a release was made on evidence of another kind"},
		"another status":        {hardware{kind: evidence.TDX, enclave: machinetest.Enclave{Outdated: true}, found: func(a *statement.Appraisal) { a.Status = "UpToDate" }}, "evidence: a release states another TCB status"},
		"another date":          {hardware{kind: evidence.SGX, found: func(a *statement.Appraisal) { a.TCBDate = "2026-01-01" }}, "evidence: a release states another TCB status"},
		"an advisory is hidden": {hardware{kind: evidence.SGX, enclave: machinetest.Enclave{Outdated: true}, found: func(a *statement.Appraisal) { a.Advisories = nil }}, "evidence: a release states another TCB status"},
		"older collateral":      {hardware{kind: evidence.SGX, found: func(a *statement.Appraisal) { a.Evaluation = 19 }}, "evidence: a release was made by older collateral"},
		"another TCB":           {hardware{kind: evidence.SNP, found: func(a *statement.Appraisal) { a.TCB = "ffffffffffffffff" }}, "evidence: a release was made on another machine's TCB"},
		"another policy":        {hardware{kind: evidence.SNP, found: func(a *statement.Appraisal) { a.Policies[0] = statement.Sum(nil) }}, "releases: a release was made by another policy"},
		"collateral had ended":  {hardware{kind: evidence.TDX, enclave: machinetest.Enclave{Ended: true}}, "evidence: evidence: the machine's own quote does not hold: stale-collateral"},
		"no collateral":         {hardware{kind: evidence.SGX, enclave: machinetest.Enclave{Bare: true}}, "evidence: evidence: the machine's own quote does not hold: no-collateral"},
		"revoked":               {hardware{kind: evidence.SNP, enclave: machinetest.Enclave{Revoked: true}}, "evidence: evidence: the machine's own quote does not hold: revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			x.h.t, x.h.m = t, m
			if r, err := x.h.verify(); err == nil || r != nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%v, want %s", err, x.want)
			}
		})
	}
	for _, kind := range []string{evidence.SGX, evidence.TDX, evidence.Nitro} {
		h := &hardware{t: t, m: m, kind: kind}
		h.edit.Evidence = func(e *statement.Evidence) { // quoted by machines of another root
			data := evidence.HelloBinding("job", "session")
			q := other.Quote(t, kind, machinetest.Enclave{}, data)
			x, err := hosted.Attest(receipttest.NewParty(t, "cloudco").Key, kind, statement.Digest(machinetest.Build(kind, machinetest.Enclave{})), data,
				statement.Perimeter{Form: "process", Details: []statement.Property{}}, q, receipttest.Start)
			if err != nil {
				t.Fatal(err)
			}
			*e = *x
		}
		if _, err := h.verify(); err == nil || !strings.Contains(err.Error(), "chain") {
			t.Errorf("%s under another root: %v", kind, err)
		}
	}
}
