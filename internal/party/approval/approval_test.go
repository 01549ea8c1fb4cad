package approval

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/officers"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

var start = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

type world struct {
	t      *testing.T
	now    time.Time
	ex     *partytest.Exchange
	asker  *keyring.Keyring
	other  *keyring.Keyring
	owners []*owner
	from   []string // whom the owners' policies recognise

	affiliates string // of the policies, in YAML
	coalition  int
	rule       string // more about the standing rule
	members    string // instead of the analysts of the standing rule
	terms      *statement.Terms
	sold       bool // the next version is sold
	same       bool // the next version has the contents of the owner's first
}

// owner is a party with a desk and one published version.
type owner struct {
	*Desk
	ring  *keyring.Keyring
	dir   home.Dir
	offer *statement.Verified[statement.Offer]
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

const (
	minimum = 4
	build   = statement.Digest("sha256:0000000000000000000000000000000000000000000000000000000000000000")
)

func newWorld(t *testing.T, owners int) *world {
	t.Helper()
	w := &world{t: t, now: start, ex: partytest.New(), asker: must(keyring.New("institute")), other: must(keyring.New("other")), coalition: 1}
	w.introduce(w.asker)
	w.introduce(w.other)
	var rings []*keyring.Keyring
	for i := range owners {
		rings = append(rings, must(keyring.New(fmt.Sprintf("owner%d", i))))
		w.from = append(w.from, string(rings[i].Fingerprint()))
	}
	for _, k := range rings {
		w.addOwner(k)
	}
	return w
}

func (w *world) introduce(k *keyring.Keyring) {
	must(w.ex.PostStatement(w.t.Context(), must(statement.Sign(statement.Party{
		Name: k.Name(), Key: k.Signer().Public().String(), Box: k.Box().Public(), CreatedMS: start.UnixMilli(),
	}, k.Signer()))))
}

func (w *world) addOwner(k *keyring.Keyring) *owner {
	w.t.Helper()
	o := &owner{ring: k, dir: must(home.Create(filepath.Join(w.t.TempDir(), k.Name())))}
	w.introduce(o.ring)
	store := must(dataset.Open(o.dir, o.ring.Fingerprint(), o.ring))
	l := must(ledger.Open(o.dir.Ledger(), o.ring.Fingerprint(), func() time.Time { return w.now }))
	w.t.Cleanup(func() { l.Close() })
	o.Desk = &Desk{
		Exchange: w.ex, Catalog: catalog.New(w.ex), Store: store, Ledger: l, Signer: o.ring.Signer(), Home: o.dir,
		Now: func() time.Time { return w.now }, JoinPools: []string{"strikes"},
		Officers: &officers.Gate{Home: o.dir, Ledger: l, Self: o.ring.Fingerprint(), Now: func() time.Time { return w.now }},
	}
	o.Catalog.Now = o.Now
	w.owners = append(w.owners, o)
	o.offer = w.publish(o, "1", "varchar")
	return o
}

func (w *world) policyText() string {
	affiliates := ""
	if w.affiliates != "" {
		affiliates = "  affiliates: " + w.affiliates + "\n"
	}
	return fmt.Sprintf(`policy: 1
dataset: strikes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  size: {roles: [dimension, filter]}
output: {lattice: [[size]]}
guard:
  min_units: 10
  contributors: {min: %d, max_share_pct: 50, p_percent: 10, from: [%s]}
  coalition: %d
%s  rounding: {count: 5, value_digits: 4}
purposes: [research, safety]
analysts: [%s]
operators: [%s]
evidence: {accept: [simulated], builds: ["%s"], perimeters: [process]}
valid: {from: 2026-01-01, until: 2027-01-01}
max_queries: {per_analyst: 200, period: 30d}
standing:
  - {%s, purposes: [research], until: 2026-12-01, max_contracts: 2%s}
`, minimum, strings.Join(w.from, ", "), w.coalition, affiliates, w.asker.Fingerprint(), w.asker.Fingerprint(), build,
		cmp.Or(w.members, "analysts: ["+string(w.asker.Fingerprint())+"]"), w.rule)
}

func (w *world) publish(o *owner, version, sizeType string) *statement.Verified[statement.Offer] {
	w.t.Helper()
	id := dataset.ID{Owner: o.ring.Fingerprint(), Dataset: "strikes", Version: version}
	keys := must(dataset.NewKeys(id, []string{"report_id", "size"}, false))
	contents := dataset.Contents{Key: must(o.Store.ContentsKey(w.t.Context(), "strikes")), Sum: sha256.Sum256([]byte(version))}
	if w.same {
		contents.Sum = sha256.Sum256([]byte("1"))
	}
	terms := w.terms
	if w.sold {
		terms = &statement.Terms{Access: statement.AccessPurchase, Flat: 3}
	}
	e := must(statement.Sign(statement.Offer{
		Terms: terms, Owner: id.Owner, Dataset: "strikes", Version: version, Commitments: keys.Commitments(), Policy: w.policyText(),
		Schema:    []statement.Column{{Name: "report_id", Type: "int64"}, {Name: "size", Type: sizeType}},
		Files:     []statement.File{{Object: "a/b/1/0.parquet", Bytes: 1, Rows: 1, AADPrefix: "x"}},
		CreatedMS: w.now.UnixMilli(), Price: perQuery(terms),
	}, o.ring.Signer()))
	if err := errors.Join(o.Store.Begin(w.t.Context(), keys, contents), o.Store.Finish(e)); err != nil {
		w.t.Fatal(err)
	}
	must(w.ex.PostStatement(w.t.Context(), e))
	return must(statement.Verify[statement.Offer](e, id.Owner))
}

func perQuery(t *statement.Terms) int64 {
	if t == nil {
		return 0
	}
	return t.PerQuery
}

func (w *world) names() []string {
	var out []string
	for _, o := range w.owners {
		out = append(out, o.ring.Name()+".strikes")
	}
	return out
}

// pool is formed by all owners, by their rules.
func (w *world) pool(members []string) *statement.Verified[statement.Pool] {
	w.t.Helper()
	e, err := w.owners[0].ProposePool(w.t.Context(), "strikes", members, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range w.owners[1:] {
		if err := o.Consider(w.t.Context(), must(w.ex.Statement(w.t.Context(), e.Digest()))); err != nil {
			w.t.Fatal(err)
		}
	}
	return must(statement.VerifyAuthor[statement.Pool](must(w.ex.Statement(w.t.Context(), e.Digest()))))
}

func (w *world) contract(change func(*statement.Contract)) *statement.Verified[statement.Contract] {
	w.t.Helper()
	o := w.owners[0]
	c := statement.Contract{
		Nonce: []byte(strings.Repeat("n", 31) + fmt.Sprint(time.Now().UnixNano()%10)), Requester: w.asker.Fingerprint(),
		Recipients: []statement.Fingerprint{w.asker.Fingerprint()}, Purpose: "research",
		Tables: []statement.Table{{Name: "owner0.strikes", Members: []statement.Member{{Owner: o.ring.Fingerprint(), Offer: o.offer.Digest()}}}},
		Builds: []statement.Digest{build}, Operators: []statement.Fingerprint{w.asker.Fingerprint()}, Evidence: []string{"simulated"},
		Perimeters: []string{"process"}, PlanEncoding: policy.Encoding,
		FromMS: start.Add(-time.Hour).UnixMilli(), UntilMS: start.AddDate(0, 1, 0).UnixMilli(), CreatedMS: start.UnixMilli(),
	}
	if change != nil {
		change(&c)
	}
	signer := w.asker
	if c.Requester == w.other.Fingerprint() {
		signer = w.other
	}
	if c.Requester == o.ring.Fingerprint() {
		signer = o.ring
	}
	e := must(statement.Sign(c, signer.Signer()))
	must(w.ex.PostStatement(w.t.Context(), e))
	return must(statement.VerifyAuthor[statement.Contract](e))
}

func (o *owner) lastRefusal() ledger.Entry {
	var last ledger.Entry
	for _, e := range o.Ledger.Entries() {
		if e.Kind == ledger.KindRefusal {
			last = e
		}
	}
	return last
}

func (o *owner) count(kind string) int {
	n := 0
	for _, e := range o.Ledger.Entries() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func TestRuleGrants(t *testing.T) {
	w := newWorld(t, 1)
	o, c := w.owners[0], w.contract(nil)
	for range 2 { // the second time it is known
		if err := o.Consider(t.Context(), c.Envelope()); err != nil {
			t.Fatal(err)
		}
	}
	grants := must(o.Catalog.Grants(t.Context(), c.Digest()))
	g := grants[o.ring.Fingerprint()]
	if g == nil || g.Body().Authority != statement.ByRule || !slices.Equal(g.Body().Offers, []statement.Digest{o.offer.Digest()}) || g.Body().UntilMS != c.Body().UntilMS {
		t.Fatalf("grant %+v", g)
	}
	if o.count(ledger.KindGrant) != 1 {
		t.Fatal("recorded twice")
	}
	if s := must(o.Contract(t.Context(), c.Digest())); len(s.Missing) != 0 || len(s.Granted) != 1 {
		t.Fatalf("state %+v", s)
	}
}

// TestGrantsAtOnce: who grants by hand while a rule grants too gets the same grant, not one that nobody can see yet.
func TestGrantsAtOnce(t *testing.T) {
	for range 20 {
		w := newWorld(t, 1)
		o, c := w.owners[0], w.contract(nil)
		authorities := []string{statement.ByRule, statement.ByHand, statement.ByRule, statement.ByHand}
		got, errs := make([]statement.Digest, len(authorities)), make([]error, len(authorities))
		var g sync.WaitGroup
		for i, by := range authorities {
			g.Go(func() {
				v, err := o.Grant(t.Context(), c.Digest(), by)
				if errs[i] = err; err == nil {
					got[i] = v.Digest()
				}
			})
		}
		g.Wait()
		if err := errors.Join(errs...); err != nil || len(slices.Compact(got)) != 1 || o.count(ledger.KindGrant) != 1 {
			t.Fatalf("grants %v, error %v", got, err)
		}
	}
}

// TestRuleRefuses: one thing about the contract that the rule does not accept, per case.
func TestRuleRefuses(t *testing.T) {
	cases := []struct {
		name   string
		change func(*world, *statement.Contract)
		code   string
		byHand bool // a person may still grant it
	}{
		{"another analyst", func(w *world, c *statement.Contract) { c.Requester = w.other.Fingerprint() }, "policy:analysts", false},
		{"a purpose that the policy forbids", func(w *world, c *statement.Contract) { c.Purpose = "pricing" }, "policy:purposes", false},
		{"a purpose that only the policy allows", func(w *world, c *statement.Contract) { c.Purpose = "safety" }, "no-rule", true},
		{"a recipient too many", func(w *world, c *statement.Contract) {
			c.Recipients = append(c.Recipients, w.other.Fingerprint())
		}, "no-rule", true},
		{"a build too many", func(w *world, c *statement.Contract) { c.Builds = append(c.Builds, statement.Sum(nil)) }, "evidence-build", true},
		{"other builds only", func(w *world, c *statement.Contract) { c.Builds = []statement.Digest{statement.Sum(nil)} }, "evidence-build", false},
		{"an operator too many", func(w *world, c *statement.Contract) { c.Operators = append(c.Operators, w.other.Fingerprint()) }, "operator", true},
		{"a kind of evidence too many", func(w *world, c *statement.Contract) { c.Evidence = append(c.Evidence, "sgx") }, "evidence-kind", true},
		{"other evidence only", func(w *world, c *statement.Contract) { c.Evidence = []string{"sgx"} }, "evidence-kind", false},
		{"a perimeter too many", func(w *world, c *statement.Contract) { c.Perimeters = append(c.Perimeters, "weak") }, "perimeter", true},
		{"expired", func(w *world, c *statement.Contract) { c.UntilMS = start.UnixMilli() }, "contract-expired", false},
		{"another encoding of plans", func(w *world, c *statement.Contract) { c.PlanEncoding = "plan/9" }, "plan-encoding", false},
		{"an offer that was never made", func(w *world, c *statement.Contract) { c.Tables[0].Members[0].Offer = statement.Sum(nil) }, "offer-unknown", false},
		{"somebody else's data only", func(w *world, c *statement.Contract) { c.Tables[0].Members[0].Owner = w.other.Fingerprint() }, "not-concerned", false},
		{"data under another name", func(w *world, c *statement.Contract) { c.Tables[0].Name = "other.strikes" }, "untrusted", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1)
			o := w.owners[0]
			con := w.contract(func(k *statement.Contract) { c.change(w, k) })
			for range 2 {
				if err := o.Consider(t.Context(), con.Envelope()); err != nil {
					t.Fatal(err)
				}
			}
			if got := o.lastRefusal(); got.Code != c.code || got.Contract != con.Digest() || got.Reason == "" {
				t.Fatalf("ledger says %+v", got)
			}
			if o.count(ledger.KindRefusal) != 1 || o.count(ledger.KindGrant) != 0 {
				t.Fatal("not refused exactly once")
			}
			_, err := o.Grant(t.Context(), con.Digest(), statement.ByHand)
			if (err == nil) != c.byHand {
				t.Fatalf("by hand: %v", err)
			}
		})
	}
}

func TestRuleEnds(t *testing.T) {
	w := newWorld(t, 1)
	o := w.owners[0]
	long := w.contract(func(c *statement.Contract) { c.UntilMS = start.AddDate(2, 0, 0).UnixMilli() })
	g := must(o.Grant(t.Context(), long.Digest(), statement.ByRule))
	if until := time.UnixMilli(g.Body().UntilMS).UTC(); !until.Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) {
		t.Fatalf("grant outlives its rule: %s", until)
	}
	must(o.Grant(t.Context(), w.contract(func(c *statement.Contract) { c.Nonce[0] = 'a' }).Digest(), statement.ByRule))
	_, err := o.Grant(t.Context(), w.contract(func(c *statement.Contract) { c.Nonce[0] = 'b' }).Digest(), statement.ByRule)
	if r := (*Refusal)(nil); !errors.As(err, &r) || r.Code != "rule-contracts" {
		t.Fatalf("a third contract by a rule for two: %v", err)
	}
	w.now = time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC)
	_, err = o.Grant(t.Context(), w.contract(func(c *statement.Contract) { c.Nonce[0] = 'c'; c.UntilMS = w.now.AddDate(0, 1, 0).UnixMilli() }).Digest(), statement.ByRule)
	if r := (*Refusal)(nil); !errors.As(err, &r) || r.Code != "no-rule" {
		t.Fatalf("a rule that has ended: %v", err)
	}
}

