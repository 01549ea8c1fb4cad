package releasing

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/kinds"
	"github.com/cordon-exchange/cordon/evidence/machinetest"
	"github.com/cordon-exchange/cordon/evidence/remembered"
	"github.com/cordon-exchange/cordon/internal/party/broker"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/collateral"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/heads"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/released"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

const (
	owners  = 3 // as in the bench's fixed cost of a job
	form    = "process"
	program = "honest"
	query   = "SELECT size, count(*) AS strikes, sum(cost) AS cost FROM pool.strikes GROUP BY size"
)

// tb is testing.TB for machinetest, outside a test: what fails there is a panic here, which Measure catches.
type tb struct{ testing.TB }

func (tb) Helper()                   {}
func (tb) Fatal(args ...any)         { panic(errors.New(fmt.Sprint(args...))) }
func (tb) Fatalf(f string, a ...any) { panic(fmt.Errorf(f, a...)) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// member is an owner. Only the first has a broker; the others sign by hand.
type member struct {
	ring  *keyring.Keyring
	keys  *dataset.Keys
	offer *statement.Verified[statement.Offer]
}

func (m *member) fp() statement.Fingerprint { return m.ring.Fingerprint() }

// world is a pool of owners, an analyst with a contract that all granted, and the broker of the first owner in a home on the disk.
type world struct {
	kind     string
	at       time.Time
	machines *machinetest.Machines
	ex       *exchange
	home     home.Dir
	operator *seal.SigningKey
	build    statement.Digest
	owners   []*member
	asker    *keyring.Keyring
	contract *statement.Verified[statement.Contract]
	catalog  *catalog.Catalog
	ledger   *ledger.Ledger
	store    *dataset.Store
	broker   *broker.Broker

	endorsements [][]byte // what the vendor says of the machine: the same bytes with every quote
}

// newWorld makes a world in a folder, with its own roots for evidence of hardware: nothing is believed that a vendor signed.
func newWorld(ctx context.Context, dir string, line Line) *world {
	w := &world{kind: line.Kind, at: time.Now(), ex: newExchange(), operator: must(seal.NewSigningKey()), build: statement.Sum([]byte("build"))}
	w.machines = machinetest.New(tb{}, w.at)
	if w.kind != evidence.Simulated {
		w.build = statement.Digest(machinetest.Build(w.kind, machinetest.Enclave{Program: program}))
		w.endorsements = w.machines.Endorsements(tb{}, w.kind, machinetest.Enclave{Program: program})
	}
	for i := range owners {
		w.owners = append(w.owners, &member{ring: must(keyring.New(fmt.Sprintf("owner%d", i)))})
	}
	w.asker = must(keyring.New("institute"))
	for _, m := range w.owners {
		w.introduce(m.ring)
	}
	w.introduce(w.asker)
	w.home = must(home.Create(filepath.Join(dir, "home")))
	w.store = must(dataset.Open(w.home, w.self(), w.owners[0].ring))
	w.ledger = must(ledger.Open(w.home.Ledger(), w.self(), time.Now))
	w.publish(ctx)
	w.agree(ctx)
	w.openBroker(line)
	return w
}

func (w *world) self() statement.Fingerprint { return w.owners[0].fp() }

func (w *world) introduce(k *keyring.Keyring) {
	e := must(statement.Sign(statement.Party{
		Name: k.Name(), Key: k.Root().String(), Box: k.Box().Public(), CreatedMS: w.at.UnixMilli(),
	}, k.Signer()))
	w.ex.post(e)
	w.ex.parties[k.Fingerprint()] = e
}

// openBroker makes the broker as an agent does.
func (w *world) openBroker(line Line) {
	o := kinds.Options{Anchors: w.machines.Anchors()}
	if line.Remembers {
		o.Memory = remembered.New()
	}
	if line.Held {
		c := must(collateral.Open(w.home, collateral.Anchors{Intel: o.Anchors.Intel, AMD: o.Anchors.AMD}))
		for _, src := range w.endorsements {
			must(c.Put(src, w.at))
		}
		o.Held = c.Held(time.Now)
	}
	me := w.owners[0].ring
	w.catalog = catalog.New(w.ex)
	w.broker = must(broker.New(broker.Options{
		Exchange: w.ex, Catalog: w.catalog, Store: w.store, Ledger: w.ledger, Heads: heads.Open(w.home.Heads()), Released: must(released.Open(w.home)), Home: w.home,
		Signer: me.Signer(), Box: me.Box(), Verifiers: kinds.Verifiers(o), Compile: policy.Compile, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}))
}

func (w *world) policy() string {
	var from []string
	for _, m := range w.owners {
		from = append(from, string(m.fp()))
	}
	accepts := fmt.Sprintf("accept: [%s], builds: [%q], perimeters: [%s]", w.kind, w.build, form)
	switch v, _ := evidence.VendorOf(w.kind); v {
	case evidence.Intel:
		accepts += fmt.Sprintf(", tcb_status: [%s], min_tcb_date: %s, min_tcb_evaluation: %d", machinetest.Status, machinetest.TCBDate().Format(time.DateOnly), machinetest.Evaluation)
	case evidence.AMD:
		v := machinetest.Version()
		accepts += fmt.Sprintf(", min_tcb_snp: {milan: {bootloader: %d, tee: %d, snp: %d, microcode: %d}}", v["bootloader"], v["tee"], v["snp"], v["microcode"])
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
  contributors: {min: 3, max_share_pct: 60, p_percent: 5, from: [%s]}
  coalition: 1
  rounding: {count: 5, value_digits: 4}
purposes: [research]
analysts: [any]
operators: [%s]
evidence: {%s}
valid: {from: %s, until: %s}
max_queries: {per_analyst: 100000, period: 30d}
price: 7
`, strings.Join(from, ", "), w.operator.Fingerprint(), accepts, w.at.UTC().AddDate(0, 0, -1).Format(time.DateOnly), w.at.UTC().AddDate(0, 1, 0).Format(time.DateOnly))
}

func (w *world) publish(ctx context.Context) {
	text := w.policy()
	for i, m := range w.owners {
		m.keys = must(dataset.NewKeys(dataset.ID{Owner: m.fp(), Dataset: "strikes", Version: "1"}, []string{"report_id", "size", "cost"}, false))
		e := must(statement.Sign(statement.Offer{
			Owner: m.fp(), Dataset: "strikes", Version: "1", Commitments: m.keys.Commitments(), Policy: text, Price: 7,
			Schema:    []statement.Column{{Name: "report_id", Type: "int64"}, {Name: "size", Type: "varchar"}, {Name: "cost", Type: "int64", Nullable: true}},
			Files:     []statement.File{{Object: "a/b/1/0.parquet", Bytes: 1, Rows: 1, AADPrefix: "x"}},
			CreatedMS: w.at.UnixMilli(),
		}, m.ring.Signer()))
		m.offer = must(statement.Verify[statement.Offer](e, m.fp()))
		w.ex.post(e)
		if i == 0 {
			if err := errors.Join(w.store.Begin(ctx, m.keys, dataset.Contents{Key: must(dataset.NewContentsKey())}), w.store.Finish(e)); err != nil {
				panic(err)
			}
		}
	}
}

// agree makes the pool, the contract, and the grant of the owner whose broker is measured.
func (w *world) agree(ctx context.Context) {
	p := statement.Pool{Name: "strikes", Epoch: 1, CreatedMS: w.at.UnixMilli()}
	var signers []statement.Signer
	for _, m := range w.owners {
		p.Members = append(p.Members, statement.Member{Owner: m.fp(), Offer: m.offer.Digest()})
		signers = append(signers, m.ring.Signer())
	}
	pool := must(statement.Sign(p, signers...))
	w.ex.post(pool)
	from, until := w.at.Add(-time.Hour).UnixMilli(), w.at.Add(24*time.Hour).UnixMilli()
	e := must(statement.Sign(statement.Contract{
		Nonce: nonce(), Requester: w.asker.Fingerprint(), Recipients: []statement.Fingerprint{w.asker.Fingerprint()}, Purpose: "research",
		Tables: []statement.Table{{Name: "pool.strikes", Pool: pool.Digest(), Members: p.Members}},
		Builds: []statement.Digest{w.build}, Operators: []statement.Fingerprint{w.operator.Fingerprint()},
		Evidence: []string{w.kind}, Perimeters: []string{form}, PlanEncoding: policy.Encoding, FromMS: from, UntilMS: until, CreatedMS: from,
	}, w.asker.Signer()))
	w.contract = must(statement.VerifyAuthor[statement.Contract](e))
	w.ex.post(e)
	me := w.owners[0]
	grant := must(statement.Sign(statement.Grant{
		Owner: me.fp(), Contract: w.contract.Digest(), Offers: []statement.Digest{me.offer.Digest()}, Authority: statement.ByHand, UntilMS: until, CreatedMS: from,
	}, me.ring.Signer()))
	w.ex.post(grant)
	must(w.ledger.Append(ctx, ledger.Entry{Kind: ledger.KindGrant, Contract: w.contract.Digest(), Grant: grant.Digest(), Authority: statement.ByHand}, nil))
}

func nonce() []byte {
	b := make([]byte, statement.NonceSize)
	rand.Read(b) // never fails: crypto/rand aborts the process instead
	return b
}

// box is what a job's letter to a party is sealed to.
func (w *world) box(f statement.Fingerprint) []byte {
	if i := slices.IndexFunc(w.owners, func(m *member) bool { return m.fp() == f }); i >= 0 {
		return w.owners[i].ring.Box().Public()
	}
	return w.asker.Box().Public()
}
