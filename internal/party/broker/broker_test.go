package broker

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// TestWholeJob: the way that all others are changes of.
func TestWholeJob(t *testing.T) {
	w := newWorld(t, nil)
	j := w.newJob(nil)
	e := w.enclave(j)
	x := e.run()
	b := x.release.Body()
	if b.Number != 1 || b.Charged != 7 || len(b.Columns) != 1 || !slices.Equal(b.Columns[0].Columns, []string{"cost", "size"}) {
		t.Fatalf("release says %+v", b)
	}
	if k := x.keys.Offers[0]; len(x.keys.Offers) != 1 || !bytes.Equal(k.Footer, w.owners[0].keys.FooterUnsafe()) || len(k.Column) != 2 {
		t.Fatal("not the footer's key and those of the two columns")
	}
	for _, k := range x.keys.Offers[0].Column {
		if !bytes.Equal(k.Key, w.owners[0].keys.ColumnsUnsafe()[k.Column]) {
			t.Fatalf("wrong key for %s", k.Column)
		}
	}
	w.now = w.now.Add(300 * time.Millisecond)
	r := e.close(x, nil)
	if r == nil || r.Ack == nil {
		t.Fatalf("no ack: %s", e.why(r))
	}
	ack := must(statement.Verify[statement.Ack](r.Ack, w.self())).Body()
	if ack.Release != x.release.Digest() || ack.ReleasedMS != b.ReleasedMS || ack.ClosedMS != w.now.UnixMilli() {
		t.Fatalf("ack says %+v", ack)
	}
	if xs := w.ledger.Exposures(); len(xs) != 1 || xs[0].Open() || xs[0].Bytes != 30 {
		t.Fatalf("exposures %+v", xs)
	}
	if w.count(ledger.KindCharge, j.digest) != 1 || w.count(ledger.KindRefusal, j.digest) != 0 {
		t.Fatal("not charged once, or something was refused")
	}
}

// TestChargedBeforeReleased: the order on disk is the order of trust.
func TestChargedBeforeReleased(t *testing.T) {
	w := newWorld(t, nil)
	j := w.newJob(nil)
	w.enclave(j).run()
	var kinds []string
	for _, e := range w.ledger.Entries() {
		if e.Job == j.digest {
			kinds = append(kinds, e.Kind)
		}
	}
	if !slices.Equal(kinds, []string{ledger.KindCharge, ledger.KindRelease}) {
		t.Fatalf("ledger has %v", kinds)
	}
}

