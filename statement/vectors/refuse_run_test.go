package vectors_test

import (
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/statement"
)

func refuseReady(b *book) {
	type T = statement.Ready
	refuseFields[T](b, "ready", []bad[T]{
		{"owner", "owner", func(s *T) { s.Owner = badFingerprint }},
		{"job", "job", func(s *T) { s.Job = badDigest }},
		{"session", "session", func(s *T) { s.Session = badDigest }},
		{"plan", "plan", func(s *T) { s.Plan = badDigest }},
		{"no offers", "offers", func(s *T) { s.Offers = []statement.Digest{} }},
		{"offer twice", "offers", func(s *T) { s.Offers = append(s.Offers, s.Offers[0]) }},
		{"grant", "grant", func(s *T) { s.Grant = badDigest }},
		{"price negative", "price", func(s *T) { s.Price = -1 }},
		{"nonce too short", "nonce", func(s *T) { s.Nonce = s.Nonce[1:] }},
		{"end zero", "expires_ms", func(s *T) { s.ExpiresMS = 0 }},
	})
}

func refuseRefusal(b *book) {
	type T = statement.Refusal
	refuseFields[T](b, "refusal", []bad[T]{
		{"party", "party", func(s *T) { s.Party = badFingerprint }},
		{"job", "job", func(s *T) { s.Job = badDigest }},
		{"stage empty", "stage", func(s *T) { s.Stage = "" }},
		{"stage with a space", "stage", func(s *T) { s.Stage = "the quote" }},
		{"code empty", "code", func(s *T) { s.Code = "" }},
		{"code not of ASCII", "code", func(s *T) { s.Code = "réfusé" }},
		{"code too long", "code", func(s *T) { s.Code = strings.Repeat("x", 65) }},
		{"reason moves the cursor", "reason", func(s *T) { s.Reason = "\x1b[1A" }},
		{"time zero", "at_ms", func(s *T) { s.AtMS = 0 }},
	})
}

func refuseRelease(b *book) {
	type T = statement.Release
	refuseFields[T](b, "release", []bad[T]{
		{"owner", "owner", func(s *T) { s.Owner = badFingerprint }},
		{"job", "job", func(s *T) { s.Job = badDigest }},
		{"session", "session", func(s *T) { s.Session = badDigest }},
		{"plan", "plan", func(s *T) { s.Plan = badDigest }},
		{"evidence", "evidence", func(s *T) { s.Evidence = badDigest }},
		{"ready", "ready", func(s *T) { s.Ready = badDigest }},
		{"grant", "grant", func(s *T) { s.Grant = badDigest }},
		{"sealed", "sealed", func(s *T) { s.Sealed = badDigest }},
		{"appraisal of no kind", "appraisal kind", func(s *T) { s.Appraisal.Kind = "" }},
		{"appraisal simulated, but not said so", "appraisal simulated", func(s *T) { s.Appraisal.Simulated = false }},
		{"appraisal with a status of two words", "appraisal status", func(s *T) { s.Appraisal.Status = "Up To Date" }},
		{"appraisal with an advisory twice", "appraisal advisories", func(s *T) { s.Appraisal.Advisories = []string{"A", "A"} }},
		{"appraisal with a date of another form", "appraisal tcb_date", func(s *T) { s.Appraisal.TCBDate = "2024-13-01" }},
		{"appraisal with a negative evaluation", "appraisal evaluation", func(s *T) { s.Appraisal.Evaluation = -1 }},
		{"appraisal with a line of two words", "appraisal line", func(s *T) { s.Appraisal.Line = "Milan X" }},
		{"appraisal with a TCB of 15 digits", "appraisal tcb", func(s *T) { s.Appraisal.TCB = "123456789abcdef" }},
		{"appraisal with a TCB in capitals", "appraisal tcb", func(s *T) { s.Appraisal.TCB = "123456789ABCDEF0" }},
		{"appraisal with collateral until a negative time", "appraisal collateral_until_ms", func(s *T) { s.Appraisal.CollateralUntilMS = -1 }},
		{"appraisal by no policy", "appraisal policies", func(s *T) { s.Appraisal.Policies = []statement.Digest{} }},
		{"appraisal by a malformed policy", "appraisal policies", func(s *T) { s.Appraisal.Policies[0] = badDigest }},
		{"appraisal by more policies than offers", "appraisal policies", func(s *T) { s.Appraisal.Policies = append(s.Appraisal.Policies, s.Appraisal.Policies[0]) }},
		{"nothing opened", "columns", func(s *T) { s.Columns = []statement.Opening{} }},
		{"offer malformed", "columns offer", func(s *T) { s.Columns[0].Offer = badDigest }},
		{"offer twice", "columns offer", func(s *T) { s.Columns = append(s.Columns, s.Columns[0]) }},
		{"column twice", "columns", func(s *T) { s.Columns[0].Columns[1] = s.Columns[0].Columns[0] }},
		{"column malformed", "columns", func(s *T) { s.Columns[0].Columns[1] = "a.b" }},
		{"footer as a column", "columns", func(s *T) { s.Columns[0].Columns[1] = statement.FooterKey }},
		{"number zero", "number", func(s *T) { s.Number = 0 }},
		{"a fifth release", "number", func(s *T) { s.Number, s.Charged = 5, 0 }},
		{"charge negative", "charged", func(s *T) { s.Charged = -1 }},
		{"charged again", "charged", func(s *T) { s.Number = 2 }},
		{"time zero", "released_ms", func(s *T) { s.ReleasedMS = 0 }},
	})
}

