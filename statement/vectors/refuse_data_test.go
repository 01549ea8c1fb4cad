package vectors_test

import (
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/statement"
)

const (
	badDigest      = statement.Digest("sha256:AB")
	badFingerprint = statement.Fingerprint("cordon1")
	tooLate        = int64(1 << 53)
)

var (
	long    = strings.Repeat("x", 129)
	someone = statement.Fingerprint("cordon1" + strings.Repeat("0a", 32))
	other   = statement.Sum([]byte("other"))
)

func refuseParty(b *book) {
	type T = statement.Party
	refuseFields[T](b, "party", []bad[T]{
		{"name empty", "name", func(s *T) { s.Name = "" }},
		{"name in capitals", "name", func(s *T) { s.Name = "Alpha" }},
		{"name with a dot", "name", func(s *T) { s.Name = "al.pha" }},
		{"name begins with a digit", "name", func(s *T) { s.Name = "1alpha" }},
		{"name too long", "name", func(s *T) { s.Name = strings.Repeat("a", 33) }},
		{"name ends with a newline", "name", func(s *T) { s.Name = "alpha\n" }},
		{"name is pool", "name", func(s *T) { s.Name = "pool" }},
		{"name is own", "name", func(s *T) { s.Name = "own" }},
		{"key of another algorithm", "key", func(s *T) { s.Key = strings.Replace(s.Key, "ed25519", "ed448", 1) }},
		{"key in capitals", "key", func(s *T) { s.Key = strings.ToUpper(s.Key) }},
		{"key too short", "key", func(s *T) { s.Key = s.Key[:len(s.Key)-2] }},
		{"key of small order", "key", func(s *T) { s.Key = "ed25519:01" + strings.Repeat("00", 31) }},
		{"key not reduced", "key", func(s *T) { s.Key = "ed25519:f0" + strings.Repeat("ff", 30) + "7f" }},
		{"box too short", "box", func(s *T) { s.Box = s.Box[1:] }},
		{"box too long", "box", func(s *T) { s.Box = append(s.Box, 0) }},
		{"box empty", "box", func(s *T) { s.Box = []byte{} }},
		{"time zero", "created_ms", func(s *T) { s.CreatedMS = 0 }},
		{"time negative", "created_ms", func(s *T) { s.CreatedMS = -1 }},
		{"time too large", "created_ms", func(s *T) { s.CreatedMS = tooLate }},
	})
}