// TestHelloRefused: one thing wrong with the job, its agreement or its enclave per case.
func TestHelloRefused(t *testing.T) {
	other := must(seal.NewSigningKey())
	cases := []struct {
		name     string
		contract func(*world, *statement.Contract)
		world    func(*world) // after the contract
		job      func(*statement.Job, *statement.Body)
		after    func(*world, *job)
		enclave  func(*enclave)
		hello    func(*message.Hello)
		code     string
		silent   bool // nobody to answer
	}{
		{name: "job changed after signing", after: func(w *world, j *job) {
			e := *w.ex.Jobs[j.digest]
			e.Payload = bytes.Replace(e.Payload, []byte(`"class":"small"`), []byte(`"class":"large"`), 1)
			w.ex.Jobs[j.digest] = &e
		}, code: CodeJobSignature},
		{name: "job signed by someone else", after: func(w *world, j *job) {
			s := *must(statement.DecodeUnverified[statement.Job](w.ex.Jobs[j.digest].Payload))
			e := must(statement.Sign(s, w.owners[1].ring.Signer()))
			w.ex.Jobs[j.digest] = e
		}, code: CodeJobSignature},
		{name: "requester is not the contract's", after: func(w *world, j *job) {
			s := *must(statement.DecodeUnverified[statement.Job](w.ex.Jobs[j.digest].Payload))
			s.Requester = w.owners[1].fp()
			s.Bodies = slices.DeleteFunc(s.Bodies, func(b statement.SealedBody) bool { return b.To == w.asker.Fingerprint() })
			e := must(statement.Sign(s, w.owners[1].ring.Signer()))
			w.ex.Jobs[e.Digest()], j.digest = e, e.Digest()
		}, code: CodeJobSignature},
		{name: "exchange gives another job", after: func(w *world, j *job) { w.ex.Jobs[j.digest] = w.ex.Jobs[w.newJob(nil).digest] }, code: CodeJobSignature},
		{name: "exchange gives no job", after: func(w *world, j *job) { delete(w.ex.Jobs, j.digest) }, code: CodeJobSignature},
		{name: "body is not the one committed to", job: func(j *statement.Job, b *statement.Body) { b.SQL += " LIMIT 1" }, code: CodeJobCommitment},
		{name: "body sealed to someone else", after: func(w *world, j *job) {
			s := *must(statement.DecodeUnverified[statement.Job](w.ex.Jobs[j.digest].Payload))
			for i := range s.Bodies {
				if s.Bodies[i].To == w.self() {
					s.Bodies[i].Sealed = s.Bodies[(i+1)%len(s.Bodies)].Sealed
				}
			}
			e := must(statement.Sign(s, w.asker.Signer()))
			w.ex.Jobs[e.Digest()], j.digest = e, e.Digest()
		}, code: CodeJobCommitment},
		{name: "job expired", world: func(w *world) { w.now = w.now.Add(-2 * time.Hour) }, after: func(w *world, j *job) { w.now = w.now.Add(2 * time.Hour) }, code: CodeJobExpired},
		{name: "job names fewer owners than its plan reads", after: func(w *world, j *job) {
			dropped := w.owners[3].fp()
			s := *must(statement.DecodeUnverified[statement.Job](w.ex.Jobs[j.digest].Payload))
			s.Owners = slices.DeleteFunc(s.Owners, func(f statement.Fingerprint) bool { return f == dropped })
			s.Bodies = slices.DeleteFunc(s.Bodies, func(b statement.SealedBody) bool { return b.To == dropped })
			e := must(statement.Sign(s, w.asker.Signer()))
			w.ex.Jobs[e.Digest()], j.digest = e, e.Digest()
		}, code: CodeJobOwners},
		{name: "contract expired", contract: func(w *world, c *statement.Contract) { c.UntilMS = start.UnixMilli() }, code: CodeContractExpired},
		{name: "contract not yet valid", contract: func(w *world, c *statement.Contract) { c.FromMS = start.Add(time.Minute).UnixMilli() }, code: CodeContractExpired},
		{name: "contract revoked", world: func(w *world) {
			w.post(must(statement.Sign(statement.Revocation{Author: w.asker.Fingerprint(), Revokes: w.contract.Digest(), AtMS: start.UnixMilli()}, w.asker.Signer())))
		}, code: CodeContractRevoked},
		{name: "contract withheld", world: func(w *world) { w.ex.Replace(w.contract.Digest(), w.grant) }, code: CodeContract},
		{name: "another encoding of plans", contract: func(w *world, c *statement.Contract) { c.PlanEncoding = "plan/9" }, code: CodeContract},
		{name: "an offer of another owner changed", world: func(w *world) {
			e := *w.owners[2].offer.Envelope()
			e.Signatures = slices.Clone(w.owners[1].offer.Envelope().Signatures)
			w.ex.Replace(w.owners[2].offer.Digest(), &e)
		}, code: CodeContract},
		{name: "a pool that a member did not sign", world: func(w *world) {
			e := *w.pool.Envelope()
			e.Signatures = e.Signatures[:3]
			w.ex.Replace(w.pool.Digest(), &e)
		}, code: CodeContract},
		{name: "no grant", world: func(w *world) {
			w.append(ledger.Entry{Kind: ledger.KindRevoke, About: w.grant.Digest(), Contract: w.contract.Digest()})
			w.append(ledger.Entry{Kind: ledger.KindGrant, Contract: w.contract.Digest(), Grant: statement.Sum([]byte("none")), Authority: statement.ByHand})
		}, code: CodeNoGrant},
		{name: "grant revoked", world: func(w *world) {
			w.append(ledger.Entry{Kind: ledger.KindRevoke, About: w.grant.Digest(), Contract: w.contract.Digest()})
		}, code: CodeGrantRevoked},
		{name: "grant expired", world: func(w *world) { w.grantIt(start.UnixMilli() - 1) }, code: CodeGrantExpired},
		{name: "version retired", world: func(w *world) {
			o := w.owners[0].offer.Digest()
			e := must(statement.Sign(statement.Revocation{Author: w.self(), Revokes: o, AtMS: 1}, w.owners[0].ring.Signer()))
			if err := w.store.Retire(o, e); err != nil {
				panic(err)
			}
		}, code: CodeOfferRetired},
		{name: "keys destroyed", world: func(w *world) {
			o := w.owners[0].offer.Digest()
			e := must(statement.Sign(statement.Revocation{Author: w.self(), Revokes: o, AtMS: 1}, w.owners[0].ring.Signer()))
			if err := errors.Join(w.store.Retire(o, e), w.store.Destroy(o, 1)); err != nil {
				panic(err)
			}
		}, code: CodeDestroyed},
		{name: "purpose not allowed", contract: func(w *world, c *statement.Contract) { c.Purpose = "pricing" }, code: "policy:purposes"},
		{name: "row-level query", job: func(j *statement.Job, b *statement.Body) {
			b.SQL = "SELECT size, cost FROM pool.strikes"
			j.Commitment = must(b.Commit())
		}, code: "policy:release"},
		{name: "policy no longer in force", contract: func(w *world, c *statement.Contract) { c.UntilMS = start.AddDate(3, 0, 0).UnixMilli() }, world: func(w *world) { w.now = start.AddDate(2, 0, 0) }, code: "policy:valid"},
		{name: "build that nobody accepted", enclave: func(e *enclave) { e.attest.build = statement.Sum([]byte("evil")) }, code: "evidence-build"},
		{name: "build that only the contract accepts", contract: func(w *world, c *statement.Contract) { c.Builds = append(c.Builds, statement.Sum([]byte("evil"))) },
			enclave: func(e *enclave) { e.attest.build = statement.Sum([]byte("evil")) }, code: "evidence-build"},
		{name: "operator that nobody accepted", enclave: func(e *enclave) { e.attest.operator = other }, code: "operator"},
		{name: "perimeter that nobody accepted", enclave: func(e *enclave) { e.attest.form = "process-shared-pid" }, code: "perimeter"},
		{name: "evidence for another session", enclave: func(e *enclave) {
			d := evidence.HelloBinding(e.j.digest, statement.Sum([]byte("other")))
			e.attest.data = &d
		}, code: "evidence-binding"},
		{name: "evidence for another job", enclave: func(e *enclave) {
			d := evidence.HelloBinding(statement.Sum([]byte("other")), e.session.Digest())
			e.attest.data = &d
		}, code: "evidence-binding"},
		{name: "quote's evidence in a hello", enclave: func(e *enclave) {
			d := evidence.QuoteBinding(e.j.digest, e.session.Digest(), e.j.salted, nil)
			e.attest.data = &d
		}, code: "evidence-binding"},
		{name: "old evidence", enclave: func(e *enclave) { e.attest.at = start.Add(-time.Hour) }, code: "evidence-clock"},
		{name: "unknown kind of evidence", enclave: func(e *enclave) { e.attest.raw = &statement.Evidence{Kind: "sgx", Raw: []byte("x")} }, code: "evidence-kind"},
		{name: "malformed evidence", enclave: func(e *enclave) { e.attest.raw = &statement.Evidence{Kind: simulated.Kind, Raw: []byte("{}")} }, code: "evidence-malformed"},
		{name: "evidence with a wrong signature", hello: func(h *message.Hello) {
			h.Evidence.Raw = bytes.Replace(h.Evidence.Raw, []byte(`"sig":"`), []byte(`"sig":"AAAA`), 1)
		}, code: "evidence-signature"},
		{name: "hello names another job", hello: func(h *message.Hello) { h.Job = statement.Sum([]byte("other")) }, code: CodeMessage},
		{name: "malformed session key", hello: func(h *message.Hello) { h.Session.Key = "ed25519:00" }, code: CodeMessage, silent: true},
		{name: "malformed session box", hello: func(h *message.Hello) { h.Session.Box = []byte("x") }, code: CodeMessage, silent: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.contract)
			if c.world != nil {
				c.world(w)
				w.openBroker() // what it had fetched before is forgotten
			}
			j := w.newJob(c.job)
			if c.after != nil {
				c.after(w, j)
			}
			e := w.enclave(j)
			if c.enclave != nil {
				c.enclave(e)
			}
			r := e.hello(c.hello)
			w.refusedWith(j, e, r, c.code, 0)
			if (r == nil) != c.silent {
				t.Errorf("answered: %v", r != nil)
			}
		})
	}
}