// TestPolicyNotInForceYet: not even by hand, and not to the owner itself.
func TestPolicyNotInForceYet(t *testing.T) {
	w := newWorld(t, 1)
	o := w.owners[0]
	w.now = time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC)
	for _, requester := range []*keyring.Keyring{w.asker, o.ring} {
		c := w.contract(func(c *statement.Contract) { c.Requester = requester.Fingerprint() })
		_, err := o.Grant(t.Context(), c.Digest(), statement.ByHand)
		if r := (*Refusal)(nil); !errors.As(err, &r) || r.Code != "policy:valid" {
			t.Errorf("%s: %v", requester.Name(), err)
		}
	}
}

// TestGrantEndsWithItsPolicy: a contract that lasts longer does not lengthen it.
func TestGrantEndsWithItsPolicy(t *testing.T) {
	w := newWorld(t, 1)
	c := w.contract(func(c *statement.Contract) { c.UntilMS = start.AddDate(2, 0, 0).UnixMilli() })
	g := must(w.owners[0].Grant(t.Context(), c.Digest(), statement.ByHand))
	if until := time.UnixMilli(g.Body().UntilMS).UTC(); !until.Equal(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("grant outlives its policy: %s", until)
	}
}

// TestRevokeAnothersGrant: it is not this party's to take back.
func TestRevokeAnothersGrant(t *testing.T) {
	w := newWorld(t, 2)
	a, b := w.owners[0], w.owners[1]
	c := w.contract(func(c *statement.Contract) {
		c.Tables = []statement.Table{{Name: "owner1.strikes", Members: []statement.Member{{Owner: b.ring.Fingerprint(), Offer: b.offer.Digest()}}}}
	})
	g := must(b.Grant(t.Context(), c.Digest(), statement.ByHand))
	if _, err := a.Revoke(t.Context(), g.Digest(), ""); fault.ExitCode(err) != int(fault.Input) {
		t.Errorf("%v", err)
	}
}

