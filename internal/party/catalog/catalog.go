package catalog

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// Exchange is what the catalog asks of the exchange's client.
type Exchange interface {
	Statement(ctx context.Context, d statement.Digest) (*statement.Envelope, error)
	AllStatements(ctx context.Context, q client.Query) ([]wire.StatementItem, error)
}

// Catalog fetches, verifies and remembers statements. It is safe for concurrent use.
type Catalog struct {
	Now func() time.Time // the party's own clock; New sets the machine's

	ex Exchange

	mu       sync.Mutex
	known    map[statement.Digest]any
	policies map[statement.Digest]*policy.Policy // by offer
	parties  map[statement.Fingerprint]*statement.Verified[statement.Party]

	revokedKeys map[statement.Digest]bool // by OnlineKey.Digest
	memory      Memory                    // of revokedKeys; nil: none
}

// New makes a catalog over an exchange.
func New(ex Exchange) *Catalog {
	return &Catalog{
		Now: time.Now, ex: ex, known: map[statement.Digest]any{}, policies: map[statement.Digest]*policy.Policy{},
		parties: map[statement.Fingerprint]*statement.Verified[statement.Party]{}, revokedKeys: map[statement.Digest]bool{},
	}
}

// ErrNotFound says that the exchange has no such statement, or shows none.
var ErrNotFound = errors.New("catalog: no such statement")

// maxKnown bounds the memory that statements of others can take.
const maxKnown = 1 << 14

type authored[T any] interface {
	*T
	statement.Statement
	Authors() []statement.Fingerprint
}

// fetch gets one statement by its digest, signed by exactly its authors, under keys in force.
func fetch[T any, P authored[T]](ctx context.Context, c *Catalog, d statement.Digest) (*statement.Verified[T], error) {
	v, err := fetchSigned[T, P](ctx, c, d, false)
	if err != nil {
		return nil, err
	}
	ok, err := c.keysInForce(ctx, v.OnlineKeys())
	if ok || err != nil {
		return v, err
	}
	// Its author may have signed it anew since.
	if v, err = fetchSigned[T, P](ctx, c, d, true); err != nil {
		return nil, err
	}
	if err := c.KeysInForce(ctx, v.OnlineKeys()); err != nil {
		return nil, err
	}
	return v, nil
}

// fetchSigned is fetch whatever became of the keys since. Anew does not take what is at hand.
func fetchSigned[T any, P authored[T]](ctx context.Context, c *Catalog, d statement.Digest, anew bool) (*statement.Verified[T], error) {
	c.mu.Lock()
	v, ok := c.known[d].(*statement.Verified[T])
	c.mu.Unlock()
	if ok && !anew {
		return v, nil
	}
	e, err := c.ex.Statement(ctx, d)
	if client.HasCode(err, wire.CodeNotFound) {
		return nil, notFound("no statement " + string(d) + " that this party may see")
	}
	if err != nil {
		return nil, err
	}
	if e.Digest() != d {
		return nil, untrusted("the exchange gave another statement than the one asked for", nil)
	}
	v, err = statement.VerifyAuthor[T, P](e)
	if err != nil {
		return nil, untrusted("a statement does not verify", err)
	}
	c.remember(d, v)
	return v, nil
}

func (c *Catalog) remember(d statement.Digest, v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxKnown {
		clear(c.known)
	}
	c.known[d] = v
}

func notFound(msg string) error {
	return fault.New(fault.Input, msg, "check the digest or fingerprint, and that its author has posted it", ErrNotFound)
}

func untrusted(msg string, err error) error {
	return fault.New(fault.Untrusted, msg, "do not rely on this exchange; compare digests and fingerprints with the party concerned", err)
}

// Offer fetches an offer that must be owner's.
func (c *Catalog) Offer(ctx context.Context, owner statement.Fingerprint, d statement.Digest) (*statement.Verified[statement.Offer], error) {
	v, err := fetch[statement.Offer](ctx, c, d)
	if err != nil {
		return nil, err
	}
	if v.Body().Owner != owner {
		return nil, untrusted("an offer is not of the owner that is named with it", nil)
	}
	return v, nil
}

// Pool fetches a pool epoch, signed by all its members.
func (c *Catalog) Pool(ctx context.Context, d statement.Digest) (*statement.Verified[statement.Pool], error) {
	return fetch[statement.Pool](ctx, c, d)
}

// Contract fetches a contract, signed by its requester.
func (c *Catalog) Contract(ctx context.Context, d statement.Digest) (*statement.Verified[statement.Contract], error) {
	return fetch[statement.Contract](ctx, c, d)
}

// SignedContract is Contract whatever became of its requester's key since: for closing an exposure that it led to.
func (c *Catalog) SignedContract(ctx context.Context, d statement.Digest) (*statement.Verified[statement.Contract], error) {
	return fetchSigned[statement.Contract](ctx, c, d, false)
}

// Counter fetches a counter, signed by its owner.
func (c *Catalog) Counter(ctx context.Context, d statement.Digest) (*statement.Verified[statement.Counter], error) {
	return fetch[statement.Counter](ctx, c, d)
}

// Grant fetches a grant by its digest.
func (c *Catalog) Grant(ctx context.Context, d statement.Digest) (*statement.Verified[statement.Grant], error) {
	return fetch[statement.Grant](ctx, c, d)
}

