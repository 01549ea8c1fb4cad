package testenv

import (
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// rotate gives a party another online key, and its agent the keyring that has it.
func (p *Party) rotate() {
	p.env.Helper()
	p.Stop()
	p.newKey()
	p.Start(Pool)
}

// revoke the online key in use, and tell the exchange; the agent, which may be the thief's, goes on.
func (p *Party) revoke() {
	p.env.Helper()
	e, err := p.root.RevokeKey(p.ring.Signer().Public(), "stolen", time.Now())
	p.env.Must(err)
	v, err := statement.Verify[statement.Revocation](e, p.Fingerprint())
	p.env.Must(err)
	p.env.Must(p.dir.AddRevokedKey(v))
	c, err := client.New(client.Options{URL: p.env.URL, Signer: p.root.Signer()})
	p.env.Must(err)
	defer c.Close()
	_, err = c.PostStatement(p.env.Context(), e)
	p.env.Must(err)
}

// ask a query of the institute's, to the end: result and receipt, verified under the pinned fingerprints.
func (m *Market) ask(t *testing.T, sql string) error {
	j, err := m.Institute.Ask(t.Context(), m.Contract, sql, Patience)
	if err == nil {
		_, err = m.Institute.Open(t.Context(), j.Digest)
	}
	if err == nil {
		_, err = m.Institute.Receipt(t.Context(), j.Digest)
	}
	return err
}

// A market of parties with one key each moves the root keys out: nobody notices, under contracts from before.
func TestRootKeysMoveOut(t *testing.T) {
	t.Parallel()
	m := New(t).NewMarket()
	m.Host(nil)
	for _, p := range append([]*Party{m.Institute}, m.Owners...) {
		before := p.Fingerprint()
		p.Stop()
		p.takeRoot()
		p.Start(Pool)
		if p.Fingerprint() != before {
			t.Fatalf("%s is another party now", p.Name)
		}
	}
	if err := m.ask(t, "SELECT size, count(*) AS n FROM pool.strikes GROUP BY size"); err != nil {
		t.Fatalf("agreed on by root keys, asked by online keys: %v", err)
	}
}

// Everybody's root key is offline from the start. Jobs run before and after a rotation. After a revocation nothing runs that rests
// on the key's signatures, until its party has another key and has signed anew.
func TestOnlineKeys(t *testing.T) {
	t.Parallel()
	e := New(t)
	e.offlineRoots = true
	m := e.NewMarket()
	m.Host(nil)
	m.Must(m.ask(t, "SELECT size, count(*) AS n FROM pool.strikes GROUP BY size"))
	alpha, bravo, delta := m.Owners[0], m.Owners[1], m.Owners[3]
	m.Institute.rotate()
	delta.rotate()
	m.Must(m.ask(t, "SELECT count(*) AS n FROM pool.strikes"))

	released := bravo.count(ledger.KindRelease)
	alpha.revoke()
	err := m.ask(t, "SELECT size, count(*) AS n FROM pool.strikes GROUP BY size ORDER BY size")
	if err == nil {
		t.Fatal("a result that rests on a revoked key")
	}
	if n := bravo.count(ledger.KindRelease); n != released {
		t.Errorf("bravo released keys for it: %v", err)
	}
	alpha.rotate()
	if err := m.ask(t, "SELECT size, count(*) AS n FROM pool.strikes GROUP BY size ORDER BY size"); err != nil {
		t.Errorf("alpha has another key, and signed anew: %v", err)
	}

	// The requester's own key: the agent that holds it can't ask.
	m.Institute.revoke()
	err = m.ask(t, "SELECT count(*) AS n FROM pool.strikes ORDER BY n")
	if err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("asked under a revoked key: %v", err)
	}
}