// TestRememberedPoolOfAnother: what this party did not sign does not pass for what it signed.
func TestRememberedPoolOfAnother(t *testing.T) {
	w := newWorld(t, 4)
	p := w.pool(w.names())
	forged := must(statement.Sign(*p.Body(), w.other.Signer()))
	o := w.owners[0]
	if err := home.WriteFile(filepath.Join(o.dir.Pools(), "forged.json"), forged.Bytes()); err != nil {
		t.Fatal(err)
	}
	if _, err := o.ProposePool(t.Context(), "strikes", w.names(), nil); fault.ExitCode(err) != int(fault.Untrusted) || fault.Hint(err) == "" {
		t.Errorf("%v", err)
	}
}

// TestPoolsNotJoined: a pool of a name that the party did not say waits for a person; an offer that it never made is refused.
func TestPoolsNotJoined(t *testing.T) {
	w := newWorld(t, 4)
	e := must(w.owners[0].ProposePool(t.Context(), "other", w.names(), nil))
	o := w.owners[1]
	if err := o.Consider(t.Context(), e); err != nil || o.count(ledger.KindPool) != 0 || o.count(ledger.KindRefusal) != 0 {
		t.Errorf("%v, %d signed", err, o.count(ledger.KindPool))
	}
	p := *must(statement.DecodeUnverified[statement.Pool](e.Payload))
	p.Name, p.Members = "strikes", slices.Clone(p.Members)
	for i, m := range p.Members {
		if m.Owner == o.ring.Fingerprint() {
			p.Members[i].Offer = statement.Sum(nil)
		}
	}
	if err := o.ownMembership(&p); !isRefusal(err, "offer-unknown") {
		t.Errorf("%v", err)
	}
}

