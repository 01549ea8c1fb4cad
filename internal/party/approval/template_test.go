package approval

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

const dayMS = 24 * 60 * 60 * 1000

// template is one by a third party, for the world's contract.
func (w *world) template(change func(*statement.Template)) *statement.Verified[statement.Template] {
	w.t.Helper()
	t := statement.Template{
		Author: w.other.Fingerprint(), Name: "benchmark", Tables: []statement.Slot{{Name: "owner0.strikes", Owners: []statement.Fingerprint{w.owners[0].self()}}},
		Purpose: "safety", Requesters: []statement.Fingerprint{w.asker.Fingerprint()}, Recipients: statement.ToRequester, Builds: []statement.Digest{build},
		Operators: []statement.Fingerprint{w.asker.Fingerprint()}, Evidence: []string{"simulated"}, Perimeters: []string{"process"}, PlanEncoding: policy.Encoding,
		LongestMS: 60 * dayMS, Contracts: 2, UntilMS: start.AddDate(0, 3, 0).UnixMilli(), CreatedMS: start.UnixMilli(),
	}
	if change != nil {
		change(&t)
	}
	e := must(statement.Sign(t, w.other.Signer()))
	must(w.ex.PostStatement(w.t.Context(), e))
	return must(statement.VerifyAuthor[statement.Template](e))
}

// of is a contract of a template: one that no standing rule grants, for its purpose.
func (w *world) of(t *statement.Verified[statement.Template], change func(*statement.Contract)) *statement.Verified[statement.Contract] {
	return w.contract(func(c *statement.Contract) {
		c.Template, c.Purpose, c.Nonce = t.Digest(), "safety", []byte(statement.Sum([]byte(time.Now().String()))[:32])
		if change != nil {
			change(c)
		}
	})
}

func (w *world) considers(c *statement.Verified[statement.Contract], code string) {
	w.t.Helper()
	o := w.owners[0]
	before, refusals := o.count(ledger.KindGrant), o.count(ledger.KindRefusal)
	if err := o.Consider(w.t.Context(), c.Envelope()); err != nil {
		w.t.Fatal(err)
	}
	if code == "" {
		if o.count(ledger.KindGrant) != before+1 {
			w.t.Fatalf("not granted: %s (%s)", o.lastRefusal().Code, o.lastRefusal().Reason)
		}
		return
	}
	if o.count(ledger.KindGrant) != before || o.count(ledger.KindRefusal) != refusals+1 || o.lastRefusal().Code != code {
		w.t.Fatalf("%d grants, refused with %q, want %q", o.count(ledger.KindGrant)-before, o.lastRefusal().Code, code)
	}
}

// TestTemplateGrants: an approved template's contract is granted, by its own count and with its quota; before, and of another one, not.
func TestTemplateGrants(t *testing.T) {
	w := newWorld(t, 1)
	o := w.owners[0]
	tm := w.template(func(t *statement.Template) { t.OfMonth = 9 })
	waiting := w.of(tm, nil)
	w.considers(waiting, "no-rule")
	must(o.ApproveTemplate(t.Context(), tm.Digest()))
	if o.count(ledger.KindGrant) != 1 {
		t.Fatal("the contract that waited was not granted")
	}
	g := must(o.Catalog.Grants(t.Context(), waiting.Digest()))[o.self()].Body()
	if g.Authority != statement.ByRule || g.OfMonth != 9 {
		t.Fatalf("grant %+v", g)
	}
	w.considers(w.of(w.template(func(t *statement.Template) { t.Name = "another" }), nil), "no-rule")
	w.considers(w.contract(nil), "") // a standing rule's count is another
	w.considers(w.of(tm, nil), "")
	w.considers(w.of(tm, nil), "rule-contracts")
	must(o.ApproveTemplate(t.Context(), tm.Digest()))
	if o.count(ledger.KindTemplate) != 1 {
		t.Fatal("approved twice")
	}
}

