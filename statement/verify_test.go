package statement_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

func revocation(by *receipttest.Party) statement.Revocation {
	return statement.Revocation{Author: by.Fingerprint(), Revokes: statement.Sum(nil), AtMS: 1}
}

func TestVerify(t *testing.T) {
	alpha, bravo, charlie := receipttest.NewParty(t, "alpha"), receipttest.NewParty(t, "bravo"), receipttest.NewParty(t, "charlie")
	a, b, c := alpha.Fingerprint(), bravo.Fingerprint(), charlie.Fingerprint()
	one := receipttest.Sign(t, revocation(alpha), alpha)
	two := receipttest.Sign(t, revocation(alpha), alpha, bravo)
	for _, x := range []struct {
		name string
		e    *statement.Envelope
		by   []statement.Fingerprint
		ok   bool
	}{
		{"signed by the one expected", &one, []statement.Fingerprint{a}, true},
		{"expected twice", &one, []statement.Fingerprint{a, a}, true},
		{"signed by both expected, in any order", &two, []statement.Fingerprint{b, a}, true},
		{"nobody expected", &one, nil, false},
		{"an empty fingerprint expected", &one, []statement.Fingerprint{""}, false},
		{"somebody else expected", &one, []statement.Fingerprint{b}, false},
		{"one more expected", &one, []statement.Fingerprint{a, b}, false},
		{"one more signed", &two, []statement.Fingerprint{a}, false},
		{"another pair", &two, []statement.Fingerprint{a, c}, false},
		{"no envelope", nil, []statement.Fingerprint{a}, false},
	} {
		v, err := statement.Verify[statement.Revocation](x.e, x.by...)
		if x.ok && (err != nil || v.Body().Author != a || v.Digest() != x.e.Digest()) {
			t.Errorf("%s: %v", x.name, err)
		}
		if !x.ok && (v != nil || !errors.Is(err, statement.ErrSignature)) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
	if v, err := statement.Verify[statement.Grant](&one, a); v != nil || !errors.Is(err, statement.ErrType) {
		t.Errorf("read as a grant: %v", err)
	}
}

func TestVerifyAuthor(t *testing.T) {
	alpha, bravo := receipttest.NewParty(t, "alpha"), receipttest.NewParty(t, "bravo")
	good := receipttest.Sign(t, revocation(alpha), alpha)
	if v, err := statement.VerifyAuthor[statement.Revocation](&good); err != nil || v.Body().Author != alpha.Fingerprint() {
		t.Fatal(err)
	}
	for name, e := range map[string]statement.Envelope{
		"signed by somebody else":      receipttest.Sign(t, revocation(alpha), bravo),
		"signed by somebody else too":  receipttest.Sign(t, revocation(alpha), alpha, bravo),
		"payload of another statement": {PayloadType: good.PayloadType, Payload: receipttest.Sign(t, revocation(bravo), bravo).Payload, Signatures: good.Signatures},
	} {
		if v, err := statement.VerifyAuthor[statement.Revocation](&e); v != nil || !errors.Is(err, statement.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if v, err := statement.VerifyAuthor[statement.Revocation](nil); v != nil || err == nil {
		t.Error("no envelope: verified")
	}
}

func TestVerifiedKeepsItsOwnCopy(t *testing.T) {
	alpha := receipttest.NewParty(t, "alpha")
	e := receipttest.Sign(t, revocation(alpha), alpha)
	v, err := statement.VerifyAuthor[statement.Revocation](&e)
	if err != nil {
		t.Fatal(err)
	}
	before := v.Envelope().Bytes()
	e.Payload[0], e.Signatures[0].Sig[0], e.Signatures[0].KeyID = 'x', e.Signatures[0].Sig[0]^1, ""
	if !bytes.Equal(v.Envelope().Bytes(), before) {
		t.Fatal("what was verified changed with the caller's copy")
	}
	if _, err := v.Envelope().Signers(); err != nil {
		t.Fatal(err)
	}
}

// brokenKey is a signer in a key store that is away.
type brokenKey struct{}

func (brokenKey) Public() statement.PublicKey { return statement.PublicKey{} }
func (brokenKey) Sign([]byte) ([]byte, error) { return nil, errors.New("the token is out") }

func TestSignRefuses(t *testing.T) {
	alpha := receipttest.NewParty(t, "alpha")
	if e, err := statement.Sign[statement.Revocation](revocation(alpha)); e != nil || !errors.Is(err, statement.ErrEnvelope) {
		t.Errorf("without a signer: %v", err)
	}
	if e, err := statement.Sign[statement.Revocation](statement.Revocation{}, alpha.Key); e != nil || !errors.Is(err, statement.ErrInvalid) {
		t.Errorf("incomplete: %v", err)
	}
	long := revocation(alpha)
	long.Reason = "a\xff"
	if e, err := statement.Sign[statement.Revocation](long, alpha.Key); e != nil || err == nil {
		t.Errorf("text that is no UTF-8: %v", err)
	}
	if e, err := statement.Sign[statement.Revocation](revocation(alpha), brokenKey{}); e != nil || err == nil {
		t.Errorf("a signer that fails: %v", err)
	}
}

func TestSignSetsTheType(t *testing.T) {
	alpha := receipttest.NewParty(t, "alpha")
	r := revocation(alpha)
	r.Type = "something else"
	e := receipttest.Sign(t, r, alpha)
	if got, err := statement.PeekType(e.Payload); err != nil || got != statement.TypeRevocation {
		t.Fatalf("%s, %v", got, err)
	}
}

// TestLargePayloadFits: an envelope is larger than its payload by a third.
func TestLargePayloadFits(t *testing.T) {
	alpha := receipttest.NewParty(t, "alpha")
	e := &statement.Envelope{PayloadType: statement.PayloadType, Payload: bytes.Repeat([]byte("x"), statement.MaxPayload)}
	if err := e.AddSignature(alpha.Key); err != nil {
		t.Fatal(err)
	}
	if _, err := statement.ParseEnvelope(e.Bytes()); err != nil {
		t.Fatal(err)
	}
	e.Payload = append(e.Payload, 'x')
	if got, err := statement.ParseEnvelope(e.Bytes()); got != nil || !errors.Is(err, statement.ErrEnvelope) {
		t.Fatalf("a byte more: %v", err)
	}
	if _, err := e.Signers(); !errors.Is(err, statement.ErrEnvelope) {
		t.Fatalf("a byte more: %v", err)
	}
}

func TestTooManySignatures(t *testing.T) {
	alpha := receipttest.NewParty(t, "alpha")
	e := receipttest.Sign(t, revocation(alpha), alpha)
	for len(e.Signatures) <= 1024 {
		e.Signatures = append(e.Signatures, e.Signatures[0])
	}
	if _, err := statement.ParseEnvelope(e.Bytes()); !errors.Is(err, statement.ErrEnvelope) {
		t.Fatalf("1025 signatures: %v", err)
	}
}

// TestListLimits has one item too many for each kind of list; vectors would be too long for it.
func TestListLimits(t *testing.T) {
	a := receipttest.New(t, receipttest.Edit{})
	alpha := a.Owners[0]
	digests := func(n int) (out []statement.Digest) {
		for i := range n {
			out = append(out, statement.LabelledSum("test", []byte{byte(i), byte(i >> 8)}))
		}
		return out
	}
	grant := func(n int) error {
		_, err := statement.Sign[statement.Grant](statement.Grant{Owner: alpha.Fingerprint(), Contract: statement.Sum(nil),
			Offers: digests(n), Authority: statement.ByHand, CreatedMS: 1, UntilMS: 2}, alpha.Key)
		return err
	}
	if err := grant(4096); err != nil {
		t.Errorf("4096 offers: %v", err)
	}
	if err := grant(4097); !errors.Is(err, statement.ErrInvalid) {
		t.Errorf("4097 offers: %v", err)
	}
	pool := func(n int) error {
		p := statement.Pool{Name: "p", Epoch: 1, CreatedMS: 1}
		for _, d := range digests(n) {
			p.Members = append(p.Members, statement.Member{Owner: statement.Fingerprint("cordon1" + string(d[7:])), Offer: d})
		}
		_, err := statement.Sign[statement.Pool](p, alpha.Key)
		return err
	}
	if err := pool(1024); err != nil {
		t.Errorf("1024 members: %v", err)
	}
	if err := pool(1025); !errors.Is(err, statement.ErrInvalid) {
		t.Errorf("1025 members: %v", err)
	}
	release := func(columns int) error {
		r, err := statement.DecodeUnverified[statement.Release](a.Bundle.Releases[0].Payload)
		if err != nil {
			t.Fatal(err)
		}
		r.Columns[0].Columns = nil
		for i := range columns {
			r.Columns[0].Columns = append(r.Columns[0].Columns, fmt.Sprintf("c%d", i))
		}
		_, err = statement.Sign[statement.Release](*r, alpha.Key)
		return err
	}
	if err := release(4096); err != nil {
		t.Errorf("4096 columns: %v", err)
	}
	if err := release(4097); !errors.Is(err, statement.ErrInvalid) {
		t.Errorf("4097 columns: %v", err)
	}
	offer := func(policy int) error {
		o, err := statement.DecodeUnverified[statement.Offer](a.Bundle.Offers[0].Payload)
		if err != nil {
			t.Fatal(err)
		}
		o.Policy = strings.Repeat("x", policy)
		_, err = statement.Sign[statement.Offer](*o, alpha.Key)
		return err
	}
	if err := offer(1 << 20); err != nil {
		t.Errorf("1 MiB of policy: %v", err)
	}
	if err := offer(1<<20 + 1); !errors.Is(err, statement.ErrInvalid) {
		t.Errorf("more than 1 MiB of policy: %v", err)
	}
}

func TestByteMilliseconds(t *testing.T) {
	const most = 1<<53 - 1
	for _, x := range []struct{ bytes, micros, want int64 }{
		{0, 0, 0}, {0, 5, 0}, {5, 0, 0}, {1, 1, 1}, {1, 1000, 1}, {1, 1001, 2}, {1000, 1, 1}, {999, 1, 1},
		{1 << 30, 250_000, 268_435_456_000}, {most, 1000, most}, {most, 1001, most}, {most, most, most}, {1 << 40, 1 << 40, most},
	} {
		if got := statement.ByteMilliseconds(x.bytes, x.micros); got != x.want {
			t.Errorf("%d bytes, %d µs: %d, want %d", x.bytes, x.micros, got, x.want)
		}
	}
}

func TestJobBrokers(t *testing.T) {
	j := statement.Job{Owners: []statement.Fingerprint{"a", "b"}, Requester: "c"}
	if got := j.Brokers(); !slices.Equal(got, []statement.Fingerprint{"a", "b", "c"}) {
		t.Error(got)
	}
	j.Requester = "b"
	if got := j.Brokers(); !slices.Equal(got, []statement.Fingerprint{"a", "b"}) {
		t.Error(got)
	}
}