func isRefusal(err error, code string) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Code == code
}

func TestOwnDataIsOnesOwn(t *testing.T) {
	w := newWorld(t, 1)
	o := w.owners[0]
	c := w.contract(func(c *statement.Contract) {
		c.Requester, c.Recipients = o.ring.Fingerprint(), []statement.Fingerprint{o.ring.Fingerprint()}
	})
	if _, err := o.Grant(t.Context(), c.Digest(), statement.ByHand); err != nil {
		t.Fatalf("an owner may not ask for its own data: %v", err)
	}
}

func TestRevoke(t *testing.T) {
	w := newWorld(t, 1)
	o, c := w.owners[0], w.contract(nil)
	g := must(o.Grant(t.Context(), c.Digest(), statement.ByHand))
	r := must(o.Revoke(t.Context(), c.Digest(), "enough"))
	if r.Body().Revokes != g.Digest() {
		t.Fatal("not the grant was revoked")
	}
	o.Ledger.View(func(a *ledger.Accounts) {
		if in, revoked := a.Grant(c.Digest()); in != "" || !revoked {
			t.Fatal("still in force")
		}
	})
	if s := must(o.Contract(t.Context(), c.Digest())); len(s.Missing) != 1 {
		t.Fatal("shown as granted")
	}
	if _, err := o.Revoke(t.Context(), statement.Sum(nil), ""); fault.ExitCode(err) != int(fault.Input) {
		t.Fatalf("revoked nothing: %v", err)
	}
	// The very grant that was revoked is not given again.
	var refused *Refusal
	if _, err := o.Grant(t.Context(), c.Digest(), statement.ByHand); !errors.As(err, &refused) || refused.Code != "replayed" || !o.ended(c.Digest()) {
		t.Fatalf("given again: %v", err)
	}
	// By hand, it may be granted anew.
	w.now = w.now.Add(time.Millisecond)
	if _, err := o.Grant(t.Context(), c.Digest(), statement.ByHand); err != nil {
		t.Fatal(err)
	}
}

