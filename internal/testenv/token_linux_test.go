package testenv

import (
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/custody"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/keystore/pkcs11/softhsm"
)

// inToken is the party's keyring with a signing key that is made in a token, as 'party rotate-key --signing-key' does; the keyring is
// encoded and read anew.
func (p *Party) inToken(token *softhsm.Token) (*keyring.Keyring, io.Closer) {
	p.env.Helper()
	uri, o := token.URI("sign-"+p.Name), custody.Options{Ring: p.ring, Helpers: filepath.Dir(token.Helper)}
	made, err := custody.MakeSigning(p.env.Context(), uri, o)
	p.env.Must(err)
	ring, err := p.ring.WithTokenKey(p.root, made, keyring.Terms{From: time.Now().Add(-24 * time.Hour), Until: time.Now().Add(24 * time.Hour)})
	p.env.Must(errors.Join(err, made.Close()))
	plain, err := ring.ExportUnsafe()
	p.env.Must(err)
	o.Ring, err = keyring.Import(plain)
	p.env.Must(err)
	if _, err := o.Ring.Signer().Sign([]byte("x")); !errors.Is(err, keyring.ErrInToken) {
		p.env.Fatalf("signed without the token: %v", err)
	}
	opened, key, err := custody.OpenSigning(home.Config{SigningKey: uri}, o)
	p.env.Must(err)
	p.env.Cleanup(func() { key.Close() })
	return opened, key
}

// TestSigningKeyInToken: everybody's signing key lies in a token. They publish, agree on a pool and a contract, grant, and answer a job.
// With the token away, what needs a signature is refused and the agents stay up; with it back, the next job runs.
func TestSigningKeyInToken(t *testing.T) {
	token := softhsm.New(t)
	e := New(t)
	var keys []io.Closer
	e.offlineRoots, e.place = true, func(p *Party) *keyring.Keyring {
		ring, key := p.inToken(token)
		keys = append(keys, key)
		return ring
	}
	m := e.NewMarket()
	m.Host(nil)
	m.Must(m.ask(t, "SELECT size, count(*) AS n FROM pool.strikes GROUP BY size"))

	token.Unplug(t)
	for _, key := range keys {
		m.Must(key.Close()) // ends the helper: the next signature starts one
	}
	owner := m.Owners[0]
	_, err := owner.Publish(t.Context(), m.csv(0), Pool, m.policy())
	wantFault(t, err, fault.Unavailable, "the signing key can't be used", "nothing is signed until then")
	_, err = m.Institute.Ask(t.Context(), m.Contract, "SELECT count(*) AS n FROM pool.strikes", time.Second)
	wantFault(t, err, fault.Unavailable, "the signing key can't be used", "nothing is signed until then")
	var s api.Status
	if err := owner.Call(t.Context(), api.PathStatus, api.Empty{}, &s); err != nil {
		t.Errorf("the agent is down: %v", err)
	}

	token.Plug(t)
	if err := m.ask(t, "SELECT count(*) AS n FROM pool.strikes"); err != nil {
		t.Errorf("the token is back: %v", err)
	}

	// An agent that starts without its token waits for it.
	owner.Stop()
	token.Unplug(t)
	m.Must(keys[0].Close())
	plugged := make(chan struct{})
	time.AfterFunc(2*time.Second, func() { token.Plug(t); close(plugged) })
	owner.Start(Pool)
	<-plugged
}