// revoking is a key store during whose work the owner revokes its grant.
type revoking struct {
	keystore.KeyStore
	w *world
}

func (r revoking) Unwrap(ctx context.Context, name seal.KeyName, wrapped []byte) (*seal.DataKey, error) {
	r.w.append(ledger.Entry{Kind: ledger.KindRevoke, About: r.w.grant.Digest(), Contract: r.w.contract.Digest()})
	return r.KeyStore.Unwrap(ctx, name, wrapped)
}

func TestRevokedWhileKeysAreUnwrapped(t *testing.T) {
	w := newWorld(t, nil)
	w.broker.Store = must(dataset.Open(w.home, w.self(), revoking{w.owners[0].ring, w}))
	j := w.newJob(nil)
	e := w.enclave(j)
	w.refusedWith(j, e, e.quote(e.readies(e.hello(nil).Ready, nil), func(*message.Quote) {}), CodeGrantRevoked, 0)
}

// TestRefusalReachesRequester: sealed to it, signed, and kept by its own broker.
func TestRefusalReachesRequester(t *testing.T) {
	w := newWorld(t, nil)
	w.append(ledger.Entry{Kind: ledger.KindRevoke, About: w.grant.Digest(), Contract: w.contract.Digest()})
	j := w.newJob(nil)
	if err := w.broker.Handle(t.Context(), wire.Item{Seq: 1, Job: j.digest, Kind: wire.KindJob}); err != nil {
		t.Fatal(err)
	}
	if len(w.ex.Notices) != 1 || w.ex.Notices[0].To != w.asker.Fingerprint() {
		t.Fatalf("%d notices", len(w.ex.Notices))
	}
	plain, err := w.asker.Box().Open(message.NoticeContext(j.digest, w.self(), w.asker.Fingerprint()), w.ex.Notices[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	v := must(statement.Verify[statement.Refusal](must(statement.ParseEnvelope(plain)), w.self()))
	if v.Body().Code != CodeGrantRevoked || v.Body().Stage != wire.KindJob {
		t.Fatalf("notice says %+v", v.Body())
	}
	if len(w.ex.Answers) != 0 {
		t.Fatal("a preview answers nobody")
	}
}

// TestPreviewLeavesRevocationsToTheHello: it leads to no release, and what was revoked by then is asked for when an enclave comes.
func TestPreviewLeavesRevocationsToTheHello(t *testing.T) {
	w := newWorld(t, nil)
	w.post(must(statement.Sign(statement.Revocation{Author: w.asker.Fingerprint(), Revokes: w.contract.Digest(), AtMS: start.UnixMilli()}, w.asker.Signer())))
	j := w.newJob(nil)
	if err := w.broker.Handle(t.Context(), wire.Item{Seq: 1, Job: j.digest, Kind: wire.KindJob}); err != nil {
		t.Fatal(err)
	}
	if n := w.count(ledger.KindRefusal, j.digest); n != 0 {
		t.Errorf("%d refusals of a preview", n)
	}
	e := w.enclave(j)
	w.refusedWith(j, e, e.hello(nil), CodeContractRevoked, 0)
}

// TestRepeatedMessageIsRecordedOnce: a hostile exchange can't fill the ledger.
func TestRepeatedMessageIsRecordedOnce(t *testing.T) {
	w := newWorld(t, nil)
	j := w.newJob(nil)
	e := w.enclave(j)
	e.attest.build = statement.Sum([]byte("evil"))
	for range 5 {
		e.hello(nil)
	}
	if n := w.count(ledger.KindRefusal, j.digest); n != 1 {
		t.Fatalf("%d entries", n)
	}
	for range 3 * maxRefusals { // every time another session
		e := w.enclave(j)
		e.attest.build = statement.Sum([]byte("evil"))
		e.hello(nil)
	}
	if n := w.count(ledger.KindRefusal, j.digest); n != maxRefusals {
		t.Fatalf("%d entries", n)
	}
}

// TestGarbage: nothing that does not open is answered, and nothing crashes.
func TestGarbage(t *testing.T) {
	w := newWorld(t, nil)
	j := w.newJob(nil)
	e := w.enclave(j)
	for _, kind := range []string{wire.KindHello, wire.KindQuote, wire.KindReceipt, wire.KindNotice, "unknown"} {
		for _, body := range [][]byte{nil, []byte("x"), make([]byte, 5000), must(message.SealTo(w.owners[0].ring.Box().Public(), seal.Context{Purpose: kind}, "x"))} {
			if r := e.sendRaw(kind, body); r != nil {
				t.Errorf("%s of %d bytes was answered", kind, len(body))
			}
		}
	}
	if err := w.broker.Handle(t.Context(), wire.Item{Seq: 99, Kind: wire.KindHello, Job: "not a digest"}); err != nil {
		t.Error(err)
	}
	for kind, context := range map[string]func(statement.Digest, statement.Fingerprint) seal.Context{
		wire.KindHello: message.HelloContext, wire.KindQuote: message.QuoteContext, wire.KindReceipt: message.ReceiptContext,
	} { // opens, but is no message
		sealed := must(seal.To(w.owners[0].ring.Box().Public(), context(j.digest, w.self()), []byte(`{"job":null}`)))
		if r := e.sendRaw(kind, sealed); r != nil {
			t.Errorf("malformed %s was answered", kind)
		}
	}
}

// TestQuoteRefused: one thing wrong with a quote per case; no key leaves, nothing is charged.
func TestQuoteRefused(t *testing.T) {
	cases := []struct {
		name    string
		ready   func(*enclave) func(int, *statement.Ready)
		readies func(*enclave, []statement.Envelope) []statement.Envelope
		quote   func(*enclave, *message.Quote)
		before  func(*enclave)
		code    string
	}{
		{name: "ready for another session", ready: func(e *enclave) func(int, *statement.Ready) {
			return only(1, func(r *statement.Ready) { r.Session = statement.Sum([]byte("x")) })
		}, code: CodeReadies},
		{name: "ready for another job", ready: func(e *enclave) func(int, *statement.Ready) {
			return only(2, func(r *statement.Ready) { r.Job = statement.Sum([]byte("x")) })
		}, code: CodeReadies},
		{name: "ready for another plan", ready: func(e *enclave) func(int, *statement.Ready) {
			return only(3, func(r *statement.Ready) { r.Plan = statement.Sum([]byte("x")) })
		}, code: CodeReadies},
		{name: "ready over another offer", ready: func(e *enclave) func(int, *statement.Ready) {
			return only(1, func(r *statement.Ready) { r.Offers = []statement.Digest{e.w.owners[2].offer.Digest()} })
		}, code: CodeReadies},
		{name: "expired ready", ready: func(e *enclave) func(int, *statement.Ready) {
			return only(1, func(r *statement.Ready) { r.ExpiresMS = e.w.now.UnixMilli() })
		}, code: CodeReadies},
		{name: "a ready is missing", readies: func(e *enclave, l []statement.Envelope) []statement.Envelope { return l[:3] }, code: CodeReadies},
		{name: "own ready is missing", readies: func(e *enclave, l []statement.Envelope) []statement.Envelope { return l[1:] }, code: CodeReadies},
		{name: "one ready twice", readies: func(e *enclave, l []statement.Envelope) []statement.Envelope {
			return append(l[:3:3], l[1])
		}, code: CodeReadies},
		{name: "foreign ready", readies: func(e *enclave, l []statement.Envelope) []statement.Envelope {
			r := *must(statement.DecodeUnverified[statement.Ready](l[3].Payload))
			r.Owner = e.w.asker.Fingerprint()
			return append(l[:3:3], *must(statement.Sign(r, e.w.asker.Signer())))
		}, code: CodeReadies},
		{name: "ready signed by another", readies: func(e *enclave, l []statement.Envelope) []statement.Envelope {
			r := *must(statement.DecodeUnverified[statement.Ready](l[3].Payload))
			return append(l[:3:3], *must(statement.Sign(r, e.w.owners[1].ring.Signer())))
		}, code: CodeReadies},
		{name: "own ready for another grant", readies: func(e *enclave, l []statement.Envelope) []statement.Envelope {
			r := *must(statement.DecodeUnverified[statement.Ready](l[0].Payload))
			r.Grant = statement.Sum([]byte("x"))
			l[0] = *must(statement.Sign(r, e.w.owners[0].ring.Signer()))
			return l
		}, code: CodeReadies},
		{name: "own ready for another price", readies: func(e *enclave, l []statement.Envelope) []statement.Envelope {
			r := *must(statement.DecodeUnverified[statement.Ready](l[0].Payload))
			r.Price = 0
			l[0] = *must(statement.Sign(r, e.w.owners[0].ring.Signer()))
			return l
		}, code: CodeReadies},
		{name: "evidence over other readies", quote: func(e *enclave, q *message.Quote) {
			q.Evidence = e.evidence(evidence.QuoteBinding(e.j.digest, e.session.Digest(), e.j.salted, []statement.Digest{q.Readies[0].Digest()}))
		}, code: "evidence-binding"},
		{name: "evidence over another plan", quote: func(e *enclave, q *message.Quote) {
			var d []statement.Digest
			for i := range q.Readies {
				d = append(d, q.Readies[i].Digest())
			}
			q.Evidence = e.evidence(evidence.QuoteBinding(e.j.digest, e.session.Digest(), statement.Sum([]byte("x")), d))
		}, code: "evidence-binding"},
		{name: "evidence of the hello again", quote: func(e *enclave, q *message.Quote) {
			q.Evidence = e.evidence(evidence.HelloBinding(e.j.digest, e.session.Digest()))
		}, code: "evidence-binding"},
		{name: "session of someone else", quote: func(e *enclave, q *message.Quote) { q.Session.Box = must(seal.NewBoxKey()).Public() }, code: "evidence-binding"},
		{name: "enclave has another plan", quote: func(e *enclave, q *message.Quote) {
			q.Plan = statement.Sum([]byte("x"))
			var d []statement.Digest
			for i := range q.Readies {
				d = append(d, q.Readies[i].Digest())
			}
			q.Evidence = e.evidence(evidence.QuoteBinding(e.j.digest, e.session.Digest(), q.Plan, d))
		}, code: CodePlanMismatch},
		{name: "build changed between the rounds", quote: func(e *enclave, q *message.Quote) {
			var d []statement.Digest
			for i := range q.Readies {
				d = append(d, q.Readies[i].Digest())
			}
			e.attest.build = statement.Sum([]byte("evil"))
			q.Evidence = e.evidence(evidence.QuoteBinding(e.j.digest, e.session.Digest(), q.Plan, d))
		}, code: "evidence-build"},
		{name: "quote names another job", quote: func(e *enclave, q *message.Quote) { q.Job = statement.Sum([]byte("x")) }, code: CodeMessage},
		{name: "grant revoked between the rounds", before: func(e *enclave) {
			e.w.append(ledger.Entry{Kind: ledger.KindRevoke, About: e.w.grant.Digest(), Contract: e.w.contract.Digest()})
		}, code: CodeGrantRevoked},
		{name: "grant revoked while the query compiles", before: func(e *enclave) {
			e.w.broker.Compile = func(r policy.Request) (*policy.Plan, error) {
				e.w.append(ledger.Entry{Kind: ledger.KindRevoke, About: e.w.grant.Digest(), Contract: e.w.contract.Digest()})
				return policy.Compile(r)
			}
		}, code: CodeGrantRevoked},
		{name: "keys are gone", before: func(e *enclave) {
			if err := os.Remove(filepath.Join(e.w.home.Datasets(), "strikes", "1", "keys.json")); err != nil {
				panic(err)
			}
		}, code: CodeKeys},
	}
	for _, c := range cases {
		for how, alone := range map[string]bool{"by the line of the hello": false, "alone": true} {
			t.Run(c.name+"/"+how, func(t *testing.T) {
				w := newWorld(t, nil)
				j := w.newJob(nil)
				e := w.enclave(j)
				e.alone = alone
				h := e.hello(nil)
				if h == nil || h.Ready == nil {
					t.Fatalf("no ready: %s", e.why(h))
				}
				if c.before != nil {
					c.before(e)
				}
				var change func(int, *statement.Ready)
				if c.ready != nil {
					change = c.ready(e)
				}
				readies := e.readies(h.Ready, change)
				if c.readies != nil {
					readies = c.readies(e, readies)
				}
				r := e.quote(readies, func(q *message.Quote) {
					if c.quote != nil {
						c.quote(e, q)
					}
				})
				w.refusedWith(j, e, r, c.code, 0)
				if c.code != CodeKeys && w.count(ledger.KindCharge, j.digest) != 0 {
					t.Error("charged for a refusal")
				}
			})
		}
	}
}

func only(owner int, f func(*statement.Ready)) func(int, *statement.Ready) {
	return func(i int, r *statement.Ready) {
		if i == owner {
			f(r)
		}
	}
}

// TestRedelivery: the same quote again gets the same bytes, and no second exposure.
func TestRedelivery(t *testing.T) {
	w := newWorld(t, nil)
	j := w.newJob(nil)
	e := w.enclave(j)
	x := e.run()
	w.openBroker() // as after a restart
	again := e.take(x.quote, e.send(wire.KindQuote, message.QuoteContext(j.digest, w.self()), x.quote))
	if again.release.Digest() != x.release.Digest() {
		t.Fatal("another release for the same message")
	}
	if w.count(ledger.KindRelease, j.digest) != 1 || w.count(ledger.KindCharge, j.digest) != 1 {
		t.Fatal("recorded twice")
	}
}

// TestRetries: a killed enclave's job gets keys again, at most three times, charged once.
func TestRetries(t *testing.T) {
	w := newWorld(t, nil)
	j := w.newJob(nil)
	for n := int64(1); n <= statement.MaxReleases; n++ {
		b := w.enclave(j).run().release.Body()
		want := int64(0)
		if n == 1 {
			want = 7
		}
		if b.Number != n || b.Charged != want {
			t.Fatalf("release %d: number %d, charged %d", n, b.Number, b.Charged)
		}
	}
	e := w.enclave(j)
	w.refusedWith(j, e, e.hello(nil), CodeTooMany, statement.MaxReleases)
	if w.count(ledger.KindCharge, j.digest) != 1 {
		t.Fatal("charged twice")
	}
	for _, x := range w.ledger.Exposures() {
		if !x.Open() {
			t.Fatal("an exposure is closed without a receipt")
		}
	}
}

// TestFifthQuote: the limit holds at the quote as well, whatever was promised at the hello.
func TestFifthQuote(t *testing.T) {
	w := newWorld(t, nil)
	j := w.newJob(nil)
	fifth := w.enclave(j)
	h := fifth.hello(nil)
	for range statement.MaxReleases {
		w.enclave(j).run()
	}
	r := fifth.quote(fifth.readies(h.Ready, nil), nil)
	w.refusedWith(j, fifth, r, CodeTooMany, statement.MaxReleases)
}

// TestReplays: evidence, readies and jobs are good once.
func TestReplays(t *testing.T) {
	t.Run("own ready used twice", func(t *testing.T) {
		w := newWorld(t, nil)
		j := w.newJob(nil)
		e := w.enclave(j)
		x := e.run()
		w.now = w.now.Add(time.Second) // fresh evidence over the same readies
		r := e.quote(x.quote.Readies, nil)
		w.refusedWith(j, e, r, CodeReplayed, 1)
	})
	t.Run("evidence used twice", func(t *testing.T) {
		w := newWorld(t, nil)
		j := w.newJob(nil)
		e := w.enclave(j)
		x := e.run()
		w.forgetReleased() // the stored answer is gone
		r := e.send(wire.KindQuote, message.QuoteContext(j.digest, w.self()), x.quote)
		w.refusedWith(j, e, r, CodeReplayed, 1)
	})
	t.Run("job that a receipt closed, at hello", func(t *testing.T) {
		w := newWorld(t, nil)
		j := w.newJob(nil)
		e := w.enclave(j)
		e.close(e.run(), nil)
		again := w.enclave(j)
		w.refusedWith(j, again, again.hello(nil), CodeReplayed, 1)
	})
	t.Run("job that a receipt closed, at quote", func(t *testing.T) {
		w := newWorld(t, nil)
		j := w.newJob(nil)
		late := w.enclave(j)
		h := late.hello(nil)
		e := w.enclave(j)
		e.close(e.run(), nil)
		r := late.quote(late.readies(h.Ready, nil), nil)
		w.refusedWith(j, late, r, CodeReplayed, 1)
	})
	t.Run("stored keys after the receipt", func(t *testing.T) {
		w := newWorld(t, nil)
		j := w.newJob(nil)
		e := w.enclave(j)
		x := e.run()
		e.close(x, nil)
		r := e.send(wire.KindQuote, message.QuoteContext(j.digest, w.self()), x.quote)
		w.refusedWith(j, e, r, CodeReplayed, 1)
	})
}

func TestQuota(t *testing.T) {
	w := newWorldWith(t, nil, 2)
	for range 2 {
		e := w.enclave(w.newJob(nil))
		e.run()
	}
	j := w.newJob(nil)
	e := w.enclave(j)
	w.refusedWith(j, e, e.hello(nil), CodeOverQuota, 0)
	w.now = w.now.Add(23 * time.Hour) // still within the period, contract still valid
	j = w.newJob(nil)
	e = w.enclave(j)
	w.refusedWith(j, e, e.hello(nil), CodeOverQuota, 0)
}

// TestQuotaOfOrganisations: what the asker's affiliate has asked counts with what it asks itself.
func TestQuotaOfOrganisations(t *testing.T) {
	for name, c := range map[string]struct {
		by   statement.Fingerprint
		code string
	}{
		"affiliate": {friend, CodeOverQuota},
		"stranger":  {statement.Fingerprint("cordon1" + strings.Repeat("e", 64)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := (&world{maxQuery: 200, perOrg: 2}).furnish(t, nil)
			w.append(ledger.Entry{Kind: ledger.KindCharge, Job: statement.Sum([]byte("earlier")), Contract: w.contract.Digest(), Requester: c.by})
			w.enclave(w.newJob(nil)).run()
			j := w.newJob(nil)
			e := w.enclave(j)
			if c.code == "" {
				e.run()
				return
			}
			w.refusedWith(j, e, e.hello(nil), c.code, 0)
		})
	}
}

// TestOwnerAsksItself: an owner that asks over its own pool hands out body and ready.
func TestOwnerAsksItself(t *testing.T) {
	w := newWorld(t, func(w *world, _ *statement.Contract) { w.askerOwns = true })
	j := w.newJob(nil)
	e := w.enclave(j)
	h := e.hello(nil)
	if h == nil || h.Ready == nil || h.Body == nil || h.Body.SQL != sqlBySize {
		t.Fatalf("got %s", e.why(h))
	}
	e2 := w.enclave(j)
	e2.attest.build = statement.Sum([]byte("evil"))
	w.refusedWith(j, e2, e2.hello(nil), "evidence-build", 0)
}

// TestReceiptRefused: one thing wrong with a receipt per case; the exposure stays open.
func TestReceiptRefused(t *testing.T) {
	cases := []struct {
		name   string
		change func(*enclave, *statement.Receipt, *message.ReceiptNotice)
		code   string
	}{
		{"for another job", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) { r.Job = statement.Sum([]byte("x")) }, CodeReceipt},
		{"notice for another job", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) { n.Job = statement.Sum([]byte("x")) }, CodeReceipt},
		{"for another plan", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) { r.Plan = statement.Sum([]byte("x")) }, CodeReceipt},
		{"for another contract", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) {
			r.Contract = statement.Sum([]byte("x"))
		}, CodeReceipt},
		{"other requester", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) { r.Requester = e.w.owners[1].fp() }, CodeReceipt},
		{"other recipients", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) {
			r.Recipients = []statement.Fingerprint{e.w.owners[1].fp()}
		}, CodeReceipt},
		{"other evidence", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) {
			r.Evidence = e.evidence(evidence.HelloBinding(e.j.digest, e.session.Digest()))
		}, CodeReceipt},
		{"own release not named", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) {
			r.Releases, n.Releases = r.Releases[1:], n.Releases[1:]
		}, CodeReceipt},
		{"own ready not named", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) {
			r.Readies, n.Readies = r.Readies[1:], n.Readies[1:]
		}, CodeReceipt},
		{"own grant not named", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) { r.Grants = r.Grants[1:] }, CodeReceipt},
		{"another build", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) { r.Build = statement.Sum([]byte("x")) }, CodeReceipt},
		{"another operator", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) { r.Operator = e.w.owners[1].fp() }, CodeReceipt},
		{"another form of the perimeter", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) { r.Perimeter.Form = "fortress" }, CodeReceipt},
		{"another detail of the perimeter", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) {
			r.Perimeter.Details = []statement.Property{{Name: "swap", Value: "none"}}
		}, CodeReceipt},
		{"column that was not released", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) {
			r.Exposures = append(r.Exposures, statement.Exposure{Owner: e.w.self(), Offer: e.w.owners[0].offer.Digest(), Column: "report_id"})
		}, CodeReceiptColumns},
		{"own column under another owner", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) {
			r.Exposures[1].Owner = e.w.owners[1].fp()
		}, CodeReceiptColumns},
		{"released column not accounted for", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) {
			r.Exposures = r.Exposures[1:]
			r.Clear.Bytes -= 10
		}, CodeReceiptColumns},
		{"released column not accounted for, after a failure", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) {
			r.Outcome, r.Result = statement.OutcomeFailed+"bad-data", nil
			r.Exposures = r.Exposures[1:]
			r.Clear.Bytes -= 10
		}, CodeReceiptColumns},
		{"one column twice", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) {
			r.Exposures = append(r.Exposures, r.Exposures[1])
			r.Clear.Bytes += 10
		}, CodeReceiptColumns},
		{"another's release missing", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) { n.Releases = n.Releases[:2] }, CodeReceipt},
		{"another's release for another session", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) {
			b := *must(statement.DecodeUnverified[statement.Release](n.Releases[1].Payload))
			b.Session = statement.Sum([]byte("x"))
			n.Releases[1] = *must(statement.Sign(b, e.w.owners[1].ring.Signer()))
			r.Releases[1] = n.Releases[1].Digest()
		}, CodeReceipt},
		{"another's release signed by a third", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) {
			b := *must(statement.DecodeUnverified[statement.Release](n.Releases[1].Payload))
			n.Releases[1] = *must(statement.Sign(b, e.w.owners[2].ring.Signer()))
		}, CodeReceipt},
		{"another's ready missing", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) { n.Readies = n.Readies[:2] }, CodeReceipt},
		{"another's ready for another plan", func(e *enclave, r *statement.Receipt, n *message.ReceiptNotice) {
			b := *must(statement.DecodeUnverified[statement.Ready](n.Readies[1].Payload))
			b.Plan = statement.Sum([]byte("x"))
			n.Readies = slices.Clone(n.Readies)
			n.Readies[1] = *must(statement.Sign(b, e.w.owners[1].ring.Signer()))
			r.Readies[1] = n.Readies[1].Digest()
		}, CodeReceipt},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			j := w.newJob(nil)
			e := w.enclave(j)
			x := e.run()
			r := e.close(x, func(r *statement.Receipt, n *message.ReceiptNotice) { c.change(e, r, n) })
			w.refusedWith(j, e, r, c.code, 1)
			if xs := w.ledger.Exposures(); len(xs) != 1 || !xs[0].Open() {
				t.Fatal("the exposure was closed")
			}
		})
	}
}

