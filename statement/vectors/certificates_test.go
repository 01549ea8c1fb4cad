package vectors_test

import (
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// onlineKey certifies a key of a party's own, as it is after an edit.
func onlineKey(t *testing.T, root *receipttest.Party, edit func(*statement.Certificate)) statement.Signer {
	t.Helper()
	return certify(t, root.Key, root.Fingerprint(), seed(t, root.Name+" online"), edit)
}

func seed(t *testing.T, name string) *seal.SigningKey {
	t.Helper()
	k, err := seal.SigningKeyFromSeed(receipttest.Seed("signing key", name))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func certify(t *testing.T, by statement.Signer, party statement.Fingerprint, k *seal.SigningKey, edit func(*statement.Certificate)) statement.Signer {
	t.Helper()
	s, err := statement.Certified(k, certificate(t, by, party, k, edit))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func certificate(t *testing.T, by statement.Signer, party statement.Fingerprint, k *seal.SigningKey, edit func(*statement.Certificate)) *statement.Envelope {
	t.Helper()
	proof, err := k.Sign(statement.CertificateProof(party))
	if err != nil {
		t.Fatal(err)
	}
	c := statement.Certificate{
		Party: party, Key: k.Public().String(), Purposes: statement.Purposes(), Serial: 1,
		FromMS: receipttest.Start.Add(-72 * time.Hour).UnixMilli(), UntilMS: receipttest.Start.Add(365 * 24 * time.Hour).UnixMilli(), Proof: proof,
	}
	if edit != nil {
		edit(&c)
	}
	e, err := statement.Sign(c, by)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func keyRevocation(by *receipttest.Party, of statement.Signer) statement.Revocation {
	k := statement.OnlineKey{Party: by.Fingerprint(), Key: of.Public()}
	return statement.Revocation{Author: k.Party, Revokes: k.Digest(), Key: k.Key.String(), AtMS: receipttest.Start.UnixMilli()}
}

// certifiedEnvelopes are those of online keys: one that is good, and what is wrong with others.
func certifiedEnvelopes(t *testing.T, a *receipttest.Account, add func(string, *statement.Envelope), refuse func(of, name string, from, to *statement.Envelope)) {
	alpha, bravo := a.Owners[0], a.Owners[1]
	ack := body[statement.Ack](t, a.Bundle.Acks[0])
	good := must(t)(statement.Sign(ack, onlineKey(t, alpha, nil)))
	add("one, by an online key", good)
	with := func(name string, edit func(*statement.Signature)) {
		e, err := statement.ParseEnvelope(good.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		edit(&e.Signatures[0])
		refuse("one, by an online key", name, good, e)
	}
	online := seed(t, "alpha online")
	of := func(edit func(*statement.Certificate)) func(*statement.Signature) {
		return func(s *statement.Signature) {
			s.Certificate = certificate(t, alpha.Key, alpha.Fingerprint(), online, edit)
		}
	}
	with("certificate signed by another root", func(s *statement.Signature) {
		s.Certificate.Signatures[0].KeyID = bravo.Key.Public().String()
		s.Certificate.Signatures[0].Sig = signature(t, bravo.Key, s.Certificate)
	})
	with("certificate with one bit changed", func(s *statement.Signature) { s.Certificate.Payload[len(s.Certificate.Payload)-9] ^= 1 })
	with("certificate not signed", func(s *statement.Signature) { s.Certificate.Signatures[0].Sig[0] ^= 1 })
	with("certificate signed twice", func(s *statement.Signature) {
		s.Certificate.Signatures = append(s.Certificate.Signatures, s.Certificate.Signatures[0])
	})
	with("certificate expired", of(func(c *statement.Certificate) { c.UntilMS = ack.ClosedMS }))
	with("certificate not valid yet", of(func(c *statement.Certificate) { c.FromMS = ack.ClosedMS + 1 }))
	with("purpose not covered", of(func(c *statement.Certificate) { c.Purposes = []string{"grant", "job"} }))
	with("certificate for another key", func(s *statement.Signature) {
		s.Certificate = certificate(t, alpha.Key, alpha.Fingerprint(), seed(t, "alpha, another"), nil)
	})
	with("a chain of two", func(s *statement.Signature) {
		middle := seed(t, "alpha, middle")
		up := certificate(t, alpha.Key, alpha.Fingerprint(), middle, nil)
		s.Certificate = certificate(t, middle, alpha.Fingerprint(), online, nil)
		s.Certificate.Signatures[0].Certificate = up
	})
	with("certified by an online key", func(s *statement.Signature) {
		s.Certificate = certificate(t, seed(t, "alpha, middle"), alpha.Fingerprint(), online, nil)
	})
	with("another statement as certificate", func(s *statement.Signature) { s.Certificate = &a.Bundle.Grants[0] })
	revocation := receipttest.Sign(t, keyRevocation(alpha, seed(t, "alpha, another")), alpha)
	add("revocation of an online key", &revocation)
	e, err := statement.ParseEnvelope(revocation.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	e.Signatures[0] = statement.Signature{
		KeyID: online.Public().String(), Sig: signature(t, online, e), Certificate: certificate(t, alpha.Key, alpha.Fingerprint(), online, nil),
	}
	refuse("revocation of an online key", "a key revoked by an online key", &revocation, e)
}

// signature over the envelope's payload.
func signature(t *testing.T, k statement.Signer, e *statement.Envelope) []byte {
	t.Helper()
	sig, err := k.Sign([]byte(pae(e)))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func refuseCertificate(b *book) {
	type T = statement.Certificate
	refuseFields[T](b, "certificate", []bad[T]{
		{"party malformed", "party", func(s *T) { s.Party = badFingerprint }},
		{"of another party, without its key's agreement", "proof", func(s *T) { s.Party = receipttest.NewParty(b.t, "bravo").Fingerprint() }},
		{"key malformed", "key", func(s *T) { s.Key = "ed25519:00" }},
		{"key is the root", "key", func(s *T) { s.Key = receipttest.NewParty(b.t, "alpha").Key.Public().String() }},
		{"key that did not agree", "proof", func(s *T) { s.Key = receipttest.NewParty(b.t, "bravo").Key.Public().String() }},
		{"no purpose", "purposes", func(s *T) { s.Purposes = []string{} }},
		{"purpose twice", "purposes", func(s *T) { s.Purposes = []string{"job", "job"} }},
		{"may certify", "purposes", func(s *T) { s.Purposes = []string{"certificate"} }},
		{"may sign receipts", "purposes", func(s *T) { s.Purposes = []string{"receipt"} }},
		{"serial zero", "serial", func(s *T) { s.Serial = 0 }},
		{"from zero", "from_ms", func(s *T) { s.FromMS = 0 }},
		{"ends before it begins", "until_ms", func(s *T) { s.UntilMS = s.FromMS }},
		{"no proof", "proof", func(s *T) { s.Proof = []byte{} }},
		{"proof with one bit changed", "proof", func(s *T) { s.Proof[0] ^= 1 }},
	})
	refuseFields[statement.Revocation](b, "revocation of an online key", []bad[statement.Revocation]{
		{"key malformed", "key", func(s *statement.Revocation) { s.Key = "ed25519:00" }},
		{"of the root itself", "key", func(s *statement.Revocation) { s.Key = receipttest.NewParty(b.t, "alpha").Key.Public().String() }},
		{"of another key than it names", "revokes", func(s *statement.Revocation) { s.Key = receipttest.NewParty(b.t, "bravo").Key.Public().String() }},
		{"of another party's key", "revokes", func(s *statement.Revocation) { s.Author = receipttest.NewParty(b.t, "bravo").Fingerprint() }},
	})
}

func refuseApproval(b *book) {
	type T = statement.Approval
	refuseFields[T](b, "approval", []bad[T]{
		{"officer malformed", "officer", func(s *T) { s.Officer = badFingerprint }},
		{"party malformed", "party", func(s *T) { s.Party = badFingerprint }},
		{"action unknown", "action", func(s *T) { s.Action = "everything" }},
		{"about nothing", "about", func(s *T) { s.About = "" }},
		{"officers malformed", "officers", func(s *T) { s.Officers = badDigest }},
		{"time zero", "at_ms", func(s *T) { s.AtMS = 0 }},
	})
}