func refuseOffer(b *book) {
	type T = statement.Offer
	refuseFields[T](b, "offer", []bad[T]{
		{"owner", "owner", func(s *T) { s.Owner = badFingerprint }},
		{"data set in capitals", "dataset", func(s *T) { s.Dataset = "Strikes" }},
		{"version empty", "version", func(s *T) { s.Version = "" }},
		{"version with a slash", "version", func(s *T) { s.Version = "a/b" }},
		{"version begins with a dot", "version", func(s *T) { s.Version = "..1" }},
		{"version begins with a dash", "version", func(s *T) { s.Version = "-1" }},
		{"version too long", "version", func(s *T) { s.Version = strings.Repeat("1", 65) }},
		{"no columns", "schema", func(s *T) { s.Schema = []statement.Column{} }},
		{"column twice", "schema name", func(s *T) { s.Schema[1].Name = s.Schema[0].Name }},
		{"column named as the footer", "schema name", func(s *T) { s.Schema[1].Name = statement.FooterKey }},
		{"column in capitals", "schema name", func(s *T) { s.Schema[1].Name = "Size" }},
		{"column without a type", "schema type", func(s *T) { s.Schema[1].Type = "" }},
		{"column with a long type", "schema type", func(s *T) { s.Schema[1].Type = long }},
		{"column with a type of two lines", "schema type", func(s *T) { s.Schema[1].Type = "int64\nint64" }},
		{"commitment missing", "commitments", func(s *T) { s.Commitments = s.Commitments[1:] }},
		{"commitment more", "commitments", func(s *T) { s.Commitments = append(s.Commitments, s.Commitments[0]) }},
		{"commitment twice", "commitment key", func(s *T) { s.Commitments[1] = s.Commitments[0] }},
		{"commitment to an unknown column", "commitment key", func(s *T) { s.Commitments[1].Key = "pilot" }},
		{"commitment malformed", "commitment", func(s *T) { s.Commitments[1].Commit = badDigest }},
		{"no files", "files", func(s *T) { s.Files = []statement.File{} }},
		{"object empty", "file object", func(s *T) { s.Files[0].Object = "" }},
		{"object leads up", "file object", func(s *T) { s.Files[0].Object = "a/../b" }},
		{"object from the root", "file object", func(s *T) { s.Files[0].Object = "/a" }},
		{"object is a folder", "file object", func(s *T) { s.Files[0].Object = "a/" }},
		{"object hidden", "file object", func(s *T) { s.Files[0].Object = "a/.b" }},
		{"object in capitals", "file object", func(s *T) { s.Files[0].Object = "A" }},
		{"object with a backslash", "file object", func(s *T) { s.Files[0].Object = `a\b` }},
		{"object too long", "file object", func(s *T) { s.Files[0].Object = strings.Repeat("a", 513) }},
		{"object twice", "file object", func(s *T) {
			s.Files = append(s.Files, s.Files[0])
			s.Files[1].AADPrefix = "b"
		}},
		{"file without bytes", "file bytes", func(s *T) { s.Files[0].Bytes = 0 }},
		{"file of negative size", "file bytes", func(s *T) { s.Files[0].Bytes = -1 }},
		{"file too large", "file bytes", func(s *T) { s.Files[0].Bytes = tooLate }},
		{"rows negative", "file rows", func(s *T) { s.Files[0].Rows = -1 }},
		{"prefix empty", "file aad_prefix", func(s *T) { s.Files[0].AADPrefix = "" }},
		{"prefix with a newline", "file aad_prefix", func(s *T) { s.Files[0].AADPrefix = "a\nb" }},
		{"prefix too long", "file aad_prefix", func(s *T) { s.Files[0].AADPrefix = strings.Repeat("a", 2001) }},
		{"prefix twice", "file aad_prefix", func(s *T) {
			s.Files = append(s.Files, s.Files[0])
			s.Files[1].Object = "b"
		}},
		{"policy empty", "policy", func(s *T) { s.Policy = "" }},
		{"price negative", "price", func(s *T) { s.Price = -1 }},
		{"time zero", "created_ms", func(s *T) { s.CreatedMS = 0 }},
		{"replaces something malformed", "replaces", func(s *T) { s.Replaces = badDigest }},
		{"column named as the noise", "schema name", func(s *T) { s.Schema[1].Name = statement.NoiseKey }},
		{"noise in place of a column", "commitment key", func(s *T) {
			s.Schema = s.Schema[1:]
			s.Commitments[1].Key = statement.NoiseKey
		}},
	})
	refuseFields[T](b, "offer with terms", []bad[T]{
		{"access unknown", "terms access", func(s *T) { s.Terms.Access = "sale" }},
		{"free at a price", "terms access", func(s *T) { s.Terms.Access = statement.AccessFree }},
		{"sold for nothing", "terms access", func(s *T) { s.Price, s.Terms.PerQuery, s.Terms.PerDay, s.Terms.Flat = 0, 0, 0, 0 }},
		{"flat price negative", "terms price", func(s *T) { s.Terms.Flat = -1 }},
		{"price of a day too large", "terms price", func(s *T) { s.Terms.PerDay = 1_000_000_001 }},
		{"another price than the offer's", "terms per_query", func(s *T) { s.Price = 6 }},
		{"quota negative", "terms queries_per_contract", func(s *T) { s.Terms.OfContract = -1 }},
		{"quota of a month negative", "terms queries_per_month", func(s *T) { s.Terms.OfMonth = -1 }},
		{"purpose twice", "terms purposes", func(s *T) { s.Terms.Purposes = []string{"research", "research"} }},
		{"licence without text", "terms licence", func(s *T) { s.Terms.Licence.Text = "" }},
		{"licence with text and digest", "terms licence", func(s *T) { s.Terms.Licence.Digest = other }},
		{"licence without a name", "terms licence", func(s *T) { s.Terms.Licence.Name = "" }},
		{"licence too long", "terms licence", func(s *T) { s.Terms.Licence.Text = strings.Repeat("x", 64<<10+1) }},
		{"licence that turns the writing", "terms licence", func(s *T) { s.Terms.Licence.Text = "for \u202eyou" }},
		{"statistics of an unknown column", "terms statistics column", func(s *T) { s.Terms.Statistics[0].Column = "pilot" }},
		{"statistics of one column twice", "terms statistics column", func(s *T) { s.Terms.Statistics = append(s.Terms.Statistics, s.Terms.Statistics[0]) }},
		{"an exact count", "terms statistics distinct", func(s *T) { s.Terms.Statistics[0].Distinct = 9 }},
		{"a year alone", "terms statistics years", func(s *T) { s.Terms.Statistics[0].MinYear = 1990 }},
		{"years upside down", "terms statistics years", func(s *T) { s.Terms.Statistics[0].MinYear, s.Terms.Statistics[0].MaxYear = 2020, 1990 }},
		{"nothing said", "terms statistics", func(s *T) { s.Terms.Statistics[0].Distinct = 0 }},
	})
	refuseFields[T](b, "offer with a noise key", []bad[T]{
		{"noise in place of the footer", "commitments", func(s *T) {
			s.Commitments = slices.DeleteFunc(s.Commitments, func(c statement.Commitment) bool { return c.Key == statement.FooterKey })
		}},
		{"noise twice", "commitments", func(s *T) { s.Commitments = append(s.Commitments, s.Commitments[len(s.Commitments)-1]) }},
		{"noise malformed", "commitment", func(s *T) { s.Commitments[len(s.Commitments)-1].Commit = badDigest }},
	})
}

