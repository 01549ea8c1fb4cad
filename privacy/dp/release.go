package dp

import (
	"errors"
	"math/big"

	"github.com/cordon-exchange/cordon/privacy"
	"github.com/cordon-exchange/cordon/privacy/dp/bound"
	"github.com/cordon-exchange/cordon/privacy/dp/noise"
)

// Purposes of streams (docs/spec/dp.md, section 4.2).
const (
	forNoise  = "noise"
	forGroups = "groups"
)

// Release takes what units add to groups, and gives the table, once. One goroutine may use it at a time.
type Release struct {
	spec    *Checked
	source  *noise.Source
	bounder *bound.Bounder
}

// Part is what some rows of one unit add to one group, at one owner or another. A unit's rows may come in any number of
// parts and in any order.
type Part struct {
	Unit   bound.Unit
	Key    []privacy.Value
	Values []Value // by aggregate
}

// Value is a part for one aggregate: of the rows where the aggregate's column is not NULL.
type Value struct {
	Rows int64    // how many; for CountUnits any number above 0 says that the unit is there
	Sum  *big.Int // Sum and Avg: of the column, scaled; nil if there are no rows
}

// Open starts a release under the noise keys of all its offers.
func (c *Checked) Open(keys []noise.Keyed) (*Release, error) {
	if len(keys) != len(c.spec.Offers) {
		return nil, ErrKeys
	}
	have := map[string]bool{}
	for _, k := range keys {
		have[string(k.Offer)] = true
	}
	for _, o := range c.spec.Offers {
		if !have[string(o)] {
			return nil, ErrKeys
		}
	}
	source, err := noise.New(c.digest, keys)
	if err != nil {
		return nil, ErrKeys
	}
	o := bound.Options{Order: source.Order(), Groups: int(c.spec.Rule.MaxGroups)}
	for _, s := range c.slots {
		o.Slots = append(o.Slots, s.clamp)
	}
	b, err := bound.New(o)
	if err != nil {
		return nil, ErrSpec
	}
	return &Release{c, source, b}, nil
}

// Add takes a part. Groups that are not among those given are as if their rows were not there, before groups are counted
// against c.
func (r *Release) Add(p Part) error {
	if r.source == nil {
		return ErrUsed
	}
	g, err := bound.Encode(p.Key)
	if err != nil || len(p.Values) != len(r.spec.spec.Aggregates) {
		return ErrPart
	}
	if r.spec.given != nil && !r.spec.given[g] {
		return nil
	}
	slots, err := r.spec.fill(p.Values)
	if err != nil {
		return err
	}
	switch err := r.bounder.Add(bound.Part{Unit: p.Unit, Group: g, Slots: slots}); {
	case errors.Is(err, bound.ErrPart):
		return ErrPart
	case err != nil:
		return ErrNoise
	}
	return nil
}

// fill lays the values out by slot.
func (c *Checked) fill(values []Value) ([]*big.Int, error) {
	out := make([]*big.Int, len(c.slots))
	for i, v := range values {
		a, at := &c.spec.Aggregates[i], c.first[i]
		if v.Rows < 0 || (a.Kind == Sum || a.Kind == Avg) && v.Rows > 0 && v.Sum == nil {
			return nil, ErrPart
		}
		if v.Rows == 0 {
			continue
		}
		switch a.Kind {
		case CountRows:
			out[at] = big.NewInt(v.Rows)
		case CountUnits:
			out[at] = big.NewInt(1)
		case Sum:
			out[at] = v.Sum
		case Avg:
			out[at], out[at+1] = a.centred(v), big.NewInt(v.Rows)
		}
	}
	return out, nil
}

// centred is twice the sum of the distances from the midpoint: 2 sum - (lo + hi) rows.
func (a *Aggregate) centred(v Value) *big.Int {
	lo, hi, _ := a.bounds()
	mid := lo.Add(lo, hi)
	twice := new(big.Int).Lsh(v.Sum, 1)
	return twice.Sub(twice, mid.Mul(mid, big.NewInt(v.Rows)))
}

