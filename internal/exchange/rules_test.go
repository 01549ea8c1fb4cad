package exchange_test

import (
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// templateOf is one by the asker, over what the world's contract reads.
func (w *world) templateOf(change func(*statement.Template)) statement.Template {
	c := w.contractOf()
	t := statement.Template{
		Author: w.asker.fp, Name: "benchmark", Purpose: c.Purpose, Requesters: []statement.Fingerprint{w.asker.fp}, Recipients: statement.ToRequester,
		Builds: c.Builds, Operators: c.Operators, Evidence: c.Evidence, Perimeters: c.Perimeters, PlanEncoding: c.PlanEncoding,
		LongestMS: 1000, Contracts: 1, UntilMS: 1 << 50, CreatedMS: 1,
	}
	for _, tab := range c.Tables {
		s := statement.Slot{Name: tab.Name}
		for _, m := range tab.Members {
			s.Owners = append(s.Owners, m.Owner)
		}
		t.Tables = append(t.Tables, s)
	}
	if change != nil {
		change(&t)
	}
	return t
}

func (w *world) accreditationOf(member statement.Fingerprint) statement.Accreditation {
	return statement.Accreditation{Accreditor: w.other.fp, Member: member, Scheme: "association", UntilMS: 1 << 50, CreatedMS: 1}
}

// TestRuleStatements: who may post templates and accreditations, what contracts may name of them, who reads them, and who learns of
// their end.
func TestRuleStatements(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	stranger := w.party("stranger")
	post := func(p *party, e *statement.Envelope) error { return second(p.PostStatement(ctx, e)) }
	tm := sign(w.env, w.templateOf(nil), w.asker)
	w.code(post(w.a, tm), wire.CodeForbidden)
	w.code(post(w.asker, sign(w.env, w.templateOf(nil), w.a)), wire.CodeSignature)
	w.code(post(w.asker, sign(w.env, w.templateOf(func(t *statement.Template) { t.Replaces = statement.Sum(nil) }), w.asker)), wire.CodeUnknownReference)
	w.ok(post(w.asker, tm))
	w.code(post(w.a, sign(w.env, w.templateOf(func(t *statement.Template) { t.Author, t.Replaces = w.a.fp, tm.Digest() }), w.a)), wire.CodeUnknownReference)
	if got := w.a.kinds(); !strings.HasSuffix(got, "statement") {
		t.Errorf("the owner's mailbox: %s", got)
	}
	for name, c := range map[string]struct {
		by   *party
		sees bool
	}{"author": {w.asker, true}, "owner": {w.a, true}, "another owner": {w.b, true}, "operator": {w.host, true}, "a stranger": {stranger, false}} {
		_, err := c.by.Statement(ctx, tm.Digest())
		list, lerr := c.by.AllStatements(ctx, client.Query{Kind: client.Templates})
		w.ok(lerr)
		if (err == nil) != c.sees || (len(list) == 1) != c.sees {
			t.Errorf("%s: %v, %d listed", name, err, len(list))
		}
	}
	open := sign(w.env, w.templateOf(func(t *statement.Template) { t.Requesters, t.AccreditedBy = nil, w.other.fp }), w.asker)
	w.ok(post(w.asker, open))
	w.ok(second(stranger.Statement(ctx, open.Digest()))) // whoever is accredited may be its requester

	ac := sign(w.env, w.accreditationOf(w.asker.fp), w.other)
	w.code(post(w.asker, ac), wire.CodeForbidden)
	w.code(post(w.other, sign(w.env, w.accreditationOf(w.asker.fp), w.asker)), wire.CodeSignature)
	w.code(post(w.other, sign(w.env, w.accreditationOf(statement.Fingerprint("cordon1"+strings.Repeat("e", 64))), w.other)), wire.CodeUnknownReference)
	w.ok(post(w.other, ac))

	contract := func(change func(*statement.Contract)) *statement.Envelope {
		c := w.contractOf()
		change(&c)
		return sign(w.env, c, w.asker)
	}
	w.code(post(w.asker, contract(func(c *statement.Contract) { c.Template = ac.Digest() })), wire.CodeUnknownReference)
	w.code(post(w.asker, contract(func(c *statement.Contract) { c.Accreditations = []statement.Digest{tm.Digest()} })), wire.CodeUnknownReference)
	hidden := sign(w.env, w.templateOf(func(t *statement.Template) {
		t.Author, t.Requesters, t.Operators = w.other.fp, []statement.Fingerprint{w.other.fp}, []statement.Fingerprint{w.other.fp}
	}), w.other)
	w.ok(post(w.other, hidden))
	w.code(post(w.asker, contract(func(c *statement.Contract) { c.Template = hidden.Digest() })), wire.CodeUnknownReference)
	w.ok(post(w.asker, contract(func(c *statement.Contract) {
		c.Template, c.Accreditations = tm.Digest(), []statement.Digest{ac.Digest()}
	})))

	// Who stands in a contract that names them learns of their end.
	for by, d := range map[*party]statement.Digest{w.asker: tm.Digest(), w.other: ac.Digest()} {
		before := strings.Count(w.b.kinds(), "statement")
		w.code(post(w.a, w.revocation(w.a, d)), wire.CodeForbidden)
		w.ok(post(by, w.revocation(by, d)))
		if got := strings.Count(w.b.kinds(), "statement"); got != before+1 {
			t.Errorf("an owner's mailbox has %d statements, had %d", got, before)
		}
	}
}
