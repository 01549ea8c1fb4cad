package vectors_test

import (
	"errors"
	"path"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/statement/vectors"
)

// book collects statements by name.
type book struct {
	t    *testing.T
	file vectors.Accepted[vectors.Statement]
	by   map[string]vectors.Statement
}

func (b *book) add(name string, e statement.Envelope) {
	b.t.Helper()
	signers, err := e.Signers()
	if err != nil {
		b.t.Fatal(err)
	}
	kind, err := statement.PeekType(e.Payload)
	if err != nil {
		b.t.Fatal(err)
	}
	s := vectors.Statement{
		Name: name, Kind: path.Base(path.Dir(kind)), Payload: string(e.Payload), Digest: string(e.Digest()),
		Signers: names(signers), Envelope: string(e.Bytes()),
	}
	b.by[name] = s
	b.file.Success = append(b.file.Success, s)
}

func (b *book) refuse(of, name, class, field string, payload []byte) {
	b.t.Helper()
	c := change(b.t, []byte(b.by[of].Payload), payload)
	b.file.Failure = append(b.file.Failure, vectors.Refusal{Name: of + ": " + name, Of: of, Change: c, Error: class, Field: field})
}

// bad is one field out of range.
type bad[T any] struct {
	name, field string
	edit        func(*T)
}

// refuseFields adds a failure for each edit.
func refuseFields[T any, P interface {
	*T
	statement.Statement
}](b *book, of string, list []bad[T]) {
	b.t.Helper()
	for _, x := range list {
		s, err := statement.DecodeUnverified[T, P]([]byte(b.by[of].Payload))
		if err != nil {
			b.t.Fatal(err)
		}
		x.edit(s)
		payload, err := statement.Marshal(s)
		if err != nil {
			b.t.Fatalf("%s: %s: %v", of, x.name, err)
		}
		b.refuse(of, x.name, "invalid", x.field, payload)
	}
}

func statementsFile(t *testing.T, a, failed *receipttest.Account) vectors.Accepted[vectors.Statement] {
	b := &book{t: t, by: map[string]vectors.Statement{}, file: vectors.Accepted[vectors.Statement]{Comment: comment}}
	x := a.Bundle
	alpha := a.Owners[0]
	b.add("party", x.Parties[0])
	b.add("offer", x.Offers[0])
	b.add("offer with awkward text", awkwardOffer(t, x.Offers[0], alpha))
	b.add("offer with a noise key", noisyOffer(t, x.Offers[0], alpha))
	b.add("offer with terms", offerWithTerms(t, x.Offers[0], alpha))
	b.add("pool", x.Pools[0])
	b.add("pool, second epoch", secondEpoch(t, x.Pools[0], a.Owners))
	b.add("contract", x.Contract)
	b.add("contract over one data set", oneDataSet(t, x.Contract, a.Requester))
	b.add("grant", x.Grants[0])
	b.add("grant of so many queries a month", quotaGrant(t, x.Grants[0], alpha))
	b.add("contract that asks for a log", loggedContract(t, x.Contract, a.Requester))
	b.add("contract that accepts a counter", acceptingContract(t, x.Contract, a.Requester))
	b.add("counter", receipttest.Sign(t, statement.Counter{
		Owner: alpha.Fingerprint(), Contract: x.Contract.Digest(), Offers: []statement.Digest{x.Offers[0].Digest()}, Purpose: "safety",
		Recipients: []statement.Fingerprint{a.Requester.Fingerprint()}, Builds: []statement.Digest{statement.Sum([]byte("build"))},
		Operators: []statement.Fingerprint{a.Operator.Fingerprint()}, UntilMS: receipttest.Start.UnixMilli() + 1000,
		Reason: "only for safety, on the newer version", CreatedMS: receipttest.Start.UnixMilli(),
	}, alpha))
	b.add("rejection", receipttest.Sign(t, statement.Rejection{
		Owner: alpha.Fingerprint(), Contract: x.Contract.Digest(), Reason: "not for this purpose", AtMS: receipttest.Start.UnixMilli(),
	}, alpha))
	addPurchase(b, a)
	b.add("job", x.Job)
	b.add("ready", x.Readies[0])
	b.add("refusal", receipttest.Sign(t, statement.Refusal{
		Party: alpha.Fingerprint(), Job: x.Job.Digest(), Stage: "hello", Code: "row-level",
		Reason: "1:8: rows can't leave\nask for an aggregate over a declared group", AtMS: receipttest.Start.UnixMilli(),
	}, alpha))
	b.add("release", x.Releases[0])
	b.add("release of a footer alone", footerAlone(t, x.Releases[0], alpha))
	b.add("release with the noise key", noisyRelease(t, x.Releases[0], alpha))
	b.add("receipt", x.Receipt)
	b.add("receipt of a failed job", failed.Bundle.Receipt)
	b.add("receipt of a noise key", noisyReceipt(t, x.Receipt, a))
	b.add("ack", x.Acks[0])
	b.add("revocation", receipttest.Sign(t, statement.Revocation{
		Author: alpha.Fingerprint(), Revokes: x.Grants[0].Digest(), Reason: "the study is over", AtMS: receipttest.Start.UnixMilli(),
	}, alpha))
	b.add("revocation without a reason", receipttest.Sign(t, statement.Revocation{
		Author: alpha.Fingerprint(), Revokes: x.Offers[0].Digest(), AtMS: receipttest.Start.UnixMilli(),
	}, alpha))
	online := onlineKey(t, alpha, nil)
	b.add("certificate", *statement.CertificateOf(online).Envelope())
	b.add("revocation of an online key", receipttest.Sign(t, keyRevocation(alpha, online), alpha))
	b.add("approval", receipttest.Sign(t, statement.Approval{
		Officer: receipttest.NewParty(t, "officer").Fingerprint(), Party: alpha.Fingerprint(), Action: statement.ActionGrant,
		About: x.Grants[0].Digest(), Officers: statement.Sum([]byte("officers")), AtMS: receipttest.Start.UnixMilli(),
	}, receipttest.NewParty(t, "officer")))
	addRules(b, a)
	refuseEncodings(b)
	refuseTypes(b)
	refuseParty(b)
	refuseOffer(b)
	refusePool(b)
	refuseContract(b)
	refuseLogged(b)
	refuseGrant(b)
	refuseCounter(b)
	refuseRejection(b)
	refuseTemplate(b)
	refuseAccreditation(b)
	refusePurchase(b)
	refuseJob(b)
	refuseReady(b)
	refuseRefusal(b)
	refuseRelease(b)
	refuseReceipt(b)
	refuseNoise(b)
	refuseAck(b)
	refuseRevocation(b)
	refuseCertificate(b)
	refuseApproval(b)
	return b.file
}

