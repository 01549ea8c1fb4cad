package approval

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// PurchaseRule is an owner's own rule: whose settlements it believes, and how far. Without one it believes nobody but itself.
type PurchaseRule struct {
	Format   string    `json:"format"` // PurchaseRuleFormat
	Settlers []Settler `json:"settlers"`
}

// Settler is one whose word counts.
type Settler struct {
	Settler      statement.Fingerprint `json:"settler"`
	MaxUnsettled int64                 `json:"max_unsettled"` // credits that it owes on its word at any time, or may come to owe
}

// PurchaseRuleFormat names the format of a rule, with its version.
const PurchaseRuleFormat = "cordon-purchase-rule/1"

func (r *PurchaseRule) valid() error {
	seen := map[statement.Fingerprint]bool{}
	for _, s := range r.Settlers {
		if !s.Settler.Valid() || seen[s.Settler] || s.MaxUnsettled < 0 || s.MaxUnsettled > statement.MaxAmount {
			return errors.New("approval: not a rule for purchases")
		}
		seen[s.Settler] = true
	}
	if r.Format != PurchaseRuleFormat {
		return errors.New("approval: not a rule for purchases")
	}
	return nil
}

// limit is how much a settler may owe; 0 of one that the rule does not name.
func (r *PurchaseRule) limit(f statement.Fingerprint) int64 {
	for _, s := range r.Settlers {
		if s.Settler == f {
			return s.MaxUnsettled
		}
	}
	return 0
}

// SetPurchaseRule puts another rule into force, once the officers approved it where they are asked about policies: it grants as a
// standing rule does.
func (d *Desk) SetPurchaseRule(ctx context.Context, r PurchaseRule) error {
	r.Format = PurchaseRuleFormat
	if err := r.valid(); err != nil {
		return fault.New(fault.Usage, "this is no rule for purchases", "name each settler once, with 0 or more credits", err)
	}
	src, err := statement.Marshal(r)
	if err != nil {
		return err
	}
	about := statement.Sum(src)
	var now statement.Digest
	d.Ledger.View(func(a *ledger.Accounts) { now = a.PurchaseRule() })
	if now == about {
		return nil
	}
	if err := d.Officers.Require(ctx, statement.ActionPolicy, src); err != nil {
		return err
	}
	if err := home.MkdirAll(d.Home.Purchases()); err != nil {
		return err
	}
	if err := home.WriteFile(d.ruleFile(about), src); err != nil {
		return err
	}
	_, err = d.Ledger.Append(ctx, ledger.Entry{Kind: ledger.KindPurchases, About: about}, nil)
	return err
}

func (d *Desk) ruleFile(about statement.Digest) string {
	return filepath.Join(d.Home.Purchases(), strings.TrimPrefix(string(about), "sha256:")+".json")
}

// PurchaseRule is the one in force: the one that the ledger names. A file that is missing or another is an error: nobody is believed.
func (d *Desk) PurchaseRule() (*PurchaseRule, error) {
	var about statement.Digest
	d.Ledger.View(func(a *ledger.Accounts) { about = a.PurchaseRule() })
	r := &PurchaseRule{Format: PurchaseRuleFormat}
	if about == "" {
		return r, nil
	}
	src, err := os.ReadFile(d.ruleFile(about))
	if err == nil && statement.Sum(src) != about {
		err = errors.New("approval: another rule than the ledger names")
	}
	if err == nil {
		err = statement.Unmarshal(src, r)
	}
	if err == nil {
		err = r.valid()
	}
	if err != nil {
		return nil, fault.New(fault.Untrusted, "the rule for purchases that the ledger names is missing or damaged", "set it again: 'cordon order rule'", err)
	}
	return r, nil
}

// sold refuses to grant on a payment what is not on sale, or for others than those whom the policy lets ask: nobody looks at it.
func sold(c *statement.Contract, v *dataset.Published) error {
	if v.Offer.Body().Access() != statement.AccessPurchase {
		return refuse("terms-purchase", "an offer of the contract is not sold: its owner grants it by hand")
	}
	for _, f := range c.Recipients {
		if f != v.Offer.Body().Owner && !v.Policy.AllowsAnalyst(string(f)) {
			return refuse("policy:analysts", "the policy does not name a recipient as analyst")
		}
	}
	return nil
}

