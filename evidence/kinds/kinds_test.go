package kinds_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/evidencetest"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/kinds"
	"github.com/cordon-exchange/cordon/evidence/machinetest"
	"github.com/cordon-exchange/cordon/evidence/stage"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

var (
	at   = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	data = evidence.HelloBinding("job", "session")
)

type enclave = machinetest.Enclave

// world is machines, a verifier that believes them, and a host's operator.
type world struct {
	t  *testing.T
	m  *machinetest.Machines
	op *receipttest.Party
	o  kinds.Options
}

func newWorld(t *testing.T) *world {
	t.Helper()
	m := machinetest.New(t, at)
	return &world{t: t, m: m, op: receipttest.NewParty(t, "cloudco"), o: kinds.Options{Anchors: m.Anchors()}}
}

func (w *world) evidence(kind string, e enclave, q hosted.Quoted) *statement.Evidence {
	w.t.Helper()
	p := statement.Perimeter{Form: "guest", Details: []statement.Property{}}
	out, err := hosted.Attest(w.op.Key, kind, statement.Digest(machinetest.Build(kind, e)), data, p, q, at)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) verify(kind string, e enclave) (*evidence.Claims, error) {
	w.t.Helper()
	return w.verifyQuoted(kind, e, w.m.Quote(w.t, kind, e, data))
}

func (w *world) verifyQuoted(kind string, e enclave, q hosted.Quoted) (*evidence.Claims, error) {
	w.t.Helper()
	return kinds.Verifiers(w.o).Verify(context.Background(), w.evidence(kind, e, q), at)
}

// Each kind from its attester to claims that a policy accepts.
func TestEveryKind(t *testing.T) {
	w := newWorld(t)
	for _, kind := range machinetest.Kinds() {
		t.Run(kind, func(t *testing.T) {
			c, err := w.verify(kind, enclave{Program: "honest"})
			if err != nil {
				t.Fatal(err)
			}
			p := evidence.Policy{
				Kinds: []string{kind}, Builds: []statement.Digest{statement.Digest(machinetest.Build(kind, enclave{Program: "honest"}))},
				Operators: []statement.Fingerprint{w.op.Fingerprint()}, Perimeters: []string{"guest"}, TCB: strict(),
			}
			if err := evidence.Appraise(c, p, data); err != nil {
				t.Error(err)
			}
			if c.Debug || c.Simulated != (kind == evidence.TPMSoftware) || c.Perimeter.Simulated != c.Simulated {
				t.Errorf("%+v", c)
			}
			debug, err := w.verify(kind, enclave{Program: "honest", Debug: true})
			if kind == evidence.TPMSoftware {
				return // there is no such thing
			}
			if err != nil || !debug.Debug {
				t.Fatalf("a debug enclave is genuine, and shown as such: %v", err)
			}
			p.Builds = append(p.Builds, debug.Build) // of Nitro it measures nothing
			if err := evidence.Appraise(debug, p, data); !errors.Is(err, evidence.ErrDebug) {
				t.Errorf("debug: %v", err)
			}
		})
	}
}

func strict() evidence.TCBPolicy {
	return evidence.TCBPolicy{
		Statuses: []string{machinetest.Status}, MinDate: machinetest.TCBDate(), MinEvaluation: machinetest.Evaluation,
		MinVersion: map[string]map[string]uint8{machinetest.Line: machinetest.Version()},
	}
}