func TestRetire(t *testing.T) {
	w := newWorld(t, 1)
	o := w.owners[0]
	if got := must(o.Retire(t.Context(), "strikes", "")); len(got) != 1 {
		t.Fatalf("retired %v", got)
	}
	if _, err := o.Store.Release(t.Context(), o.offer.Digest(), []string{"size"}); fault.ExitCode(err) != int(fault.NoKey) {
		t.Fatalf("keys of a retired version: %v", err)
	}
	if again := must(dataset.Open(o.dir, o.ring.Fingerprint(), o.ring)); !again.List()[0].Retired {
		t.Fatal("forgotten after a restart")
	}
	_, err := o.Grant(t.Context(), w.contract(nil).Digest(), statement.ByHand)
	if r := (*Refusal)(nil); !errors.As(err, &r) || r.Code != "offer-retired" {
		t.Fatalf("granted: %v", err)
	}
	if _, err := o.Retire(t.Context(), "strikes", ""); fault.ExitCode(err) != int(fault.Input) {
		t.Fatalf("retired twice: %v", err)
	}
}

func TestPoolForms(t *testing.T) {
	w := newWorld(t, 4)
	p := w.pool(w.names())
	if p.Body().Epoch != 1 || len(p.Body().Members) != 4 {
		t.Fatalf("%+v", p.Body())
	}
	for _, o := range w.owners {
		if o.count(ledger.KindPool) != 1 {
			t.Fatal("not recorded by every member")
		}
	}
	if s := must(w.owners[1].Pools(t.Context(), "strikes")); len(s) != 1 || len(s[0].Missing) != 0 {
		t.Fatalf("%+v", s)
	}
	// As after a crash between recording and posting: posting again changes nothing.
	if err := w.owners[1].Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	tables, err := w.owners[0].Catalog.Table(t.Context(), "pool.strikes", nil)
	if err != nil || tables.Pool != p.Digest() {
		t.Fatalf("%+v %v", tables, err)
	}
}