// TestTemplateDiffers: one clause that the contract does not keep to, per case. None is granted, by the template or by a standing rule.
func TestTemplateDiffers(t *testing.T) {
	cases := map[string]func(*world, *statement.Contract){
		statement.ClauseTables: func(w *world, c *statement.Contract) {
			c.Tables = append(c.Tables, statement.Table{Name: "owner1.strikes", Members: []statement.Member{{Owner: w.owners[1].self(), Offer: w.owners[1].offer.Digest()}}})
		},
		statement.ClausePurpose:    func(_ *world, c *statement.Contract) { c.Purpose = "research" },
		statement.ClauseRecipients: func(w *world, c *statement.Contract) { c.Recipients = append(c.Recipients, w.owners[0].self()) },
		statement.ClauseDuration:   func(_ *world, c *statement.Contract) { c.UntilMS = c.FromMS + 60*dayMS + 1 },
		"from":                     func(_ *world, c *statement.Contract) { c.FromMS = start.Add(3 * time.Minute).UnixMilli() },
	}
	for clause, change := range cases {
		t.Run(clause, func(t *testing.T) {
			w := newWorld(t, 2)
			tm := w.template(nil)
			must(w.owners[0].ApproveTemplate(t.Context(), tm.Digest()))
			w.considers(w.of(tm, nil), "")
			want := "template-" + clause
			if clause == "from" {
				want = "template-" + statement.ClauseDuration
			}
			w.considers(w.of(tm, func(c *statement.Contract) { change(w, c) }), want)
		})
	}
	// What the world's policy would refuse before, or accept only all of: the statements alone.
	w := newWorld(t, 1)
	tm, c := w.template(nil).Body(), *w.of(w.template(nil), nil).Body()
	for clause, change := range map[string]func(*statement.Contract){
		statement.ClauseRequester:  func(c *statement.Contract) { c.Requester = w.other.Fingerprint() },
		statement.ClauseBuilds:     func(c *statement.Contract) { c.Builds = []statement.Digest{statement.Sum(nil)} },
		statement.ClauseOperators:  func(c *statement.Contract) { c.Operators = []statement.Fingerprint{w.other.Fingerprint()} },
		statement.ClauseEvidence:   func(c *statement.Contract) { c.Evidence = []string{"sgx"} },
		statement.ClausePerimeters: func(c *statement.Contract) { c.Perimeters = []string{"vm"} },
		statement.ClauseEncoding:   func(c *statement.Contract) { c.PlanEncoding = policy.EncodingProgram },
		statement.ClauseTables: func(c *statement.Contract) {
			c.Tables = []statement.Table{{Name: "owner0.strikes", Members: []statement.Member{{Owner: w.other.Fingerprint(), Offer: c.Tables[0].Members[0].Offer}}}}
		},
	} {
		other := c
		change(&other)
		if got := tm.Differs(&other); got != clause && !(clause == statement.ClauseRequester && got == statement.ClauseRequester) {
			t.Errorf("%s: differs in %q", clause, got)
		}
	}
	if got := tm.Differs(&c); got != "" {
		t.Errorf("differs in %q", got)
	}
}

// TestTemplateLoosensNothing: the policy and the terms stand above it.
func TestTemplateLoosensNothing(t *testing.T) {
	t.Run("policy", func(t *testing.T) {
		w := newWorld(t, 1)
		tm := w.template(func(t *statement.Template) { t.Perimeters = []string{"process", "weak"} })
		must(w.owners[0].ApproveTemplate(t.Context(), tm.Digest()))
		w.considers(w.of(tm, func(c *statement.Contract) { c.Perimeters = []string{"process", "weak"} }), "perimeter")
	})
	t.Run("replaced version", func(t *testing.T) {
		w := newWorld(t, 1)
		tm := w.template(nil)
		must(w.owners[0].ApproveTemplate(t.Context(), tm.Digest()))
		w.publish(w.owners[0], "2", "varchar")
		w.considers(w.of(tm, nil), "offer-replaced")
	})
	for name, c := range map[string]struct {
		terms statement.Terms
		code  string
	}{
		"sold":       {statement.Terms{Access: statement.AccessPurchase, PerQuery: 1}, "terms-purchase"},
		"too dear":   {statement.Terms{Access: statement.AccessApproval, PerQuery: 6}, "template-price"},
		"each day":   {statement.Terms{Access: statement.AccessApproval, PerDay: 1}, "template-price"},
		"affordable": {statement.Terms{Access: statement.AccessApproval, PerQuery: 5}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.terms = &c.terms
			w.now = w.now.Add(time.Millisecond)
			o := w.owners[0]
			o.offer = w.publish(o, "2", "varchar")
			tm := w.template(func(t *statement.Template) { t.MaxPerQuery = 5 })
			must(o.ApproveTemplate(t.Context(), tm.Digest()))
			w.considers(w.of(tm, nil), c.code)
		})
	}
}

