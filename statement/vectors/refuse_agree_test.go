package vectors_test

import (
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/statement"
)

func refuseContract(b *book) {
	type T = statement.Contract
	refuseFields[T](b, "contract", []bad[T]{
		{"nonce too short", "nonce", func(s *T) { s.Nonce = s.Nonce[1:] }},
		{"nonce empty", "nonce", func(s *T) { s.Nonce = []byte{} }},
		{"requester", "requester", func(s *T) { s.Requester = badFingerprint }},
		{"no recipients", "recipients", func(s *T) { s.Recipients = []statement.Fingerprint{} }},
		{"recipient malformed", "recipients", func(s *T) { s.Recipients[0] = badFingerprint }},
		{"recipient twice", "recipients", func(s *T) { s.Recipients = append(s.Recipients, s.Recipients[0]) }},
		{"purpose empty", "purpose", func(s *T) { s.Purpose = "" }},
		{"purpose of two lines", "purpose", func(s *T) { s.Purpose = "costs\nperimeter: genuine" }},
		{"purpose with a tab", "purpose", func(s *T) { s.Purpose = "costs\tgenuine" }},
		{"purpose too long", "purpose", func(s *T) { s.Purpose = long }},
		{"no tables", "tables", func(s *T) { s.Tables = []statement.Table{} }},
		{"table without a name", "table name", func(s *T) { s.Tables[0].Name = "" }},
		{"table without a dot", "table name", func(s *T) { s.Tables[0].Name = "strikes" }},
		{"table with two dots", "table name", func(s *T) { s.Tables[0].Name = "pool.strikes.x" }},
		{"pool named as a party's", "table name", func(s *T) { s.Tables[0].Name = "alpha.strikes" }},
		{"table twice", "table name", func(s *T) { s.Tables = append(s.Tables, s.Tables[0]) }},
		{"pool malformed", "table pool", func(s *T) { s.Tables[0].Pool = badDigest }},
		{"pool of one member", "table members", func(s *T) { s.Tables[0].Members = s.Tables[0].Members[:1] }},
		{"pool of no member", "members", func(s *T) { s.Tables[0].Members = []statement.Member{} }},
		{"member twice", "member owner", func(s *T) { s.Tables[0].Members[1].Owner = s.Tables[0].Members[0].Owner }},
		{"no builds", "builds", func(s *T) { s.Builds = []statement.Digest{} }},
		{"build malformed", "builds", func(s *T) { s.Builds[0] = badDigest }},
		{"build twice", "builds", func(s *T) { s.Builds = append(s.Builds, s.Builds[0]) }},
		{"no operators", "operators", func(s *T) { s.Operators = []statement.Fingerprint{} }},
		{"operator malformed", "operators", func(s *T) { s.Operators[0] = badFingerprint }},
		{"no evidence", "evidence", func(s *T) { s.Evidence = []string{} }},
		{"evidence without a name", "evidence", func(s *T) { s.Evidence[0] = "" }},
		{"evidence twice", "evidence", func(s *T) { s.Evidence = append(s.Evidence, s.Evidence[0]) }},
		{"no perimeters", "perimeters", func(s *T) { s.Perimeters = []string{} }},
		{"perimeter of two lines", "perimeters", func(s *T) { s.Perimeters[0] = "process\nvm" }},
		{"plan encoding empty", "plan_encoding", func(s *T) { s.PlanEncoding = "" }},
		{"plan encoding with a space", "plan_encoding", func(s *T) { s.PlanEncoding = "plan 1" }},
		{"begin zero", "from_ms", func(s *T) { s.FromMS = 0 }},
		{"end too large", "until_ms", func(s *T) { s.UntilMS = tooLate }},
		{"end at its begin", "until_ms", func(s *T) { s.UntilMS = s.FromMS }},
		{"time zero", "created_ms", func(s *T) { s.CreatedMS = 0 }},
	})
	refuseFields[T](b, "contract over one data set", []bad[T]{
		{"data set named as a pool", "table name", func(s *T) { s.Tables[1].Name = "pool.other" }},
		{"data set of two members", "table members", func(s *T) { s.Tables[1].Members = s.Tables[0].Members[:2] }},
	})
}

func refuseLogged(b *book) {
	type T = statement.Contract
	refuseFields[T](b, "contract that asks for a log", []bad[T]{
		{"no key of a log", "log key", func(s *T) { s.Log.Key = "" }},
		{"key of a log with a space", "log key", func(s *T) { s.Log.Key += " " }},
		{"no witnesses", "log witnesses", func(s *T) { s.Log.Witnesses = []statement.Fingerprint{} }},
		{"an owner is no witness", "log witnesses", func(s *T) { s.Log.Witnesses = s.Log.Witnesses[1:] }},
		{"requester is no witness", "log witnesses", func(s *T) {
			s.Log.Witnesses[s.Log.Quorum-1] = s.Log.Witnesses[s.Log.Quorum]
			s.Log.Witnesses = s.Log.Witnesses[:s.Log.Quorum]
		}},
		{"witness twice", "log witnesses", func(s *T) { s.Log.Witnesses[s.Log.Quorum] = s.Log.Witnesses[0] }},
		{"witness malformed", "log witnesses", func(s *T) { s.Log.Witnesses[0] = badFingerprint }},
		{"quorum without a side", "log quorum", func(s *T) { s.Log.Quorum-- }},
		{"quorum of more than there are", "log quorum", func(s *T) { s.Log.Quorum += 2 }},
	})
}

