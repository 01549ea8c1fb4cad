package broker

import (
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// memberGrant grants the contract because a third party accredits the requester.
func memberGrant(w *world, allMonth int64, untilMS int64) (*statement.Envelope, *keyring.Keyring) {
	w.t.Helper()
	by := must(keyring.New("association"))
	a := must(statement.Sign(statement.Accreditation{
		Accreditor: by.Fingerprint(), Member: w.asker.Fingerprint(), Scheme: "association", UntilMS: untilMS, CreatedMS: start.Add(-time.Hour).UnixMilli(),
	}, by.Signer()))
	w.post(a)
	me := w.owners[0]
	w.grant = must(statement.Sign(statement.Grant{
		Owner: me.fp(), Contract: w.contract.Digest(), Offers: []statement.Digest{me.offer.Digest()}, Authority: statement.ByRule,
		UntilMS: start.Add(24 * time.Hour).UnixMilli(), CreatedMS: start.Add(-time.Hour).UnixMilli(), AccreditedBy: by.Fingerprint(), AllOfMonth: allMonth,
		Accreditations: []statement.Digest{a.Digest()},
	}, me.ring.Signer()))
	w.post(w.grant)
	w.append(ledger.Entry{
		Kind: ledger.KindGrant, Contract: w.contract.Digest(), Grant: w.grant.Digest(), Authority: statement.ByRule, Requester: w.asker.Fingerprint(), Name: string(by.Fingerprint()),
	})
	return a, by
}

// TestGrantRestsOnAccreditation: once it is revoked or over, no key leaves, not even for a job that was ready.
func TestGrantRestsOnAccreditation(t *testing.T) {
	revoke := func(w *world, a *statement.Envelope, by *keyring.Keyring, author statement.Fingerprint) {
		w.post(must(statement.Sign(statement.Revocation{Author: author, Revokes: a.Digest(), AtMS: 1}, by.Signer())))
	}
	t.Run("revoked", func(t *testing.T) {
		w := newWorld(t, nil)
		a, by := memberGrant(w, 0, start.Add(time.Hour).UnixMilli())
		revoke(w, a, w.asker, w.asker.Fingerprint()) // nobody's but the accreditor's counts
		w.enclave(w.newJob(nil)).run()
		revoke(w, a, by, by.Fingerprint())
		w.refusesAnother(CodeAccreditation)
	})
	t.Run("revoked between the rounds", func(t *testing.T) {
		w := newWorld(t, nil)
		a, by := memberGrant(w, 0, start.Add(time.Hour).UnixMilli())
		j := w.newJob(nil)
		e := w.enclave(j)
		hello := e.hello(nil)
		revoke(w, a, by, by.Fingerprint())
		_, reply := e.honest(hello)
		w.refusedWith(j, e, reply, CodeAccreditation, 0)
	})
	t.Run("over", func(t *testing.T) {
		w := newWorld(t, nil)
		memberGrant(w, 0, start.UnixMilli())
		w.refusesAnother(CodeAccreditation)
	})
}

// TestMembersOfTheMonth: all whom the rule granted to count together, whatever their contracts.
func TestMembersOfTheMonth(t *testing.T) {
	w := newWorld(t, nil)
	_, by := memberGrant(w, 2, start.Add(time.Hour).UnixMilli())
	another := must(keyring.New("another")).Fingerprint()
	w.append(ledger.Entry{Kind: ledger.KindGrant, Contract: statement.Sum([]byte("c")), Grant: statement.Sum([]byte("g")), Authority: statement.ByRule, Requester: another, Name: string(by.Fingerprint())})
	charge := func(job string, by statement.Fingerprint) {
		w.append(ledger.Entry{Kind: ledger.KindCharge, Job: statement.Sum([]byte(job)), Contract: statement.Sum([]byte("c")), Requester: by})
	}
	charge("of no member", friend)
	charge("of no member, again", friend)
	w.enclave(w.newJob(nil)).run()
	charge("of another member", another)
	w.refusesAnother(CodeOverQuota)
}