func refusePool(b *book) {
	type T = statement.Pool
	refuseFields[T](b, "pool", []bad[T]{
		{"name", "name", func(s *T) { s.Name = "pool.strikes" }},
		{"epoch zero", "epoch", func(s *T) { s.Epoch = 0 }},
		{"epoch too large", "epoch", func(s *T) { s.Epoch = 1 << 31 }},
		{"first epoch with a previous one", "previous", func(s *T) { s.Previous = other }},
		{"second epoch without a previous one", "previous", func(s *T) { s.Epoch = 2 }},
		{"no members", "members", func(s *T) { s.Members = []statement.Member{} }},
		{"one member", "members", func(s *T) { s.Members = s.Members[:1] }},
		{"member malformed", "member owner", func(s *T) { s.Members[1].Owner = badFingerprint }},
		{"member twice", "member owner", func(s *T) { s.Members[1].Owner = s.Members[0].Owner }},
		{"offer malformed", "member offer", func(s *T) { s.Members[1].Offer = badDigest }},
		{"offer twice", "member offer", func(s *T) { s.Members[1].Offer = s.Members[0].Offer }},
		{"time zero", "created_ms", func(s *T) { s.CreatedMS = 0 }},
	})
	refuseFields[T](b, "pool, second epoch", []bad[T]{
		{"previous malformed", "previous", func(s *T) { s.Previous = badDigest }},
	})
}

func refuseRevocation(b *book) {
	type T = statement.Revocation
	refuseFields[T](b, "revocation", []bad[T]{
		{"author", "author", func(s *T) { s.Author = badFingerprint }},
		{"revokes", "revokes", func(s *T) { s.Revokes = badDigest }},
		{"reason too long", "reason", func(s *T) { s.Reason = strings.Repeat("x", 2001) }},
		{"reason moves the cursor", "reason", func(s *T) { s.Reason = "over\x1b[2K" }},
		{"reason turns the direction of writing", "reason", func(s *T) { s.Reason = "over\u202e" }},
		{"reason with a carriage return", "reason", func(s *T) { s.Reason = "over\r" }},
		{"time zero", "at_ms", func(s *T) { s.AtMS = 0 }},
	})
}
