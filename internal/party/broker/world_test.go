package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/kinds"
	"github.com/cordon-exchange/cordon/evidence/machinetest"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/heads"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	kept "github.com/cordon-exchange/cordon/internal/party/released"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// start is when all tests happen; the policies are in force then.
var start = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

const (
	sqlBySize = "SELECT size, count(*) AS strikes, sum(cost) AS cost FROM pool.strikes GROUP BY size"
	form      = "process"
)

// member is one owner; only the first has a broker, the others sign by hand.
type member struct {
	ring  *keyring.Keyring
	root  *keyring.Keyring // that it had before it had an online key
	keys  *dataset.Keys
	offer *statement.Verified[statement.Offer]
}

func (m *member) fp() statement.Fingerprint { return m.ring.Fingerprint() }

// world is a pool of four owners, an institute with a contract that the first granted, and its broker.
type world struct {
	t         *testing.T
	now       time.Time
	ex        *partytest.Exchange
	home      home.Dir
	operator  *seal.SigningKey
	build     statement.Digest
	owners    []*member
	asker     *keyring.Keyring
	askerRoot *keyring.Keyring
	pool      *statement.Verified[statement.Pool]
	contract  *statement.Verified[statement.Contract]
	grant     *statement.Envelope
	ledger    *ledger.Ledger
	store     *dataset.Store
	broker    *Broker
	nextSeq   int64
	maxQuery  int
	perOrg    int // of the asker and its friend together; 0: no such rule
	askerOwns bool
	acks      map[statement.Fingerprint]*statement.Envelope // what the requester's letters carry, by reader
	online    time.Time                                     // until then everybody's online keys are certified; else they sign with their roots
	ofMonth   int64                                         // of the grant
	terms     *statement.Terms                              // of this party's offer
	budget    string                                        // the policies say output: dp, with this rule; else it is empty

	machines *machinetest.Machines // evidence is of this kind of hardware; else it is simulated
	kind     string
	debug    bool       // the policies allow debug enclaves
	held     kinds.Held // collateral of this party's own
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newWorld builds it. change may alter the contract before it is signed.
func newWorld(t *testing.T, change func(*world, *statement.Contract)) *world {
	t.Helper()
	return newWorldWith(t, change, 200)
}

func newWorldWith(t *testing.T, change func(*world, *statement.Contract), maxQuery int) *world {
	t.Helper()
	return (&world{maxQuery: maxQuery}).furnish(t, change)
}

// furnish makes the rest of a world.
func (w *world) furnish(t *testing.T, change func(*world, *statement.Contract)) *world {
	t.Helper()
	w.t, w.now, w.ex, w.operator, w.build = t, start, partytest.New(), must(seal.NewSigningKey()), statement.Sum([]byte("build"))
	if w.machines != nil {
		w.build = statement.Digest(machinetest.Build(w.kind, machinetest.Enclave{Program: program}))
	}
	for i := range 4 {
		w.owners = append(w.owners, &member{ring: must(keyring.New(fmt.Sprintf("owner%d", i)))})
	}
	w.asker = must(keyring.New("institute"))
	w.takeRoots()
	for _, m := range w.owners {
		w.introduce(m.ring)
	}
	w.introduce(w.asker)
	w.home = must(home.Create(t.TempDir() + "/home"))
	w.store = must(dataset.Open(w.home, w.self(), w.owners[0].ring))
	w.openLedger()
	w.publish()
	w.formPool()
	w.agree(change)
	w.grantIt(w.contract.Body().UntilMS)
	w.openBroker()
	return w
}

func (w *world) self() statement.Fingerprint { return w.owners[0].fp() }
func (w *world) clock() time.Time            { return w.now }

func (w *world) post(e *statement.Envelope) { must(w.ex.PostStatement(context.Background(), e)) }

func (w *world) introduce(k *keyring.Keyring) {
	w.post(must(statement.Sign(statement.Party{
		Name: k.Name(), Key: k.Root().String(), Box: k.Box().Public(), CreatedMS: start.UnixMilli(),
	}, k.Signer())))
}

func (w *world) openLedger() {
	w.ledger = must(ledger.Open(w.home.Ledger(), w.self(), w.clock))
	w.t.Cleanup(func() { w.ledger.Close() })
}

// catalog is a fresh one, by the clock of the world.
func (w *world) catalog() *catalog.Catalog {
	c := catalog.New(w.ex)
	c.Now = w.clock
	return c
}

func (w *world) openBroker() {
	me := w.owners[0].ring
	w.broker = must(New(Options{
		Exchange: w.ex, Catalog: w.catalog(), Store: w.store, Ledger: w.ledger, Heads: heads.Open(w.home.Heads()), Released: w.openReleased(), Home: w.home, Signer: me.Signer(), Box: me.Box(),
		Verifiers: w.verifiers(), Compile: policy.Compile, Now: w.clock,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}))
}

// openReleased is as if the agent was started again.
func (w *world) openReleased() *kept.Store {
	s := must(kept.Open(w.home))
	w.t.Cleanup(func() { s.Close() })
	return s
}

// forgetReleased loses what was released, as a machine that fails may.
func (w *world) forgetReleased() {
	w.t.Helper()
	if err := os.RemoveAll(w.home.Released()); err != nil {
		w.t.Fatal(err)
	}
	w.broker.Released = w.openReleased()
}

// friend is a party that policies with a rule on organisations call the asker's affiliate.
var friend = statement.Fingerprint("cordon1" + strings.Repeat("f", 64))

func (w *world) noisy() bool { return w.budget != "" }

func (w *world) policyText() string {
	if !w.noisy() {
		return w.latticeText()
	}
	return strings.Replace(w.latticeText(), "output: {lattice: [[size]]}", "output: dp\ntiming: off\ndp: "+w.budget, 1)
}

func (w *world) latticeText() string {
	var from []string
	for _, m := range w.owners {
		from = append(from, string(m.fp()))
	}
	affiliates, perOrg := "", ""
	if w.perOrg > 0 {
		affiliates = fmt.Sprintf("\n  affiliates: [[%s, %s]]", w.asker.Fingerprint(), friend)
		perOrg = fmt.Sprintf("per_org: %d, ", w.perOrg)
	}
	return fmt.Sprintf(`policy: 1
dataset: strikes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  size: {roles: [dimension, filter], values: [Small, Medium, Large]}
  cost: {roles: [measure], aggregates: [sum, avg, count], clamp: [0, 20000000], scale: 0}
output: {lattice: [[size]]}
guard:
  min_units: 10
  contributors: {min: 3, max_share_pct: 50, p_percent: 10, from: [%s]}
  coalition: 1%s
  rounding: {count: 5, value_digits: 4}
purposes: [research]
analysts: [any]
operators: [%s]
%s
valid: {from: 2026-01-01, until: 2027-01-01}
max_queries: {per_analyst: %d, %speriod: 30d}
price: 7
`, strings.Join(from, ", "), affiliates, w.operator.Fingerprint(), w.evidenceText(), w.maxQuery, perOrg)
}

func (w *world) publish() {
	for i, m := range w.owners {
		id := dataset.ID{Owner: m.fp(), Dataset: "strikes", Version: "1"}
		m.keys = must(dataset.NewKeys(id, []string{"report_id", "size", "cost"}, w.noisy()))
		offer := statement.Offer{
			Owner: m.fp(), Dataset: "strikes", Version: "1", Commitments: m.keys.Commitments(), Policy: w.policyText(), Price: 7,
			Schema:    []statement.Column{{Name: "report_id", Type: "int64"}, {Name: "size", Type: "varchar"}, {Name: "cost", Type: "int64", Nullable: true}},
			Files:     []statement.File{{Object: "a/b/1/0.parquet", Bytes: 1, Rows: 1, AADPrefix: "x"}},
			CreatedMS: start.UnixMilli(),
		}
		if w.terms != nil && i == 0 {
			offer.Terms, offer.Price = w.terms, w.terms.PerQuery
		}
		e := must(statement.Sign(offer, m.ring.Signer()))
		m.offer = must(statement.Verify[statement.Offer](e, m.fp()))
		w.post(e)
		if i == 0 {
			if err := errors.Join(w.store.Begin(context.Background(), m.keys, dataset.Contents{Key: must(dataset.NewContentsKey())}), w.store.Finish(e)); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

func (w *world) formPool() {
	p := statement.Pool{Name: "strikes", Epoch: 1, CreatedMS: start.UnixMilli()}
	var signers []statement.Signer
	for _, m := range w.owners {
		p.Members = append(p.Members, statement.Member{Owner: m.fp(), Offer: m.offer.Digest()})
		signers = append(signers, m.ring.Signer())
	}
	e := must(statement.Sign(p, signers...))
	w.pool = must(statement.VerifyAuthor[statement.Pool](e))
	w.post(e)
}

func (w *world) agree(change func(*world, *statement.Contract)) {
	c := statement.Contract{
		Nonce: nonce(), Requester: w.asker.Fingerprint(), Recipients: []statement.Fingerprint{w.asker.Fingerprint()}, Purpose: "research",
		Tables: []statement.Table{{Name: "pool.strikes", Pool: w.pool.Digest(), Members: w.pool.Body().Members}},
		Builds: []statement.Digest{w.build}, Operators: []statement.Fingerprint{w.operator.Fingerprint()},
		Evidence: []string{w.kindName()}, Perimeters: []string{form}, PlanEncoding: policy.Encoding,
		FromMS: start.Add(-time.Hour).UnixMilli(), UntilMS: start.Add(24 * time.Hour).UnixMilli(), CreatedMS: start.Add(-time.Hour).UnixMilli(),
	}
	if w.noisy() {
		c.PlanEncoding = policy.EncodingProgram
	}
	if change != nil {
		change(w, &c)
	}
	signer := w.asker
	if w.askerOwns {
		signer = w.owners[0].ring
		c.Requester, c.Recipients = signer.Fingerprint(), []statement.Fingerprint{signer.Fingerprint()}
	}
	e := must(statement.Sign(c, signer.Signer()))
	w.contract = must(statement.VerifyAuthor[statement.Contract](e))
	w.post(e)
}

func (w *world) grantIt(untilMS int64) {
	me := w.owners[0]
	w.grant = must(statement.Sign(statement.Grant{
		Owner: me.fp(), Contract: w.contract.Digest(), Offers: []statement.Digest{me.offer.Digest()}, Authority: statement.ByHand,
		UntilMS: untilMS, CreatedMS: start.Add(-time.Hour).UnixMilli(), OfMonth: w.ofMonth,
	}, me.ring.Signer()))
	w.post(w.grant)
	w.append(ledger.Entry{Kind: ledger.KindGrant, Contract: w.contract.Digest(), Grant: w.grant.Digest(), Authority: statement.ByHand})
}

func (w *world) append(e ledger.Entry) {
	w.t.Helper()
	if _, err := w.ledger.Append(context.Background(), e, nil); err != nil {
		w.t.Fatal(err)
	}
}

func nonce() []byte {
	b := make([]byte, statement.NonceSize)
	_, _ = rand.Read(b)
	return b
}

// job is a signed job with all that a test may change before it is signed.
type job struct {
	body   statement.Body
	digest statement.Digest
	salted statement.Digest
	plan   *policy.Plan // nil where the query is refused
}

func (w *world) requester() *keyring.Keyring {
	if w.askerOwns {
		return w.owners[0].ring
	}
	return w.asker
}

func (w *world) newJob(change func(*statement.Job, *statement.Body)) *job {
	w.t.Helper()
	j := &job{body: statement.Body{SQL: sqlBySize, Salt: nonce()}}
	s := statement.Job{
		Nonce: nonce(), Contract: w.contract.Digest(), Requester: w.requester().Fingerprint(), Class: "small",
		CreatedMS: w.now.UnixMilli(), ExpiresMS: w.now.Add(time.Hour).UnixMilli(), Commitment: must(j.body.Commit()),
	}
	for _, m := range w.owners {
		s.Owners = append(s.Owners, m.fp())
	}
	slices.Sort(s.Owners)
	if change != nil {
		change(&s, &j.body)
	}
	for _, to := range s.Brokers() {
		plain := must(statement.Marshal(message.Letter{Body: j.body, Ack: w.acks[to]}))
		s.Bodies = append(s.Bodies, statement.SealedBody{To: to, Sealed: must(seal.To(w.boxOf(to), message.BodyContext(s.Requester, to), plain))})
	}
	e := must(statement.Sign(s, w.requester().Signer()))
	j.digest = e.Digest()
	w.ex.Jobs[j.digest] = e
	j.compile(w)
	return j
}

// compile is what an enclave would reach; nothing where the query is refused.
func (j *job) compile(w *world) {
	req, err := w.catalog().Request(context.Background(), catalog.Question{
		Contract: w.contract.Body(), Body: &j.body, At: w.now, Operator: w.operator.Fingerprint(),
	})
	if err != nil {
		return
	}
	if plan, err := policy.Compile(req); err == nil {
		j.plan, j.salted = plan, statement.Digest(plan.SaltedDigest(j.body.Salt))
	}
}

func (w *world) boxOf(f statement.Fingerprint) []byte {
	for _, m := range w.owners {
		if m.fp() == f {
			return m.ring.Box().Public()
		}
	}
	return w.asker.Box().Public()
}

// enclave is a session that the test plays.
type enclave struct {
	line  *seal.Line // to the broker
	alone bool       // each message by a line of its own

	w       *world
	j       *job
	sign    *seal.SigningKey
	box     *seal.BoxKey
	session statement.Session
	attest  attest
}

// attest is what the evidence says; a test changes one thing.
type attest struct {
	operator *seal.SigningKey
	build    statement.Digest
	form     string
	at       time.Time
	raw      *statement.Evidence // instead of all
	machine  machinetest.Enclave // what hardware shows
	data     *evidence.ReportData
}

func (w *world) enclave(j *job) *enclave {
	e := &enclave{w: w, j: j, sign: must(seal.NewSigningKey()), box: must(seal.NewBoxKey())}
	e.session = statement.Session{Key: e.sign.Public().String(), Box: e.box.Public()}
	e.attest = attest{operator: w.operator, build: w.build, form: form, machine: machinetest.Enclave{Program: program}}
	return e
}

func (e *enclave) evidence(data evidence.ReportData) statement.Evidence {
	a := e.attest
	if a.raw != nil {
		return *a.raw
	}
	if a.data != nil {
		data = *a.data
	}
	if a.at.IsZero() {
		a.at = e.w.now
	}
	if e.w.machines != nil {
		q := e.w.machines.Quote(e.w.t, e.w.kind, a.machine, data)
		build := statement.Digest(machinetest.Build(e.w.kind, a.machine))
		return *must(hosted.Attest(a.operator, e.w.kind, build, data, statement.Perimeter{Form: a.form, Details: []statement.Property{}}, q, a.at))
	}
	return *must(simulated.Attest(a.operator, a.build, data, statement.Perimeter{Form: a.form, Details: []statement.Property{}}, a.at))
}

// send hands a sealed message to the broker and opens its answer; nil if it gave none.
func (e *enclave) send(kind string, c seal.Context, m any) *message.Reply {
	e.w.t.Helper()
	return e.sendRaw(kind, e.sealed(c, m))
}

// sealed is by the enclave's line, where it is a text of a conversation.
func (e *enclave) sealed(c seal.Context, m any) []byte {
	box, text := e.w.owners[0].ring.Box().Public(), must(statement.Marshal(m))
	if !c.Spoken() || e.alone {
		return must(seal.To(box, c, text))
	}
	if e.line == nil {
		e.line = must(seal.NewLine(box))
	}
	return must(e.line.Seal(c, text))
}

func (e *enclave) sendRaw(kind string, body []byte) *message.Reply {
	e.w.t.Helper()
	w := e.w
	w.nextSeq++
	before := len(w.ex.Answers)
	err := w.broker.Handle(context.Background(), wire.Item{Seq: w.nextSeq, Job: e.j.digest, Attempt: 1, Kind: kind, Body: body})
	if err != nil {
		w.t.Fatalf("not decided: %v", err)
	}
	if len(w.ex.Answers) == before {
		return nil
	}
	a := w.ex.Answers[len(w.ex.Answers)-1]
	if a.Ref != w.nextSeq || a.Job != e.j.digest || a.Attempt != 1 || a.Kind != message.KindReply {
		w.t.Fatal("answer is filed under another message")
	}
	var r message.Reply
	if err := message.OpenWith(e.box, message.ReplyContext(e.j.digest, w.self()), a.Body, &r); err != nil {
		return nil // not for this session
	}
	return &r
}

func (e *enclave) hello(change func(*message.Hello)) *message.Reply {
	e.w.t.Helper()
	h := message.Hello{Job: e.j.digest, Session: e.session, Evidence: e.evidence(evidence.HelloBinding(e.j.digest, e.session.Digest()))}
	if change != nil {
		change(&h)
	}
	return e.send(wire.KindHello, message.HelloContext(e.j.digest, e.w.self()), h)
}

// readies are the others' by hand, and the broker's own from its hello.
func (e *enclave) readies(own *statement.Envelope, change func(owner int, r *statement.Ready)) []statement.Envelope {
	e.w.t.Helper()
	out := []statement.Envelope{*own}
	for i, m := range e.w.owners[1:] {
		r := statement.Ready{
			Owner: m.fp(), Job: e.j.digest, Session: e.session.Digest(), Plan: e.j.salted, Offers: []statement.Digest{m.offer.Digest()},
			Grant: statement.Sum([]byte("grant")), Price: 7, Nonce: nonce(), ExpiresMS: e.w.now.Add(time.Minute).UnixMilli(),
		}
		if change != nil {
			change(i+1, &r)
		}
		out = append(out, *must(statement.Sign(r, m.ring.Signer())))
	}
	return out
}

func (e *enclave) quote(readies []statement.Envelope, change func(*message.Quote)) *message.Reply {
	e.w.t.Helper()
	q := e.newQuote(readies)
	if change != nil {
		change(&q)
	}
	return e.send(wire.KindQuote, message.QuoteContext(e.j.digest, e.w.self()), q)
}

func (e *enclave) newQuote(readies []statement.Envelope) message.Quote {
	var digests []statement.Digest
	for i := range readies {
		digests = append(digests, readies[i].Digest())
	}
	return message.Quote{
		Job: e.j.digest, Session: e.session, Plan: e.j.salted, Readies: readies,
		Evidence: e.evidence(evidence.QuoteBinding(e.j.digest, e.session.Digest(), e.j.salted, digests)),
	}
}

// handed is what an enclave holds after a release.
type handed struct {
	quote   message.Quote
	release *statement.Verified[statement.Release]
	keys    statement.ReleasedKeys
	others  []statement.Envelope
}

// run plays an enclave up to the release.
func (e *enclave) run() *handed {
	e.w.t.Helper()
	h := e.hello(nil)
	if h == nil || h.Ready == nil {
		e.w.t.Fatalf("no ready: %s", e.why(h))
	}
	q := e.newQuote(e.readies(h.Ready, nil))
	return e.take(q, e.send(wire.KindQuote, message.QuoteContext(e.j.digest, e.w.self()), q))
}

func (e *enclave) take(q message.Quote, r *message.Reply) *handed {
	e.w.t.Helper()
	if r == nil || r.Release == nil {
		e.w.t.Fatalf("no release: %s", e.why(r))
	}
	out := &handed{quote: q, release: must(statement.Verify[statement.Release](r.Release, e.w.self()))}
	if out.release.Body().Sealed != statement.Sum(r.Keys) {
		e.w.t.Fatal("release is for other keys")
	}
	if err := message.OpenWith(e.box, message.KeysContext(e.j.digest, e.w.self()), r.Keys, &out.keys); err != nil {
		e.w.t.Fatal(err)
	}
	b := out.release.Body()
	for i, m := range e.w.owners[1:] {
		out.others = append(out.others, *must(statement.Sign(statement.Release{
			Owner: m.fp(), Job: b.Job, Session: b.Session, Plan: b.Plan, Evidence: b.Evidence, Ready: q.Readies[i+1].Digest(),
			Grant: statement.Sum([]byte("grant")), Sealed: b.Sealed, Appraisal: b.Appraisal, Number: 1, ReleasedMS: b.ReleasedMS,
			Columns: []statement.Opening{{Offer: m.offer.Digest(), Columns: []string{"cost", "size"}}},
		}, m.ring.Signer())))
	}
	return out
}

func (e *enclave) why(r *message.Reply) string {
	if r == nil {
		return "no answer"
	}
	if r.Refusal == nil {
		return "answered, but otherwise"
	}
	v := must(statement.Verify[statement.Refusal](r.Refusal, e.w.self()))
	return v.Body().Code + ": " + v.Body().Reason
}

// receipt is the account of a run.
func (e *enclave) receipt(x *handed) statement.Receipt {
	w := e.w
	r := statement.Receipt{
		Job: e.j.digest, Contract: w.contract.Digest(), Plan: e.j.salted, Requester: w.contract.Body().Requester,
		Recipients: w.contract.Body().Recipients, Operator: w.operator.Fingerprint(), Session: e.session, Build: w.build,
		Evidence: x.quote.Evidence, Grants: []statement.Digest{w.grant.Digest(), statement.Sum([]byte("grant"))},
		Perimeter:      statement.Perimeter{Kind: w.kindName(), Simulated: statement.SoftwareRooted(w.kindName()), Form: form, Details: []statement.Property{}},
		Outcome:        statement.OutcomeResult,
		Result:         &statement.ResultRef{Digest: statement.Sum([]byte("result")), Bytes: 4096},
		Responsibility: []statement.Responsibility{{Layer: "data", Who: "owners", Basis: "grants"}},
		Stages:         []statement.Stage{}, ClockClass: "host", EndedMS: w.now.UnixMilli(), Exposures: []statement.Exposure{},
		Releases: []statement.Digest{x.release.Digest()},
	}
	for i := range x.quote.Readies {
		r.Readies = append(r.Readies, x.quote.Readies[i].Digest())
	}
	for i := range x.others {
		r.Releases = append(r.Releases, x.others[i].Digest())
	}
	for _, m := range w.owners {
		columns := append([]string{statement.FooterKey}, e.j.plan.Columns(string(m.offer.Digest()))...)
		if w.noisy() && m == w.owners[0] {
			r.Exposures = append(r.Exposures, statement.Exposure{Owner: m.fp(), Offer: m.offer.Digest(), Column: statement.NoiseKey})
		}
		for _, c := range columns {
			r.Exposures = append(r.Exposures, statement.Exposure{Owner: m.fp(), Offer: m.offer.Digest(), Column: c, Bytes: 10})
			r.Clear.Bytes += 10
		}
	}
	return r
}

func (e *enclave) close(x *handed, change func(*statement.Receipt, *message.ReceiptNotice)) *message.Reply {
	e.w.t.Helper()
	r := e.receipt(x)
	n := message.ReceiptNotice{Job: e.j.digest, Releases: append([]statement.Envelope{*x.release.Envelope()}, x.others...), Readies: x.quote.Readies}
	if change != nil {
		change(&r, &n)
	}
	return e.closeSigned(n, must(statement.Sign(r, e.sign)))
}

func (e *enclave) closeSigned(n message.ReceiptNotice, r *statement.Envelope) *message.Reply {
	e.w.t.Helper()
	n.Receipt = *r
	return e.send(wire.KindReceipt, message.ReceiptContext(e.j.digest, e.w.self()), n)
}

// count of ledger entries of a kind for a job.
func (w *world) count(kind string, job statement.Digest) int {
	n := 0
	for _, e := range w.ledger.Entries() {
		if e.Kind == kind && e.Job == job {
			n++
		}
	}
	return n
}

// refusedWith checks that the broker refused with this code: recorded, told the
// session, told the requester (where the job is known), and no key left.
func (w *world) refusedWith(j *job, e *enclave, r *message.Reply, code string, releases int) {
	w.t.Helper()
	var last ledger.Entry
	for _, x := range w.ledger.Entries() {
		if x.Kind == ledger.KindRefusal && x.Job == j.digest {
			last = x
		}
	}
	if last.Code != code {
		w.t.Fatalf("ledger has refusal %q, want %q; answer: %s", last.Code, code, e.why(r))
	}
	if last.Reason == "" || last.Stage == "" {
		w.t.Error("refusal without reason or stage")
	}
	if r != nil && (r.Release != nil || r.Keys != nil || r.Ready != nil || r.Body != nil || r.Ack != nil) {
		w.t.Error("refused, but something was handed out")
	}
	if r != nil && !strings.HasPrefix(e.why(r), code+": ") {
		w.t.Errorf("session was told %q", e.why(r))
	}
	if got := w.count(ledger.KindRelease, j.digest); got != releases {
		w.t.Errorf("%d releases in the ledger, want %d", got, releases)
	}
}
