package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/approval"
	"github.com/cordon-exchange/cordon/internal/party/broker"
	"github.com/cordon-exchange/cordon/internal/party/budget"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/custody"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/heads"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/officers"
	"github.com/cordon-exchange/cordon/internal/party/orders"
	"github.com/cordon-exchange/cordon/internal/party/publish"
	"github.com/cordon-exchange/cordon/internal/party/query"
	"github.com/cordon-exchange/cordon/internal/party/released"
	"github.com/cordon-exchange/cordon/internal/party/results"
	"github.com/cordon-exchange/cordon/internal/party/witness"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// Options of an agent.
type Options struct {
	Home      home.Dir           // required
	Keyring   *keyring.Keyring   // required: unlocked
	Exchange  string             // required: URL
	Verifiers evidence.Verifiers // required: of enclaves that ask for keys
	Readers   evidence.Verifiers // of accounts that are read, by what was known then; default Verifiers
	Log       *slog.Logger       // required
	Keys      *custody.Set       // where version keys are wrapped; default the keyring; closed with the agent
	Card      orders.Card        // this party's own account for payments; default: none
	JoinPools []string           // names of pools whose proposals are signed without asking
	Now       func() time.Time   // default time.Now
}

// Agent of one party.
type Agent struct {
	opt      Options
	self     statement.Fingerprint
	config   home.Config
	exchange *client.Client
	catalog  *catalog.Catalog
	store    *dataset.Store
	ledger   *ledger.Ledger
	heads    *heads.Store
	officers *officers.Gate
	desk     *approval.Desk
	asker    *query.Asker
	opener   *results.Opener
	publish  *publish.Publisher
	broker   *broker.Broker
	released *released.Store
	keeper   *orders.Keeper
	witness  *witness.Witness
	anchors  *witness.Anchors
	rules    budget.Rules
	revoked  []*statement.Verified[statement.Revocation] // of this party's own online keys
	unlock   func()
	freezing sync.Mutex // one freeze or unfreeze at a time
}

