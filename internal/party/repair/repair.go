package repair

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/heads"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/statement"
)

// Record says what was known when a ledger was repaired. It is kept in the home folder, and the ledger names it.
type Record struct {
	Format   string                `json:"format"` // RecordFormat
	Party    statement.Fingerprint `json:"party"`
	AtMS     int64                 `json:"at_ms"`
	Head     statement.LedgerHead  `json:"head"`     // of the ledger as it was found
	Acks     []statement.Envelope  `json:"acks"`     // own ones, whose heads it lacks
	Datasets []string              `json:"datasets"` // whose privacy budgets are given up
	Reason   string                `json:"reason"`
}

// RecordFormat names the format of a record, with its version.
const RecordFormat = "cordon-repair/1"

// Options of a repair. All are required but those marked.
type Options struct {
	Home     home.Dir
	Ledger   *ledger.Ledger
	Heads    *heads.Store
	Self     statement.Fingerprint
	Bundles  []*receipt.Bundle // optional: evidence that others hold
	Datasets []string          // optional: names beside those that ledger, home and bundles know
	Reason   string
	Now      func() time.Time
}

// Plan is a repair that was worked out, and changed nothing yet.
type Plan struct {
	Record   Record
	Payload  []byte         // Record, encoded: what officers approve
	Imported []ledger.Entry // what the bundles prove and the ledger lacks
}

// Digest names the record.
func (p *Plan) Digest() statement.Digest { return statement.Sum(p.Payload) }

// New works out a repair. It refuses a ledger that lacks nothing that this party is known to have signed for.
func New(o Options) (*Plan, error) {
	p := &Plan{Record: Record{
		Format: RecordFormat, Party: o.Self, AtMS: o.Now().UnixMilli(), Head: o.Ledger.Head(), Acks: []statement.Envelope{},
		Datasets: []string{}, Reason: o.Reason,
	}}
	if err := p.missing(&o); err != nil {
		return nil, err
	}
	if err := p.datasets(&o); err != nil {
		return nil, err
	}
	for _, b := range o.Bundles {
		p.prove(&o, b)
	}
	var err error
	p.Payload, err = statement.Marshal(p.Record)
	return p, err
}

// missing collects the own acknowledgements whose heads the ledger lacks.
func (p *Plan) missing(o *Options) error {
	acks := []heads.Ack{o.Heads.Newest(o.Self), o.Heads.Missing(o.Self)}
	for _, b := range o.Bundles {
		found := len(acks)
		for i := range b.Acks {
			if a, err := heads.Verify(&b.Acks[i], o.Self); err == nil {
				acks = append(acks, a)
			}
		}
		if len(acks) == found {
			return fault.New(fault.Input, "a bundle has no acknowledgement signed by this party", "name bundles of jobs for which this party released keys", nil)
		}
	}
	var repairedMS int64
	o.Ledger.View(func(a *ledger.Accounts) { repairedMS = a.RepairedMS() })
	seen := map[statement.Digest]bool{}
	for _, a := range acks {
		if a == nil || seen[a.Digest()] || o.Ledger.Holds(a.Body().Head) || a.Body().ClosedMS <= repairedMS {
			continue
		}
		seen[a.Digest()] = true
		if a.Body().ClosedMS > p.Record.AtMS {
			return fault.New(fault.Untrusted, "an acknowledgement that this party signed is of a later time than it is now", "set the clock: the repair would not cover it", nil)
		}
		p.Record.Acks = append(p.Record.Acks, *a.Envelope())
	}
	if len(p.Record.Acks) == 0 {
		return fault.New(fault.Usage, "nothing is known to be missing from the ledger", "name a receipt bundle of a job since with --from; if there is none, nothing has to be repaired", nil)
	}
	slices.SortFunc(p.Record.Acks, func(a, b statement.Envelope) int { return cmp.Compare(a.Digest(), b.Digest()) })
	return nil
}

// datasets are all whose budget lost entries may have charged: those that the ledger, the home, the bundles or a person knows.
func (p *Plan) datasets(o *Options) error {
	names := slices.Clone(o.Datasets)
	o.Ledger.View(func(a *ledger.Accounts) { names = append(names, a.Datasets()...) })
	folders, err := filepath.Glob(filepath.Join(o.Home.Datasets(), "*"))
	if err != nil {
		return err
	}
	for _, f := range folders {
		names = append(names, filepath.Base(f))
	}
	for _, b := range o.Bundles {
		for i := range b.Offers {
			if v, err := statement.Verify[statement.Offer](&b.Offers[i], o.Self); err == nil && v.Body().Owner == o.Self {
				names = append(names, v.Body().Dataset)
			}
		}
	}
	for _, n := range names {
		if statement.ValidName(n) && !slices.Contains(p.Record.Datasets, n) {
			p.Record.Datasets = append(p.Record.Datasets, n)
		}
	}
	slices.Sort(p.Record.Datasets)
	return nil
}

