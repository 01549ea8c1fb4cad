package orders

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// Legs that are compared. A fault names the one that differs from the others.
const (
	LegOrder      = "order"      // what the party kept of its orders, and what the exchange has
	LegSettlement = "settlement" // what was believed, and what the settler said
	LegLedger     = "ledger"     // the owner's ledger
	LegCharges    = "charges"    // the owner's signed charges, refunds and closings
	LegPostings   = "postings"   // the exchange's ledger of credits
	LegReceipts   = "receipts"   // the enclaves' receipts, and the releases that they are about
)

// Fault is one difference.
type Fault struct {
	Leg   string           `json:"leg"`
	Order statement.Digest `json:"order"`
	Job   statement.Digest `json:"job,omitempty"`
	Text  string           `json:"text"`
}

// Report of a comparison. Sums are over all orders, as the legs agree on them.
type Report struct {
	Equal    bool    `json:"equal"`
	Orders   int64   `json:"orders"`
	Amount   int64   `json:"amount"`
	Charged  int64   `json:"charged"`
	Refunded int64   `json:"refunded"`
	Returned int64   `json:"returned"`
	Receipts int64   `json:"receipts"`       // that were compared
	Open     int64   `json:"open,omitempty"` // charged jobs that no receipt has closed yet
	Faults   []Fault `json:"faults"`
}

// Receipts finds the verified releases of a job; ErrNoReceipt where none has closed it.
type Receipts func(ctx context.Context, job statement.Digest) ([]*statement.Verified[statement.Release], error)

// Jobs finds a job that its requester signed; ErrNoJob where there is none.
type Jobs func(ctx context.Context, job statement.Digest) (*statement.Verified[statement.Job], error)

// ErrNoJob says that nobody signed a job of a digest, as far as this party can find.
var ErrNoJob = errors.New("orders: no job")

// ErrNoReceipt says that a job has no receipt for this party.
var ErrNoReceipt = errors.New("orders: no receipt")

// Books is what one party reconciles.
type Books struct {
	Exchange Exchange              // required
	Ledger   *ledger.Ledger        // required
	Self     statement.Fingerprint // required
	Receipts Receipts              // required
	Jobs     Jobs                  // required
	Placed   []*statement.Verified[statement.Order]
}

// account is one order while it is compared.
type account struct {
	*Books
	r        *Report
	order    *statement.Verified[statement.Order]
	charges  []*statement.Verified[statement.Charge]
	refunds  []*statement.Verified[statement.Refund]
	closing  *statement.Verified[statement.Closing]
	postings []wire.Posting
	charged  map[charged]statement.Digest // of all orders so far: the one that a job was charged to
}

// charged is what one owner charges once.
type charged struct {
	owner statement.Fingerprint
	job   statement.Digest
}

// Reconcile compares, order by order, what was ordered, settled, charged, released, posted and accounted for.
func (b *Books) Reconcile(ctx context.Context) (*Report, error) {
	items, err := b.Exchange.AllStatements(ctx, client.Query{Kind: client.Orders})
	if err != nil {
		return nil, err
	}
	r := &Report{Faults: []Fault{}}
	seen, once := map[statement.Digest]bool{}, map[charged]statement.Digest{}
	for i := range items {
		v, err := statement.VerifyAuthor[statement.Order](&items[i].Envelope)
		if err != nil || v.Body().Buyer != b.Self && v.Body().Owner != b.Self {
			r.Faults = append(r.Faults, Fault{Leg: LegOrder, Order: items[i].Digest, Text: "the exchange shows an order that does not verify, or is another's"})
			continue
		}
		seen[v.Digest()] = true
		if err := b.one(ctx, r, v, once); err != nil {
			return nil, err
		}
	}
	for _, v := range b.Placed {
		if !seen[v.Digest()] {
			r.Faults = append(r.Faults, Fault{Leg: LegOrder, Order: v.Digest(), Text: "this party placed it, and the exchange does not show it"})
		}
	}
	for _, p := range b.purchases() {
		if !seen[p.Order] {
			r.Faults = append(r.Faults, Fault{Leg: LegOrder, Order: p.Order, Text: "this party's ledger knows it, and the exchange does not show it"})
		}
	}
	r.Equal = len(r.Faults) == 0
	return r, nil
}

func (b *Books) purchases() (list []ledger.Purchase) {
	b.Ledger.View(func(a *ledger.Accounts) { list = a.Purchases() })
	return list
}

