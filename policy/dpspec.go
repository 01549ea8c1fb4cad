package policy

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/privacy"
	"github.com/cordon-exchange/cordon/privacy/dp"
	"github.com/cordon-exchange/cordon/privacy/dp/account"
	"github.com/cordon-exchange/cordon/privacy/dp/bound"
	"github.com/cordon-exchange/cordon/statement"
)

// Charge is what one release takes from the budget of one data set version.
type Charge struct {
	Offer   string
	Release string // digest of the checked specification
	Epsilon string // an amount, as are the others
	Rho     string
	Delta   string
}

// NoiseOffers lists the offers whose noise key a plan needs, sorted.
func (p *Plan) NoiseOffers() []string {
	if p.Program == nil {
		return nil
	}
	var out []string
	for i, n := range p.Program.Releases {
		if n.Mode == ModeDP {
			out = append(out, p.offersOf(i)...)
		}
	}
	return sortedSet(out)
}

// Charges lists what the releases take, one for each data set version and release. Two releases that ask the same have one noise,
// and are one.
func (p *Plan) Charges() (out []Charge) {
	if p.Program == nil {
		return nil
	}
	for i, n := range p.Program.Releases {
		if n.Mode != ModeDP {
			continue
		}
		c, err := p.Noise(i)
		if err != nil {
			panic("policy: a plan's specification was checked: " + err.Error())
		}
		rho, err1 := account.AmountOf(c.Cost().Rho)
		delta, err2 := account.AmountOf(c.Cost().Delta)
		if err1 != nil || err2 != nil {
			panic("policy: a checked cost is an amount")
		}
		for _, o := range p.offersOf(i) {
			charge := Charge{Offer: o, Release: string(c.Digest()), Epsilon: n.DP.Epsilon, Rho: string(rho), Delta: string(delta)}
			if !slices.Contains(out, charge) {
				out = append(out, charge)
			}
		}
	}
	return out
}

// Noise is the checked specification of a release under ModeDP.
func (p *Plan) Noise(release int) (*dp.Checked, error) {
	return p.Program.noise(release, p.Sources)
}

func (p *Plan) offersOf(release int) []string { return p.Program.offersOf(release, p.Sources) }

func (p *Program) offersOf(release int, sources []PlanSource) (out []string) {
	p.Releases[release].From.eachScan(func(s Step) {
		for _, i := range p.Tables[s.Table].Sources {
			out = append(out, sources[i].Offer)
		}
	})
	return sortedSet(out)
}

// noise writes the specification of a release: all that it depends on but data and keys.
func (p *Program) noise(release int, sources []PlanSource) (*dp.Checked, error) {
	n := p.Releases[release]
	if n.DP == nil {
		return nil, dp.ErrSpec
	}
	node, err := p.noiseNode(release, sources)
	if err != nil {
		return nil, err
	}
	s := dp.Spec{
		Node: node, Copies: n.DP.Copies, Groups: dp.Selected,
		Rule: dp.Rule{Mechanism: dp.Laplace, Epsilon: account.Amount(n.DP.Epsilon), Delta: account.Amount(n.DP.Delta), MaxGroups: n.DP.MaxGroupsPerUnit, MinUnits: n.DP.MinUnits},
	}
	for _, o := range p.offersOf(release, sources) {
		s.Offers = append(s.Offers, statement.Digest(o))
	}
	for _, a := range n.Aggs {
		x, ok := n.noisyAggregate(a)
		if !ok {
			return nil, dp.ErrSpec
		}
		s.Aggregates = append(s.Aggregates, x)
	}
	if len(n.Keys) == 0 || len(n.Keys[0].Values) > 0 {
		s.Groups = dp.Given
		if s.Given, err = n.givenGroups(); err != nil {
			return nil, err
		}
	}
	return dp.Check(s)
}

func (n ReleaseNode) noisyAggregate(a Agg) (dp.Aggregate, bool) {
	switch a.Op {
	case AggCount, AggCountValue:
		return dp.Aggregate{Kind: dp.CountRows, Cap: n.DP.MaxRowsPerUnit}, true
	case AggCountUnits:
		return dp.Aggregate{Kind: dp.CountUnits}, true
	}
	if a.Op != AggSum && a.Op != AggAvg || a.Arg == nil || a.Arg.Op != OpCol {
		return dp.Aggregate{}, false
	}
	b := n.From.boundsAt(a.Arg.Index)
	if b == nil || b.Scale != a.Scale {
		return dp.Aggregate{}, false
	}
	out := dp.Aggregate{Kind: dp.Sum, Lo: itoa64(b.Lo), Hi: itoa64(b.Hi)}
	if a.Op == AggAvg {
		out.Kind, out.Cap = dp.Avg, n.DP.MaxRowsPerUnit
	}
	return out, true
}

// givenGroups are all combinations of the keys' values, encoded and in order.
func (n ReleaseNode) givenGroups() ([][]byte, error) {
	keys := [][]privacy.Value{{}}
	for _, k := range n.Keys {
		var next [][]privacy.Value
		if len(keys)*len(k.Values) > maxGiven {
			return nil, dp.ErrSpec
		}
		for _, have := range keys {
			for _, v := range k.Values {
				next = append(next, append(slices.Clone(have), privacy.Value{Text: v}))
			}
		}
		keys = next
	}
	var out [][]byte
	for _, k := range keys {
		g, err := bound.Encode(k)
		if err != nil {
			return nil, err
		}
		out = append(out, []byte(g))
	}
	slices.SortFunc(out, func(a, b []byte) int { return strings.Compare(string(a), string(b)) })
	return out, nil
}