// meeting is an exchange at which those who ask for one statement wait for one
// another, so that what they do next they do at once.
type meeting struct {
	*partytest.Exchange
	about statement.Digest
	all   sync.WaitGroup
}

func (m *meeting) Statement(ctx context.Context, d statement.Digest) (*statement.Envelope, error) {
	if d == m.about {
		m.all.Done()
		m.all.Wait()
	}
	return m.Exchange.Statement(ctx, d)
}

// TestEpochsAtOnce: two proposals that differ in one member and arrive together are not both signed.
func TestEpochsAtOnce(t *testing.T) {
	w := newWorld(t, 6)
	var proposals []*statement.Envelope
	for i, members := range [][]string{w.names()[1:], w.names()[1:5]} {
		p := statement.Pool{Name: "strikes", Epoch: 1, CreatedMS: start.UnixMilli() + int64(i)}
		for _, m := range members {
			p.Members = append(p.Members, must(w.owners[0].Catalog.Table(t.Context(), m, nil)).Members[0])
		}
		proposals = append(proposals, must(statement.Sign(p, w.owners[1].ring.Signer())))
	}
	o := w.owners[2]
	at := &meeting{Exchange: w.ex, about: w.owners[1].offer.Digest()} // which both proposals name first
	at.all.Add(len(proposals))
	o.Catalog = catalog.New(at)
	errs := make([]error, len(proposals))
	var g sync.WaitGroup
	for i, e := range proposals {
		g.Go(func() { errs[i] = o.SignPool(t.Context(), e) })
	}
	g.Wait()
	var r *Refusal
	if !errors.As(errors.Join(errs...), &r) || r.Code != "pool-epoch" || errs[0] != nil && errs[1] != nil || o.count(ledger.KindPool) != 1 {
		t.Fatalf("both signed: %v", errs)
	}
}