func refuseReceipt(b *book) {
	type T = statement.Receipt
	refuseFields[T](b, "receipt", []bad[T]{
		{"job", "job", func(s *T) { s.Job = badDigest }},
		{"contract", "contract", func(s *T) { s.Contract = badDigest }},
		{"plan", "plan", func(s *T) { s.Plan = badDigest }},
		{"requester", "requester", func(s *T) { s.Requester = badFingerprint }},
		{"no recipients", "recipients", func(s *T) { s.Recipients = []statement.Fingerprint{} }},
		{"operator", "operator", func(s *T) { s.Operator = badFingerprint }},
		{"session key malformed", "session key", func(s *T) { s.Session.Key = "ed25519:" }},
		{"session box too short", "session box", func(s *T) { s.Session.Box = s.Session.Box[1:] }},
		{"build", "build", func(s *T) { s.Build = badDigest }},
		{"evidence without a kind", "evidence kind", func(s *T) { s.Evidence.Kind = "" }},
		{"evidence empty", "evidence raw", func(s *T) { s.Evidence.Raw = []byte{} }},
		{"too many endorsements", "evidence endorsements", func(s *T) { s.Evidence.Endorsements = slices.Repeat([][]byte{{1}}, 65) }},
		{"endorsement empty", "evidence endorsements", func(s *T) { s.Evidence.Endorsements = [][]byte{{}} }},
		{"no readies", "readies", func(s *T) { s.Readies = []statement.Digest{} }},
		{"no releases", "releases", func(s *T) { s.Releases = []statement.Digest{} }},
		{"release twice", "releases", func(s *T) { s.Releases[1] = s.Releases[0] }},
		{"no grants", "grants", func(s *T) { s.Grants = []statement.Digest{} }},
		{"perimeter of another kind than the evidence", "perimeter kind", func(s *T) { s.Perimeter.Kind = "sgx" }},
		{"simulated, but not said so", "perimeter simulated", func(s *T) { s.Perimeter.Simulated = false }},
		{"said to be simulated, but not", "perimeter simulated", func(s *T) { s.Evidence.Kind, s.Perimeter.Kind = "sgx", "sgx" }},
		{"form empty", "perimeter form", func(s *T) { s.Perimeter.Form = "" }},
		{"form of two lines", "perimeter form", func(s *T) { s.Perimeter.Form = "process\ngenuine" }},
		{"details not sorted", "perimeter details", func(s *T) { slices.Reverse(s.Perimeter.Details) }},
		{"detail twice", "perimeter details", func(s *T) { s.Perimeter.Details[1].Name = s.Perimeter.Details[0].Name }},
		{"detail without a name", "perimeter details", func(s *T) { s.Perimeter.Details[0].Name = "" }},
		{"detail moves the cursor", "perimeter details", func(s *T) { s.Perimeter.Details[0].Value = "\x1b[1A" }},
		{"filter", "perimeter seccomp", func(s *T) { s.Perimeter.Seccomp = badDigest }},
		{"outcome empty", "outcome", func(s *T) { s.Outcome = "" }},
		{"outcome unknown", "outcome", func(s *T) { s.Outcome = "results" }},
		{"failed with a result", "outcome", func(s *T) { s.Outcome = "failed:clamp" }},
		{"result missing", "outcome", func(s *T) { s.Result = nil }},
		{"result malformed", "result digest", func(s *T) { s.Result.Digest = badDigest }},
		{"result of no bytes", "result bytes", func(s *T) { s.Result.Bytes = 0 }},
		{"result too large", "result bytes", func(s *T) { s.Result.Bytes = tooLate }},
		{"no exposures", "exposures", func(s *T) { s.Exposures = []statement.Exposure{} }},
		{"exposure of nobody", "exposure owner", func(s *T) { s.Exposures[0].Owner = badFingerprint }},
		{"exposure of no offer", "exposure offer", func(s *T) { s.Exposures[0].Offer = badDigest }},
		{"exposure of no column", "exposure column", func(s *T) { s.Exposures[0].Column = "" }},
		{"exposure of negative bytes", "exposure bytes", func(s *T) { s.Exposures[0].Bytes = -1 }},
		{"bytes past the largest number", "clear bytes", func(s *T) {
			s.Clear.Bytes += tooLate - 1 - s.Exposures[0].Bytes
			s.Exposures[0].Bytes = tooLate - 1
			s.Clear.ByteMilliseconds = tooLate - 1
		}},
		{"bytes left out of the sum", "clear bytes", func(s *T) { s.Exposures[0].Bytes++ }},
		{"duration negative", "clear micros", func(s *T) { s.Clear.Micros = -1 }},
		{"product rounded down", "clear byte_milliseconds", func(s *T) { s.Clear.ByteMilliseconds-- }},
		{"memory negative", "clear peak_memory", func(s *T) { s.Clear.PeakMemory = -1 }},
		{"nobody answers", "responsibility", func(s *T) { s.Responsibility = []statement.Responsibility{} }},
		{"layer empty", "responsibility layer", func(s *T) { s.Responsibility[0].Layer = "" }},
		{"who of two lines", "responsibility who", func(s *T) { s.Responsibility[0].Who = "a\nb" }},
		{"basis empty", "responsibility basis", func(s *T) { s.Responsibility[0].Basis = "" }},
		{"too many stages", "stages", func(s *T) { s.Stages = slices.Repeat(s.Stages[:1], 65) }},
		{"stage without a name", "stage name", func(s *T) { s.Stages[0].Name = "" }},
		{"stage of negative time", "stage micros", func(s *T) { s.Stages[0].Micros = -1 }},
		{"clock empty", "clock_class", func(s *T) { s.ClockClass = "" }},
		{"time zero", "ended_ms", func(s *T) { s.EndedMS = 0 }},
	})
	refuseFields[T](b, "receipt of a failed job", []bad[T]{
		{"no code", "outcome", func(s *T) { s.Outcome = "failed:" }},
		{"code of two words", "outcome", func(s *T) { s.Outcome = "failed:by chance" }},
		{"called a result", "outcome", func(s *T) { s.Outcome = statement.OutcomeResult }},
	})
}

