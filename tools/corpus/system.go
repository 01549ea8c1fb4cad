package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/internal/enclave/engine"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
)

// line is one query of a corpus.
type line struct {
	ID     string `json:"id"`
	Class  string `json:"class"`
	SQL    string `json:"sql"`
	Why    string `json:"why"`
	Expect string `json:"expect"`
}

// outcome is what the system did with a query.
type outcome struct {
	refusal  error // of the compiler
	plan     *policy.Plan
	failure  error           // of the engine
	table    *result.Table   // the answer
	released []*result.Table // by release: its keys, then its aggregates, as they left it

	charge func() []policy.Charge // in a test: what is charged in place of what the plan says
}

// charges are what the plan says that each data set is charged.
func (o *outcome) charges() []policy.Charge {
	if o.charge != nil {
		return o.charge()
	}
	return o.plan.Charges()
}

// digest names what a release under differential privacy is charged as.
func (o *outcome) digest(release int) string {
	c, err := o.plan.Noise(release)
	if err != nil {
		return "none"
	}
	return string(c.Digest())
}

func (o *outcome) ran() bool { return o.refusal == nil && o.failure == nil }

// system is the real compiler and the real engine over sealed data sets, and the plain fixture for the judge.
type system struct {
	plain  *plain
	world  *assumedWorld
	sets   map[string]*sealed
	tables []policy.Table
	round  int // of noise keys
}

func newSystem(ctx context.Context, policies []byte, fixture string) (*system, error) {
	w, err := readPolicies(policies)
	if err != nil {
		return nil, err
	}
	p, err := openPlain(ctx, fixture)
	if err != nil {
		return nil, err
	}
	s := &system{plain: p, world: w, sets: map[string]*sealed{}}
	if err := s.publishAll(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *system) close() error { return s.plain.db.Close() }

func (s *system) publishAll(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "cordon-corpus-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, a := range s.world.sets {
		if err := s.plain.describe(ctx, a.name); err != nil {
			return err
		}
		if s.sets[a.name], err = s.plain.publish(ctx, dir, a, s.world); err != nil {
			return err
		}
		s.tables = append(s.tables, policy.Table{Name: a.name, Members: []policy.Source{s.source(a.name)}})
	}
	for _, p := range s.world.pools {
		t := policy.Table{Name: p.name, Pool: "sha256:" + digestOf("pool "+p.name), Epoch: 1}
		for _, m := range p.members {
			t.Members = append(t.Members, s.source(m))
		}
		s.tables = append(s.tables, t)
	}
	_, err = s.plain.db.ExecContext(ctx, "SET enable_external_access = false") // queries are run raw in it
	return err
}

func (s *system) source(name string) policy.Source {
	set := s.sets[name]
	return policy.Source{
		Owner: fingerprint(ownerOf(name)), OwnerName: ownerOf(name), Dataset: cutAfter(name, "."), Version: "v1",
		Offer: "sha256:" + digestOf("offer "+name), Schema: set.schema, Policy: set.policy,
	}
}

// purpose is the first of the first data set that a query names.
func (s *system) purpose(query string) string {
	query = strings.ReplaceAll(strings.ToLower(query), `"`, "")
	first, purpose := len(query)+1, s.world.sets[0].purposes[0]
	for _, a := range s.world.sets {
		word := regexp.MustCompile(`\b` + regexp.QuoteMeta(cutAfter(a.name, ".")) + `\b`)
		if at := word.FindStringIndex(query); at != nil && at[0] < first {
			first, purpose = at[0], a.purposes[0]
		}
	}
	return purpose
}

// request is what an outside analyst's query comes to.
func (s *system) request(l line) policy.Request {
	analyst := fingerprint("analyst")
	return policy.Request{
		SQL: l.SQL, Tables: s.tables, Requester: analyst, Recipients: []string{analyst}, Purpose: s.purpose(l.SQL),
		At: askedAt, Operator: fingerprint("operator"), Encoding: policy.EncodingProgram,
	}
}

// askLimit is how long a query may take, with all that is looked at.
const askLimit = 2 * time.Minute

// ask puts a query to the system as an outside analyst, and looks at what each release let out.
func (s *system) ask(ctx context.Context, l line) *outcome {
	ctx, stop := context.WithTimeout(ctx, askLimit)
	defer stop()
	o := &outcome{}
	o.plan, o.refusal = policy.Compile(s.request(l))
	if o.refusal != nil {
		return o
	}
	if o.table, o.failure = s.run(ctx, o.plan, s.round); o.failure != nil || o.plan.Program == nil {
		return o
	}
	for i := range o.plan.Program.Releases {
		t, err := s.run(ctx, showing(o.plan, i), s.round)
		if err != nil {
			o.failure = err
			return o
		}
		o.released = append(o.released, t)
	}
	return o
}

// showing is the plan with another result: a release as it leaves.
func showing(p *policy.Plan, release int) *policy.Plan {
	out, g := *p, *p.Program
	n := g.Releases[release]
	g.Result = policy.Rel{Op: policy.RelSelect, Inputs: []policy.Rel{{Op: policy.RelRelease, Release: release}}}
	add := func(t policy.Type) {
		i := len(g.Result.Select)
		g.Result.Select = append(g.Result.Select, policy.Item{Name: "c" + strconv.Itoa(i), Expr: policy.Expr{Op: policy.OpCol, Type: t, Index: i}})
	}
	for _, k := range n.Keys {
		add(k.Expr.Type)
	}
	for _, a := range n.Aggs {
		add(a.Type())
	}
	out.Program = &g
	return &out
}

// engineMemory is ample for a fixture.
const engineMemory = 1 << 30

// run answers a plan in an engine of its own over the opened columns.
func (s *system) run(ctx context.Context, plan *policy.Plan, round int) (*result.Table, error) {
	e, err := engine.New(ctx, engine.Options{MemoryBytes: engineMemory, Threads: runtime.GOMAXPROCS(0)})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	var sources []engine.Source
	for i, src := range plan.Sources {
		set := s.setOf(src)
		f, err := set.open(ctx, src.Columns)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		sources = append(sources, engine.Source{Index: i, Path: f.Path(), Required: set.withoutNull()})
	}
	if err := e.Bind(ctx, sources); err != nil {
		return nil, err
	}
	if err := e.Prepare(ctx, plan); err != nil {
		return nil, err
	}
	if err := e.Noise(noiseKeys(plan, round)); err != nil {
		return nil, err
	}
	return e.Run(ctx, plan)
}

// noiseKeys are those that owners would release: one for each offer, the same for every query of a round.
func noiseKeys(plan *policy.Plan, round int) map[string][]byte {
	out := map[string][]byte{}
	for _, o := range plan.NoiseOffers() {
		key := sha256.Sum256([]byte("cordon corpus/1 noise key " + strconv.Itoa(round) + " of " + o))
		out[o] = key[:]
	}
	return out
}

func (s *system) setOf(src policy.PlanSource) *sealed {
	for name, set := range s.sets {
		if fingerprint(ownerOf(name)) == src.Owner && cutAfter(name, ".") == src.Dataset {
			return set
		}
	}
	return nil
}