// TestEpochs: the difference of two pools must never show one member.
func TestEpochs(t *testing.T) {
	next := func(w *world, members []string, name string) error {
		_, err := w.owners[0].ProposePool(w.t.Context(), name, members, nil)
		return err
	}
	refused := func(t *testing.T, err error, code string) {
		t.Helper()
		if r := (*Refusal)(nil); !errors.As(err, &r) || r.Code != code {
			t.Fatalf("want refusal %s, got %v", code, err)
		}
	}
	t.Run("one member left", func(t *testing.T) {
		w := newWorld(t, 5)
		w.pool(w.names())
		refused(t, next(w, w.names()[:4], "strikes"), "pool-epoch")
	})
	t.Run("one member left, under another name", func(t *testing.T) {
		w := newWorld(t, 5)
		w.pool(w.names())
		refused(t, next(w, w.names()[:4], "hits"), "pool-epoch")
	})
	t.Run("one new version", func(t *testing.T) {
		w := newWorld(t, 4)
		w.pool(w.names())
		w.now = w.now.Add(time.Hour)
		w.publish(w.owners[2], "2", "varchar")
		refused(t, next(w, w.names(), "strikes"), "pool-epoch")
	})
	t.Run("two proposals that were never complete", func(t *testing.T) {
		w := newWorld(t, 5)
		if err := next(w, w.names(), "strikes"); err != nil {
			t.Fatal(err)
		}
		refused(t, next(w, w.names()[:4], "strikes"), "pool-epoch")
	})
	t.Run("enough new versions", func(t *testing.T) {
		w := newWorld(t, 2*minimum)
		first := w.pool(w.names())
		w.now = w.now.Add(time.Hour)
		for _, o := range w.owners[:minimum] {
			w.publish(o, "2", "varchar")
		}
		p := w.pool(w.names())
		if p.Body().Epoch != 2 || p.Body().Previous != first.Digest() {
			t.Fatalf("%+v", p.Body())
		}
	})
	t.Run("too few members", func(t *testing.T) {
		w := newWorld(t, 2)
		refused(t, next(w, w.names(), "strikes"), "pool-small")
	})
	t.Run("not a member", func(t *testing.T) {
		w := newWorld(t, 4)
		refused(t, next(w, w.names()[1:], "strikes"), "not-concerned")
	})
	t.Run("another schema", func(t *testing.T) {
		w := newWorld(t, 4)
		w.now = w.now.Add(time.Hour)
		w.publish(w.owners[3], "2", "int64")
		refused(t, next(w, w.names(), "strikes"), "pool-schema")
	})
	t.Run("retired version", func(t *testing.T) {
		w := newWorld(t, 4)
		member := "owner0.strikes@" + string(w.owners[0].offer.Digest())
		must(w.owners[0].Retire(t.Context(), "strikes", ""))
		refused(t, next(w, append([]string{member}, w.names()[1:]...), "strikes"), "offer-retired")
	})
	t.Run("epoch that does not follow", func(t *testing.T) {
		w := newWorld(t, 4)
		first := w.pool(w.names())
		p := *first.Body()
		p.Epoch, p.Previous = 3, first.Digest()
		refused(t, w.owners[1].SignPool(t.Context(), must(statement.Sign(p, w.owners[0].ring.Signer()))), "pool-epoch")
	})
}

func TestPoolSignatures(t *testing.T) {
	w := newWorld(t, 3)
	p := statement.Pool{Name: "strikes", Epoch: 1, CreatedMS: start.UnixMilli()}
	for _, o := range w.owners {
		p.Members = append(p.Members, statement.Member{Owner: o.ring.Fingerprint(), Offer: o.offer.Digest()})
	}
	stranger := must(statement.Sign(p, w.other.Signer()))
	if err := w.owners[1].SignPool(t.Context(), stranger); fault.ExitCode(err) != int(fault.Untrusted) {
		t.Fatalf("signed what a stranger signed: %v", err)
	}
	forged := must(statement.Sign(p, w.owners[0].ring.Signer()))
	forged.Signatures[0].Sig[0] ^= 1
	if err := w.owners[1].SignPool(t.Context(), forged); fault.ExitCode(err) != int(fault.Untrusted) {
		t.Fatalf("signed a forged proposal: %v", err)
	}
	w.owners[1].JoinPools = nil
	if err := w.owners[1].Consider(t.Context(), must(statement.Sign(p, w.owners[0].ring.Signer()))); err != nil || w.owners[1].count(ledger.KindPool) != 0 {
		t.Fatalf("joined without being told to: %v", err)
	}
}

func TestPropose(t *testing.T) {
	w := newWorld(t, minimum)
	pool := w.pool(w.names())
	asker := &Desk{
		Exchange: w.ex, Catalog: catalog.New(w.ex), Store: w.owners[0].Store, Ledger: w.owners[0].Ledger, Signer: w.asker.Signer(),
		Officers: w.owners[0].Officers, Home: w.owners[0].dir, Now: func() time.Time { return w.now },
	}
	good := Proposal{
		Data: []string{"pool.strikes"}, Purpose: "research", Builds: []statement.Digest{build}, Operators: []string{"institute"},
		Evidence: []string{"simulated"}, Perimeters: []string{"process"}, Until: start.AddDate(0, 1, 0),
	}
	c := must(asker.Propose(t.Context(), good))
	if b := c.Body(); b.Tables[0].Pool != pool.Digest() || b.Recipients[0] != w.asker.Fingerprint() || b.Operators[0] != w.asker.Fingerprint() {
		t.Fatalf("%+v", b)
	}
	for _, o := range w.owners {
		if err := o.Consider(t.Context(), c.Envelope()); err != nil {
			t.Fatal(err)
		}
	}
	if s := must(asker.WaitGrants(t.Context(), c.Digest(), time.Second)); len(s.Missing) != 0 {
		t.Fatalf("missing %v", s.Missing)
	}
	for name, change := range map[string]func(*Proposal){
		"no data": func(p *Proposal) { p.Data = nil }, "no purpose": func(p *Proposal) { p.Purpose = "" },
		"no build": func(p *Proposal) { p.Builds = nil }, "no operator": func(p *Proposal) { p.Operators = nil },
		"no evidence": func(p *Proposal) { p.Evidence = nil }, "no perimeter": func(p *Proposal) { p.Perimeters = nil },
		"ends before it begins": func(p *Proposal) { p.Until = start }, "unknown pool": func(p *Proposal) { p.Data = []string{"pool.none"} },
		"unknown party": func(p *Proposal) { p.Data = []string{"nobody.strikes"} }, "unknown operator": func(p *Proposal) { p.Operators = []string{"nobody"} },
		"not a name": func(p *Proposal) { p.Data = []string{"strikes"} },
		"pin of another key": func(p *Proposal) {
			p.Data = []string{"owner0.strikes"}
			p.Pins = map[string]statement.Fingerprint{"owner0": w.other.Fingerprint()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := good
			change(&p)
			if c, err := asker.Propose(t.Context(), p); err == nil || c != nil || fault.Hint(err) == "" {
				t.Fatalf("proposed; %v", err)
			}
		})
	}
}

