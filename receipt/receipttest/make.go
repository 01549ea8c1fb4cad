package receipttest

import (
	"slices"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// introduce makes party statements and offers.
func (a *Account) introduce() {
	for _, p := range a.Everyone() {
		s := statement.Party{Name: p.Name, Key: p.Key.Public().String(), Box: p.Box.Public(), CreatedMS: ms(-72 * time.Hour)}
		edit(a.edit.Party, &s)
		a.Bundle.Parties = append(a.Bundle.Parties, Sign(a.t, s, p))
	}
	for i, p := range a.Owners {
		s := a.offer(p, int64(2+i))
		edit(a.edit.Offer, &s)
		env := Sign(a.t, s, p)
		a.offers = append(a.offers, env.Digest())
		a.policies = append(a.policies, statement.Sum([]byte(s.Policy)))
		a.Bundle.Offers = append(a.Bundle.Offers, env)
	}
}

// PolicyText is a policy of every offer: what it accepts of an enclave, with more lines where the kind needs them.
func PolicyText(operators []statement.Fingerprint, kind string, build statement.Digest, machines ...string) string {
	names := make([]string, len(operators))
	for i, f := range operators {
		names[i] = string(f)
	}
	return "policy: 1\ndataset: strikes\nunit: {column: size, rows_are_units: true}\n" +
		"columns:\n  size: {roles: [unit]}\n  phase: {roles: [dimension, filter]}\n  cost: {roles: [measure], aggregates: [sum, count, avg], clamp: [0, 1000000], scale: 2}\n" +
		"output: {lattice: [[phase]]}\nguard: {min_units: 10, rounding: {count: 5, value_digits: 4}}\npurposes: [what-strikes-cost]\nanalysts: [any]\n" +
		"operators: [" + strings.Join(names, ", ") + "]\n" +
		"evidence:\n  accept: [" + kind + "]\n  builds: [\"" + string(build) + "\"]\n  perimeters: [process]\n" +
		strings.Join(append(machines, ""), "\n") +
		"valid: {from: 2025-01-01, until: 2027-01-01}\nmax_queries: {per_analyst: 20, period: 30d}\n"
}

func (a *Account) offer(p *Party, price int64) statement.Offer {
	path := string(p.Fingerprint())[len("cordon1"):] + "/strikes/2026-01/part-0.parquet"
	s := statement.Offer{
		Owner: p.Fingerprint(), Dataset: "strikes", Version: "2026-01",
		Files:  []statement.File{{Object: path, Bytes: 48213, Rows: 611, AADPrefix: path}},
		Policy: PolicyText([]statement.Fingerprint{a.Operator.Fingerprint()}, simulated.Kind, Build), Price: price, CreatedMS: ms(-48 * time.Hour),
	}
	for _, name := range append(Columns(), statement.FooterKey) {
		n := a.keyName(p, name)
		s.Commitments = append(s.Commitments, statement.Commitment{Key: name, Commit: seal.Commit(n, DataKey(a.t, n))})
	}
	s.Schema = []statement.Column{
		{Name: "cost", Type: "decimal(12,2)", Nullable: true}, {Name: "size", Type: "varchar"}, {Name: "phase", Type: "varchar"},
	}
	return s
}

// agree makes pool, contract and grants.
func (a *Account) agree() {
	pool := statement.Pool{Name: "strikes", Epoch: 1, CreatedMS: ms(-40 * time.Hour)}
	for i, p := range a.Owners {
		pool.Members = append(pool.Members, statement.Member{Owner: p.Fingerprint(), Offer: a.offers[i]})
	}
	edit(a.edit.Pool, &pool)
	a.Bundle.Pools = []statement.Envelope{Sign(a.t, pool, a.Owners...)}
	c := statement.Contract{
		Nonce: Seed("nonce", "contract"), Requester: a.Requester.Fingerprint(),
		Recipients: []statement.Fingerprint{a.Requester.Fingerprint()}, Purpose: "what bird strikes cost",
		Tables:    []statement.Table{{Name: "pool.strikes", Pool: a.Bundle.Pools[0].Digest(), Members: slices.Clone(pool.Members)}},
		Builds:    []statement.Digest{Build},
		Operators: []statement.Fingerprint{a.Operator.Fingerprint()}, Evidence: []string{simulated.Kind},
		Perimeters: []string{"process"}, PlanEncoding: "plan/1",
		FromMS: ms(-24 * time.Hour), UntilMS: ms(24 * time.Hour), CreatedMS: ms(-25 * time.Hour),
	}
	edit(a.edit.Contract, &c)
	a.Bundle.Contract = Sign(a.t, c, a.holder(c.Requester))
	for i, p := range a.Owners {
		g := statement.Grant{
			Owner: p.Fingerprint(), Contract: a.Bundle.Contract.Digest(), Offers: []statement.Digest{a.offers[i]},
			Authority: []string{statement.ByHand, statement.ByRule}[i%2], CreatedMS: ms(-20 * time.Hour), UntilMS: ms(20 * time.Hour),
		}
		edit(a.edit.Grant, &g)
		env := Sign(a.t, g, p)
		a.grants = append(a.grants, env.Digest())
		a.Bundle.Grants = append(a.Bundle.Grants, env)
	}
}

// holder of the key that a fingerprint names.
func (a *Account) holder(f statement.Fingerprint) *Party {
	for _, p := range a.Everyone() {
		if p.Fingerprint() == f {
			return p
		}
	}
	a.t.Fatalf("nobody in the account is %s", f)
	return nil
}

// submit makes the job.
func (a *Account) submit() {
	commit, err := a.Body.Commit()
	if err != nil {
		a.t.Fatal(err)
	}
	j := statement.Job{
		Nonce: Seed("nonce", "job"), Contract: a.Bundle.Contract.Digest(), Requester: a.Requester.Fingerprint(),
		Class: "small", Commitment: commit, CreatedMS: ms(0), ExpiresMS: ms(10 * time.Minute),
	}
	for _, p := range a.Owners {
		j.Owners = append(j.Owners, p.Fingerprint())
	}
	slices.Sort(j.Owners)
	edit(a.edit.Job, &j)
	if j.Bodies == nil {
		j.Bodies = a.bodies(j.Brokers())
	}
	a.Bundle.Job = Sign(a.t, j, a.holder(j.Requester))
}

func (a *Account) bodies(brokers []statement.Fingerprint) []statement.SealedBody {
	var out []statement.SealedBody
	for _, p := range a.Everyone() {
		if !slices.Contains(brokers, p.Fingerprint()) {
			continue
		}
		sealed, err := message.SealTo(p.Box.Public(), message.BodyContext(a.Requester.Fingerprint(), p.Fingerprint()), message.Letter{Body: a.Body})
		if err != nil {
			a.t.Fatal(err)
		}
		out = append(out, statement.SealedBody{To: p.Fingerprint(), Sealed: sealed})
	}
	return out
}

// SessionKeys of the enclave, as statements name them.
func (a *Account) SessionKeys() statement.Session {
	return statement.Session{Key: a.Session.Key.Public().String(), Box: a.Session.Box.Public()}
}

// PlanDigest of the account's plan. No plan is behind it: a receipt can't show one.
func (a *Account) PlanDigest() statement.Digest {
	return statement.LabelledSum("cordon/test-plan", a.Body.Salt)
}

// run makes readies, evidence and releases.
func (a *Account) run() {
	session := a.SessionKeys()
	for i, p := range a.Owners {
		r := statement.Ready{
			Owner: p.Fingerprint(), Job: a.Bundle.Job.Digest(), Session: session.Digest(), Plan: a.PlanDigest(),
			Offers: []statement.Digest{a.offers[i]}, Grant: a.grants[i], Price: int64(2 + i),
			Nonce: Seed("nonce", "ready of "+p.Name), ExpiresMS: ms(2 * time.Minute),
		}
		edit(a.edit.Ready, &r)
		env := Sign(a.t, r, p)
		a.ready = append(a.ready, env.Digest())
		a.Bundle.Readies = append(a.Bundle.Readies, env)
	}
	a.attest(session)
	shown, err := a.receipt.Evidence.Digest()
	if err != nil {
		a.t.Fatal(err)
	}
	for i, p := range a.Owners {
		r := statement.Release{
			Owner: p.Fingerprint(), Job: a.Bundle.Job.Digest(), Session: session.Digest(), Plan: a.PlanDigest(),
			Evidence: shown, Ready: a.ready[i], Grant: a.grants[i], Sealed: statement.Sum([]byte("sealed keys of " + p.Name)),
			Appraisal: statement.Appraisal{
				Kind: a.receipt.Evidence.Kind, Simulated: a.receipt.Perimeter.Simulated, Policies: []statement.Digest{a.policies[i]},
			},
			Columns: []statement.Opening{{Offer: a.offers[i], Columns: Columns()[:2]}},
			Number:  1, Charged: int64(2 + i), ReleasedMS: ms(time.Second + time.Duration(i)*10*time.Millisecond),
		}
		edit(a.edit.Release, &r)
		env := Sign(a.t, r, p)
		a.release = append(a.release, env.Digest())
		a.Bundle.Releases = append(a.Bundle.Releases, env)
	}
}

func (a *Account) attest(session statement.Session) {
	r := Report{
		Signer: a.Operator, Build: Build, At: Start.Add(900 * time.Millisecond),
		Data: evidence.QuoteBinding(a.Bundle.Job.Digest(), session.Digest(), a.PlanDigest(), a.ready),
		Perimeter: statement.Perimeter{Form: "process", Details: []statement.Property{
			{Name: "landlock", Value: "6"}, {Name: "namespaces", Value: "user,pid,net,mnt,ipc,uts"}, {Name: "swap", Value: "off"},
		}},
	}
	edit(a.edit.Report, &r)
	ev, err := a.evidence(&r)
	if err != nil {
		a.t.Fatal(err)
	}
	edit(a.edit.Evidence, ev)
	a.receipt.Evidence = *ev
	a.receipt.Perimeter, a.receipt.Build = r.Perimeter, Build
	if a.edit.Hosted != nil {
		a.receipt.Build = r.Build // a quote shows no other
	}
	a.receipt.Perimeter.Kind, a.receipt.Perimeter.Simulated = ev.Kind, statement.SoftwareRooted(ev.Kind)
}

func (a *Account) evidence(r *Report) (*statement.Evidence, error) {
	if a.edit.Hosted == nil {
		return simulated.Attest(r.Signer.Key, r.Build, r.Data, r.Perimeter, r.At)
	}
	kind, q := a.edit.Hosted(r.Data)
	return hosted.Attest(r.Signer.Key, kind, r.Build, r.Data, r.Perimeter, q, r.At)
}

// close makes receipt and acknowledgements.
func (a *Account) close() {
	a.fill(&a.receipt)
	edit(a.edit.Receipt, &a.receipt)
	a.Bundle.Receipt = Sign(a.t, a.receipt, a.Session)
	for i, p := range a.Owners {
		s := statement.Ack{
			Owner: p.Fingerprint(), Job: a.Bundle.Job.Digest(), Receipt: a.Bundle.Receipt.Digest(), Release: a.release[i],
			ReleasedMS: ms(time.Second + time.Duration(i)*10*time.Millisecond), ClosedMS: ms(1400 * time.Millisecond),
			Head: statement.LedgerHead{Seq: 7, Digest: statement.Sum([]byte("a close entry of " + p.Name))},
		}
		edit(a.edit.Ack, &s)
		a.Bundle.Acks = append(a.Bundle.Acks, Sign(a.t, s, p))
	}
}

func (a *Account) fill(r *statement.Receipt) {
	r.Job, r.Contract, r.Plan = a.Bundle.Job.Digest(), a.Bundle.Contract.Digest(), a.PlanDigest()
	r.Requester, r.Recipients = a.Requester.Fingerprint(), []statement.Fingerprint{a.Requester.Fingerprint()}
	r.Operator, r.Session = a.Operator.Fingerprint(), a.SessionKeys()
	r.Readies, r.Releases, r.Grants = slices.Clone(a.ready), slices.Clone(a.release), slices.Clone(a.grants)
	r.Perimeter.Seccomp = statement.Sum([]byte("a test's system call filter"))
	r.Outcome, r.Result = statement.OutcomeResult, &statement.ResultRef{Digest: statement.Sum([]byte("a result")), Bytes: 4096}
	if a.failed != "" {
		r.Outcome, r.Result = statement.OutcomeFailed+a.failed, nil
	}
	for i, p := range a.Owners {
		for j, c := range append([]string{statement.FooterKey}, Columns()[:2]...) {
			e := statement.Exposure{Owner: p.Fingerprint(), Offer: a.offers[i], Column: c, Bytes: int64(1200 + 1000*j)}
			if a.failed != "" && j > 0 {
				e.Bytes = 0
			}
			r.Exposures = append(r.Exposures, e)
			r.Clear.Bytes += e.Bytes
		}
	}
	r.Clear.Micros, r.Clear.PeakMemory = 187_331, 96<<20
	r.Clear.ByteMilliseconds = statement.ByteMilliseconds(r.Clear.Bytes, r.Clear.Micros)
	r.Responsibility = []statement.Responsibility{
		{Layer: "data and policy", Who: "each owner", Basis: "its signed offer and grant"},
		{Layer: "machine", Who: "cloudco", Basis: "operator named in the contract; SIMULATED evidence, signed by itself"},
	}
	r.Stages = []statement.Stage{{Name: "open", Micros: 61_200}, {Name: "run", Micros: 99_421}}
	r.ClockClass, r.EndedMS = "host", ms(1300*time.Millisecond)
}