func TestTCB(t *testing.T) {
	w := newWorld(t)
	until := at.AddDate(0, 0, 20)
	intel := evidence.TCB{Status: "UpToDate", Date: machinetest.TCBDate(), Evaluation: 20, CollateralUntil: until}
	old := evidence.TCB{Status: "OutOfDate", Advisories: []string{machinetest.Advisory}, Date: machinetest.TCBDate().AddDate(-2, 0, 0), Evaluation: 20, CollateralUntil: until}
	amd := evidence.TCB{Line: "Milan", Version: "db18000000000004", Components: machinetest.Version(), CollateralUntil: until}
	oldAMD := evidence.TCB{Line: "Milan", Version: "7318000000000004", Components: map[string]uint8{"bootloader": 4, "tee": 0, "snp": 24, "microcode": 115}, CollateralUntil: until}
	for kind, want := range map[string][2]evidence.TCB{
		evidence.SGX: {intel, old}, evidence.TDX: {intel, old}, evidence.SNP: {amd, oldAMD}, evidence.Nitro: {}, evidence.AzureSNP: {amd, oldAMD}, evidence.AzureTDX: {intel, old}, evidence.TPMSoftware: {},
	} {
		for i, e := range []enclave{{}, {Outdated: true}} {
			c, err := w.verify(kind, e)
			if err != nil {
				t.Fatal(kind, err)
			}
			if !reflect.DeepEqual(c.TCB, want[i]) {
				t.Errorf("%s: %+v, want %+v", kind, c.TCB, want[i])
			}
		}
	}
}

