package approval

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/officers"
	"github.com/cordon-exchange/cordon/statement"
)

// Exchange is what approvals ask of the exchange's client, beside the catalog.
type Exchange interface {
	PostStatement(ctx context.Context, e *statement.Envelope) (statement.Digest, error)
	AllStatements(ctx context.Context, q client.Query) ([]wire.StatementItem, error)
}

// Desk signs what one party agrees to.
type Desk struct {
	Exchange    Exchange                                    // required
	Catalog     *catalog.Catalog                            // required
	Store       *dataset.Store                              // required
	Ledger      *ledger.Ledger                              // required
	Signer      statement.Signer                            // required
	Home        home.Dir                                    // required: remembers the pool epochs that were signed
	Now         func() time.Time                            // required
	RevokedKeys []*statement.Verified[statement.Revocation] // of this party's own online keys: what they signed is signed anew
	Officers    *officers.Gate                              // required: dual control, where there is any
	JoinPools   []string                                    // names of pools whose proposals are signed without asking; none: by hand only
	LogKey      func(context.Context) string                // of the log that the party's witness watches, "" for none; nil: none

	pools    sync.Mutex  // from comparing with the epochs that were signed to remembering one more
	granting sync.Mutex  // one grant is decided, recorded and posted at a time
	placing  sync.Mutex  // from looking for an order to placing one
	unposted atomic.Bool // a revocation is recorded that the exchange did not take
}

func (d *Desk) self() statement.Fingerprint { return statement.PartyOf(d.Signer) }

// Refusal is an approval that the party's own policy or rules forbid.
type Refusal struct {
	Code   string // stable
	Reason string
}

func (r *Refusal) Error() string { return r.Reason }

// ExitCode is fault.Refused.
func (r *Refusal) ExitCode() int { return int(fault.Refused) }

// Hint says where to look.
func (r *Refusal) Hint() string {
	return "the policy that the data set was published with decides; see 'cordon ledger show'"
}

func refuse(code, reason string) error { return &Refusal{Code: code, Reason: reason} }

// uncovered is the error of a signing key whose certificate does not let it sign this.
func uncovered(err error) error {
	return fault.New(fault.NoKey, "the certificate of the signing key does not cover this", "certify one that does: 'cordon party rotate-key'", err)
}

// Consider decides about a statement that arrived by itself: a contract that a
// standing rule may grant, a pool that may be joined. What is refused is
// recorded once. An error means that it could not be decided and should come again.
func (d *Desk) Consider(ctx context.Context, e *statement.Envelope) error {
	kind, err := statement.PeekType(e.Payload)
	if err != nil {
		return nil // not a statement: nothing to decide
	}
	about := e.Digest()
	var judged bool
	d.Ledger.View(func(a *ledger.Accounts) { judged = a.Judged(about) })
	if judged {
		return nil
	}
	switch kind {
	case statement.TypeSettlement:
		return d.considerSettlement(ctx, e)
	case statement.TypeContract:
		_, err = d.Grant(ctx, about, statement.ByRule)
	case statement.TypePool:
		err = d.join(ctx, e)
	case statement.TypeRevocation, statement.TypeTemplate:
		return d.ends(ctx, e)
	}
	if w := new(officers.Waiting); errors.As(err, &w) {
		return nil // kept as a request: officers decide
	}
	var r *Refusal
	if errors.As(err, &r) {
		return d.recordRefusal(ctx, kind, about, r)
	}
	if fault.ExitCode(err) == int(fault.Untrusted) || fault.ExitCode(err) == int(fault.Input) {
		return d.recordRefusal(ctx, kind, about, &Refusal{Code: "untrusted", Reason: "a statement that it names is missing or does not verify"})
	}
	return err
}

func (d *Desk) recordRefusal(ctx context.Context, kind string, about statement.Digest, r *Refusal) error {
	stage := "pool"
	e := ledger.Entry{Kind: ledger.KindRefusal, Code: r.Code, Reason: r.Reason, About: about}
	if kind == statement.TypeContract {
		stage, e.Contract = "contract", about
	}
	e.Stage = stage
	_, err := d.Ledger.Append(ctx, e, nil)
	return err
}

// Retire revokes a version of one's own: no key of it is released from now on,
// whether the exchange can be told or not.
func (d *Desk) Retire(ctx context.Context, name, version string) ([]statement.Digest, error) {
	var out []statement.Digest
	for _, p := range d.Store.List() {
		o := p.Offer.Body()
		if o.Dataset != name || version != "" && o.Version != version || p.Retired {
			continue
		}
		if err := d.retire(ctx, p.Offer); err != nil {
			return out, err
		}
		out = append(out, p.Offer.Digest())
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Input, "no such version is published here", "see 'cordon dataset list'", nil)
	}
	return out, nil
}

func (d *Desk) retire(ctx context.Context, o *statement.Verified[statement.Offer]) error {
	e, err := statement.Sign(statement.Revocation{Author: d.self(), Revokes: o.Digest(), AtMS: d.Now().UnixMilli()}, d.Signer)
	if err != nil {
		return err
	}
	if err := d.Store.Retire(o.Digest(), e); err != nil {
		return err
	}
	entry := ledger.Entry{Kind: ledger.KindRetire, About: o.Digest(), Name: o.Body().Dataset, Version: o.Body().Version}
	if _, err := d.Ledger.Append(ctx, entry, nil); err != nil {
		return err
	}
	_, err = d.Exchange.PostStatement(ctx, e)
	return client.Revoked(err)
}