func body[T any, P interface {
	*T
	statement.Statement
}](t *testing.T, e statement.Envelope) T {
	t.Helper()
	s, err := statement.DecodeUnverified[T, P](e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return *s
}

// awkward text has one spelling, however odd: <, > and & as they are; U+2028
// and controls escaped; U+FFFD and U+007F as they are.
const awkward = "# <a> & \"b\" \\ / \u2028\u2029 \b\f\n\r\t\x01 \ufffd \x7f é e\u0301 \U0001f99c\n"

func awkwardOffer(t *testing.T, e statement.Envelope, by *receipttest.Party) statement.Envelope {
	o := body[statement.Offer](t, e)
	o.Policy = awkward + o.Policy
	o.Replaces = e.Digest()
	o.Version = "2026-01.fix_2"
	o.Files = append(o.Files, statement.File{Object: o.Files[0].Object[:65] + "strikes/b", Bytes: 1, Rows: 0, AADPrefix: "b"})
	return receipttest.Sign(t, o, by)
}

func noisyOffer(t *testing.T, e statement.Envelope, by *receipttest.Party) statement.Envelope {
	o := body[statement.Offer](t, e)
	o.Policy = "output: dp\n" + o.Policy
	n := seal.KeyName{Owner: o.Owner, Dataset: o.Dataset, Version: o.Version, Key: statement.NoiseKey}
	o.Commitments = append(o.Commitments, statement.Commitment{Key: statement.NoiseKey, Commit: seal.Commit(n, receipttest.DataKey(t, n))})
	return receipttest.Sign(t, o, by)
}

func noisyRelease(t *testing.T, e statement.Envelope, by *receipttest.Party) statement.Envelope {
	r := body[statement.Release](t, e)
	r.Columns[0].Columns = append(r.Columns[0].Columns, statement.NoiseKey)
	return receipttest.Sign(t, r, by)
}

func noisyReceipt(t *testing.T, e statement.Envelope, a *receipttest.Account) statement.Envelope {
	r := body[statement.Receipt](t, e)
	r.Exposures = append(r.Exposures, statement.Exposure{Owner: r.Exposures[0].Owner, Offer: r.Exposures[0].Offer, Column: statement.NoiseKey})
	return *must(t)(statement.Sign(r, a.Session.Key))
}

func must(t *testing.T) func(*statement.Envelope, error) *statement.Envelope {
	return func(e *statement.Envelope, err error) *statement.Envelope {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
}

func secondEpoch(t *testing.T, e statement.Envelope, by []*receipttest.Party) statement.Envelope {
	p := body[statement.Pool](t, e)
	p.Epoch, p.Previous, p.Members = 2, e.Digest(), p.Members[:2]
	return receipttest.Sign(t, p, by[:2]...)
}

func oneDataSet(t *testing.T, e statement.Envelope, by *receipttest.Party) statement.Envelope {
	c := body[statement.Contract](t, e)
	c.Tables = append(c.Tables, statement.Table{Name: "alpha.strikes", Members: c.Tables[0].Members[:1]})
	return receipttest.Sign(t, c, by)
}

func footerAlone(t *testing.T, e statement.Envelope, by *receipttest.Party) statement.Envelope {
	r := body[statement.Release](t, e)
	r.Columns[0].Columns, r.Number, r.Charged = []string{}, 2, 0
	return receipttest.Sign(t, r, by)
}

// decoders by kind: what reads a payload of it.
func decoders() map[string]func([]byte) (any, error) {
	return map[string]func([]byte) (any, error){
		"party": decoder[statement.Party], "offer": decoder[statement.Offer], "pool": decoder[statement.Pool],
		"contract": decoder[statement.Contract], "grant": decoder[statement.Grant], "counter": decoder[statement.Counter], "rejection": decoder[statement.Rejection], "job": decoder[statement.Job],
		"ready": decoder[statement.Ready], "refusal": decoder[statement.Refusal], "release": decoder[statement.Release],
		"receipt": decoder[statement.Receipt], "ack": decoder[statement.Ack], "revocation": decoder[statement.Revocation],
		"certificate": decoder[statement.Certificate], "approval": decoder[statement.Approval],
		"template": decoder[statement.Template], "accreditation": decoder[statement.Accreditation],
		"order": decoder[statement.Order], "invoice": decoder[statement.Invoice], "settlement": decoder[statement.Settlement], "charge": decoder[statement.Charge],
		"closing": decoder[statement.Closing], "refund": decoder[statement.Refund],
	}
}

func decoder[T any, P interface {
	*T
	statement.Statement
}](payload []byte) (any, error) {
	s, err := statement.DecodeUnverified[T, P](payload)
	if s == nil {
		return nil, err
	}
	return s, err
}

// authors by kind: who an envelope is by, as its author alone.
func authors() map[string]func(*statement.Envelope) ([]statement.Fingerprint, error) {
	return map[string]func(*statement.Envelope) ([]statement.Fingerprint, error){
		"party": author[statement.Party], "offer": author[statement.Offer], "pool": author[statement.Pool],
		"contract": author[statement.Contract], "grant": author[statement.Grant], "counter": author[statement.Counter], "rejection": author[statement.Rejection], "job": author[statement.Job],
		"ready": author[statement.Ready], "refusal": author[statement.Refusal], "release": author[statement.Release],
		"receipt": author[statement.Receipt], "ack": author[statement.Ack], "revocation": author[statement.Revocation],
		"certificate": author[statement.Certificate], "approval": author[statement.Approval],
		"template": author[statement.Template], "accreditation": author[statement.Accreditation],
		"order": author[statement.Order], "invoice": author[statement.Invoice], "settlement": author[statement.Settlement], "charge": author[statement.Charge],
		"closing": author[statement.Closing], "refund": author[statement.Refund],
	}
}

func author[T any, P interface {
	*T
	statement.Statement
	Authors() []statement.Fingerprint
}](e *statement.Envelope) ([]statement.Fingerprint, error) {
	v, err := statement.VerifyAuthor[T, P](e)
	if err != nil {
		return nil, err
	}
	return P(v.Body()).Authors(), nil
}

// class names an error as the vectors do.
func class(err error) string {
	for _, c := range []struct {
		is   error
		name string
	}{
		{statement.ErrEnvelope, "envelope"}, {statement.ErrCertificate, "certificate"}, {statement.ErrSignature, "signature"}, {statement.ErrType, "type"},
		{statement.ErrInvalid, "invalid"}, {statement.ErrNotStrict, "not strict"},
	} {
		if errors.Is(err, c.is) {
			return c.name
		}
	}
	return "unknown"
}

func TestStatements(t *testing.T) {
	file, decode := vectors.Statements(), decoders()
	by, kinds, kindOf := map[string]string{}, map[string]bool{}, map[string]string{}
	for _, s := range file.Success {
		by[s.Name], kinds[s.Kind] = s.Payload, true
		kindOf[s.Name] = s.Kind
		t.Run(s.Name, func(t *testing.T) {
			v, err := decode[s.Kind]([]byte(s.Payload))
			if err != nil {
				t.Fatal(err)
			}
			again, err := statement.Marshal(v)
			if err != nil || string(again) != s.Payload {
				t.Fatalf("encodes differently: %v", err)
			}
			e, err := statement.ParseEnvelope([]byte(s.Envelope))
			if err != nil || string(e.Payload) != s.Payload || string(e.Digest()) != s.Digest {
				t.Fatalf("envelope, payload and digest disagree: %v", err)
			}
			signers, err := e.Signers()
			if err != nil || strings.Join(names(signers), " ") != strings.Join(s.Signers, " ") {
				t.Fatalf("signed by %v: %v", signers, err)
			}
			by, err := authors()[s.Kind](e)
			if err != nil || strings.Join(names(by), " ") != strings.Join(s.Signers, " ") {
				t.Fatalf("its authors are %v: %v", by, err)
			}
		})
	}
	if len(kinds) != len(decode) || len(file.Failure) < 200 {
		t.Fatalf("%d kinds, %d failures: vectors are missing", len(kinds), len(file.Failure))
	}
	for _, f := range file.Failure {
		t.Run(f.Name, func(t *testing.T) { refusedPayload(t, f, f.Change.Apply([]byte(by[f.Of])), decode[kindOf[f.Of]]) })
	}
}

func refusedPayload(t *testing.T, f vectors.Refusal, payload []byte, decode func([]byte) (any, error)) {
	v, err := decode(payload)
	if v != nil || err == nil {
		t.Fatal("accepted")
	}
	if got := class(err); got != f.Error {
		t.Fatalf("%s: %v, want %s", got, err, f.Error)
	}
	if f.Field != "" && !strings.HasSuffix(err.Error(), ": "+f.Field) {
		t.Fatalf("%v, want field %s", err, f.Field)
	}
}

func offerWithTerms(t *testing.T, e statement.Envelope, by *receipttest.Party) statement.Envelope {
	t.Helper()
	o, err := statement.DecodeUnverified[statement.Offer](e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	o.Price = 5
	o.Terms = &statement.Terms{
		Access: statement.AccessPurchase, PerQuery: 5, PerDay: 30, Flat: 100, OfContract: 1000, OfMonth: 200, Purposes: []string{"research"},
		Licence:    &statement.Licence{Name: "Research licence 1.0", Text: "For research alone.\nNo copies."},
		Statistics: []statement.Statistic{{Column: o.Schema[1].Name, Distinct: 10}},
	}
	return receipttest.Sign(t, *o, by)
}

func acceptingContract(t *testing.T, e statement.Envelope, by *receipttest.Party) statement.Envelope {
	c := body[statement.Contract](t, e)
	c.AnswerByMS, c.Counter = c.CreatedMS+1000, statement.Sum([]byte("counter"))
	return receipttest.Sign(t, c, by)
}

func loggedContract(t *testing.T, e statement.Envelope, by *receipttest.Party) statement.Envelope {
	c := body[statement.Contract](t, e)
	sides := append(c.Owners(), c.Requester)
	c.Log = &statement.Log{
		Key: "cordon.log/x+08c84f6c+AcTf", Witnesses: append(sides, receipttest.NewParty(t, "auditor").Fingerprint()), Quorum: int64(len(sides)),
	}
	return receipttest.Sign(t, c, by)
}

func quotaGrant(t *testing.T, e statement.Envelope, by *receipttest.Party) statement.Envelope {
	g := body[statement.Grant](t, e)
	g.Authority, g.OfMonth = statement.ByRule, 20
	return receipttest.Sign(t, g, by)
}
