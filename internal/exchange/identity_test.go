package exchange_test

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// certify makes a signer of an online key for a party.
func (p *party) certify(edit func(*statement.Certificate)) (keys, statement.Signer) {
	p.e.Helper()
	k := newKeys(p.e.T)
	return k, p.certifyKey(k, edit)
}

func (p *party) certifyKey(k keys, edit func(*statement.Certificate)) statement.Signer {
	p.e.Helper()
	proof, err := k.Sign(statement.CertificateProof(p.fp))
	p.e.ok(err)
	c := statement.Certificate{
		Party: p.fp, Key: k.Public().String(), Purposes: statement.Purposes(), Serial: 1, FromMS: 1,
		UntilMS: p.e.now().Add(time.Hour).UnixMilli(), Proof: proof,
	}
	if edit != nil {
		edit(&c)
	}
	s, err := statement.Certified(k, sign(p.e, c, p))
	p.e.ok(err)
	return s
}

// through calls the exchange with another signer of the same party.
func (p *party) through(s statement.Signer) *client.Client {
	p.e.Helper()
	hc := client.NewHTTP()
	p.e.Cleanup(hc.CloseIdleConnections)
	c, err := client.New(client.Options{URL: p.e.url, Signer: s, HTTP: hc, Patience: 5 * time.Second, Now: p.e.now})
	p.e.ok(err)
	return c
}

func (p *party) revokeKey(k statement.PublicKey) *statement.Envelope {
	p.e.Helper()
	of := statement.OnlineKey{Party: p.fp, Key: k}
	return sign(p.e, statement.Revocation{Author: p.fp, Revokes: of.Digest(), Key: k.String(), AtMS: 1}, p)
}

func certificateHeader(s statement.Signer) string {
	return base64.StdEncoding.EncodeToString(statement.CertificateOf(s).Envelope().Bytes())
}

// TestCertifiedRequests bends one thing of a good certificate at a time.
func TestCertifiedRequests(t *testing.T) {
	e := newEnv(t)
	p, q := e.party("alpha"), e.party("beta")
	now := e.now().UnixMilli()
	k, good := p.certify(nil)
	_, others := q.certify(nil)
	revoked, cut := p.certify(nil)
	_, err := p.PostStatement(e.Context(), p.revokeKey(revoked.Public()))
	e.ok(err)
	for name, c := range map[string]struct {
		key    keys
		header []string
		status int
		code   string
	}{
		"good":                         {k, []string{certificateHeader(good)}, 200, ""},
		"no certificate":               {k, nil, 403, wire.CodeUnregistered},
		"two":                          {k, []string{certificateHeader(good), certificateHeader(good)}, 401, wire.CodeUnauthenticated},
		"not base64":                   {k, []string{"{}"}, 401, wire.CodeUnauthenticated},
		"no envelope":                  {k, []string{"e30="}, 401, wire.CodeUnauthenticated},
		"of another key":               {p.keys, []string{certificateHeader(good)}, 401, wire.CodeUnauthenticated},
		"of another party's other key": {k, []string{certificateHeader(others)}, 401, wire.CodeUnauthenticated},
		"expired":                      {k, []string{certificateHeader(p.certifyKey(k, func(c *statement.Certificate) { c.UntilMS = now }))}, 401, wire.CodeUnauthenticated},
		"not valid yet": {k, []string{certificateHeader(p.certifyKey(k, func(c *statement.Certificate) { c.FromMS = now + 60_000 }))},
			401, wire.CodeUnauthenticated},
		"not for requests": {k, []string{certificateHeader(p.certifyKey(k, func(c *statement.Certificate) { c.Purposes = []string{"job"} }))},
			401, wire.CodeUnauthenticated},
		"revoked": {revoked, []string{certificateHeader(cut)}, 403, wire.CodeRevoked},
	} {
		r := p.raw("POST", "/v1/mailbox/ack", []byte(`{"through":1}`))
		r.key = c.key
		r.after = func(q *http.Request) { q.Header[http.CanonicalHeaderKey(wire.HeaderCertificate)] = c.header }
		if status, code := e.send(r); status != c.status || code != c.code {
			t.Errorf("%s: got %d %q, want %d %q", name, status, code, c.status, c.code)
		}
	}
}