func TestReceiptOfAnotherSession(t *testing.T) {
	w := newWorld(t, nil)
	j := w.newJob(nil)
	e := w.enclave(j)
	x := e.run()
	evil := w.enclave(j)
	r := evil.receipt(x)
	n := message.ReceiptNotice{Job: j.digest, Releases: append([]statement.Envelope{*x.release.Envelope()}, x.others...), Readies: x.quote.Readies}
	got := evil.closeSigned(n, must(statement.Sign(r, evil.sign)))
	w.refusedWith(j, evil, got, CodeReceiptUnknown, 1)

	// The right session named, but signed by another key.
	forged := e.closeSigned(n, must(statement.Sign(e.receipt(x), evil.sign)))
	if forged != nil && forged.Ack != nil {
		t.Fatal("acknowledged a forged receipt")
	}
	w.refusedWith(j, e, forged, CodeReceipt, 1)
}

func TestReceiptAgain(t *testing.T) {
	w := newWorld(t, nil)
	j := w.newJob(nil)
	e := w.enclave(j)
	x := e.run()
	first := e.close(x, nil)
	w.now = w.now.Add(time.Hour)
	w.openBroker()
	again := e.close(x, func(r *statement.Receipt, _ *message.ReceiptNotice) { r.EndedMS = start.UnixMilli() })
	if again == nil || again.Ack == nil || again.Ack.Digest() != first.Ack.Digest() {
		t.Fatalf("another answer to the same receipt: %s", e.why(again))
	}
	if w.count(ledger.KindClose, j.digest) != 1 {
		t.Fatal("closed twice")
	}
	other := e.close(x, func(r *statement.Receipt, _ *message.ReceiptNotice) { r.Clear.PeakMemory = 99 })
	w.refusedWith(j, e, other, CodeReceipt, 1)
}