// What no policy may accept, and what is not of the form that its kind has.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	other := machinetest.New(t, at)
	for _, x := range []struct {
		name, kind string
		e          enclave
		q          func(q hosted.Quoted) hosted.Quoted
		want       error
	}{
		{name: "SGX without collateral", kind: evidence.SGX, e: enclave{Bare: true}, want: stage.NoCollateral},
		{name: "TDX without collateral", kind: evidence.TDX, e: enclave{Bare: true}, want: stage.NoCollateral},
		{name: "SNP without key", kind: evidence.SNP, e: enclave{Bare: true}, want: stage.NoCollateral},
		{name: "SNP without list", kind: evidence.SNP, q: func(q hosted.Quoted) hosted.Quoted { q.Endorsements = q.Endorsements[:1]; return q }, want: stage.NoCRL},
		{name: "SGX with old collateral", kind: evidence.SGX, e: enclave{Ended: true}, want: stage.StaleCollateral},
		{name: "TDX with old collateral", kind: evidence.TDX, e: enclave{Ended: true}, want: stage.StaleCollateral},
		{name: "SNP with an old list", kind: evidence.SNP, e: enclave{Ended: true}, want: stage.StaleCollateral},
		{name: "SGX revoked", kind: evidence.SGX, e: enclave{Revoked: true}, want: stage.Revoked},
		{name: "SNP revoked", kind: evidence.SNP, e: enclave{Revoked: true}, want: stage.Revoked},
		{name: "TDX that moves", kind: evidence.TDX, e: enclave{Moves: true}, want: stage.EndorsementMismatch},
		{name: "SNP that moves", kind: evidence.SNP, e: enclave{Moves: true}, want: evidence.ErrQuote},
		{name: "two pieces of collateral", kind: evidence.SGX, q: func(q hosted.Quoted) hosted.Quoted {
			q.Endorsements = append(q.Endorsements, q.Endorsements[0])
			return q
		}, want: stage.Parse},
		{name: "collateral that can't be read", kind: evidence.SGX, q: func(q hosted.Quoted) hosted.Quoted { q.Endorsements = [][]byte{[]byte("x")}; return q }, want: stage.Parse},
		{name: "many lists", kind: evidence.SNP, q: func(q hosted.Quoted) hosted.Quoted {
			for range 9 {
				q.Endorsements = append(q.Endorsements, q.Endorsements[1])
			}
			return q
		}, want: stage.Parse},
		{name: "Nitro with endorsements", kind: evidence.Nitro, q: func(q hosted.Quoted) hosted.Quoted { q.Endorsements = [][]byte{{1}}; return q }, want: stage.Parse},
		{name: "TPM with endorsements", kind: evidence.TPMSoftware, q: func(q hosted.Quoted) hosted.Quoted { q.Endorsements = [][]byte{{1}}; return q }, want: stage.Parse},
		{name: "Azure without collateral", kind: evidence.AzureTDX, e: enclave{Bare: true}, want: stage.NoCollateral},
		{name: "Azure revoked", kind: evidence.AzureSNP, e: enclave{Revoked: true}, want: stage.Revoked},
		{name: "Azure that moves", kind: evidence.AzureTDX, e: enclave{Moves: true}, want: stage.EndorsementMismatch},
		{name: "Azure, hardware bound to another key", kind: evidence.AzureTDX, q: func(q hosted.Quoted) hosted.Quoted {
			return azure(t, q, func(q *hosted.AzureQuote) { q.TDQuote = w.m.Quote(t, evidence.TDX, enclave{}, data).Quote })
		}, want: stage.AKBinding},
		{name: "Azure on other hardware", kind: evidence.AzureSNP, q: func(hosted.Quoted) hosted.Quoted { return w.m.Quote(t, evidence.AzureTDX, enclave{}, data) }, want: stage.AKBinding},
		{name: "Azure, another register", kind: evidence.AzureTDX, q: func(q hosted.Quoted) hosted.Quoted {
			return azure(t, q, func(q *hosted.AzureQuote) { q.PCRs[1].Value[0] ^= 1 })
		}, want: stage.PCRDigest},
		{name: "quote of TDX as SGX", kind: evidence.SGX, q: func(hosted.Quoted) hosted.Quoted { return w.m.Quote(t, evidence.TDX, enclave{}, data) }, want: stage.Parse},
	} {
		t.Run(x.name, func(t *testing.T) {
			q := w.m.Quote(t, x.kind, x.e, data)
			if x.q != nil {
				q = x.q(q)
			}
			if _, err := w.verifyQuoted(x.kind, x.e, q); !errors.Is(err, x.want) || !errors.Is(err, evidence.ErrQuote) {
				t.Errorf("%v, want %v", err, x.want)
			}
		})
	}
	for _, kind := range machinetest.Kinds() {
		t.Run(kind, func(t *testing.T) {
			for name, e := range map[string]evidence.ReportData{"nothing": {}, "another session": evidence.HelloBinding("job", "other")} {
				if _, err := w.verifyQuoted(kind, enclave{}, w.m.Quote(t, kind, enclave{}, e)); err == nil {
					t.Errorf("bound to %s, and accepted", name)
				}
			}
			if _, err := w.verifyQuoted(kind, enclave{}, w.m.Quote(t, kind, enclave{Program: "evil"}, data)); !errors.Is(err, evidence.ErrQuote) {
				t.Errorf("another program: %v", err)
			}
			if kind == evidence.TPMSoftware {
				return // nothing is pinned
			}
			// AMD's names are made with one set of keys: their other root is the vendor's, below.
			if _, err := w.verifyQuoted(kind, enclave{}, other.Quote(t, kind, enclave{}, data)); kind != evidence.SNP && kind != evidence.AzureSNP && !errors.Is(err, stage.Chain) {
				t.Errorf("machines of another root: %v", err)
			}
			if _, err := kinds.Verifiers(kinds.Options{}).Verify(context.Background(), w.evidence(kind, enclave{}, w.m.Quote(t, kind, enclave{}, data)), at); !errors.Is(err, evidence.ErrKind) {
				t.Errorf("no root: %v", err)
			}
			vendors, err := kinds.Vendors()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := kinds.Verifiers(kinds.Options{Anchors: vendors}).Verify(context.Background(), w.evidence(kind, enclave{}, w.m.Quote(t, kind, enclave{}, data)), at); !errors.Is(err, stage.Chain) {
				t.Errorf("under the vendors' roots: %v", err)
			}
		})
	}
}

// azure changes a quote of one of Azure's kinds.
func azure(t *testing.T, q hosted.Quoted, change func(*hosted.AzureQuote)) hosted.Quoted {
	t.Helper()
	a, err := hosted.ParseAzureQuote(q.Quote)
	if err != nil {
		t.Fatal(err)
	}
	change(a)
	if q.Quote, err = a.Encode(); err != nil {
		t.Fatal(err)
	}
	return q
}

