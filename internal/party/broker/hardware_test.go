package broker

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/kinds"
	"github.com/cordon-exchange/cordon/evidence/machinetest"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/statement"
)

// program is what honest enclaves run.
const program = "honest"

// onMachines is a world whose enclaves run on machines of a kind, under roots that only this test pins.
func onMachines(t *testing.T, kind string, change func(*world)) *world {
	t.Helper()
	w := &world{maxQuery: 200, machines: machinetest.New(t, start), kind: kind}
	if change != nil {
		change(w)
	}
	return w.furnish(t, nil)
}

func (w *world) kindName() string {
	if w.machines == nil {
		return evidence.Simulated
	}
	return w.kind
}

func (w *world) verifiers() evidence.Verifiers {
	o := kinds.Options{Held: w.held}
	if w.machines != nil {
		o.Anchors = w.machines.Anchors()
	}
	return kinds.Verifiers(o)
}

// evidenceText is the section of the policies.
func (w *world) evidenceText() string {
	builds := fmt.Sprintf("%q", w.build)
	if w.debug { // of Nitro such an enclave measures nothing
		if d := machinetest.Build(w.kind, machinetest.Enclave{Program: program, Debug: true}); d != string(w.build) {
			builds += fmt.Sprintf(", %q", d)
		}
	}
	out := fmt.Sprintf("evidence:\n  accept: [%s]\n  builds: [%s]\n  perimeters: [%s]\n", w.kindName(), builds, form)
	if w.debug {
		out += "  debug: host-can-read-enclave-memory\n"
	}
	switch v, _ := evidence.VendorOf(w.kindName()); v {
	case evidence.Intel:
		out += fmt.Sprintf("  tcb_status: [%s]\n  min_tcb_date: %s\n  min_tcb_evaluation: %d\n", machinetest.Status, machinetest.TCBDate().Format("2006-01-02"), machinetest.Evaluation)
	case evidence.AMD:
		v := machinetest.Version()
		out += fmt.Sprintf("  min_tcb_snp:\n    milan: {bootloader: %d, tee: %d, snp: %d, microcode: %d}\n", v["bootloader"], v["tee"], v["snp"], v["microcode"])
	}
	return strings.TrimSuffix(out, "\n")
}

// chain plays one job with every owner's own statements and returns its bundle.
func (w *world) chain(t *testing.T, e *enclave) (*handed, []byte) {
	t.Helper()
	grants := []statement.Envelope{*w.grant}
	for _, m := range w.owners[1:] {
		grants = append(grants, *must(statement.Sign(statement.Grant{
			Owner: m.fp(), Contract: w.contract.Digest(), Offers: []statement.Digest{m.offer.Digest()}, Authority: statement.ByHand,
			UntilMS: w.contract.Body().UntilMS, CreatedMS: w.contract.Body().CreatedMS,
		}, m.ring.Signer())))
	}
	h := e.hello(nil)
	if h == nil || h.Ready == nil {
		t.Fatalf("no ready: %s", e.why(h))
	}
	q := e.newQuote(e.readies(h.Ready, func(i int, r *statement.Ready) { r.Grant = grants[i].Digest() }))
	x := e.take(q, e.send(wire.KindQuote, message.QuoteContext(e.j.digest, w.self()), q))
	for i, m := range w.owners[1:] {
		r := *must(statement.DecodeUnverified[statement.Release](x.others[i].Payload))
		r.Grant = grants[i+1].Digest()
		x.others[i] = *must(statement.Sign(r, m.ring.Signer()))
	}
	r := e.receipt(x)
	r.Grants = nil
	for i := range grants {
		r.Grants = append(r.Grants, grants[i].Digest())
	}
	signed := must(statement.Sign(r, e.sign))
	releases := append([]statement.Envelope{*x.release.Envelope()}, x.others...)
	reply := e.closeSigned(message.ReceiptNotice{Job: e.j.digest, Releases: releases, Readies: q.Readies}, signed)
	if reply == nil || reply.Ack == nil {
		t.Fatalf("no acknowledgement: %s", e.why(reply))
	}
	b := &receipt.Bundle{
		Format: receipt.Format, Receipt: *signed, Job: *w.ex.Jobs[e.j.digest], Contract: *w.contract.Envelope(), Pools: []statement.Envelope{*w.pool.Envelope()},
		Grants: grants, Readies: q.Readies, Releases: releases, Acks: []statement.Envelope{*reply.Ack}, Parties: []statement.Envelope{},
	}
	for i, m := range w.owners {
		b.Offers = append(b.Offers, *m.offer.Envelope())
		if i > 0 {
			rel := must(statement.DecodeUnverified[statement.Release](releases[i].Payload))
			b.Acks = append(b.Acks, *must(statement.Sign(statement.Ack{
				Owner: m.fp(), Job: e.j.digest, Receipt: signed.Digest(), Release: releases[i].Digest(), ReleasedMS: rel.ReleasedMS,
				ClosedMS: rel.ReleasedMS + 1, Head: statement.LedgerHead{Seq: 1, Digest: statement.Sum([]byte("entry"))},
			}, m.ring.Signer())))
		}
	}
	return x, must(b.Encode())
}