// TestKeyRevocation: who says it, who hears of it, and what becomes of what the key signed.
func TestKeyRevocation(t *testing.T) {
	w := newWorld(t)
	stolen, s := w.a.certify(nil)
	fresh, s2 := w.a.certify(nil)
	c := w.a.through(s)
	path, size := w.a.object("more.parquet", "more")
	o := w.a.offerOf(path, size)
	o.Dataset, o.Version = "other", "v1"
	e, err := statement.Sign(o, s)
	w.ok(err)
	offer, err := c.PostStatement(w.Context(), e)
	w.ok(err)
	p := w.poolOf(1, "")
	p.Name = "second"
	half, err := statement.Sign(p, s)
	w.ok(err)
	_, err = c.PostStatement(w.Context(), half)
	w.ok(err)
	pool, err := w.b.PostStatement(w.Context(), sign(w.env, p, w.b))
	w.ok(err)

	// Not by another party, nor by an online key.
	_, err = w.b.PostStatement(w.Context(), w.a.revokeKey(stolen.Public()))
	w.code(err, wire.CodeForbidden)
	forged := w.a.revokeKey(fresh.Public())
	forged.Signatures = nil
	if err := forged.AddSignature(s); err == nil {
		t.Fatal("an online key signed the end of another")
	}
	w.other.empty()
	_, err = w.a.PostStatement(w.Context(), w.a.revokeKey(stolen.Public()))
	w.ok(err)
	if got := w.other.kinds(); got != wire.KindStatement {
		t.Errorf("others were told %q", got)
	}
	list, err := w.other.AllStatements(w.Context(), client.Query{Kind: client.Revocations, Name: wire.KeyRevocation})
	w.ok(err)
	if len(list) != 1 {
		t.Fatalf("%d revocations of keys are listed", len(list))
	}

	// Nothing more under the key, by whoever brings it.
	_, err = c.PostStatement(w.Context(), e)
	w.code(err, wire.CodeRevoked)
	o.Version = "v2"
	e2, err := statement.Sign(o, s)
	w.ok(err)
	_, err = w.a.PostStatement(w.Context(), e2)
	w.code(err, wire.CodeRevoked)

	// Signed anew: the same statement, under a key in force. What a good key signed is not replaced.
	again := &statement.Envelope{PayloadType: e.PayloadType, Payload: e.Payload}
	w.ok(again.AddSignature(s2))
	c2 := w.a.through(s2)
	_, err = c2.PostStatement(w.Context(), again)
	w.ok(err)
	ownPool := &statement.Envelope{PayloadType: half.PayloadType, Payload: half.Payload}
	w.ok(ownPool.AddSignature(s2))
	_, err = c2.PostStatement(w.Context(), ownPool)
	w.ok(err)
	third := &statement.Envelope{PayloadType: e.PayloadType, Payload: e.Payload}
	w.ok(third.AddSignature(w.a.keys))
	_, err = w.a.PostStatement(w.Context(), third)
	w.ok(err)
	for _, d := range []statement.Digest{offer, pool} {
		got, err := w.other.Statement(w.Context(), d)
		w.ok(err)
		if keys := got.OnlineKeys(); len(keys) != 1 || keys[0].Key != fresh.Public() {
			t.Errorf("kept under %v", keys)
		}
		if _, err := got.Signers(); err != nil {
			t.Error(err)
		}
	}

	// Enclaves are told.
	w.submit()
	told := false
	claim := w.claim()
	for i := range claim.Statements {
		told = told || claim.Statements[i].Digest() == list[0].Digest
	}
	if !told {
		t.Error("a claim says nothing of a revoked key of one of its owners")
	}
}

// TestOnlineKeysEndNoParty: whoever stole one could end the party for good.
func TestOnlineKeysEndNoParty(t *testing.T) {
	e := newEnv(t)
	p := e.party("alpha")
	_, s := p.certify(nil)
	r, err := statement.Sign(statement.Revocation{Author: p.fp, Revokes: p.in, AtMS: 1}, s)
	e.ok(err)
	_, err = p.through(s).PostStatement(e.Context(), r)
	e.code(err, wire.CodeForbidden)
	_, err = p.PostStatement(e.Context(), sign(e, statement.Revocation{Author: p.fp, Revokes: p.in, AtMS: 2}, p))
	e.ok(err)
}

// TestJobUnderARevokedKey is refused though the requester itself posts it.
func TestJobUnderARevokedKey(t *testing.T) {
	w := newWorld(t)
	k, s := w.asker.certify(nil)
	j := w.jobOf()
	j.CreatedMS = w.now().UnixMilli()
	e, err := statement.Sign(j, s)
	w.ok(err)
	_, err = w.asker.PostStatement(w.Context(), w.asker.revokeKey(k.Public()))
	w.ok(err)
	_, err = w.asker.SubmitJob(w.Context(), e)
	w.code(err, wire.CodeRevoked)
}

// TestKeyRevocationsAreBounded: everybody lists them.
func TestKeyRevocationsAreBounded(t *testing.T) {
	e := newEnv(t)
	p := e.party("alpha")
	for range 64 {
		_, err := p.PostStatement(e.Context(), p.revokeKey(newKeys(t).Public()))
		e.ok(err)
	}
	_, err := p.PostStatement(e.Context(), p.revokeKey(newKeys(t).Public()))
	e.code(err, wire.CodeTooMany)
}