// keysHold refuses a settlement under an online key that its party revoked; and one of this party's own whose certificate is not valid
// now: for the time that it states there is just the word of whoever has the key.
func (d *Desk) keysHold(ctx context.Context, v *statement.Verified[statement.Settlement]) error {
	keys := v.OnlineKeys()
	if len(keys) == 0 {
		return nil
	}
	err := d.Catalog.KeysInForce(ctx, keys)
	if err == nil && v.Body().Settler == d.self() {
		err = v.CoveredAt(d.Now().UnixMilli())
	} else if err != nil && !errors.Is(err, catalog.ErrKeyRevoked) {
		return err
	}
	if err != nil {
		return refuse("key-revoked", "the settlement is signed by a key that is revoked, or not certified now")
	}
	return nil
}

// considerSettlement decides about one that arrived.
func (d *Desk) considerSettlement(ctx context.Context, e *statement.Envelope) error {
	v, err := statement.VerifyAuthor[statement.Settlement](e)
	if err != nil {
		return nil // nobody's word
	}
	err = d.Believe(ctx, v)
	var r *Refusal
	if errors.As(err, &r) || fault.ExitCode(err) == int(fault.Untrusted) || fault.ExitCode(err) == int(fault.Input) {
		return nil // recorded, as far as it is about an order of this party's
	}
	return err
}

// Believe takes a settlement as true, if this party's own rule says so, and grants the order's contract. Again it changes nothing. What
// is refused is recorded once for each settlement of a genuine order; another rule, or a settler that pays, may change that.
func (d *Desk) Believe(ctx context.Context, v *statement.Verified[statement.Settlement]) error {
	o, c, err := d.settled(ctx, v.Body())
	if err != nil {
		return err
	}
	if err := d.keysHold(ctx, v); err != nil {
		return err
	}
	err = d.believe(ctx, v, o, c)
	var r *Refusal
	if errors.As(err, &r) {
		return errors.Join(err, d.recordUnbelieved(ctx, v, o, r))
	}
	if err != nil {
		return err
	}
	return d.GrantSold(ctx, o.Digest())
}

// settled fetches what a settlement is about: an order that its buyer signed, for exactly this party's offers in a contract of the buyer's.
func (d *Desk) settled(ctx context.Context, s *statement.Settlement) (*statement.Verified[statement.Order], *statement.Verified[statement.Contract], error) {
	o, err := d.Catalog.Order(ctx, s.Order)
	if err != nil {
		return nil, nil, err
	}
	b := o.Body()
	c, err := d.Catalog.Contract(ctx, b.Contract)
	if err != nil {
		return nil, nil, err
	}
	var own []statement.Digest
	for _, t := range c.Body().Tables {
		for _, m := range t.Members {
			if m.Owner == d.self() {
				own = append(own, m.Offer)
			}
		}
	}
	slices.Sort(own)
	if b.Owner != d.self() || c.Body().Requester != b.Buyer || !slices.Equal(slices.Compact(own), slices.Sorted(slices.Values(b.Offers))) {
		return nil, nil, fault.New(fault.Untrusted, "the order is not for this party's offers in a contract of its buyer's", "do not rely on this exchange", nil)
	}
	return o, c, nil
}

func (d *Desk) believe(ctx context.Context, v *statement.Verified[statement.Settlement], o *statement.Verified[statement.Order], c *statement.Verified[statement.Contract]) error {
	s, b := v.Body(), o.Body()
	switch {
	case s.Amount != b.Most || s.Provider != b.Provider:
		return refuse("settlement-other", "the settlement is of another amount or provider than its order")
	case b.Provider != statement.ProviderCredits && s.Settler != d.self():
		return refuse("settler", "whether this party was paid, nobody else can say")
	}
	cancelled, err := d.Catalog.Revoked(ctx, b.Buyer, o.Digest())
	if err != nil {
		return err
	}
	if cancelled {
		return refuse("order-cancelled", "its buyer cancelled the order")
	}
	rule, err := d.PurchaseRule()
	if err != nil {
		return err
	}
	_, err = d.Ledger.AppendAll(ctx, func(a *ledger.Accounts) ([]ledger.Entry, error) {
		have, _ := a.Purchase(o.Digest())
		if have.Settlement == v.Digest() {
			return nil, nil
		}
		if err := d.mayBelieve(a, v, o, rule); err != nil {
			return nil, err
		}
		return []ledger.Entry{{
			Kind: ledger.KindSettle, Order: o.Digest(), About: v.Digest(), Contract: c.Digest(), Requester: b.Buyer, Settler: s.Settler,
			Authority: statement.ByRule, Charged: s.Amount, UntilMS: b.ExpiresMS,
		}}, nil
	})
	return err
}