// TestReceiptAfterEnd: contract over and revoked, an exposure is closed all the same.
func TestReceiptAfterEnd(t *testing.T) {
	w := newWorld(t, nil)
	e := w.enclave(w.newJob(nil))
	x := e.run()
	w.now = w.now.Add(48 * time.Hour)
	w.append(ledger.Entry{Kind: ledger.KindRevoke, About: w.grant.Digest(), Contract: w.contract.Digest()})
	if r := e.close(x, nil); r == nil || r.Ack == nil {
		t.Fatalf("not closed: %s", e.why(r))
	}
}

// TestFailedJob: a failure after the release closes the exposure too, without a result.
func TestFailedJob(t *testing.T) {
	w := newWorld(t, nil)
	j := w.newJob(nil)
	e := w.enclave(j)
	x := e.run()
	r := e.close(x, func(r *statement.Receipt, _ *message.ReceiptNotice) {
		r.Outcome, r.Result = statement.OutcomeFailed+"bad-data", nil
		for i := range r.Exposures[1:] { // it failed before it opened the rest
			r.Exposures[1+i].Bytes = 0
		}
		r.Clear.Bytes = r.Exposures[0].Bytes
	})
	if r == nil || r.Ack == nil {
		t.Fatalf("not closed: %s", e.why(r))
	}
	if xs := w.ledger.Exposures(); xs[0].Open() || xs[0].Outcome != "failed:bad-data" {
		t.Fatalf("%+v", xs[0])
	}
}

