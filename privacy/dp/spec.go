package dp

import (
	"cmp"
	"errors"
	"math/big"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/privacy/dp/account"
	"github.com/cordon-exchange/cordon/privacy/dp/bound"
	"github.com/cordon-exchange/cordon/statement"
)

// Errors of this package carry no data.
var (
	// ErrSpec says that a specification is incomplete, out of range or not strictly encoded. It follows from policy and plan.
	ErrSpec = errors.New("dp: specification is incomplete or out of range")
	// ErrKeys says that the noise keys are not those of the specification's offers.
	ErrKeys = errors.New("dp: noise keys do not fit the offers")
	// ErrPart says that a part does not have the form of the specification; it points to a bug before this package.
	ErrPart = errors.New("dp: part does not have the form of the specification")
	// ErrUsed says that the table was taken already.
	ErrUsed = errors.New("dp: the table was taken already")
	// ErrNoise says that no noise could be drawn, or memory is short: there is no answer.
	ErrNoise = errors.New("dp: no answer can be given")
)

// Mechanism is the noise. The zero value is refused.
type Mechanism string

// The mechanisms.
const (
	Laplace  Mechanism = "laplace"  // pure epsilon: for few numbers
	Gaussian Mechanism = "gaussian" // rho-zCDP: for many
)

// Groups says where the groups of the table come from. The zero value is refused.
type Groups string

// Where groups come from.
const (
	Given    Groups = "given"    // by the query or a declared domain: all are answered, with rows or without
	Selected Groups = "selected" // by the data: a group is shown if enough units are in it, which costs epsilon and delta
)

// Kind of an aggregate. The zero value is refused.
type Kind string

// The kinds of aggregates.
const (
	CountRows  Kind = "count"       // rows, at most Cap of a unit in a group
	CountUnits Kind = "count_units" // units
	Sum        Kind = "sum"         // of a measure; what a unit adds to a group is clamped to Lo..Hi
	Avg        Kind = "avg"         // of a measure with values of Lo..Hi, at most Cap rows of a unit in a group
)

// Rule is how much of the budget a release takes, and what bounds a unit.
type Rule struct {
	Mechanism Mechanism      `json:"mechanism"`         // required
	Epsilon   account.Amount `json:"epsilon,omitempty"` // required for Laplace, else absent: of the whole release
	Rho       account.Amount `json:"rho,omitempty"`     // required for Gaussian, else absent: of the whole release
	Delta     account.Amount `json:"delta,omitempty"`   // required for Selected, else absent: of the whole selection
	MaxGroups int64          `json:"max_groups"`        // required: c, the most groups that a unit adds to
	MinUnits  int64          `json:"min_units"`         // required for Selected, else 0: groups of fewer units never show
}

// Aggregate is one number of every group.
type Aggregate struct {
	Kind Kind   `json:"kind"`          // required
	Cap  int64  `json:"cap,omitempty"` // required for CountRows and Avg, else absent
	Lo   string `json:"lo,omitempty"`  // required for Sum and Avg, else absent: an integer, scaled like the measure
	Hi   string `json:"hi,omitempty"`
}

// Spec is all that a release depends on but the data and the keys. Everybody who compiles the query reaches the same one.
type Spec struct {
	Node       statement.Digest   `json:"node"`            // required: of the plan below the release: which rows are in which group
	Offers     []statement.Digest `json:"offers"`          // required: of the data set versions read, sorted
	Rule       Rule               `json:"rule"`            // required
	Aggregates []Aggregate        `json:"aggregates"`      // required
	Groups     Groups             `json:"groups"`          // required
	Given      [][]byte           `json:"given,omitempty"` // required for Given, else absent: encodings of bound.Group, sorted
	Copies     int64              `json:"copies"`          // required: as how many units one person may be there; 1 where identities are joined
}

// Limits of a specification (docs/spec/dp.md, section 10).
const (
	maxSpec       = 8 << 20 // bytes
	maxAggregates = 64
	maxGiven      = 1 << 17
	maxOffers     = 1 << 10
	maxCap        = 1 << 32
	maxDigits     = 39 // of a clamp: 128 bits
	maxBudget     = 64 // epsilon or rho of one release
	maxCopies     = 1 << 10
)

// Encode gives the one encoding of a specification.
func (s *Spec) Encode() ([]byte, error) {
	if _, err := Check(*s); err != nil {
		return nil, err
	}
	return statement.Marshal(s)
}

// Decode reads what Encode gives, and nothing else.
func Decode(src []byte) (*Spec, error) {
	s := &Spec{}
	if err := statement.UnmarshalUpTo(src, maxSpec, s); err != nil {
		return nil, ErrSpec
	}
	if _, err := Check(*s); err != nil {
		return nil, err
	}
	return s, nil
}

// slot is one noisy number, and what a unit may add to it.
type slot struct {
	clamp bound.Clamp
	share *big.Rat // of the release's budget
}

// Checked is a specification whose numbers hold: only Check makes one. It may be used concurrently.
type Checked struct {
	spec   Spec
	digest statement.Digest
	cost   account.Cost
	slots  []slot
	first  []int // slot of each aggregate; a mean has two
	given  map[bound.Group]bool
	noises []drawer   // by slot
	scales []*big.Rat // by slot, of Laplace noise
	keep   []*big.Int // Selected: chance of a group by units, over 2^keepBits
}