// mayBelieve decides in the step that records it: two settlements at once can't both pass one limit.
func (d *Desk) mayBelieve(a *ledger.Accounts, v *statement.Verified[statement.Settlement], o *statement.Verified[statement.Order], rule *PurchaseRule) error {
	s, b := v.Body(), o.Body()
	have, _ := a.Purchase(o.Digest())
	_, revoked := a.Grant(b.Contract)
	switch {
	case have.Settlement != "":
		return refuse("settled-before", "another settlement of the order was believed")
	case have.Ended:
		return refuse("order-ended", "the order has ended")
	case d.Now().UnixMilli() >= b.ExpiresMS:
		return refuse("order-expired", "the order has expired")
	case a.Rejected(b.Contract):
		return refuse("contract-rejected", "this party rejected the contract: the requester may propose another")
	case revoked:
		return refuse("contract-revoked", "this party took its grant of the contract back")
	case s.Settler == d.self():
		return nil
	case rule.limit(s.Settler) == 0:
		return refuse("settler", "the rule for purchases does not name who settled the order")
	case a.Outstanding(s.Settler)+s.Amount > rule.limit(s.Settler):
		return refuse("max-unsettled", "the settler would owe more on its word than the rule for purchases allows")
	}
	return nil
}

func (d *Desk) recordUnbelieved(ctx context.Context, v *statement.Verified[statement.Settlement], o *statement.Verified[statement.Order], r *Refusal) error {
	e := ledger.Entry{
		Kind: ledger.KindRefusal, Stage: "settlement", Code: r.Code, Reason: r.Reason, About: v.Digest(), Order: o.Digest(), Settler: v.Body().Settler, Requester: o.Body().Buyer,
	}
	_, err := d.Ledger.Append(ctx, e, func(a *ledger.Accounts) error {
		if a.Judged(e.About) {
			return errJudged
		}
		return nil
	})
	if errors.Is(err, errJudged) {
		return nil
	}
	return err
}

var errJudged = errors.New("approval: recorded before")

// GrantSold grants the contract of an order that counts as paid. Where the policy does not allow it, the order ends: its buyer gets
// its credits back.
func (d *Desk) GrantSold(ctx context.Context, order statement.Digest) error {
	var p ledger.Purchase
	d.Ledger.View(func(a *ledger.Accounts) { p, _ = a.Purchase(order) })
	if p.Settlement == "" || p.Ended {
		return nil
	}
	_, err := d.grant(ctx, p.Contract, statement.ByPurchase, p.Settlement)
	var r *Refusal
	if errors.As(err, &r) {
		return errors.Join(err, d.EndOrder(ctx, order, "not granted: "+r.Code))
	}
	return err
}

// EndOrder says that nothing is charged to an order any more, for good. From then on no key is released for a job that would be.
func (d *Desk) EndOrder(ctx context.Context, order statement.Digest, reason string) error {
	_, err := d.Ledger.AppendAll(ctx, func(a *ledger.Accounts) ([]ledger.Entry, error) {
		if p, _ := a.Purchase(order); p.Ended {
			return nil, nil
		}
		return []ledger.Entry{{Kind: ledger.KindOrderEnd, Order: order, Reason: reason}}, nil
	})
	return err
}

// Received records what a settler paid out: it owes that much less. It is this party's own word, from its own bank.
func (d *Desk) Received(ctx context.Context, settler statement.Fingerprint, amount int64, reference string) error {
	e := ledger.Entry{Kind: ledger.KindReceived, Settler: settler, Charged: amount, Reason: reference}
	_, err := d.Ledger.Append(ctx, e, func(a *ledger.Accounts) error {
		if amount < 1 || amount > a.Outstanding(settler) {
			return fault.New(fault.Usage, "the settler does not owe that much", "see 'cordon order rule'", nil)
		}
		return nil
	})
	return err
}