func refuseAck(b *book) {
	type T = statement.Ack
	refuseFields[T](b, "ack", []bad[T]{
		{"owner", "owner", func(s *T) { s.Owner = badFingerprint }},
		{"job", "job", func(s *T) { s.Job = badDigest }},
		{"receipt", "receipt", func(s *T) { s.Receipt = badDigest }},
		{"release", "release", func(s *T) { s.Release = badDigest }},
		{"released zero", "released_ms", func(s *T) { s.ReleasedMS = 0 }},
		{"closed too large", "closed_ms", func(s *T) { s.ClosedMS = tooLate }},
		{"closed before it was released", "closed_ms", func(s *T) { s.ClosedMS = s.ReleasedMS - 1 }},
		{"head of no entry", "head seq", func(s *T) { s.Head.Seq = 0 }},
		{"head too large", "head seq", func(s *T) { s.Head.Seq = tooLate }},
		{"head without a digest", "head digest", func(s *T) { s.Head.Digest = "" }},
		{"head malformed", "head digest", func(s *T) { s.Head.Digest = badDigest }},
	})
}

func refuseNoise(b *book) {
	refuseFields[statement.Release](b, "release with the noise key", []bad[statement.Release]{
		{"noise twice", "columns", func(s *statement.Release) { s.Columns[0].Columns = append(s.Columns[0].Columns, statement.NoiseKey) }},
		{"footer beside it", "columns", func(s *statement.Release) { s.Columns[0].Columns = append(s.Columns[0].Columns, statement.FooterKey) }},
	})
	refuseFields[statement.Receipt](b, "receipt of a noise key", []bad[statement.Receipt]{
		{"noise opened bytes", "exposure bytes", func(s *statement.Receipt) {
			last := len(s.Exposures) - 1
			s.Exposures[last].Bytes, s.Exposures[0].Bytes = 1, s.Exposures[0].Bytes-1
		}},
		{"another reserved name", "exposure column", func(s *statement.Receipt) { s.Exposures[len(s.Exposures)-1].Column = "-noisy" }},
	})
}