// Row is what is shown of one group.
type Row struct {
	Key    []privacy.Value
	Values []*big.Rat // by aggregate; counts and sums are integers, and may be below 0
}

// Table gives the noisy numbers of all groups that are shown, in the order of the groups' encodings. It can be called once, and
// on an error there is no answer.
func (r *Release) Table() ([]Row, error) {
	if r.source == nil {
		return nil, ErrUsed
	}
	defer r.close()
	cells, err := r.bounder.Cells()
	if err != nil {
		return nil, ErrNoise
	}
	rows := []Row{}
	for _, cell := range r.candidates(cells) {
		ok, err := r.shows(cell)
		if err != nil {
			return nil, ErrNoise
		}
		if !ok {
			continue
		}
		row, err := r.row(cell)
		if err != nil {
			return nil, ErrNoise
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// close forgets the secret: what was drawn from is not there for another call.
func (r *Release) close() {
	r.source.Wipe()
	r.source = nil
}

// candidates are the groups given, with rows or without; else those that have a unit.
func (r *Release) candidates(cells []bound.Cell) []bound.Cell {
	if r.spec.given == nil {
		return cells
	}
	by := map[bound.Group]bound.Cell{}
	for _, c := range cells {
		by[c.Group] = c
	}
	out := make([]bound.Cell, 0, len(r.spec.given))
	for _, g := range r.spec.spec.Given {
		c, ok := by[bound.Group(g)]
		if !ok {
			c = r.empty(bound.Group(g))
		}
		out = append(out, c)
	}
	return out
}

func (r *Release) empty(g bound.Group) bound.Cell {
	c := bound.Cell{Group: g, Slots: make([]*big.Int, len(r.spec.slots))}
	for i := range c.Slots {
		c.Slots[i] = new(big.Int)
	}
	return c
}

func (r *Release) shows(c bound.Cell) (bool, error) {
	if r.spec.spec.Groups == Given {
		return true, nil
	}
	u, err := r.source.Stream(forGroups, []byte(c.Group), 0)
	if err != nil {
		return false, err
	}
	return r.spec.shown(u, c.Units)
}

// row adds noise to every slot, and computes the aggregates from the noisy numbers alone.
func (r *Release) row(c bound.Cell) (Row, error) {
	key, err := c.Group.Key()
	if err != nil {
		return Row{}, err
	}
	noisy := make([]*big.Int, len(c.Slots))
	for i, exact := range c.Slots {
		u, err := r.source.Stream(forNoise, []byte(c.Group), uint32(i))
		if err != nil {
			return Row{}, err
		}
		drawn, err := r.spec.noises[i](u)
		if err != nil {
			return Row{}, err
		}
		noisy[i] = drawn.Add(drawn, exact)
	}
	row := Row{Key: key}
	for i := range r.spec.spec.Aggregates {
		row.Values = append(row.Values, r.spec.spec.Aggregates[i].finish(noisy[r.spec.first[i]:]))
	}
	return row, nil
}

// finish computes an aggregate from its noisy slots. A mean is midpoint + sum/(2 max(1, count)), within the bounds of its
// values.
func (a *Aggregate) finish(noisy []*big.Int) *big.Rat {
	if a.Kind != Avg {
		return new(big.Rat).SetInt(noisy[0])
	}
	lo, hi, _ := a.bounds()
	count := new(big.Int).Set(noisy[1])
	if count.Sign() <= 0 {
		count.SetInt64(1)
	}
	mean := new(big.Rat).SetFrac(noisy[0], count)
	mean.Add(mean, new(big.Rat).SetInt(new(big.Int).Add(lo, hi))).Quo(mean, big.NewRat(2, 1))
	for _, end := range []struct {
		at   *big.Int
		side int
	}{{lo, -1}, {hi, 1}} {
		if e := new(big.Rat).SetInt(end.at); mean.Cmp(e) == end.side {
			mean = e
		}
	}
	return mean
}