// Party returns the newest introduction that the key with this fingerprint signed, or an online key that is certified now and not
// revoked: the time in it is its signer's word, and a key that has expired, found by somebody, would name a box of its finder's.
func (c *Catalog) Party(ctx context.Context, f statement.Fingerprint) (*statement.Verified[statement.Party], error) {
	c.mu.Lock()
	p := c.parties[f]
	c.mu.Unlock()
	if p != nil {
		if ok, err := c.introduces(ctx, p); ok || err != nil {
			return p, err
		}
		p = nil
	}
	items, err := c.ex.AllStatements(ctx, client.Query{Kind: client.Parties, Owner: f})
	if err != nil {
		return nil, err
	}
	for i := range items {
		v, err := statement.Verify[statement.Party](&items[i].Envelope, f)
		if err != nil || p != nil && v.Body().CreatedMS <= p.Body().CreatedMS {
			continue
		}
		ok, err := c.introduces(ctx, v)
		if err != nil {
			return nil, err
		}
		if ok {
			p = v
		}
	}
	if p == nil {
		return nil, notFound("no party " + string(f) + " is registered")
	}
	c.mu.Lock()
	c.parties[f] = p
	c.mu.Unlock()
	return p, nil
}

// introduces reports whether an introduction counts now.
func (c *Catalog) introduces(ctx context.Context, p *statement.Verified[statement.Party]) (bool, error) {
	if p.CoveredAt(c.Now().UnixMilli()) != nil {
		return false, nil
	}
	return c.keysInForce(ctx, p.OnlineKeys())
}

// Name is how a party calls itself, or the start of its fingerprint.
func (c *Catalog) Name(ctx context.Context, f statement.Fingerprint) string {
	p, err := c.Party(ctx, f)
	if err != nil {
		return f.Short()
	}
	return p.Body().Name
}

// ByName finds the party of that name. The name is the exchange's word: the
// caller shows the fingerprint, and pins it in what it signs.
func (c *Catalog) ByName(ctx context.Context, name string) (statement.Fingerprint, error) {
	items, err := c.ex.AllStatements(ctx, client.Query{Kind: client.Parties, Name: name})
	if err != nil {
		return "", err
	}
	var found statement.Fingerprint
	for i := range items {
		v, err := statement.VerifyAuthor[statement.Party](&items[i].Envelope)
		if err != nil || v.Body().Name != name {
			continue
		}
		f := v.Body().Authors()[0]
		if found != "" && found != f {
			return "", untrusted("the exchange knows two parties named "+name, nil)
		}
		found = f
	}
	if found == "" {
		return "", fault.New(fault.Input, "no party is named "+name, "check the name, or give the fingerprint", ErrNotFound)
	}
	return found, nil
}

// Grants lists the grants of a contract that verify, by owner. Of several by one
// owner the newest counts; revoked ones do not.
func (c *Catalog) Grants(ctx context.Context, contract statement.Digest) (map[statement.Fingerprint]*statement.Verified[statement.Grant], error) {
	items, err := c.ex.AllStatements(ctx, client.Query{Kind: client.Grants, About: []statement.Digest{contract}})
	if err != nil {
		return nil, err
	}
	out := map[statement.Fingerprint]*statement.Verified[statement.Grant]{}
	var all []*statement.Verified[statement.Grant]
	for i := range items {
		v, err := statement.VerifyAuthor[statement.Grant](&items[i].Envelope)
		if err != nil || v.Body().Contract != contract {
			continue
		}
		ok, err := c.keysInForce(ctx, v.OnlineKeys())
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, v)
		}
	}
	var signed []authoredBy
	for _, v := range all {
		signed = append(signed, authoredBy{v.Body().Owner, v.Digest()})
	}
	revoked, err := c.allRevoked(ctx, signed)
	if err != nil {
		return nil, err
	}
	for i, v := range all {
		owner := v.Body().Owner
		if old := out[owner]; !revoked[i] && (old == nil || old.Body().CreatedMS < v.Body().CreatedMS) {
			out[owner] = v
		}
	}
	return out, nil
}

// atOnce bounds the questions to the exchange that are under way for one answer.
const atOnce = 8

// authoredBy is a statement that its only author may have revoked.
type authoredBy struct {
	author statement.Fingerprint
	digest statement.Digest
}

// allRevoked asks about several statements at once.
func (c *Catalog) allRevoked(ctx context.Context, of []authoredBy) ([]bool, error) {
	out := make([]bool, len(of))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for first := 0; first < len(of); first += wire.MaxAbout {
		some := of[first:min(first+wire.MaxAbout, len(of))]
		g.Go(func() error {
			var about []statement.Digest
			for _, v := range some {
				about = append(about, v.digest)
			}
			items, err := c.ex.AllStatements(ctx, client.Query{Kind: client.Revocations, About: about})
			for i, v := range some {
				out[first+i] = revokes(items, v.author, v.digest)
			}
			return err
		})
	}
	return out, g.Wait()
}

// Revoked reports whether author revoked the statement, as far as the exchange shows.
func (c *Catalog) Revoked(ctx context.Context, author statement.Fingerprint, d statement.Digest) (bool, error) {
	items, err := c.ex.AllStatements(ctx, client.Query{Kind: client.Revocations, Owner: author, About: []statement.Digest{d}})
	if err != nil {
		return false, err
	}
	return revokes(items, author, d), nil
}

// revokes reports whether one of the items is the author's revocation of the statement.
func revokes(items []wire.StatementItem, author statement.Fingerprint, d statement.Digest) bool {
	return slices.ContainsFunc(items, func(i wire.StatementItem) bool {
		v, err := statement.Verify[statement.Revocation](&i.Envelope, author)
		return err == nil && v.Body().Author == author && v.Body().Revokes == d
	})
}