func refuseCounter(b *book) {
	refuseFields[statement.Contract](b, "contract that accepts a counter", []bad[statement.Contract]{
		{"answer before its time", "answer_by_ms", func(s *statement.Contract) { s.AnswerByMS = s.CreatedMS }},
		{"answer after its end", "answer_by_ms", func(s *statement.Contract) { s.AnswerByMS = s.UntilMS + 1 }},
		{"answer negative", "answer_by_ms", func(s *statement.Contract) { s.AnswerByMS = -1 }},
		{"counter malformed", "counter", func(s *statement.Contract) { s.Counter = badDigest }},
	})
	type T = statement.Counter
	refuseFields[T](b, "counter", []bad[T]{
		{"owner", "owner", func(s *T) { s.Owner = badFingerprint }},
		{"contract", "contract", func(s *T) { s.Contract = badDigest }},
		{"offer malformed", "offers", func(s *T) { s.Offers[0] = badDigest }},
		{"offer twice", "offers", func(s *T) { s.Offers = append(s.Offers, s.Offers[0]) }},
		{"purpose of two lines", "purpose", func(s *T) { s.Purpose = "a\nb" }},
		{"recipient malformed", "recipients", func(s *T) { s.Recipients[0] = badFingerprint }},
		{"build malformed", "builds", func(s *T) { s.Builds[0] = badDigest }},
		{"operator twice", "operators", func(s *T) { s.Operators = append(s.Operators, s.Operators[0]) }},
		{"end before its begin", "until_ms", func(s *T) { s.UntilMS = s.CreatedMS }},
		{"nothing else", "nothing else than the contract", func(s *T) {
			s.Offers, s.Purpose, s.Recipients, s.Builds, s.Operators, s.UntilMS = nil, "", nil, nil, nil, 0
		}},
		{"reason too long", "reason", func(s *T) { s.Reason = strings.Repeat("x", 2001) }},
		{"time zero", "created_ms", func(s *T) { s.CreatedMS = 0 }},
	})
}

func refuseRejection(b *book) {
	type T = statement.Rejection
	refuseFields[T](b, "rejection", []bad[T]{
		{"owner", "owner", func(s *T) { s.Owner = badFingerprint }},
		{"contract", "contract", func(s *T) { s.Contract = badDigest }},
		{"no reason", "reason", func(s *T) { s.Reason = "" }},
		{"reason that turns the writing", "reason", func(s *T) { s.Reason = "\u202e" }},
		{"time zero", "at_ms", func(s *T) { s.AtMS = 0 }},
	})
}

func refuseGrant(b *book) {
	type T = statement.Grant
	refuseFields[T](b, "grant", []bad[T]{
		{"owner", "owner", func(s *T) { s.Owner = badFingerprint }},
		{"contract", "contract", func(s *T) { s.Contract = badDigest }},
		{"no offers", "offers", func(s *T) { s.Offers = []statement.Digest{} }},
		{"offer malformed", "offers", func(s *T) { s.Offers[0] = badDigest }},
		{"offer twice", "offers", func(s *T) { s.Offers = append(s.Offers, s.Offers[0]) }},
		{"authority empty", "authority", func(s *T) { s.Authority = "" }},
		{"authority unknown", "authority", func(s *T) { s.Authority = "default" }},
		{"end zero", "until_ms", func(s *T) { s.UntilMS = 0 }},
		{"time zero", "created_ms", func(s *T) { s.CreatedMS = 0 }},
		{"end before its begin", "until_ms", func(s *T) { s.UntilMS = s.CreatedMS - 1 }},
		{"end too large", "until_ms", func(s *T) { s.UntilMS = tooLate }},
		{"quota negative", "queries_per_month", func(s *T) { s.OfMonth = -1 }},
	})
}

func refuseJob(b *book) {
	type T = statement.Job
	refuseFields[T](b, "job", []bad[T]{
		{"nonce too long", "nonce", func(s *T) { s.Nonce = append(s.Nonce, 0) }},
		{"contract", "contract", func(s *T) { s.Contract = badDigest }},
		{"requester", "requester", func(s *T) { s.Requester = badFingerprint }},
		{"no owners", "owners", func(s *T) { s.Owners = []statement.Fingerprint{} }},
		{"owner malformed", "owners", func(s *T) { s.Owners[0] = badFingerprint }},
		{"owner twice", "owners", func(s *T) { s.Owners[1] = s.Owners[0] }},
		{"owners not sorted", "owners order", func(s *T) { slices.Reverse(s.Owners) }},
		{"class empty", "class", func(s *T) { s.Class = "" }},
		{"class with a space", "class", func(s *T) { s.Class = "very large" }},
		{"class too long", "class", func(s *T) { s.Class = strings.Repeat("x", 65) }},
		{"commitment", "commitment", func(s *T) { s.Commitment = badDigest }},
		{"body missing", "bodies", func(s *T) { s.Bodies = s.Bodies[1:] }},
		{"body more", "bodies", func(s *T) {
			s.Bodies = append(s.Bodies, statement.SealedBody{To: someone, Sealed: []byte{1}})
		}},
		{"body to a stranger", "body recipient", func(s *T) { s.Bodies[0].To = someone }},
		{"body to one twice", "body recipient", func(s *T) { s.Bodies[0].To = s.Bodies[1].To }},
		{"body empty", "body", func(s *T) { s.Bodies[0].Sealed = []byte{} }},
		{"time zero", "created_ms", func(s *T) { s.CreatedMS = 0 }},
		{"end zero", "expires_ms", func(s *T) { s.ExpiresMS = 0 }},
		{"end at its begin", "expires_ms", func(s *T) { s.ExpiresMS = s.CreatedMS }},
		{"end too large", "expires_ms", func(s *T) { s.ExpiresMS = tooLate }},
	})
}
