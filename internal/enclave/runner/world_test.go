package runner

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

const (
	testForm    = "in-process-test"
	testPurpose = "benchmarking"
	testSQL     = "SELECT size, count(*) AS n, sum(cost) AS c FROM pool.strikes GROUP BY size ORDER BY size"
)

var testBuild = statement.Sum([]byte("the enclave under test"))

// party is anyone with keys.
type party struct {
	name string
	sign *seal.SigningKey
	box  *seal.BoxKey
	me   *statement.Envelope

	online statement.Signer // nil: sign is the party's only key
	// of owners:
	offer *statement.Envelope
	keys  map[string]*seal.DataKey
	grant *statement.Envelope
}

func (p *party) fp() statement.Fingerprint { return p.sign.Fingerprint() }

// world is one agreement between real parties with real keys over really sealed data.
type world struct {
	t         testing.TB
	owners    []*party
	institute *party
	operator  *party
	others    []*party // parties of no importance
	lake      map[string][]byte
	pool      *statement.Envelope
	contract  *statement.Envelope
	job       *statement.Envelope
	body      statement.Body
	now       int64
	build     statement.Digest // of the enclave that will run
	form      string           // of its perimeter
	lattice   string           // of the policies
	rows      int              // of each owner
	scatter   bool             // costs are spread, so that files are large
	noisy     bool             // the policies say output: dp
	timing    string           // of noisy policies; empty: off
	free      bool             // the policies are guard-free
	layout    bool             // the files say where columns lie
	groupRows int64            // of each row group. Default: 50,000
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newParty(t testing.TB, name string, now int64) *party {
	p := &party{name: name, sign: must[*seal.SigningKey](t)(seal.NewSigningKey()), box: must[*seal.BoxKey](t)(seal.NewBoxKey())}
	p.me = sign(t, statement.Party{Name: name, Key: p.sign.Public().String(), Box: p.box.Public(), CreatedMS: now}, p)
	return p
}

func sign[T any, P interface {
	*T
	statement.Statement
}](t testing.TB, s T, by ...*party) *statement.Envelope {
	t.Helper()
	var signers []statement.Signer
	for _, p := range by {
		signers = append(signers, p.signer())
	}
	return must[*statement.Envelope](t)(statement.Sign[T, P](s, signers...))
}

func (p *party) signer() statement.Signer {
	if p.online != nil {
		return p.online
	}
	return p.sign
}

// onlineOf is a party that signs with an online key, and the revocation of it.
func onlineOf(t testing.TB, p *party, now int64) (*party, *statement.Envelope) {
	t.Helper()
	k := must[*seal.SigningKey](t)(seal.NewSigningKey())
	proof := must[[]byte](t)(k.Sign(statement.CertificateProof(p.fp())))
	c := sign(t, statement.Certificate{
		Party: p.fp(), Key: k.Public().String(), Purposes: statement.Purposes(), Serial: 1, FromMS: 1, UntilMS: now + 86_400_000, Proof: proof,
	}, p)
	out := *p
	out.online = must[statement.Signer](t)(statement.Certified(k, c))
	of := statement.OnlineKey{Party: p.fp(), Key: k.Public()}
	return &out, sign(t, statement.Revocation{Author: of.Party, Revokes: of.Digest(), Key: of.Key.String(), AtMS: now}, p)
}

func nonce(b byte) []byte { return bytes.Repeat([]byte{b}, statement.NonceSize) }

// newWorld: three owners with 40 rows each in one pool, an institute that owns nothing.
func newWorld(t testing.TB) *world { return newWorldOf(t, testBuild, testForm) }

func newWorldOf(t testing.TB, build statement.Digest, form string) *world {
	w := &world{t: t, lake: map[string][]byte{}, now: time.Now().UnixMilli(), build: build, form: form, lattice: "[[size]]", rows: 40}
	return w.populate()
}

func (w *world) populate() *world {
	t := w.t
	for i, name := range []string{"alpha", "beta", "gamma"} {
		w.owners = append(w.owners, newParty(t, name, w.now+int64(i)))
	}
	w.institute, w.operator = newParty(t, "institute", w.now), newParty(t, "operator", w.now)
	for i, o := range w.owners {
		w.publish(o, i)
	}
	w.agree()
	w.ask(w.institute, testSQL)
	return w
}

var testSchema = []statement.Column{
	{Name: "cost", Type: "int64", Nullable: true}, {Name: "report_id", Type: "varchar"}, {Name: "size", Type: "varchar"}, {Name: "weight", Type: "int64"},
}

func (w *world) policy() string {
	if w.free {
		return strings.NewReplacer("output: {lattice: "+w.lattice+"}", "output: guard-free", "aggregates: [count, sum, avg], clamp: [0, 1000000], scale: 0",
			"aggregates: [count, sum, avg, stddev, median, quantile_cont], clamp: [0, 1000000], scale: 0, bins: [0, 5000]").Replace(w.latticePolicy())
	}
	if !w.noisy {
		return w.latticePolicy()
	}
	return strings.Replace(w.latticePolicy(), "output: {lattice: "+w.lattice+"}", "output: dp\ndp: {epsilon_max_query: 1, epsilon: 10, delta: 0.000001, max_groups_per_unit: 2}\ntiming: "+cmp.Or(w.timing, "off"), 1)
}

func (w *world) latticePolicy() string {
	var from []string
	for _, o := range w.owners {
		from = append(from, string(o.fp()))
	}
	day := func(d int) string { return time.UnixMilli(w.now).AddDate(0, 0, d).UTC().Format(time.DateOnly) }
	return fmt.Sprintf(`policy: 1
dataset: strikes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  size: {roles: [dimension, filter], values: [Large, Small]}
  cost: {roles: [measure], aggregates: [count, sum, avg], clamp: [0, 1000000], scale: 0}
output: {lattice: %s}
guard:
  min_units: 3
  contributors: {min: 2, max_share_pct: 80, p_percent: 5, from: [%s]}
  coalition: 1
  rounding: {count: 5, value_digits: 4}
purposes: [%s]
analysts: [%s, %s]
operators: [%s]
evidence: {accept: [simulated], builds: ["%s"], perimeters: [%s]}
valid: {from: %s, until: %s}
max_queries: {per_analyst: 200, period: 30d}
`, w.lattice, joined(from), testPurpose, w.institute.fp(), w.owners[0].fp(), w.operator.fp(), w.build, w.form, day(-2), day(30))
}

func joined(list []string) string {
	var b bytes.Buffer
	for i, s := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(s)
	}
	return b.String()
}