// TestTemplateEnds at once: withdrawn by the owner, whatever the exchange shows, or by its author, replaced, or over. What the exchange
// showed once it can't take back.
func TestTemplateEnds(t *testing.T) {
	revoke := func(w *world, tm *statement.Verified[statement.Template]) *statement.Envelope {
		return must(statement.Sign(statement.Revocation{Author: w.other.Fingerprint(), Revokes: tm.Digest(), AtMS: start.UnixMilli()}, w.other.Signer()))
	}
	replace := func(w *world, tm *statement.Verified[statement.Template]) *statement.Envelope {
		next := *tm.Body()
		next.Replaces = tm.Digest()
		return must(statement.Sign(next, w.other.Signer()))
	}
	cases := map[string]func(*world, *statement.Verified[statement.Template]){
		"withdrawn by the owner": func(w *world, tm *statement.Verified[statement.Template]) {
			w.ex.Down = errAway
			w.owners[0].Catalog = catalog.New(w.ex) // knows nothing
			_, err := w.owners[0].WithdrawTemplate(w.t.Context(), tm.Digest(), "enough")
			if w.ex.Down = nil; !errors.Is(err, errAway) {
				w.t.Fatalf("got %v", err)
			}
		},
		"revoked by its author": func(w *world, tm *statement.Verified[statement.Template]) {
			must(w.ex.PostStatement(t.Context(), revoke(w, tm)))
		},
		"replaced": func(w *world, tm *statement.Verified[statement.Template]) {
			must(w.ex.PostStatement(t.Context(), replace(w, tm)))
		},
		"its revocation came and is kept back": func(w *world, tm *statement.Verified[statement.Template]) {
			if err := w.owners[0].Consider(t.Context(), revoke(w, tm)); err != nil {
				t.Fatal(err)
			}
		},
		"what replaces it came and is kept back": func(w *world, tm *statement.Verified[statement.Template]) {
			if err := w.owners[0].Consider(t.Context(), replace(w, tm)); err != nil {
				t.Fatal(err)
			}
		},
		"the ledger lost entries": func(w *world, _ *statement.Verified[statement.Template]) {
			must(w.owners[0].Ledger.Append(t.Context(), ledger.Entry{Kind: ledger.KindRepair, About: statement.Sum(nil)}, nil))
		},
	}
	for name, end := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			o, tm := w.owners[0], w.template(nil)
			must(o.ApproveTemplate(t.Context(), tm.Digest()))
			w.considers(w.of(tm, nil), "")
			end(w, tm)
			code := "template-ended"
			if name == "the ledger lost entries" {
				code = "no-rule" // it is as if it was never approved
			}
			w.considers(w.of(tm, nil), code)
		})
	}
	t.Run("its time is over", func(t *testing.T) {
		w := newWorld(t, 1)
		tm := w.template(func(t *statement.Template) { t.UntilMS = start.Add(time.Hour).UnixMilli() })
		must(w.owners[0].ApproveTemplate(t.Context(), tm.Digest()))
		w.now = start.Add(time.Hour)
		w.considers(w.of(tm, nil), "template-ended")
		if _, err := w.owners[0].ApproveTemplate(t.Context(), tm.Digest()); codeOf(err) != "template-ended" {
			t.Fatalf("approved: %v", err)
		}
	})
	t.Run("by others it does not end", func(t *testing.T) {
		w := newWorld(t, 1)
		o, tm := w.owners[0], w.template(nil)
		must(o.ApproveTemplate(t.Context(), tm.Digest()))
		forged := must(statement.Sign(statement.Revocation{Author: w.asker.Fingerprint(), Revokes: tm.Digest(), AtMS: 1}, w.asker.Signer()))
		next := *tm.Body()
		next.Author, next.Replaces = w.asker.Fingerprint(), tm.Digest()
		for _, e := range []*statement.Envelope{forged, must(statement.Sign(next, w.asker.Signer()))} {
			must(w.ex.PostStatement(t.Context(), e))
			if err := o.Consider(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		w.considers(w.of(tm, nil), "")
	})
	t.Run("seen once", func(t *testing.T) {
		w := newWorld(t, 1)
		o, tm := w.owners[0], w.template(nil)
		must(o.ApproveTemplate(t.Context(), tm.Digest()))
		e := revoke(w, tm)
		must(w.ex.PostStatement(t.Context(), e))
		w.considers(w.of(tm, nil), "template-ended")
		w.ex.Forget(e.Digest())
		w.considers(w.of(tm, nil), "template-ended")
	})
}

// TestTemplateOfOthers: who owns nothing in it approves nothing; officers who approve grants approve it, and once.
func TestTemplateApproval(t *testing.T) {
	w := newWorld(t, 2)
	tm := w.template(nil)
	if _, err := w.owners[1].ApproveTemplate(t.Context(), tm.Digest()); codeOf(err) != "not-concerned" {
		t.Fatalf("got %v", err)
	}
	o := w.owners[0]
	keys := twoOfTwo(t, o, statement.ActionGrant)
	if _, err := o.ApproveTemplate(t.Context(), tm.Digest()); !waits(err) {
		t.Fatalf("approved by one: %v", err)
	}
	w.considers(w.of(tm, nil), "no-rule")
	approveAll(t, o, keys...)
	must(o.ApproveTemplate(t.Context(), tm.Digest()))
	w.considers(w.of(tm, nil), "")
	if _, err := o.WithdrawTemplate(t.Context(), tm.Digest(), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := o.ApproveTemplate(t.Context(), tm.Digest()); !waits(err) {
		t.Fatalf("officers' approvals counted twice: %v", err)
	}
}

// member accredits a party, by the world's third party.
func (w *world) member(f statement.Fingerprint, change func(*statement.Accreditation)) *statement.Verified[statement.Accreditation] {
	a := statement.Accreditation{Accreditor: w.other.Fingerprint(), Member: f, Scheme: "association", UntilMS: start.AddDate(1, 0, 0).UnixMilli(), CreatedMS: start.UnixMilli()}
	signer := w.other
	if change != nil {
		change(&a)
	}
	if a.Accreditor == w.owners[0].self() {
		signer = w.owners[0].ring
	}
	e := must(statement.Sign(a, signer.Signer()))
	must(w.ex.PostStatement(w.t.Context(), e))
	return must(statement.VerifyAuthor[statement.Accreditation](e))
}

func memberWorld(t *testing.T, more string) *world {
	w := newWorld(t, 1)
	w.members = "accredited_by: " + string(w.other.Fingerprint()) + more
	w.now = w.now.Add(time.Millisecond)
	w.owners[0].offer = w.publish(w.owners[0], "2", "varchar")
	return w
}

func shows(list ...*statement.Verified[statement.Accreditation]) func(*statement.Contract) {
	return func(c *statement.Contract) {
		for _, a := range list {
			c.Accreditations = append(c.Accreditations, a.Digest())
		}
	}
}

// TestMembersRule: whoever the named party accredits, shown, valid, not revoked; nobody else, on nobody else's word.
func TestMembersRule(t *testing.T) {
	w := memberWorld(t, ", max_queries_month: 3, max_queries_month_all: 8")
	a := w.member(w.asker.Fingerprint(), func(a *statement.Accreditation) { a.UntilMS = start.AddDate(0, 0, 7).UnixMilli() })
	c := w.contract(shows(a))
	w.considers(c, "")
	g := must(w.owners[0].Catalog.Grants(t.Context(), c.Digest()))[w.owners[0].self()].Body()
	if g.OfMonth != 3 || g.AllOfMonth != 8 || g.AccreditedBy != w.other.Fingerprint() || !slices.Equal(g.Accreditations, []statement.Digest{a.Digest()}) || g.UntilMS != a.Body().UntilMS {
		t.Fatalf("grant %+v", g)
	}
	var members []statement.Fingerprint
	w.owners[0].Ledger.View(func(l *ledger.Accounts) { members = l.Members(w.other.Fingerprint()) })
	if !slices.Equal(members, []statement.Fingerprint{w.asker.Fingerprint()}) {
		t.Fatalf("members %v", members)
	}
	cases := map[string]func(*world) func(*statement.Contract){
		"not shown": func(w *world) func(*statement.Contract) { w.member(w.asker.Fingerprint(), nil); return nil },
		"another's": func(w *world) func(*statement.Contract) { return shows(w.member(w.owners[0].self(), nil)) },
		"by another": func(w *world) func(*statement.Contract) {
			return shows(w.member(w.asker.Fingerprint(), func(a *statement.Accreditation) { a.Accreditor = w.owners[0].self() }))
		},
		"over": func(w *world) func(*statement.Contract) {
			return shows(w.member(w.asker.Fingerprint(), func(a *statement.Accreditation) { a.UntilMS = a.CreatedMS + 1 }))
		},
		"revoked": func(w *world) func(*statement.Contract) {
			a := w.member(w.asker.Fingerprint(), nil)
			must(w.ex.PostStatement(t.Context(), must(statement.Sign(statement.Revocation{Author: w.other.Fingerprint(), Revokes: a.Digest(), AtMS: 1}, w.other.Signer()))))
			return shows(a)
		},
		"a recipient without": func(w *world) func(*statement.Contract) {
			a := w.member(w.asker.Fingerprint(), nil)
			return func(c *statement.Contract) {
				shows(a)(c)
				c.Recipients = append(c.Recipients, w.other.Fingerprint())
			}
		},
	}
	for name, make := range cases {
		t.Run(name, func(t *testing.T) {
			w := memberWorld(t, "")
			w.considers(w.contract(make(w)), "no-rule")
		})
	}
}

// TestMembershipEnds: its revocation takes back the grants that rest on it, unless the rule lets them outlive it.
func TestMembershipEnds(t *testing.T) {
	for more, want := range map[string]int{"": 1, ", outlives_accreditation: true": 0} {
		w := memberWorld(t, more)
		o, a := w.owners[0], w.member(w.asker.Fingerprint(), nil)
		c := w.contract(shows(a))
		w.considers(c, "")
		forged := must(statement.Sign(statement.Revocation{Author: w.asker.Fingerprint(), Revokes: a.Digest(), AtMS: 1}, w.asker.Signer()))
		if err := o.Consider(t.Context(), forged); err != nil || o.count(ledger.KindRevoke) != 0 {
			t.Fatalf("another than the accreditor ended it: %v", err)
		}
		e := must(statement.Sign(statement.Revocation{Author: w.other.Fingerprint(), Revokes: a.Digest(), AtMS: 1}, w.other.Signer()))
		if err := o.Consider(t.Context(), e); err != nil || o.count(ledger.KindRevoke) != want {
			t.Fatalf("%q: %d revoked, want %d: %v", more, o.count(ledger.KindRevoke), want, err)
		}
	}
}

// TestTemplateForMembers: a template may leave it to a third party who asks.
func TestTemplateForMembers(t *testing.T) {
	w := newWorld(t, 1)
	tm := w.template(func(t *statement.Template) { t.Requesters, t.AccreditedBy = nil, w.other.Fingerprint() })
	must(w.owners[0].ApproveTemplate(t.Context(), tm.Digest()))
	w.considers(w.of(tm, nil), "template-requester")
	a := w.member(w.asker.Fingerprint(), nil)
	c := w.of(tm, shows(a))
	w.considers(c, "")
	g := must(w.owners[0].Catalog.Grants(t.Context(), c.Digest()))[w.owners[0].self()].Body()
	if !slices.Equal(g.Accreditations, []statement.Digest{a.Digest()}) || g.AccreditedBy != w.other.Fingerprint() {
		t.Fatalf("grant %+v", g)
	}
}

// TestProposeOf: what a template makes is granted; what it can't make is refused where it is proposed.
func TestProposeOf(t *testing.T) {
	w := newWorld(t, 2)
	tm := w.template(func(t *statement.Template) { t.Requesters = append(t.Requesters, w.owners[1].self()) })
	must(w.owners[0].ApproveTemplate(t.Context(), tm.Digest()))
	asks := w.owners[1]
	c := must(asks.ProposeOf(t.Context(), OfTemplate{Template: tm.Digest()}))
	if c.Body().UntilMS-c.Body().FromMS != 60*dayMS || tm.Body().Differs(c.Body()) != "" {
		t.Fatalf("contract %+v", c.Body())
	}
	for name, in := range map[string]OfTemplate{
		"template-duration":   {Template: tm.Digest(), UntilMS: w.now.UnixMilli() + 61*dayMS},
		"template-recipients": {Template: tm.Digest(), Recipients: []string{string(w.owners[0].self())}},
	} {
		if _, err := asks.ProposeOf(t.Context(), in); codeOf(err) != name {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := w.owners[0].ProposeOf(t.Context(), OfTemplate{Template: tm.Digest()}); codeOf(err) != "template-requester" {
		t.Errorf("got %v", err)
	}
}