// Open takes the home folder for this process and verifies all that is in it.
func Open(o Options) (*Agent, error) {
	if o.Keyring == nil || o.Exchange == "" || len(o.Verifiers) == 0 || o.Log == nil {
		return nil, errors.New("agent: an option is missing")
	}
	if o.Readers == nil {
		o.Readers = o.Verifiers
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	unlock, err := o.Home.Lock()
	if err != nil {
		return nil, err
	}
	a := &Agent{opt: o, self: o.Keyring.Fingerprint(), unlock: unlock}
	if err := a.open(); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func (a *Agent) open() error {
	o := &a.opt
	var err error
	if a.config, err = o.Home.Config(); err != nil {
		return err
	}
	if a.config.Fingerprint != a.self || a.config.Name != o.Keyring.Name() {
		return fault.New(fault.Untrusted, "the keyring is another party's than config.json says", "restore the home folder from one backup", nil)
	}
	if err := a.ownKey(); err != nil {
		return err
	}
	if a.exchange, err = client.New(client.Options{URL: o.Exchange, Signer: o.Keyring.Signer(), Now: o.Now, Accepted: a.accepted}); err != nil {
		return err
	}
	if a.ledger, err = ledger.Open(o.Home.Ledger(), a.self, o.Now); err != nil {
		return err
	}
	if o.Keys == nil {
		if o.Keys, err = custody.OpenSet(home.Config{}, custody.Options{Ring: o.Keyring}); err != nil {
			return err
		}
	}
	if a.store, err = dataset.Open(o.Home, a.self, o.Keys); err != nil {
		return err
	}
	if err := a.openLog(); err != nil {
		return err
	}
	return a.wire()
}

// ownKey refuses to serve with a signing key that nobody would believe.
func (a *Agent) ownKey() (err error) {
	if a.revoked, err = a.opt.Home.RevokedKeys(a.self); err != nil {
		return err
	}
	c := statement.CertificateOf(a.opt.Keyring.Signer())
	if c == nil {
		return nil
	}
	own := statement.OnlineKey{Party: a.self, Key: a.opt.Keyring.Signer().Public()}.Digest()
	for _, r := range a.revoked {
		if r.Body().Revokes == own {
			return fault.New(fault.NoKey, "the signing key was revoked", "certify another: 'cordon party rotate-key'", nil)
		}
	}
	if now := a.opt.Now().UnixMilli(); now < c.Body().FromMS || now >= c.Body().UntilMS {
		return fault.New(fault.NoKey, "the certificate of the signing key is not valid now", "certify another: 'cordon party rotate-key'", nil)
	}
	return nil
}

// wire makes the parts, each with just what it needs.
func (a *Agent) wire() error {
	o, signer := &a.opt, a.opt.Keyring.Signer()
	a.catalog, a.heads = catalog.New(a.exchange), heads.Open(o.Home.Heads())
	a.catalog.Now = o.Now
	if err := a.catalog.Remember(o.Home); err != nil {
		return err
	}
	a.officers = &officers.Gate{Home: o.Home, Ledger: a.ledger, Self: a.self, Now: o.Now}
	a.desk = &approval.Desk{
		Officers: a.officers,
		Exchange: a.exchange, Catalog: a.catalog, Store: a.store, Ledger: a.ledger, Signer: signer, Home: o.Home, Now: o.Now,
		JoinPools: o.JoinPools, RevokedKeys: a.revoked, LogKey: a.witness.Key,
	}
	a.keeper = &orders.Keeper{Exchange: a.exchange, Catalog: a.catalog, Desk: a.desk, Ledger: a.ledger, Signer: signer, Now: o.Now, Log: o.Log, Card: o.Card, Home: o.Home}
	a.keeper.Start()
	a.asker = &query.Asker{
		Exchange: a.exchange, Catalog: a.catalog, Heads: a.heads, Home: o.Home, Signer: signer, Compile: policy.Compile, Now: o.Now,
	}
	a.opener = &results.Opener{
		Exchange: a.exchange, Catalog: a.catalog, Ledger: a.ledger, Heads: a.heads, Box: o.Keyring.Box(), Self: a.self,
		Verifiers: o.Readers, Log: o.Log,
	}
	a.publish = &publish.Publisher{Exchange: a.exchange, Store: a.store, Ledger: a.ledger, Signer: signer, Officers: a.officers, Now: o.Now}
	var err error
	if a.released, err = released.Open(o.Home); err != nil {
		return err
	}
	a.broker, err = broker.New(broker.Options{
		Exchange: a.exchange, Catalog: a.catalog, Store: a.store, Ledger: a.ledger, Heads: a.heads, Released: a.released, Home: o.Home, Signer: signer,
		Box: o.Keyring.Box(), Verifiers: o.Verifiers, Compile: policy.Compile, Now: o.Now, Log: o.Log,
	})
	if err != nil {
		return err
	}
	if kept := a.anchors.Kept(); kept != nil {
		a.broker.Anchored(kept.Head, kept.AtMS)
	}
	return nil
}

// Close lets go of the home folder.
func (a *Agent) Close() error {
	var err error
	if a.ledger != nil {
		err = a.ledger.Close()
	}
	if a.released != nil {
		err = errors.Join(err, a.released.Close())
	}
	if a.exchange != nil {
		a.exchange.Close()
	}
	if a.witness != nil {
		err = errors.Join(err, a.witness.Close())
	}
	if a.opt.Keys != nil {
		err = errors.Join(err, a.opt.Keys.Close())
	}
	a.unlock()
	return err
}

// introducedMS makes each certificate's introduction a statement of its own, newer than those before: one by a certificate that has
// expired counts for nobody any more, and exchanges keep the first envelope of a payload.
func introducedMS(c home.Config, k statement.Signer) int64 {
	if by := statement.CertificateOf(k); by != nil {
		return c.CreatedMS + by.Body().Serial
	}
	return c.CreatedMS
}

// register introduces the party to the exchange, and heals what a crash left out.
func (a *Agent) register(ctx context.Context) error {
	// First, so that the exchange takes what is signed anew.
	for _, r := range a.revoked {
		if _, err := a.exchange.PostStatement(ctx, r.Envelope()); client.Revoked(err) != nil && !client.HasCode(err, wire.CodeUnregistered) {
			return err
		}
	}
	k := a.opt.Keyring
	e, err := statement.Sign(statement.Party{
		Name: k.Name(), Key: k.Root().String(), Box: k.Box().Public(), CreatedMS: introducedMS(a.config, k.Signer()),
	}, k.Signer())
	if err != nil {
		return err
	}
	if _, err := a.exchange.PostStatement(ctx, e); err != nil {
		return err
	}
	for _, r := range a.revoked { // again, for an exchange that did not know the party before
		if _, err := a.exchange.PostStatement(ctx, r.Envelope()); client.Revoked(err) != nil {
			return err
		}
	}
	return a.desk.Heal(ctx)
}