func (a *account) fault(leg, format string, args ...any) {
	a.r.Faults = append(a.r.Faults, Fault{Leg: leg, Order: a.order.Digest(), Text: fmt.Sprintf(format, args...)})
}

func (b *Books) one(ctx context.Context, r *Report, v *statement.Verified[statement.Order], once map[charged]statement.Digest) error {
	a := &account{Books: b, r: r, order: v, charged: once}
	if err := a.fetch(ctx); err != nil {
		return err
	}
	r.Orders++
	a.statements()
	a.posted()
	if v.Body().Owner == b.Self {
		a.ledger()
	} else if !slices.ContainsFunc(b.Placed, func(p *statement.Verified[statement.Order]) bool { return p.Digest() == v.Digest() }) {
		a.fault(LegOrder, "the exchange shows it as this party's, which keeps no order of that digest")
	}
	if err := a.jobs(ctx); err != nil {
		return err
	}
	return a.receipts(ctx)
}

// fetch gets what was signed about the order: what does not verify was not said.
func (a *account) fetch(ctx context.Context) error {
	about := []statement.Digest{a.order.Digest()}
	owner := a.order.Body().Owner
	list, err := a.Exchange.AllStatements(ctx, client.Query{Kind: client.Charges, About: about})
	if err != nil {
		return err
	}
	for i := range list {
		if v, err := statement.Verify[statement.Charge](&list[i].Envelope, owner); err == nil && v.Body().Owner == owner && v.Body().Order == about[0] {
			a.charges = append(a.charges, v)
		}
	}
	if list, err = a.Exchange.AllStatements(ctx, client.Query{Kind: client.Refunds, About: about}); err != nil {
		return err
	}
	for i := range list {
		if v, err := statement.Verify[statement.Refund](&list[i].Envelope, owner); err == nil && v.Body().Owner == owner && v.Body().Order == about[0] {
			a.refunds = append(a.refunds, v)
		}
	}
	if list, err = a.Exchange.AllStatements(ctx, client.Query{Kind: client.Closings, About: about}); err != nil {
		return err
	}
	for i := range list {
		if v, err := statement.Verify[statement.Closing](&list[i].Envelope, owner); err == nil && v.Body().Owner == owner && v.Body().Order == about[0] {
			a.closing = v
		}
	}
	if a.order.Body().Provider == statement.ProviderCredits {
		a.postings, err = a.Exchange.AllPostings(ctx, about[0])
	}
	return err
}

// statements: each charge follows from the one before, each release is charged once, and the closing says the same total.
func (a *account) statements() {
	o := a.order.Body()
	slices.SortFunc(a.charges, func(x, y *statement.Verified[statement.Charge]) int { return int(x.Body().Total - y.Body().Total) })
	var total int64
	releases := map[statement.Digest]bool{}
	for _, c := range a.charges {
		b := c.Body()
		total += b.Amount
		if b.Total != total || releases[b.Release] {
			a.fault(LegCharges, "the charges do not follow from each other: one is missing, or a release is charged twice")
			break
		}
		releases[b.Release] = true
	}
	if total > o.Most {
		a.fault(LegCharges, "%d credits were charged, and the order says %d at most", total, o.Most)
	}
	if a.closing != nil && a.closing.Body().Total != total {
		a.fault(LegCharges, "it was closed at %d credits, and the charges come to %d", a.closing.Body().Total, total)
	}
	var given int64
	for _, g := range a.refunds {
		given += g.Body().Amount
	}
	a.r.Amount, a.r.Charged, a.r.Refunded = a.r.Amount+o.Most, a.r.Charged+total, a.r.Refunded+given
}

func (a *account) total() (sum int64) {
	for _, c := range a.charges {
		sum += c.Body().Amount
	}
	return sum
}