// Refund gives back some of what an order was charged.
func (d *Desk) Refund(ctx context.Context, order statement.Digest, amount int64, reason string) error {
	e := ledger.Entry{Kind: ledger.KindRefund, Order: order, Charged: amount, Reason: reason}
	_, err := d.Ledger.Append(ctx, e, func(a *ledger.Accounts) error {
		p, ok := a.Purchase(order)
		if !ok || amount < 1 || amount > p.Total()-p.Refunded {
			return fault.New(fault.Usage, "the order was not charged that much", "see 'cordon order show'", nil)
		}
		if len(p.Refunds) >= wire.MaxRefunds {
			return fault.New(fault.Refused, "the order was refunded as often as the exchange takes", "give the rest back by other means", nil)
		}
		return nil
	})
	return err
}

func (d *Desk) orderFile(order statement.Digest) string {
	return filepath.Join(d.Home.Orders(), strings.TrimPrefix(string(order), "sha256:")+".json")
}

// Placed are the orders that this party placed, as it kept them.
func (d *Desk) Placed() (out []*statement.Verified[statement.Order], err error) {
	files, err := filepath.Glob(filepath.Join(d.Home.Orders(), "*.json"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			return nil, home.Storage("can't read an order", err)
		}
		e, err := statement.ParseEnvelope(src)
		if err != nil {
			return nil, fault.New(fault.Input, filepath.Base(f)+" in orders/ is damaged", "restore the home folder from a backup", err)
		}
		v, err := statement.Verify[statement.Order](e, d.self())
		if err != nil {
			return nil, fault.New(fault.Input, filepath.Base(f)+" in orders/ is damaged", "restore the home folder from a backup", err)
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b *statement.Verified[statement.Order]) int {
		return int(a.Body().CreatedMS - b.Body().CreatedMS)
	})
	return out, nil
}

// SettleOwn says that an order was paid to this party's own account: by its own word, which nobody else can give, and which it gives once.
func (d *Desk) SettleOwn(ctx context.Context, order statement.Digest, reference string) error {
	o, err := d.Catalog.Order(ctx, order)
	if err != nil {
		return err
	}
	if b := o.Body(); b.Owner != d.self() || b.Provider == statement.ProviderCredits {
		return fault.New(fault.Usage, "the order is not to be paid to this party's own account", "what the exchange settles, it settles by itself", nil)
	}
	var have ledger.Purchase
	d.Ledger.View(func(a *ledger.Accounts) { have, _ = a.Purchase(order) })
	if have.Settlement != "" {
		return nil
	}
	if posted, err := d.BelieveOwn(ctx, order); posted || err != nil {
		return err
	}
	e, err := statement.Sign(statement.Settlement{
		Settler: d.self(), Order: order, Amount: o.Body().Most, Provider: o.Body().Provider, Reference: reference, SettledMS: d.Now().UnixMilli(),
	}, d.Signer)
	if err != nil {
		return fault.New(fault.Usage, "this is no settlement", "give the --reference of the payment, of 128 bytes at most", err)
	}
	v, err := statement.Verify[statement.Settlement](e, d.self())
	if err != nil {
		return err
	}
	// Posted first: one that the exchange did not take would leave charges that it does not take either.
	if _, err := d.Exchange.PostStatement(ctx, e); err != nil {
		return err
	}
	return d.Believe(ctx, v)
}

// BelieveOwn believes a settlement of an order that this party signed and posted before, if there is one: its agent was killed before it
// believed it. The exchange takes no second one.
func (d *Desk) BelieveOwn(ctx context.Context, order statement.Digest) (posted bool, err error) {
	items, err := d.Exchange.AllStatements(ctx, client.Query{Kind: client.Settlements, About: []statement.Digest{order}, Owner: d.self()})
	if err != nil {
		return false, err
	}
	for i := range items {
		v, err := statement.Verify[statement.Settlement](&items[i].Envelope, d.self())
		if err == nil && v.Body().Order == order {
			return true, d.Believe(ctx, v)
		}
	}
	return false, nil
}

// Sellable refuses an order whose contract no payment would grant: before anybody is asked to pay.
func (d *Desk) Sellable(ctx context.Context, contract statement.Digest) error {
	c, err := d.Catalog.Contract(ctx, contract)
	if err != nil {
		return err
	}
	own, err := d.ownOffers(c.Body())
	if err != nil {
		return err
	}
	for _, p := range own {
		if err := d.admits(c.Body(), &p, statement.ByPurchase); err != nil {
			return err
		}
	}
	return nil
}