// pins are everybody's fingerprints.
func (w *world) pins() []statement.Fingerprint {
	out := []statement.Fingerprint{w.asker.Fingerprint(), w.operator.Public().Fingerprint()}
	for _, m := range w.owners {
		out = append(out, m.fp())
	}
	return out
}

// The whole way of each kind: what an attester obtains, a release that says what was found, a receipt, and its check offline.
func TestChainOfEveryKind(t *testing.T) {
	for _, kind := range append(machinetest.Kinds(), evidence.Simulated) {
		t.Run(kind, func(t *testing.T) {
			w := newWorldOf(t, kind)
			x, bundle := w.chain(t, w.enclave(w.newJob(nil)))
			a := x.release.Body().Appraisal
			want := statement.Appraisal{Kind: kind, Simulated: statement.SoftwareRooted(kind), Policies: []statement.Digest{statement.Sum([]byte(w.policyText()))}}
			switch v, _ := evidence.VendorOf(kind); v {
			case evidence.Intel:
				want.Status, want.TCBDate, want.Evaluation = "UpToDate", "2025-11-12", 20
			case evidence.AMD:
				want.Line, want.TCB = "Milan", "db18000000000004"
			}
			if want.CollateralUntilMS = start.AddDate(0, 0, 20).UnixMilli(); want.Status == "" && want.TCB == "" {
				want.CollateralUntilMS = 0
			}
			if fmt.Sprint(a) != fmt.Sprint(want) {
				t.Errorf("the release says %+v, want %+v", a, want)
			}
			last := w.lastEntry(ledger.KindRelease)
			ev, err := x.quote.Evidence.Digest()
			if err != nil || last.Evidence != ev || last.Plan != x.release.Body().Plan || len(last.Columns) != 1 || last.Appraisal == nil || fmt.Sprint(*last.Appraisal) != fmt.Sprint(want) {
				t.Errorf("the ledger says %+v", last)
			}
			r, err := receipt.Verify(context.Background(), bundle, receipt.Options{Pins: w.pins(), Verifiers: w.verifiers()})
			if err != nil {
				t.Fatal(err)
			}
			if r.Shown.Kind != kind || len(r.Releases) != 4 || r.Simulated() != statement.SoftwareRooted(kind) {
				t.Errorf("%+v", r.Shown)
			}
			if kind == evidence.Simulated || kind == evidence.TPMSoftware {
				return
			}
			vendors := must(kinds.Vendors())
			if _, err := receipt.Verify(context.Background(), bundle, receipt.Options{Pins: w.pins(), Verifiers: kinds.Verifiers(kinds.Options{Anchors: vendors})}); err == nil {
				t.Error("verifies under the vendors' roots")
			}
		})
	}
}

func newWorldOf(t *testing.T, kind string) *world {
	t.Helper()
	if kind == evidence.Simulated {
		return newWorld(t, nil)
	}
	return onMachines(t, kind, nil)
}

func (w *world) lastEntry(kind string) (out ledger.Entry) {
	for _, e := range w.ledger.Entries() {
		if e.Kind == kind {
			out = e
		}
	}
	return out
}

// A debug enclave gets keys only if the policy says what that means, and then everything says so.
func TestDebugByName(t *testing.T) {
	for _, kind := range []string{evidence.SGX, evidence.TDX, evidence.SNP} {
		t.Run(kind, func(t *testing.T) {
			w := onMachines(t, kind, func(w *world) { w.debug, w.askerOwns = true, true })
			e := w.enclave(w.newJob(nil))
			e.attest.machine.Debug = true
			x := e.run()
			if !x.release.Body().Appraisal.Debug || !w.lastEntry(ledger.KindRelease).Appraisal.Debug {
				t.Error("released to a debug enclave, and not said so")
			}
		})
	}
}

// Who asks and owns nothing has no policy that could allow it.
func TestDebugIsNotForContracts(t *testing.T) {
	w := onMachines(t, evidence.TDX, func(w *world) { w.debug = true })
	m := &matter{contract: w.contract, job: must(statement.VerifyAuthor[statement.Job](w.ex.Jobs[w.newJob(func(j *statement.Job, _ *statement.Body) {
		j.Owners = []statement.Fingerprint{w.owners[1].fp()}
	}).digest]))}
	if p := w.broker.accepts(m); p.AllowDebug || !p.TCB.LeftToOwners {
		t.Errorf("%+v", p)
	}
}

// Of two policies of this party the strictest holds.
func TestStrictestPolicy(t *testing.T) {
	w := onMachines(t, evidence.TDX, nil)
	j := w.newJob(nil)
	m := &matter{contract: w.contract, job: must(statement.VerifyAuthor[statement.Job](w.ex.Jobs[j.digest]))}
	p := w.broker.accepts(m)
	if p.AllowDebug || p.TCB.LeftToOwners || p.TCB.MinEvaluation != 20 || len(p.TCB.Statuses) != 1 || !p.TCB.MinDate.Equal(machinetest.TCBDate()) {
		t.Errorf("%+v", p)
	}
}