// Check validates a specification and derives noise and cost from it (docs/spec/dp.md, section 7). It keeps its own copy.
func Check(s Spec) (*Checked, error) {
	s = s.clone()
	b, err := statement.Marshal(s)
	if err != nil || len(b) > maxSpec || !s.valid() {
		return nil, ErrSpec
	}
	c := &Checked{spec: s, digest: statement.LabelledSum("cordon/dp-release/v1", b)}
	if err := c.lists(); err != nil {
		return nil, err
	}
	if err := c.budget(); err != nil {
		return nil, err
	}
	return c, nil
}

// Digest names the release in the budget, and is what its noise is derived from: a change of any number is another release
// with other noise, charged anew.
func (c *Checked) Digest() statement.Digest { return c.digest }

// Cost is what every data set's budget is charged.
func (c *Checked) Cost() account.Cost {
	out := account.Cost{Rho: new(big.Rat).Set(c.cost.Rho), Delta: new(big.Rat).Set(c.cost.Delta)}
	if c.cost.Epsilon != nil {
		out.Epsilon = new(big.Rat).Set(c.cost.Epsilon)
	}
	return out
}

func (s Spec) clone() Spec {
	s.Offers, s.Aggregates, s.Given = slices.Clone(s.Offers), slices.Clone(s.Aggregates), slices.Clone(s.Given)
	for i := range s.Given {
		s.Given[i] = slices.Clone(s.Given[i])
	}
	return s
}

func (s *Spec) valid() bool {
	in := func(v, lo, hi int64) bool { return lo <= v && v <= hi }
	r := &s.Rule
	selected := s.Groups == Selected
	return s.Node.Valid() && ascending(s.Offers, maxOffers) &&
		(selected || s.Groups == Given) && selected == (len(s.Given) == 0) && len(s.Given) <= maxGiven &&
		in(int64(len(s.Aggregates)), 1, maxAggregates) && in(r.MaxGroups, 1, bound.MaxGroups) &&
		selected == (r.Delta != "") && selected == in(r.MinUnits, 1, maxCap) && (selected || r.MinUnits == 0) &&
		in(s.Copies, 1, maxCopies) && (s.Copies == 1 || !selected) &&
		(r.Mechanism == Laplace && r.Epsilon != "" && r.Rho == "" || r.Mechanism == Gaussian && r.Rho != "" && r.Epsilon == "")
}

func ascending(list []statement.Digest, most int) bool {
	for i, d := range list {
		if !d.Valid() || i > 0 && cmp.Compare(list[i-1], d) >= 0 {
			return false
		}
	}
	return len(list) >= 1 && len(list) <= most
}

// lists reads groups and aggregates.
func (c *Checked) lists() error {
	if c.spec.Groups == Given {
		c.given = map[bound.Group]bool{}
	}
	for i, g := range c.spec.Given {
		if _, err := bound.Group(g).Key(); err != nil || i > 0 && string(c.spec.Given[i-1]) >= string(g) {
			return ErrSpec
		}
		c.given[bound.Group(g)] = true
	}
	for _, a := range c.spec.Aggregates {
		clamps, ok := a.clamps()
		if !ok {
			return ErrSpec
		}
		c.first = append(c.first, len(c.slots))
		for _, clamp := range clamps {
			if clamp.Width().Sign() == 0 { // nothing that a unit adds would count
				return ErrSpec
			}
			c.slots = append(c.slots, slot{clamp: clamp, share: big.NewRat(1, int64(len(clamps)))})
		}
	}
	return nil
}

// clamps are what a unit may add to the slots of an aggregate (docs/spec/dp.md, section 7.1).
func (a Aggregate) clamps() ([]bound.Clamp, bool) {
	capped := a.Cap >= 1 && a.Cap <= maxCap
	rows := bound.Clamp{Lo: new(big.Int), Hi: big.NewInt(a.Cap)}
	switch a.Kind {
	case CountRows:
		return []bound.Clamp{rows}, capped && a.Lo == "" && a.Hi == ""
	case CountUnits:
		return []bound.Clamp{{Lo: new(big.Int), Hi: big.NewInt(1)}}, a.Cap == 0 && a.Lo == "" && a.Hi == ""
	case Sum:
		lo, hi, ok := a.bounds()
		return []bound.Clamp{{Lo: lo, Hi: hi}}, ok && a.Cap == 0
	case Avg: // twice the distance from the midpoint, so that it is an integer
		lo, hi, ok := a.bounds()
		if !ok || !capped {
			return nil, false
		}
		reach := new(big.Int).Sub(hi, lo)
		reach.Mul(reach, rows.Hi)
		return []bound.Clamp{{Lo: new(big.Int).Neg(reach), Hi: reach}, rows}, true
	}
	return nil, false
}

func (a Aggregate) bounds() (lo, hi *big.Int, ok bool) {
	lo, okLo := integer(a.Lo)
	hi, okHi := integer(a.Hi)
	return lo, hi, okLo && okHi && lo.Cmp(hi) <= 0
}

// integer reads the one form of an integer.
func integer(s string) (*big.Int, bool) {
	if len(strings.TrimPrefix(s, "-")) > maxDigits {
		return nil, false
	}
	x, ok := new(big.Int).SetString(s, 10)
	return x, ok && x.String() == s
}
