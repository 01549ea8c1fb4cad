package bound

import (
	"bytes"
	"cmp"
	"errors"
	"math/big"
	"slices"

	"github.com/cordon-exchange/cordon/privacy/dp/noise"
	"github.com/cordon-exchange/cordon/statement"
)

// Errors of this package carry no data.
var (
	// ErrOptions says that c, the clamps or the order are missing or out of range.
	ErrOptions = errors.New("bound: options are incomplete or out of range")
	// ErrPart says that a part has other slots than were agreed, or no domain; it points to a bug before this package.
	ErrPart = errors.New("bound: part does not have the agreed form")
	// ErrTooMany says that there are more units than fit.
	ErrTooMany = errors.New("bound: too many units")
	// ErrUsed says that the sums were taken already.
	ErrUsed = errors.New("bound: sums were taken already")
)

// Limits of the options.
const (
	MaxGroups  = 1 << 16 // c
	maxSlots   = 256
	maxUnits   = 1 << 26
	maxNumbers = 1 << 28 // units x c x slots, for those that are there
)

// Clamp bounds what one unit adds to one slot of one group.
type Clamp struct{ Lo, Hi *big.Int } // required: Lo <= Hi

// Width is the most that a unit more or less changes the slot of one group by: max(|Lo|, |Hi|).
func (c Clamp) Width() *big.Int {
	lo, hi := new(big.Int).Abs(c.Lo), new(big.Int).Abs(c.Hi)
	if lo.Cmp(hi) > 0 {
		return lo
	}
	return hi
}

func (c Clamp) of(x *big.Int) *big.Int {
	switch {
	case x.Cmp(c.Lo) < 0:
		return c.Lo
	case x.Cmp(c.Hi) > 0:
		return c.Hi
	}
	return x
}

// Options of a bounding. The zero value is refused.
type Options struct {
	Order  *noise.Order // required: secret, the same for the same release
	Groups int          // required: c, the most groups that one unit adds to
	Slots  []Clamp      // required: by slot
}

func (o *Options) valid() bool {
	ok := o.Order != nil && o.Groups >= 1 && o.Groups <= MaxGroups && len(o.Slots) >= 1 && len(o.Slots) <= maxSlots
	for _, c := range o.Slots {
		ok = ok && c.Lo != nil && c.Hi != nil && c.Lo.Cmp(c.Hi) <= 0
	}
	return ok
}

// Unit names one unit: equal identifiers of one domain are one unit, whichever owners they come from.
type Unit struct {
	Domain string // required: who shares the identity space, from the policies
	ID     string
}

func (u Unit) frame() string {
	return string(statement.Frame("cordon/unit/v1", []byte(u.Domain), []byte(u.ID)))
}

// Part is what some rows of one unit add to one group. A unit's parts may come in any number and order.
type Part struct {
	Unit  Unit
	Group Group
	Slots []*big.Int // by slot; nil adds nothing. No value is refused: a refusal would tell of the unit
}

// Cell is what the kept and clamped parts of a group sum to.
type Cell struct {
	Group Group
	Units int64 // that were kept here
	Slots []*big.Int
}

// Bounder takes parts and gives cells, once. One goroutine may use it at a time.
type Bounder struct {
	opts    Options
	units   map[string][]*kept // each at most c long, in the order of ranks
	numbers int
	used    bool
}

// kept is what one unit adds to one group so far, not yet clamped.
type kept struct {
	rank  [noise.OrderSize]byte
	group Group
	slots []*big.Int
}

// New checks the options.
func New(o Options) (*Bounder, error) {
	if !o.valid() {
		return nil, ErrOptions
	}
	o.Slots = slices.Clone(o.Slots)
	return &Bounder{opts: o, units: map[string][]*kept{}}, nil
}

// Add takes a part (docs/spec/dp.md, section 6). It keeps the c groups of the unit that rank first among those seen. A group that
// falls out has c before it for ever, so nothing that is dropped here would be in the end: the kept groups and their sums
// do not depend on the order of parts, and no more than units x c of them are held.
func (b *Bounder) Add(p Part) error {
	if b.used {
		return ErrUsed
	}
	if len(p.Slots) != len(b.opts.Slots) || p.Unit.Domain == "" {
		return ErrPart
	}
	unit := p.Unit.frame()
	groups, known := b.units[unit]
	if !known && len(b.units) == maxUnits {
		return ErrTooMany
	}
	k := &kept{rank: b.opts.Order.Rank([]byte(unit), []byte(p.Group)), group: p.Group}
	at, found := slices.BinarySearchFunc(groups, k, before)
	if !found {
		if at == b.opts.Groups {
			return nil
		}
		if err := b.insert(unit, at, k); err != nil {
			return err
		}
		groups = b.units[unit]
	}
	groups[at].add(p.Slots)
	return nil
}

// insert keeps a group that ranks among the first c, and lets the last go if there is one too many.
func (b *Bounder) insert(unit string, at int, k *kept) error {
	groups := b.units[unit]
	if len(groups) == b.opts.Groups {
		groups = groups[:len(groups)-1]
	} else if b.numbers += len(b.opts.Slots); b.numbers > maxNumbers {
		return ErrTooMany
	}
	k.slots = make([]*big.Int, len(b.opts.Slots))
	b.units[unit] = slices.Insert(groups, at, k)
	return nil
}

func before(x, y *kept) int {
	return cmp.Or(bytes.Compare(x.rank[:], y.rank[:]), cmp.Compare(x.group, y.group))
}

func (k *kept) add(slots []*big.Int) {
	for i, v := range slots {
		switch {
		case v == nil:
		case k.slots[i] == nil:
			k.slots[i] = new(big.Int).Set(v)
		default:
			k.slots[i].Add(k.slots[i], v)
		}
	}
}

// Cells clamps what each unit adds and sums it by group, in the order of groups (docs/spec/dp.md, section 6). Clamping comes after
// joining: a unit in two rows or at two owners has one clamp. It can be called once.
func (b *Bounder) Cells() ([]Cell, error) {
	if b.used {
		return nil, ErrUsed
	}
	b.used = true
	cells := map[Group]*Cell{}
	for _, groups := range b.units {
		for _, k := range groups {
			b.sum(cells, k)
		}
	}
	b.units = nil
	out := make([]Cell, 0, len(cells))
	for _, c := range cells {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(x, y Cell) int { return cmp.Compare(x.Group, y.Group) })
	return out, nil
}

func (b *Bounder) sum(cells map[Group]*Cell, k *kept) {
	c := cells[k.group]
	if c == nil {
		c = &Cell{Group: k.group, Slots: make([]*big.Int, len(k.slots))}
		for i := range c.Slots {
			c.Slots[i] = new(big.Int)
		}
		cells[k.group] = c
	}
	c.Units++
	for i, v := range k.slots {
		if v != nil {
			c.Slots[i].Add(c.Slots[i], b.opts.Slots[i].of(v))
		}
	}
}
