package vectors_test

import (
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

const dayMS = 24 * 60 * 60 * 1000

// addRules are templates, accreditations, and the contracts and grants that name them.
func addRules(b *book, a *receipttest.Account) {
	t, x := b.t, a.Bundle
	alpha, association := a.Owners[0], receipttest.NewParty(t, "association")
	con := body[statement.Contract](t, x.Contract)
	tm := statement.Template{
		Author: alpha.Fingerprint(), Name: "benchmark", Purpose: con.Purpose, Requesters: []statement.Fingerprint{a.Requester.Fingerprint()},
		Recipients: statement.ToRequester, Builds: con.Builds, Operators: con.Operators, Evidence: con.Evidence, Perimeters: con.Perimeters,
		PlanEncoding: con.PlanEncoding, LongestMS: 30 * dayMS, Contracts: 10, OfMonth: 20, MaxPerQuery: 5, MaxPerDay: 30, MaxFlat: 100,
		UntilMS: receipttest.Start.UnixMilli() + 90*dayMS, CreatedMS: receipttest.Start.UnixMilli(),
	}
	for _, tab := range con.Tables {
		s := statement.Slot{Name: tab.Name}
		for _, m := range tab.Members {
			s.Owners = append(s.Owners, m.Owner)
		}
		tm.Tables = append(tm.Tables, s)
	}
	first := receipttest.Sign(t, tm, alpha)
	b.add("template", first)
	tm.Requesters, tm.AccreditedBy, tm.Recipients, tm.Replaces = nil, association.Fingerprint(), statement.ToOwners, first.Digest()
	tm.OfMonth, tm.MaxPerQuery, tm.MaxPerDay, tm.MaxFlat = 0, 0, 0, 0
	b.add("template for whoever is accredited", receipttest.Sign(t, tm, alpha))
	shown := receipttest.Sign(t, statement.Accreditation{
		Accreditor: association.Fingerprint(), Member: a.Requester.Fingerprint(), Scheme: "Association of Airports",
		UntilMS: receipttest.Start.UnixMilli() + 365*dayMS, CreatedMS: receipttest.Start.UnixMilli(),
	}, association)
	b.add("accreditation", shown)
	con.Template, con.Accreditations = first.Digest(), []statement.Digest{shown.Digest()}
	c := receipttest.Sign(t, con, a.Requester)
	b.add("contract of a template", c)
	g := body[statement.Grant](t, x.Grants[0])
	g.Contract, g.Authority, g.AccreditedBy, g.AllOfMonth, g.Accreditations = c.Digest(), statement.ByRule, association.Fingerprint(), 100, con.Accreditations
	b.add("grant to a member", receipttest.Sign(t, g, alpha))
}

func refuseTemplate(b *book) {
	type T = statement.Template
	refuseFields[T](b, "template", []bad[T]{
		{"author", "author", func(s *T) { s.Author = badFingerprint }},
		{"name with a capital", "name", func(s *T) { s.Name = "Benchmark" }},
		{"no tables", "tables", func(s *T) { s.Tables = []statement.Slot{} }},
		{"table without a party", "table name", func(s *T) { s.Tables[0].Name = "strikes" }},
		{"table twice", "table name", func(s *T) { s.Tables = append(s.Tables, s.Tables[0]) }},
		{"no owners", "table owners", func(s *T) { s.Tables[0].Owners = []statement.Fingerprint{} }},
		{"pool of one owner", "table owners", func(s *T) { s.Tables[0].Owners = s.Tables[0].Owners[:1] }},
		{"data set of several owners", "table owners", func(s *T) { s.Tables[0].Name = "alpha.strikes" }},
		{"purpose empty", "purpose", func(s *T) { s.Purpose = "" }},
		{"nobody asks", "requesters", func(s *T) { s.Requesters = nil }},
		{"requester malformed", "requesters", func(s *T) { s.Requesters[0] = badFingerprint }},
		{"accreditor malformed", "accredited_by", func(s *T) { s.AccreditedBy = badFingerprint }},
		{"recipients unknown", "recipients", func(s *T) { s.Recipients = "anybody" }},
		{"no builds", "builds", func(s *T) { s.Builds = []statement.Digest{} }},
		{"no operators", "operators", func(s *T) { s.Operators = []statement.Fingerprint{} }},
		{"no evidence", "evidence", func(s *T) { s.Evidence = []string{} }},
		{"no perimeters", "perimeters", func(s *T) { s.Perimeters = []string{} }},
		{"plan encoding empty", "plan_encoding", func(s *T) { s.PlanEncoding = "" }},
		{"no duration", "longest_ms", func(s *T) { s.LongestMS = 0 }},
		{"no contracts", "contracts", func(s *T) { s.Contracts = 0 }},
		{"quota negative", "queries_per_month", func(s *T) { s.OfMonth = -1 }},
		{"price negative", "price", func(s *T) { s.MaxFlat = -1 }},
		{"price too high", "price", func(s *T) { s.MaxPerQuery = 1_000_000_001 }},
		{"replaces malformed", "replaces", func(s *T) { s.Replaces = badDigest }},
		{"end before its begin", "until_ms", func(s *T) { s.UntilMS = s.CreatedMS }},
		{"time zero", "created_ms", func(s *T) { s.CreatedMS = 0 }},
	})
	refuseFields[statement.Contract](b, "contract of a template", []bad[statement.Contract]{
		{"template malformed", "template", func(s *statement.Contract) { s.Template = badDigest }},
		{"accreditation malformed", "accreditations", func(s *statement.Contract) { s.Accreditations[0] = badDigest }},
		{"accreditation twice", "accreditations", func(s *statement.Contract) { s.Accreditations = append(s.Accreditations, s.Accreditations[0]) }},
	})
}

func refuseAccreditation(b *book) {
	type T = statement.Accreditation
	refuseFields[T](b, "accreditation", []bad[T]{
		{"accreditor", "accreditor", func(s *T) { s.Accreditor = badFingerprint }},
		{"member", "member", func(s *T) { s.Member = badFingerprint }},
		{"of oneself", "member", func(s *T) { s.Member = s.Accreditor }},
		{"scheme of two lines", "scheme", func(s *T) { s.Scheme = "a\nb" }},
		{"end before its begin", "until_ms", func(s *T) { s.UntilMS = s.CreatedMS }},
		{"time zero", "created_ms", func(s *T) { s.CreatedMS = 0 }},
	})
	type G = statement.Grant
	refuseFields[G](b, "grant to a member", []bad[G]{
		{"accreditor malformed", "accredited_by", func(s *G) { s.AccreditedBy = badFingerprint }},
		{"to a member by hand", "accredited_by", func(s *G) { s.Authority = statement.ByHand }},
		{"members' quota negative", "members_queries_per_month", func(s *G) { s.AllOfMonth = -1 }},
		{"members' quota of nobody's members", "members_queries_per_month", func(s *G) { s.AccreditedBy, s.Accreditations = "", nil }},
		{"accreditations of nobody", "accreditations", func(s *G) { s.AccreditedBy, s.AllOfMonth = "", 0 }},
		{"accreditation malformed", "accreditations", func(s *G) { s.Accreditations[0] = badDigest }},
	})
}