// TestNewsOfAJob: the exchange sends the job with its news. Another one under this name is not believed, and the job is asked for.
func TestNewsOfAJob(t *testing.T) {
	w := newWorld(t, nil)
	j, other := w.newJob(nil), w.newJob(nil)
	news := must(w.ex.JobEnvelope(t.Context(), j.digest)).Bytes()
	foreign := must(w.ex.JobEnvelope(t.Context(), other.digest)).Bytes()
	for name, body := range map[string][]byte{"the job": news, "another job": foreign, "no job": []byte("{}"), "nothing": nil} {
		w.broker.genuine = map[statement.Digest]genuineJob{}
		v, err := w.broker.genuineJob(t.Context(), wire.Item{Seq: 1, Job: j.digest, Kind: wire.KindJob, Body: body})
		if err != nil || v.Digest() != j.digest {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.ex.Down = errors.New("away")
	w.broker.genuine = map[statement.Digest]genuineJob{}
	if _, err := w.broker.genuineJob(t.Context(), wire.Item{Seq: 1, Job: j.digest, Kind: wire.KindJob, Body: news}); err != nil {
		t.Errorf("asked for what it had: %v", err)
	}
	forged := must(statement.ParseEnvelope(news))
	forged.Signatures[0].Sig[0] ^= 1
	w.broker.genuine = map[statement.Digest]genuineJob{}
	if _, err := w.broker.genuineJob(t.Context(), wire.Item{Seq: 1, Job: j.digest, Kind: wire.KindJob, Body: forged.Bytes()}); err == nil {
		t.Error("a job that nobody signed was believed")
	}
}

// TestExchangeDown: what can't be decided is not decided.
func TestExchangeDown(t *testing.T) {
	w := newWorld(t, nil)
	j := w.newJob(nil)
	w.ex.Down = errors.New("away")
	if err := w.broker.Handle(context.Background(), wire.Item{Seq: 1, Job: j.digest, Kind: wire.KindJob}); err == nil {
		t.Fatal("decided without the job")
	}
	if n := w.count(ledger.KindRefusal, j.digest); n != 0 {
		t.Fatal("an outage was recorded as a refusal")
	}
}

// TestNotice: the requester's broker keeps what is genuinely said by an owner of its job.
func TestNotice(t *testing.T) {
	w := newWorld(t, func(w *world, _ *statement.Contract) { w.askerOwns = true })
	j := w.newJob(nil)
	from := w.owners[1]
	notice := func(from, signer *member, change func(*statement.Refusal)) {
		r := statement.Refusal{Party: from.fp(), Job: j.digest, Stage: "hello", Code: "no-grant", Reason: "why", AtMS: 1}
		if change != nil {
			change(&r)
		}
		env := must(statement.Sign(r, signer.ring.Signer()))
		sealed := must(seal.To(w.owners[0].ring.Box().Public(), message.NoticeContext(j.digest, from.fp(), w.self()), env.Bytes()))
		if err := w.broker.Handle(t.Context(), wire.Item{Seq: 5, Job: j.digest, Kind: wire.KindNotice, From: from.fp(), Body: sealed}); err != nil {
			t.Fatal(err)
		}
	}
	stranger := &member{ring: w.asker}
	notice(from, w.owners[2], nil)
	notice(from, from, func(r *statement.Refusal) { r.Job = statement.Sum([]byte("x")) })
	notice(from, from, func(r *statement.Refusal) { r.Party = w.owners[2].fp() })
	notice(stranger, stranger, nil)
	if got := must(Refusals(w.home, j.digest)); len(got) != 0 {
		t.Fatalf("kept %+v", got)
	}
	notice(from, from, nil)
	got := must(Refusals(w.home, j.digest))
	if len(got) != 1 || got[0].Party != from.fp() || got[0].Code != "no-grant" {
		t.Fatalf("kept %+v", got)
	}
}

// TestKilledBetweenChargeAndRelease: the price was taken, and nothing left. The
// first release afterwards carries that charge, and takes no other.
func TestKilledBetweenChargeAndRelease(t *testing.T) {
	w := newWorld(t, nil)
	j := w.newJob(nil)
	w.append(ledger.Entry{Kind: ledger.KindCharge, Job: j.digest, Contract: w.contract.Digest(), Requester: w.asker.Fingerprint(), Charged: 7})
	if b := w.enclave(j).run().release.Body(); b.Number != 1 || b.Charged != 7 {
		t.Fatalf("%+v", b)
	}
	if w.count(ledger.KindCharge, j.digest) != 1 {
		t.Fatal("charged twice")
	}
}

// TestFullDisk: what can't be recorded is refused, and says so.
func TestFullDisk(t *testing.T) {
	err := unwritten(home.Storage("can't write", syscall.ENOSPC))
	var r *refusal
	if !errors.As(err, &r) || r.code != CodeLedger || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v", err)
	}
	if other := errors.New("other"); !errors.Is(unwritten(other), other) || errors.As(unwritten(other), &r) && r.code != CodeLedger {
		t.Fatal("another error is taken for a full disk")
	}
}

func TestMissingOptions(t *testing.T) {
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Fatal("a broker without anything")
	}
}