// posted compares the exchange's postings with what was signed: one for each, and the return of exactly what is left.
func (a *account) posted() {
	o := a.order.Body()
	if o.Provider != statement.ProviderCredits {
		return
	}
	want := map[statement.Digest]int64{}
	for _, c := range a.charges {
		want[c.Digest()] = c.Body().Amount
	}
	for _, g := range a.refunds {
		want[g.Digest()] = g.Body().Amount
	}
	var held, returned int64
	for _, p := range a.postings {
		switch p.Kind {
		case "hold":
			held += p.Amount
		case "return":
			returned += p.Amount
		default:
			if want[p.Statement] != p.Amount {
				a.fault(LegPostings, "a %s of %d credits was posted that no statement of the owner's asks for", p.Kind, p.Amount)
			}
			delete(want, p.Statement)
		}
	}
	for d, n := range want {
		a.fault(LegPostings, "%d credits of the statement %s were not posted", n, d.Short())
	}
	if held != o.Most {
		a.fault(LegPostings, "%d credits were set aside, and the order says %d", held, o.Most)
	}
	left := o.Most - a.total()
	if returned != 0 && returned != left || a.closing != nil && returned != left {
		a.fault(LegPostings, "%d credits came back, and %d were left", returned, left)
	}
	a.r.Returned += returned
}

// ledger compares the owner's own ledger with what it signed.
func (a *account) ledger() {
	var p ledger.Purchase
	a.Ledger.View(func(l *ledger.Accounts) { p, _ = l.Purchase(a.order.Digest()) })
	if p.Settlement != "" && p.Amount != a.order.Body().Most {
		a.fault(LegSettlement, "the ledger believed a settlement of %d credits, and the order says %d", p.Amount, a.order.Body().Most)
	}
	billed := map[statement.Digest]int64{}
	for _, b := range p.Billed {
		billed[b.Release] = b.Amount
	}
	for _, c := range a.charges {
		if b := c.Body(); billed[b.Release] != b.Amount {
			a.fault(LegLedger, "%d credits were charged for the release %s, and the ledger says %d", b.Amount, b.Release.Short(), billed[b.Release])
		}
		delete(billed, c.Body().Release)
	}
	for d, n := range billed {
		a.fault(LegCharges, "the ledger released keys for %d credits (%s), and no charge says so", n, d.Short())
	}
	var given int64
	for _, g := range a.refunds {
		given += g.Body().Amount
	}
	if given != p.Refunded {
		a.fault(LegLedger, "%d credits were given back, and the ledger says %d", given, p.Refunded)
	}
	if p.Ended != (a.closing != nil) {
		a.fault(LegCharges, "the ledger and the closing do not agree whether it has ended")
	}
}

// jobs: an owner charges a job once, whatever it says that it released for it and to which order; and only one that the order's buyer
// signed, under the order's contract, of this owner.
func (a *account) jobs(ctx context.Context) error {
	o := a.order.Body()
	for _, c := range a.charges {
		job := c.Body().Job
		if at, again := a.charged[charged{o.Owner, job}]; again {
			a.jobFault(LegCharges, job, "the job is charged again: it was charged to the order %s", at.Short())
		} else {
			a.charged[charged{o.Owner, job}] = a.order.Digest()
		}
		j, err := a.Jobs(ctx, job)
		if err != nil && !errors.Is(err, ErrNoJob) {
			return err
		}
		if err != nil || j.Digest() != job || j.Body().Requester != o.Buyer || j.Body().Contract != o.Contract || !slices.Contains(j.Body().Owners, o.Owner) {
			a.jobFault(LegCharges, job, "%d credits were charged for a job that the buyer did not sign, or not for this owner under this contract", c.Body().Amount)
		}
	}
	return nil
}

func (a *account) jobFault(leg string, job statement.Digest, format string, args ...any) {
	a.r.Faults = append(a.r.Faults, Fault{Leg: leg, Order: a.order.Digest(), Job: job, Text: fmt.Sprintf(format, args...)})
}

// receipts compares each charge with the release that it names, as the receipt of its job accounts for it.
func (a *account) receipts(ctx context.Context) error {
	for _, c := range a.charges {
		b := c.Body()
		releases, err := a.Receipts(ctx, b.Job)
		if errors.Is(err, ErrNoReceipt) {
			a.r.Open++
			continue
		}
		if err != nil {
			return err
		}
		a.r.Receipts++
		// The release that a receipt is about may be a later one of the job, which costs nothing.
		var charged int64
		named, later := false, false
		for _, rel := range releases {
			if rel.Body().Owner != b.Owner {
				continue
			}
			named, later = named || rel.Digest() == b.Release, later || rel.Body().Number > 1
			charged += rel.Body().Charged
		}
		if !named && !later || named && charged != b.Amount {
			a.jobFault(LegReceipts, b.Job, "%d credits were charged for the job, and its receipt accounts for %d", b.Amount, charged)
		}
	}
	return nil
}
