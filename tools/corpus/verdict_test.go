package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/brief"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	"github.com/cordon-exchange/cordon/internal/party/query"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// market is the corpus's world as signed statements on an exchange.
type market struct {
	t     *testing.T
	s     *system
	ex    *partytest.Exchange
	rings map[string]*keyring.Keyring
	real  *strings.Replacer // fingerprints of the corpus by those of keys
	offer map[string]*statement.Envelope
	pools []statement.Table
	all   []statement.Envelope // of them
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newMarket(t *testing.T, s *system) *market {
	m := &market{t: t, s: s, ex: partytest.New(), rings: map[string]*keyring.Keyring{}, offer: map[string]*statement.Envelope{}}
	names := []string{"analyst", "operator"}
	for _, a := range s.world.sets {
		names = append(names, ownerOf(a.name))
	}
	var pairs []string
	for _, n := range names {
		if m.rings[n] != nil {
			continue
		}
		k := must(keyring.New(n))
		m.rings[n] = k
		pairs = append(pairs, fingerprint(n), string(k.Fingerprint()))
		m.post(statement.Party{Name: n, Key: k.Signer().Public().String(), Box: k.Box().Public(), CreatedMS: askedAt.UnixMilli()}, k)
	}
	m.real = strings.NewReplacer(pairs...)
	for _, a := range s.world.sets {
		m.publish(s.sets[a.name])
	}
	for _, p := range s.world.pools {
		body := statement.Pool{Name: cutAfter(p.name, "."), Epoch: 1, CreatedMS: askedAt.UnixMilli()}
		var signers []*keyring.Keyring
		for _, set := range p.members {
			body.Members = append(body.Members, statement.Member{Owner: m.rings[ownerOf(set)].Fingerprint(), Offer: m.offer[set].Digest()})
			signers = append(signers, m.rings[ownerOf(set)])
		}
		e := m.post(body, signers...)
		m.pools = append(m.pools, statement.Table{Name: p.name, Pool: e.Digest(), Members: body.Members})
	}
	return m
}

func (m *market) post(body any, by ...*keyring.Keyring) *statement.Envelope {
	m.t.Helper()
	var signers []statement.Signer
	for _, k := range by {
		signers = append(signers, k.Signer())
	}
	var e *statement.Envelope
	var err error
	switch b := body.(type) {
	case statement.Party:
		e, err = statement.Sign(b, signers...)
	case statement.Offer:
		e, err = statement.Sign(b, signers...)
	case statement.Pool:
		e, err = statement.Sign(b, signers...)
	case statement.Contract:
		e, err = statement.Sign(b, signers...)
	case statement.Grant:
		e, err = statement.Sign(b, signers...)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	must(m.ex.PostStatement(m.t.Context(), e))
	m.all = append(m.all, *e)
	return e
}

func (m *market) publish(s *sealed) {
	owner := m.rings[ownerOf(s.name)]
	o := statement.Offer{Owner: owner.Fingerprint(), Dataset: cutAfter(s.name, "."), Version: "v1", Policy: m.real.Replace(s.text), CreatedMS: askedAt.UnixMilli()}
	var columns []string
	for _, c := range s.schema {
		columns = append(columns, c.Name)
		o.Schema = append(o.Schema, statement.Column{Name: c.Name, Type: string(c.Type), Nullable: c.Nullable})
	}
	o.Files = []statement.File{{Object: s.name + "/0.parquet", Bytes: int64(len(s.bytes)), Rows: 1, AADPrefix: "x"}}
	keys := must(dataset.NewKeys(dataset.ID{Owner: o.Owner, Dataset: o.Dataset, Version: o.Version}, columns, s.policy.Noisy()))
	o.Commitments = keys.Commitments()
	m.offer[s.name] = m.post(o, owner)
}

// contract is one of the analyst over everything, granted by all.
func (m *market) contract(purpose string) *statement.Envelope {
	analyst := m.rings["analyst"]
	c := statement.Contract{
		Nonce: make([]byte, statement.NonceSize), Requester: analyst.Fingerprint(), Recipients: []statement.Fingerprint{analyst.Fingerprint()}, Purpose: purpose,
		Tables: append([]statement.Table{}, m.pools...), Builds: []statement.Digest{statement.Sum([]byte("build"))}, Operators: []statement.Fingerprint{m.rings["operator"].Fingerprint()},
		Evidence: []string{"simulated"}, Perimeters: []string{"process"}, PlanEncoding: policy.EncodingProgram,
		FromMS: askedAt.Add(-time.Hour).UnixMilli(), UntilMS: askedAt.Add(time.Hour).UnixMilli(), CreatedMS: askedAt.Add(-time.Hour).UnixMilli(),
	}
	for _, a := range m.s.world.sets {
		c.Tables = append(c.Tables, statement.Table{Name: a.name, Members: []statement.Member{{Owner: m.rings[ownerOf(a.name)].Fingerprint(), Offer: m.offer[a.name].Digest()}}})
	}
	e := m.post(c, analyst)
	for _, owner := range c.Owners() {
		g := statement.Grant{Owner: owner, Contract: e.Digest(), Authority: statement.ByHand, UntilMS: c.UntilMS, CreatedMS: c.CreatedMS}
		for _, t := range c.Tables {
			for _, of := range t.Members {
				if of.Owner == owner {
					g.Offers = append(g.Offers, of.Offer)
				}
			}
		}
		slices.Sort(g.Offers)
		g.Offers = slices.Compact(g.Offers)
		for _, k := range m.rings {
			if k.Fingerprint() == owner {
				m.post(g, k)
			}
		}
	}
	return e
}

// briefOf is what an enclave makes of a job under a contract: of the same statements, from the host's hands.
func (m *market) briefOf(contract *statement.Envelope) *brief.Brief {
	analyst := m.rings["analyst"]
	c := must(statement.VerifyAuthor[statement.Contract](contract)).Body()
	commit := must((&statement.Body{SQL: "SELECT 1", Salt: make([]byte, statement.NonceSize)}).Commit())
	j := statement.Job{
		Nonce: make([]byte, statement.NonceSize), Contract: contract.Digest(), Requester: analyst.Fingerprint(), Class: "small", Commitment: commit,
		Owners: slices.Sorted(slices.Values(c.Owners())), CreatedMS: askedAt.UnixMilli(), ExpiresMS: askedAt.Add(time.Hour).UnixMilli(),
	}
	for _, to := range j.Brokers() {
		j.Bodies = append(j.Bodies, statement.SealedBody{To: to, Sealed: must(seal.To(analyst.Box().Public(), message.BodyContext(j.Requester, to), []byte("{}")))})
	}
	return must(brief.Check(&channel.Job{Job: *must(statement.Sign(j, analyst.Signer())), Contract: *contract, Statements: m.all}, askedAt))
}

// said is a plan's digest, or the refusal with its place and hint.
func said(p *policy.Plan, err error) string {
	if err == nil {
		return p.Digest()
	}
	var r *policy.Refusal
	if !errors.As(err, &r) {
		return "no verdict: " + err.Error()
	}
	return r.Error() + " | " + r.Hint + " | " + r.Nearest
}

// TestSameVerdict: for every query of the corpus the analyst's own command, an owner's broker and the enclave come to the same
// plan, or the same words, each from statements that it got by its own way; and the judge of this program says the same.
func TestSameVerdict(t *testing.T) {
	s := theSystem(t)
	m := newMarket(t, s)
	contracts, briefs := map[string]*statement.Envelope{}, map[string]*brief.Brief{}
	analyst := m.rings["analyst"]
	asker := &query.Asker{Catalog: catalog.New(m.ex), Signer: analyst.Signer(), Compile: policy.Compile, Now: func() time.Time { return askedAt }}
	operator := m.rings["operator"].Fingerprint()
	plans := 0
	for _, l := range corpusLines(t) {
		purpose := s.purpose(l.SQL)
		if contracts[purpose] == nil {
			contracts[purpose] = m.contract(purpose)
			briefs[purpose] = m.briefOf(contracts[purpose])
		}
		c := must(statement.VerifyAuthor[statement.Contract](contracts[purpose])).Body()
		body := &statement.Body{SQL: l.SQL, Salt: make([]byte, statement.NonceSize)}

		own := ""
		if v, err := asker.Explain(t.Context(), query.Question{Contract: contracts[purpose].Digest(), SQL: l.SQL}); err == nil {
			own = said(v.Plan, nil)
		} else {
			own = said(nil, err)
		}
		r, err := catalog.New(m.ex).Request(t.Context(), catalog.Question{Contract: c, Body: body, At: askedAt, Operator: operator})
		if err != nil {
			t.Fatal(err)
		}
		broker := said(policy.Compile(r))
		enclave := said(policy.Compile(briefs[purpose].Request(body, operator, askedAt)))
		if own != broker || own != enclave {
			t.Errorf("%s:\n analyst %s\n broker  %s\n enclave %s", l.ID, own, broker, enclave)
		}
		judged, err := policy.Compile(s.request(l))
		if err == nil {
			plans++
		}
		if text := said(judged, err); (err == nil) != strings.HasPrefix(own, "sha256:") || err != nil && m.real.Replace(text) != own {
			t.Errorf("%s: judged %s, and the parties say %s", l.ID, text, own)
		}
	}
	if plans < 50 {
		t.Errorf("%d queries were accepted", plans)
	}
}