// publish seals an owner's rows into the lake and signs the offer.
func (w *world) publish(o *party, n int) {
	t := w.t
	plain := w.table(n)
	prefix := "strikes/v1/" + strconv.Itoa(n)
	o.keys = map[string]*seal.DataKey{}
	keys := pme.Keys{Columns: map[string][]byte{}}
	offer := statement.Offer{
		Owner: o.fp(), Dataset: "strikes", Version: "v1", Schema: testSchema, Policy: w.policy(), CreatedMS: w.now,
	}
	names := append([]string{statement.FooterKey}, columnNames()...)
	if w.noisy {
		names = append(names, statement.NoiseKey)
	}
	for _, name := range names {
		k := must[*seal.DataKey](t)(seal.NewDataKey())
		o.keys[name] = k
		switch name {
		case statement.FooterKey:
			keys.Footer = k.BytesUnsafe()
		case statement.NoiseKey:
		default:
			keys.Columns[name] = k.BytesUnsafe()
		}
		offer.Commitments = append(offer.Commitments, statement.Commitment{Key: name, Commit: seal.Commit(keyName(o, name), k)})
	}
	var sealed bytes.Buffer
	if _, err := pme.Seal(context.Background(), bytes.NewReader(plain), int64(len(plain)), &sealed, pme.SealOptions{Keys: keys, AADPrefix: []byte(prefix), Layout: w.layout}); err != nil {
		t.Fatal(err)
	}
	object := string(o.fp())[len("cordon1"):] + "/strikes/v1/0.parquet"
	w.lake[object] = sealed.Bytes()
	offer.Files = []statement.File{{Object: object, Bytes: int64(sealed.Len()), Rows: int64(w.rows), AADPrefix: prefix}}
	o.offer = sign(t, offer, o)
}

func keyName(o *party, key string) seal.KeyName {
	return seal.KeyName{Owner: o.fp(), Dataset: "strikes", Version: "v1", Key: key}
}

func columnNames() []string {
	var out []string
	for _, c := range testSchema {
		out = append(out, c.Name)
	}
	return out
}

// table: half the rows Large, half Small; Large costs 1000+n each, Small 10+n, every tenth cost unknown.
func (w *world) table(n int) []byte {
	t := w.t
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "cost", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, {Name: "report_id", Type: arrow.BinaryTypes.String},
		{Name: "size", Type: arrow.BinaryTypes.String}, {Name: "weight", Type: arrow.PrimitiveTypes.Int64},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := range w.rows {
		size, cost := "Large", int64(1000+n)
		if i%2 == 1 {
			size, cost = "Small", int64(10+n)
		}
		if w.scatter {
			cost = scattered(n, i)
		}
		if i%10 == 0 {
			b.Field(0).AppendNull()
		} else {
			b.Field(0).(*array.Int64Builder).Append(cost)
		}
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("r%d-%d", n, i))
		b.Field(2).(*array.StringBuilder).Append(size)
		b.Field(3).(*array.Int64Builder).Append(scattered(n+100, i))
	}
	record := b.NewRecordBatch()
	defer record.Release()
	var buf bytes.Buffer
	f, err := pqarrow.NewFileWriter(schema, &buf, parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithMaxRowGroupLength(cmp.Or(w.groupRows, 50_000))), pqarrow.NewArrowWriterProperties())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Write(record); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// scattered is a cost that does not compress.