// noiseNode names what decides which rows are in which group, and what of them is aggregated. Names of tables are left out: a pool
// and its members written out are one question.
func (p *Program) noiseNode(release int, sources []PlanSource) (statement.Digest, error) {
	n := p.Releases[release]
	type table struct {
		Unit   Unit     `json:"unit"`
		Offers []string `json:"offers"`
	}
	var tables []table
	at := map[int]int{}
	n.From.eachScan(func(s Step) {
		if _, have := at[s.Table]; have {
			return
		}
		at[s.Table] = len(tables)
		t := table{Unit: p.Tables[s.Table].Unit}
		for _, i := range p.Tables[s.Table].Sources {
			t.Offers = append(t.Offers, sources[i].Offer)
		}
		slices.Sort(t.Offers)
		tables = append(tables, t)
	})
	b, err := statement.Marshal(struct {
		Tables []table `json:"tables"`
		From   Step    `json:"from"`
		Keys   []Key   `json:"keys"`
		Aggs   []Agg   `json:"aggs"`
		Domain string  `json:"domain"`
	}{tables, n.From.renumbered(at), n.Keys, n.Aggs, n.DP.Domain})
	if err != nil {
		return "", dp.ErrSpec
	}
	return statement.LabelledSum("cordon/dp-node/v1", b), nil
}

// noiseFormed checks a release under ModeDP: in canonical form, its groups given for all keys or for none, and a specification
// that holds.
func (p *Program) noiseFormed(release int, sources []PlanSource) bool {
	n := p.Releases[release]
	if n.DP == nil || n.Within != nil || !(&Plan{Release: Release{Mode: ModeOwn, Guard: n.Guard}}).guardFormed() || !shortText(n.DP.Domain) {
		return false
	}
	if !bytes.Equal(n.From.encoded(), n.From.canonical().encoded()) {
		return false
	}
	for _, a := range n.Aggs {
		if w := canonicalWhen(a.When); a.When != nil && (w == nil || !sameExpr(*w, *a.When)) {
			return false
		}
	}
	given := len(n.Keys) > 0 && len(n.Keys[0].Values) > 0
	for _, k := range n.Keys {
		if (len(k.Values) > 0) != given {
			return false
		}
	}
	copies := int64(len(p.offersOf(release, sources)))
	if n.DP.Domain != "" {
		copies = 1
	}
	if n.DP.Copies != copies || n.DP.Domain == "" && n.From.joins() {
		return false
	}
	_, err := p.noise(release, sources)
	return err == nil
}

func (s Step) encoded() []byte {
	b, err := statement.Marshal(s)
	if err != nil {
		return nil
	}
	return b
}

// maxResultNotes are stated with a result.
const maxResultNotes = 32

// ResultNotes are what the reader of a result has to know of its numbers: how much noise they carry. They follow from the plan.
func (p *Plan) ResultNotes() (out []string) {
	if p.Program == nil {
		return nil
	}
	for i, n := range p.Program.Releases {
		if n.Mode != ModeDP {
			continue
		}
		rules, _ := p.noiseRules(i)
		for _, r := range rules {
			if len(out) < maxResultNotes && !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	return out
}

// noiseRules says what carries how much noise, and what that costs.
func (p *Plan) noiseRules(release int) (rules, notes []string) {
	n := p.Program.Releases[release]
	c, err := p.Noise(release)
	if err != nil {
		return nil, nil
	}
	for i, scales := range c.Scales() {
		a := n.Aggs[i]
		name := p.Program.aggText(n, a)
		unit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(a.Scale)), nil))
		switch a.Op {
		case AggSum:
			rules = append(rules, fmt.Sprintf("%s: noise of scale %s (discrete Laplace), as one unit adds between its bounds at most", name, decimalText(new(big.Rat).Quo(scales[0], unit))))
		case AggAvg:
			rules = append(rules, fmt.Sprintf("%s: a noisy sum of distances from the midpoint, with scale %s, by a noisy number of rows, with scale %s",
				name, decimalText(new(big.Rat).Quo(scales[0], unit.Add(unit, unit))), decimalText(scales[1])))
		default:
			rules = append(rules, fmt.Sprintf("%s: noise of scale %s (discrete Laplace); counts below 0 become 0", name, decimalText(scales[0])))
		}
	}
	rules = append(rules, fmt.Sprintf("a unit counts in at most %d groups, with at most %d rows in each", n.DP.MaxGroupsPerUnit, n.DP.MaxRowsPerUnit))
	cost := fmt.Sprintf("it costs epsilon %s (rho %s)", n.DP.Epsilon, c.Cost().Rho.RatString())
	if n.DP.Delta != "" {
		cost += " and delta " + n.DP.Delta
		notes = append(notes, fmt.Sprintf("groups are chosen with noise: one of few units is not there, and of fewer than %d never", n.DP.MinUnits))
	} else {
		notes = append(notes, "every group that the query names is answered, with rows or without")
	}
	notes = append(notes, cost+", charged to every data set that it reads; the same question has the same noise, and costs nothing more",
		"measures outside their bounds are moved to them")
	return rules, notes
}

func decimalText(x *big.Rat) string { return trimZeros(x.FloatString(3)) }