// What a party holds must accept as well, and is taken where it is newer.
func TestHeld(t *testing.T) {
	w := newWorld(t)
	broken := errors.New("disk")
	for _, x := range []struct {
		name, kind string
		came, held enclave
		err        error
		want       error
		evaluation int
	}{
		{name: "only held", kind: evidence.TDX, came: enclave{Bare: true}, evaluation: 20},
		{name: "only held, ended", kind: evidence.TDX, came: enclave{Bare: true}, held: enclave{Ended: true}, want: stage.StaleCollateral},
		{name: "newer is held", kind: evidence.TDX, held: enclave{Evaluation: 21}, evaluation: 21},
		{name: "newer came", kind: evidence.SGX, came: enclave{Evaluation: 21}, evaluation: 21},
		{name: "newer is held, and has ended", kind: evidence.TDX, held: enclave{Evaluation: 21, Ended: true}, want: stage.StaleCollateral},
		{name: "older is held, and has ended", kind: evidence.TDX, held: enclave{Evaluation: 19, Ended: true}, evaluation: 20},
		{name: "held knows of a revocation", kind: evidence.TDX, held: enclave{Evaluation: 19, Revoked: true}, want: stage.Revoked},
		{name: "what came has ended", kind: evidence.TDX, came: enclave{Ended: true}, want: stage.StaleCollateral},
		{name: "can't be read", kind: evidence.TDX, err: broken, want: stage.NoCollateral},
		{name: "SNP only held", kind: evidence.SNP, came: enclave{Bare: true}},
		{name: "SNP list held, ended", kind: evidence.SNP, held: enclave{Ended: true}},
		{name: "SNP only held, ended", kind: evidence.SNP, came: enclave{Bare: true}, held: enclave{Ended: true}, want: stage.StaleCollateral},
		{name: "SNP held knows of a revocation", kind: evidence.SNP, held: enclave{Revoked: true}, want: stage.Revoked},
		{name: "SNP came with a revocation", kind: evidence.SNP, came: enclave{Revoked: true}, want: stage.Revoked},
		{name: "SNP can't be read", kind: evidence.SNP, err: broken, want: stage.NoCollateral},
	} {
		t.Run(x.name, func(t *testing.T) {
			o := w.o
			o.Held = func(kind string, quote []byte) ([][]byte, error) {
				if kind != x.kind || len(quote) == 0 {
					t.Error("asked for something else")
				}
				if x.err != nil {
					return nil, x.err
				}
				return w.m.Endorsements(t, kind, x.held), nil
			}
			e := w.evidence(x.kind, x.came, w.m.Quote(t, x.kind, x.came, data))
			c, err := kinds.Verifiers(o).Verify(context.Background(), e, at)
			if !errors.Is(err, x.want) || (err == nil) != (x.want == nil) {
				t.Fatalf("%v, want %v", err, x.want)
			}
			if err == nil && c.TCB.Evaluation != x.evaluation {
				t.Errorf("by collateral of evaluation %d, want %d", c.TCB.Evaluation, x.evaluation)
			}
		})
	}
	o := w.o
	o.Held = func(string, []byte) ([][]byte, error) { return [][]byte{{1}, {2}}, nil }
	e := w.evidence(evidence.TDX, enclave{}, w.m.Quote(t, evidence.TDX, enclave{}, data))
	if _, err := kinds.Verifiers(o).Verify(context.Background(), e, at); !errors.Is(err, stage.Parse) {
		t.Errorf("two held: %v", err)
	}
	lists := w.m.Endorsements(t, evidence.SNP, enclave{})
	o.Held = func(string, []byte) ([][]byte, error) { return [][]byte{{}, lists[1]}, nil }
	q := w.m.Quote(t, evidence.SNP, enclave{}, data)
	q.Endorsements = q.Endorsements[:1]
	if _, err := kinds.Verifiers(o).Verify(context.Background(), w.evidence(evidence.SNP, enclave{}, q), at); err != nil {
		t.Errorf("key came, list held: %v", err)
	}
}

