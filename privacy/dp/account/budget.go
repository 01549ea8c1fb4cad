package account

import (
	"errors"
	"slices"

	"github.com/cordon-exchange/cordon/statement"
)

// Errors of a budget say nothing of data: they follow from terms and events.
var (
	// ErrTerms says that a budget's total or caps are absent or out of range.
	ErrTerms = errors.New("account: terms of the budget are incomplete or out of range")
	// ErrOverspent says that a charge is more than what is left.
	ErrOverspent = errors.New("account: the budget does not cover this release")
)

// Scope says whose charges a cap counts. The zero value is refused.
type Scope uint8

// The scopes of a cap.
const (
	Everyone Scope = iota + 1 // all organisations together
	Each                      // every organisation by itself
	Only                      // the one named
)

// Cap tightens a budget further: it never allows what the total does not.
type Cap struct {
	Scope    Scope
	Org      statement.Fingerprint // required for Only, else absent
	PeriodMS int64                 // the time that counts, up to now; 0 is the lifetime of the data set
	Most     Cost                  // required
}

// Terms are what a policy allows for one data set. The zero value is refused.
type Terms struct {
	Total Cost // required: over the lifetime of the data set, all versions and all organisations together
	Caps  []Cap
}

const maxCaps = 1 << 10

func (t *Terms) valid() bool {
	ok := t.Total.valid() && len(t.Caps) <= maxCaps
	for _, c := range t.Caps {
		ok = ok && c.Most.valid() && c.PeriodMS >= 0 && c.Scope >= Everyone && c.Scope <= Only && c.Org.Valid() == (c.Scope == Only) &&
			(c.Scope == Only || c.Org == "")
	}
	return ok
}

// Charge asks for a release to be paid.
type Charge struct {
	AtMS    int64                 // required: the owner's clock
	Release statement.Digest      // required: names the release and all that its noise depends on
	Org     statement.Fingerprint // required: the organisation, not the user: colleagues pool what they learn
	Cost    Cost                  // required
}

// Budget is the account of one data set: a state machine without a clock or a disk. One goroutine may use it at a time.
type Budget struct {
	terms Terms
	lines []line
	paid  map[statement.Digest]Cost
	seen  map[once]bool
	spent Cost
}

// line is an event with what it stands for.
type line struct {
	Event
	cost  Cost
	first bool // of its release: the one that the total pays
}

// once is what is charged once to an organisation's caps.
type once struct {
	release statement.Digest
	org     statement.Fingerprint
}

// Open replays the events of a data set under terms that may be tighter than those they were charged under: then nothing is
// left.
func Open(t Terms, events []Event) (*Budget, error) {
	if !t.valid() {
		return nil, ErrTerms
	}
	t.Caps = slices.Clone(t.Caps)
	b := &Budget{terms: t, paid: map[statement.Digest]Cost{}, seen: map[once]bool{}, spent: Nothing()}
	for _, e := range events {
		if err := b.Apply(e); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Check decides about a charge (docs/spec/dp.md, section 9) and changes nothing. If it gives an event, that has to be made durable
// and applied before the release happens; without one the charge is paid already. The same release costs the total once,
// whoever asks: it is the same answer. It costs each organisation's caps once.
func (b *Budget) Check(c Charge) (e Event, fresh bool, err error) {
	e, err = b.event(c)
	if err != nil {
		return Event{}, false, err
	}
	paid, known := b.paid[c.Release]
	if known && !paid.equal(c.Cost) {
		return Event{}, false, ErrEvent
	}
	if b.seen[once{c.Release, c.Org}] {
		return Event{}, false, nil
	}
	if !known && !b.spent.Plus(c.Cost).Within(b.terms.Total) {
		return Event{}, false, ErrOverspent
	}
	for i := range b.terms.Caps {
		if !b.allows(&b.terms.Caps[i], e, c.Cost, known) {
			return Event{}, false, ErrOverspent
		}
	}
	return e, true, nil
}

// event is the charge as it would be recorded. A clock that goes back does not open a period again.
func (b *Budget) event(c Charge) (Event, error) {
	if !c.Cost.valid() {
		return Event{}, ErrEvent
	}
	rho, _ := AmountOf(c.Cost.Rho)
	delta, _ := AmountOf(c.Cost.Delta)
	e := Event{AtMS: c.AtMS, Release: c.Release, Org: c.Org, Rho: rho, Delta: delta}
	if c.Cost.Epsilon != nil {
		e.Epsilon, _ = AmountOf(c.Cost.Epsilon)
	}
	if _, err := e.Cost(); err != nil {
		return Event{}, err
	}
	e.AtMS = max(e.AtMS, b.last())
	return e, nil
}

// allows tells whether a cap covers one more event. A release that was paid before adds nothing to a cap on everyone.
func (b *Budget) allows(c *Cap, e Event, cost Cost, known bool) bool {
	if c.Scope == Everyone && known || c.Scope == Only && c.Org != e.Org {
		return true
	}
	return b.counted(c, e.Org, e.AtMS).Plus(cost).Within(c.Most)
}

// counted is what counts towards a cap for an organisation at a time.
func (b *Budget) counted(c *Cap, org statement.Fingerprint, at int64) Cost {
	sum := Nothing()
	for _, l := range b.lines {
		counts := l.Org == org
		if c.Scope == Everyone {
			counts = l.first
		}
		if counts && within(l.AtMS, at, c.PeriodMS) {
			sum = sum.Plus(l.cost)
		}
	}
	return sum
}

// LeftOf is what the cap of that index still covers for an organisation at a time; the total may cover less.
func (b *Budget) LeftOf(index int, org statement.Fingerprint, atMS int64) Cost {
	c := &b.terms.Caps[index]
	return c.Most.left(b.counted(c, org, max(atMS, b.last())))
}

// within tells whether at lies in the period that ends now.
func within(at, now, period int64) bool { return period == 0 || at > now-period }

// Apply takes up an event that is durable. It refuses one that is not complete, comes again, goes back in time, or costs
// something else than the same release did before: somebody changed the list. It does not ask whether the budget covered it.
func (b *Budget) Apply(e Event) error {
	cost, err := e.Cost()
	if err != nil {
		return err
	}
	paid, known := b.paid[e.Release]
	key := once{e.Release, e.Org}
	if known && !paid.equal(cost) || b.seen[key] || e.AtMS < b.last() {
		return ErrEvent
	}
	if !known {
		b.paid[e.Release] = cost
		b.spent = b.spent.Plus(cost)
	}
	b.seen[key] = true
	b.lines = append(b.lines, line{e, cost, !known})
	return nil
}

// Charge is Check and Apply in one, for accounts that live no longer than the process.
func (b *Budget) Charge(c Charge) (Event, bool, error) {
	e, fresh, err := b.Check(c)
	if err != nil || !fresh {
		return Event{}, false, err
	}
	return e, true, b.Apply(e)
}

// Events are all charges, oldest first.
func (b *Budget) Events() []Event {
	out := make([]Event, len(b.lines))
	for i, l := range b.lines {
		out[i] = l.Event
	}
	return out
}

// last is the time of the last event.
func (b *Budget) last() int64 {
	if len(b.lines) == 0 {
		return 0
	}
	return b.lines[len(b.lines)-1].AtMS
}

// Left is what the total still covers; caps may cover less.
func (b *Budget) Left() Cost { return b.terms.Total.left(b.spent) }

// Spent is what all releases cost together.
func (b *Budget) Spent() Cost { return b.spent }