// TestStaleRule: a version with a rule that grants, then a newer one: no rule grants the older any more.
func TestStaleRule(t *testing.T) {
	newest := func(w *world, version string) {
		w.now = w.now.Add(time.Hour)
		w.publish(w.owners[0], version, "varchar")
	}
	t.Run("ended", func(t *testing.T) {
		w := newWorld(t, 1)
		o := w.owners[0]
		before := w.contract(func(c *statement.Contract) { c.Nonce[0] = 'a' })
		must(o.Grant(t.Context(), before.Digest(), statement.ByRule))
		newest(w, "2")
		late := w.contract(func(c *statement.Contract) { c.Nonce[0] = 'b' })
		if err := o.Consider(t.Context(), late.Envelope()); err != nil {
			t.Fatal(err)
		}
		if r := o.lastRefusal(); r.Code != "offer-replaced" || r.Contract != late.Digest() || !strings.Contains(r.Reason, "version 2") {
			t.Fatalf("ledger says %+v", r)
		}
		notes := strings.Join(o.Notes(late.Body()), "\n")
		if !strings.Contains(notes, "version 1 is replaced by version 2") || !strings.Contains(notes, "sees their difference") {
			t.Errorf("notes: %s", notes)
		}
		must(o.Grant(t.Context(), late.Digest(), statement.ByHand))
		o.Ledger.View(func(a *ledger.Accounts) {
			if have, _ := a.Grant(before.Digest()); have == "" {
				t.Error("what was granted before is no longer in force")
			}
		})
	})
	t.Run("ended although the newer one is retired", func(t *testing.T) {
		w := newWorld(t, 1)
		newest(w, "2")
		must(w.owners[0].Retire(t.Context(), "strikes", "2"))
		_, err := w.owners[0].Grant(t.Context(), w.contract(nil).Digest(), statement.ByRule)
		if r := (*Refusal)(nil); !errors.As(err, &r) || r.Code != "offer-replaced" {
			t.Fatal(err)
		}
	})
	t.Run("the owner says otherwise", func(t *testing.T) {
		w := newWorld(t, 1)
		w.rule = ", even_if_replaced: true"
		newest(w, "2")
		w.owners[0].offer = must(w.owners[0].Catalog.LatestOffer(t.Context(), w.owners[0].ring.Fingerprint(), "strikes"))
		newest(w, "3")
		must(w.owners[0].Grant(t.Context(), w.contract(nil).Digest(), statement.ByRule))
	})
	t.Run("the newest", func(t *testing.T) {
		w := newWorld(t, 1)
		newest(w, "2")
		w.owners[0].offer = must(w.owners[0].Catalog.LatestOffer(t.Context(), w.owners[0].ring.Fingerprint(), "strikes"))
		c := w.contract(nil)
		must(w.owners[0].Grant(t.Context(), c.Digest(), statement.ByRule))
		if notes := w.owners[0].Notes(c.Body()); len(notes) != 1 || !strings.Contains(notes[0], "version 2 and another (1)") {
			t.Errorf("notes %q", notes)
		}
	})
}