// Recordings of real machines, under the vendors' roots. They were made for others, so that only genuineness and TCB are checked: the
// quote alone, without a report around it.
func TestRecorded(t *testing.T) {
	anchors, err := kinds.Vendors()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		folder, kind, id string
		endorsements     []string
		withoutList      bool
		status, version  string
		debug            bool
		want             error
	}{
		{folder: "sgx", kind: evidence.SGX, id: "tlsn-quote9/2025-06-11-eval17", status: "SWHardeningNeeded"},
		{folder: "sgx", kind: evidence.SGX, id: "automata-a/2025-08-30", want: kinds.ErrUnbound},
		{folder: "sgx", kind: evidence.SGX, id: "automata-a/chain-only", want: stage.NoCollateral},
		{folder: "tdx", kind: evidence.TDX, id: "dcapqvl-tdx/2025-06-23", status: "UpToDate"},
		{folder: "tdx", kind: evidence.TDX, id: "dcapqvl-tdx/2026-08-28", status: "OutOfDate"},
		{folder: "snp", kind: evidence.SNP, id: "bergamo-genoa-v5", withoutList: true, version: "1b1b00000000000a"},
		{folder: "snp", kind: evidence.SNP, id: "bergamo-genoa-v5", want: stage.NoCRL},
		{folder: "snp", kind: evidence.SNP, id: "google-milan-debug", withoutList: true, version: "4405000000000002", debug: true},
		{folder: "nitro", kind: evidence.Nitro, id: "dstack-2025", want: kinds.ErrUnbound}, // 64 zeros
		{folder: "nitro", kind: evidence.Nitro, id: "marlin-2024-02", want: stage.Nonce},   // no user data of 64 bytes
	} {
		t.Run(x.folder+"/"+x.id, func(t *testing.T) {
			c := evidencetest.Get(t, x.folder, x.id)
			var endorsements [][]byte
			for _, f := range append(c.Endorsements, c.Collateral) {
				if f != "" {
					endorsements = append(endorsements, c.Read(t, f))
				}
			}
			o := kinds.Options{Anchors: anchors, SNPWithoutList: x.withoutList}
			m, err := o.Machine(x.kind)(context.Background(), c.Read(t, c.File), endorsements, c.At)
			if !errors.Is(err, x.want) || (err == nil) != (x.want == nil) {
				t.Fatalf("%v, want %v", err, x.want)
			}
			if err != nil {
				return
			}
			if !m.Build.Valid() || m.ReportData == (evidence.ReportData{}) || m.Simulated || m.Debug != x.debug || m.TCB.Status != x.status || m.TCB.Version != x.version {
				t.Errorf("%+v", m)
			}
		})
	}
}

// Recorded hardware, in evidence that an operator wrapped for us: it can't be bound to a session of ours, and is refused for just that.
func TestRecordedIsNotOurs(t *testing.T) {
	anchors, err := kinds.Vendors()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	c := evidencetest.Get(t, "tdx", "dcapqvl-tdx/2025-06-23")
	q := hosted.Quoted{Quote: c.Read(t, c.File), Endorsements: [][]byte{c.Read(t, c.Collateral)}}
	m, err := kinds.Options{Anchors: anchors}.Machine(evidence.TDX)(context.Background(), q.Quote, q.Endorsements, c.At)
	if err != nil {
		t.Fatal(err)
	}
	e, err := hosted.Attest(w.op.Key, evidence.TDX, m.Build, data, statement.Perimeter{Form: "guest", Details: []statement.Property{}}, q, c.At)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kinds.Verifiers(kinds.Options{Anchors: anchors}).Verify(context.Background(), e, c.At); !errors.Is(err, evidence.ErrBinding) {
		t.Errorf("%v, want %v", err, evidence.ErrBinding)
	}
}