func scattered(n, i int) int64 {
	h := sha256.Sum256([]byte(fmt.Sprint(n, i)))
	return int64(binary.BigEndian.Uint32(h[:]) % 1000000)
}

// agree makes pool, contract and grants.
func (w *world) agree() {
	t := w.t
	var members []statement.Member
	for _, o := range w.owners {
		members = append(members, statement.Member{Owner: o.fp(), Offer: o.offer.Digest()})
	}
	w.pool = sign(t, statement.Pool{Name: "strikes", Epoch: 1, Members: members, CreatedMS: w.now}, w.owners...)
	w.contract = sign(t, w.contractBody(members), w.institute)
	w.grantAll()
}

func (w *world) contractBody(members []statement.Member) statement.Contract {
	encoding := policy.Encoding
	if w.noisy || w.free {
		encoding = policy.EncodingProgram
	}
	return statement.Contract{
		Nonce: nonce(1), Requester: w.institute.fp(), Recipients: []statement.Fingerprint{w.institute.fp()}, Purpose: testPurpose,
		Tables: []statement.Table{{Name: "pool.strikes", Pool: w.pool.Digest(), Members: members}},
		Builds: []statement.Digest{w.build}, Operators: []statement.Fingerprint{w.operator.fp()},
		Evidence: []string{"simulated"}, Perimeters: []string{w.form}, PlanEncoding: encoding,
		FromMS: w.now - 1000, UntilMS: w.now + 3600_000, CreatedMS: w.now,
	}
}

func (w *world) grantAll() {
	for _, o := range w.owners {
		o.grant = sign(w.t, statement.Grant{
			Owner: o.fp(), Contract: w.contract.Digest(), Offers: []statement.Digest{o.offer.Digest()},
			Authority: statement.ByHand, UntilMS: w.now + 3600_000, CreatedMS: w.now,
		}, o)
	}
}

// ask signs a job of that requester, whose contract it must be.
func (w *world) ask(requester *party, sql string) {
	t := w.t
	w.body = statement.Body{SQL: sql, Salt: nonce(7)}
	j := statement.Job{
		Nonce: nonce(2), Contract: w.contract.Digest(), Requester: requester.fp(), Class: "small",
		Commitment: must[statement.Digest](t)(w.body.Commit()), CreatedMS: w.now, ExpiresMS: w.now + 600_000,
	}
	for _, o := range w.owners {
		j.Owners = append(j.Owners, o.fp())
	}
	slices.Sort(j.Owners)
	for _, to := range j.Brokers() {
		sealed := must[[]byte](t)(message.SealTo(w.party(to).box.Public(), message.BodyContext(requester.fp(), to), message.Letter{Body: w.body}))
		j.Bodies = append(j.Bodies, statement.SealedBody{To: to, Sealed: sealed})
	}
	w.job = sign(t, j, requester)
}

func (w *world) everyone() []*party {
	return slices.Concat(w.owners, []*party{w.institute, w.operator}, w.others)
}

func (w *world) party(f statement.Fingerprint) *party {
	for _, p := range w.everyone() {
		if p.fp() == f {
			return p
		}
	}
	w.t.Fatal("unknown party")
	return nil
}

// statements that the exchange hands out with the job.
func (w *world) statements() []statement.Envelope {
	out := []statement.Envelope{*w.pool}
	for _, p := range w.everyone() {
		out = append(out, *p.me)
		for _, e := range []*statement.Envelope{p.offer, p.grant} {
			if e != nil {
				out = append(out, *e)
			}
		}
	}
	return out
}

// compile is what each broker does with the job: with statements of its own, not with the enclave's code.
func (w *world) compile(sql string) *policy.Plan {
	table := policy.Table{Name: "pool.strikes", Pool: string(w.pool.Digest()), Epoch: 1}
	for _, o := range w.owners {
		p, err := policy.Parse([]byte(w.policy()))
		if err != nil {
			w.t.Fatal(err)
		}
		s := policy.Source{Owner: string(o.fp()), OwnerName: o.name, Dataset: "strikes", Version: "v1", Offer: string(o.offer.Digest()), Policy: p}
		for _, c := range testSchema {
			s.Schema = append(s.Schema, policy.Column{Name: c.Name, Type: policy.Type(c.Type), Nullable: c.Nullable})
		}
		table.Members = append(table.Members, s)
	}
	c, err := statement.DecodeUnverified[statement.Contract](w.contract.Payload)
	if err != nil {
		w.t.Fatal(err)
	}
	r := policy.Request{
		SQL: sql, Tables: []policy.Table{table}, Requester: string(c.Requester), Purpose: c.Purpose,
		At: time.UnixMilli(w.now), Operator: string(w.operator.fp()), Encoding: c.PlanEncoding,
	}
	for _, f := range c.Recipients {
		r.Recipients = append(r.Recipients, string(f))
	}
	plan, err := policy.Compile(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return plan
}