// prove takes from a bundle the entries of this party's release in it, if the ledger lacks them: it signed the release, and, in its
// acknowledgement, for the receipt. Nothing else of the bundle is relied on.
func (p *Plan) prove(o *Options, b *receipt.Bundle) {
	var ack heads.Ack
	for i := range b.Acks {
		if a, err := heads.Verify(&b.Acks[i], o.Self); err == nil {
			ack = a
		}
	}
	for i := range b.Releases {
		r, err := statement.Verify[statement.Release](&b.Releases[i], o.Self)
		if err != nil || r.Body().Owner != o.Self || p.has(o, r) {
			continue
		}
		p.Imported = append(p.Imported, releaseEntries(b, r)...)
		if ack != nil && ack.Body().Release == r.Digest() {
			p.Imported = append(p.Imported, closeEntry(b, ack))
		}
	}
}

func (p *Plan) has(o *Options, r *statement.Verified[statement.Release]) (has bool) {
	o.Ledger.View(func(a *ledger.Accounts) {
		for _, x := range a.Job(r.Body().Job).Exposures {
			has = has || x.Release == r.Digest()
		}
	})
	return has || slices.ContainsFunc(p.Imported, func(e ledger.Entry) bool { return e.Kind == ledger.KindRelease && e.Release == r.Digest() })
}

func releaseEntries(b *receipt.Bundle, r *statement.Verified[statement.Release]) []ledger.Entry {
	rel := r.Body()
	e := ledger.Entry{
		Kind: ledger.KindRelease, AtMS: rel.ReleasedMS, Job: rel.Job, Session: rel.Session, Plan: rel.Plan, Evidence: rel.Evidence, Ready: rel.Ready,
		Grant: rel.Grant, Release: r.Digest(), Columns: rel.Columns, Number: rel.Number, Charged: rel.Charged,
	}
	j, err := statement.DecodeUnverified[statement.Job](b.Job.Payload)
	if err != nil || b.Job.Digest() != rel.Job { // the release names the job: what it says needs no other proof
		return []ledger.Entry{e}
	}
	e.Contract, e.Requester = j.Contract, j.Requester
	if rel.Number != 1 {
		return []ledger.Entry{e}
	}
	return []ledger.Entry{{
		Kind: ledger.KindCharge, AtMS: rel.ReleasedMS, Job: rel.Job, Contract: j.Contract, Requester: j.Requester, Plan: rel.Plan, Grant: rel.Grant, Charged: rel.Charged,
	}, e}
}

func closeEntry(b *receipt.Bundle, ack heads.Ack) ledger.Entry {
	e := ledger.Entry{
		Kind: ledger.KindClose, AtMS: ack.Body().ClosedMS, Job: ack.Body().Job, Release: ack.Body().Release, Receipt: ack.Body().Receipt, Outcome: "unknown",
	}
	if r, err := statement.DecodeUnverified[statement.Receipt](b.Receipt.Payload); err == nil && b.Receipt.Digest() == ack.Body().Receipt {
		e.Outcome = r.Outcome
	}
	return e
}

// Apply writes the repair: record, what was proved, then all budgets given up, then the entry from which on the ledger counts as whole
// again. A crash in between leaves less than there was, never more.
func (p *Plan) Apply(ctx context.Context, o Options) error {
	dir := filepath.Join(o.Home.Path(), "repairs")
	if err := home.MkdirAll(dir); err != nil {
		return err
	}
	digest := p.Digest()
	if err := home.WriteFile(filepath.Join(dir, strings.TrimPrefix(string(digest), "sha256:")+".json"), p.Payload); err != nil {
		return err
	}
	entries := slices.Clone(p.Imported)
	for _, name := range p.Record.Datasets {
		entries = append(entries, ledger.Entry{Kind: ledger.KindExhaust, AtMS: p.Record.AtMS, About: digest, Name: name})
	}
	entries = append(entries, ledger.Entry{Kind: ledger.KindRepair, AtMS: p.Record.AtMS, About: digest, Reason: p.Record.Reason})
	if _, err := o.Ledger.AppendAll(ctx, func(*ledger.Accounts) ([]ledger.Entry, error) { return entries, nil }); err != nil {
		return err
	}
	return o.Heads.Forget(o.Self) // acknowledgements to come have lower numbers, and are to be remembered again
}
