package brief

import (
	"bytes"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

// TestExpiredKeyIntroducesNobody: an introduction by an online key counts while its certificate holds, whatever time it states.
func TestExpiredKeyIntroducesNobody(t *testing.T) {
	a := receipttest.New(t, receipttest.Edit{})
	c, err := statement.VerifyAuthor[statement.Contract](&a.Bundle.Contract)
	if err != nil {
		t.Fatal(err)
	}
	alpha, thief := a.Owners[0], receipttest.NewParty(t, "thief")
	until := receipttest.Start.Add(-time.Hour)
	proof, err := thief.Key.Sign(statement.CertificateProof(alpha.Fingerprint()))
	if err != nil {
		t.Fatal(err)
	}
	cert := receipttest.Sign(t, statement.Certificate{
		Party: alpha.Fingerprint(), Key: thief.Key.Public().String(), Purposes: []string{"party"}, Serial: 1,
		FromMS: 1, UntilMS: until.UnixMilli(), Proof: proof,
	}, alpha)
	signer, err := statement.Certified(thief.Key, &cert)
	if err != nil {
		t.Fatal(err)
	}
	e, err := statement.Sign(statement.Party{
		Name: "alpha", Key: alpha.Key.Public().String(), Box: thief.Box.Public(), CreatedMS: until.UnixMilli() - 1,
	}, signer)
	if err != nil {
		t.Fatal(err)
	}
	all := sortOut(append(a.Bundle.Parties, *e))
	for at, want := range map[time.Time][]byte{until.Add(-time.Minute): thief.Box.Public(), until: alpha.Box.Public(), receipttest.Start: alpha.Box.Public()} {
		b := &Brief{Contract: c, Parties: map[statement.Fingerprint]*statement.Verified[statement.Party]{}}
		if err := b.checkParties(&channel.Job{}, all, at); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Box(alpha.Fingerprint()), want) {
			t.Errorf("%s: another box", at)
		}
	}
}
