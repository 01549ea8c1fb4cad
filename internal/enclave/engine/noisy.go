package engine

import (
	"context"
	"database/sql/driver"
	"math/big"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy/dp"
	unitbound "github.com/cordon-exchange/cordon/privacy/dp/bound"
	"github.com/cordon-exchange/cordon/privacy/dp/noise"
	"github.com/cordon-exchange/cordon/result"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// Noise gives the noise keys of a plan's data set versions, by the digest of their offers: 32 bytes each, checked against the
// offers' commitments by the caller. It is called before Run, which refuses a plan under differential privacy that has not all
// of Plan.NoiseOffers.
func (e *Engine) Noise(keys map[string][]byte) error {
	if e.state == closed || e.state == used {
		return Error{CodeSetup}
	}
	e.forgetNoise()
	e.noise = map[string]*seal.DataKey{}
	for offer, b := range keys {
		k, err := seal.DataKeyFromBytesIn(e.keys, b)
		if err != nil {
			e.forgetNoise()
			return Error{CodePlan}
		}
		e.noise[offer] = k
	}
	return nil
}

func (e *Engine) forgetNoise() {
	for _, k := range e.noise {
		k.Wipe()
	}
	e.noise = nil
}

// checkNoise comes before any row is read.
func (p *program) checkNoise(context.Context) error {
	for _, o := range p.plan.NoiseOffers() {
		if p.engine.noise[o] == nil {
			return Error{CodePlan}
		}
	}
	return nil
}

// noisySteps answer one release under differential privacy.
func (r *releasing) noisySteps() []step {
	n := &noising{releasing: r}
	return []step{
		{"check scan", CodeCheck, r.check},
		{"open noise", CodePlan, n.open},
		{"scan", CodeRun, n.scan},
		{"make noise", CodeRun, n.table},
		{"fill released", CodeRun, r.store},
	}
}

// noising is a release that carries noise. Whatever a row holds, it is not refused for it: that would tell that it is there.
type noising struct {
	*releasing
	release *dp.Release
}

func (n *noising) open(context.Context) error {
	sources, _ := n.plan.ReleaseSources(n.index)
	var keys []noise.Keyed
	for _, i := range sources {
		offer := n.plan.Sources[i].Offer
		keys = append(keys, noise.Keyed{Offer: statement.Digest(offer), Key: n.engine.noise[offer]})
	}
	var err error
	n.release, err = n.program.noise[n.index].Open(keys)
	return err
}

func (n *noising) scan(ctx context.Context) error {
	return n.engine.query(ctx, n.scans[n.index].SQL(), maxUnitParts, n.take)
}

// take adds what one unit adds to one group at one source. A row whose key has no canonical text is not there.
func (n *noising) take(row []driver.Value) error {
	keys := len(n.node.Keys)
	if len(row) != keys+2+2*len(n.node.Aggs) {
		return errUnexpected
	}
	key, err := n.key(row)
	if err != nil {
		return nil
	}
	source, ok := integer(row[keys])
	unit, isText := row[keys+1].(string)
	if !ok || !isText || !source.IsInt64() || source.Int64() < 0 || source.Int64() >= int64(len(n.plan.Sources)) {
		return errUnexpected
	}
	part := dp.Part{Unit: unitbound.Unit{Domain: n.domain(int(source.Int64())), ID: unit}, Key: key}
	for j := range n.node.Aggs {
		v, err := partOf(row[keys+2+2*j], row[keys+3+2*j])
		if err != nil {
			return err
		}
		part.Values = append(part.Values, v)
	}
	return n.release.Add(part)
}

// domain is the identity space of a source's units: the policies' own where they share one, else the data set version's.
func (n *noising) domain(source int) string {
	if d := n.node.DP.Domain; d != "" {
		return "domain " + d
	}
	return "offer " + n.plan.Sources[source].Offer
}

// partOf reads rows and their sum; a sum of NULLs alone is 0.
func partOf(rows, sum driver.Value) (dp.Value, error) {
	n, ok := integer(rows)
	if !ok || !n.IsInt64() {
		return dp.Value{}, errUnexpected
	}
	v := dp.Value{Rows: n.Int64(), Sum: new(big.Int)}
	if sum == nil {
		return v, nil
	}
	if v.Sum, ok = integer(sum); !ok {
		return dp.Value{}, errUnexpected
	}
	return v, nil
}

// table draws the noise, and leaves the cells where store finds them. What follows needs no data: counts are moved to 0 or above,
// and everything into its type.
func (n *noising) table(context.Context) error {
	rows, err := n.release.Table()
	if err != nil {
		return err
	}
	if len(rows) > maxCells {
		return errTooMany
	}
	n.cells = newCells()
	for _, row := range rows {
		var values []*string
		for j, a := range n.node.Aggs {
			text, ok := noisyText(a, row.Values[j])
			if !ok {
				return errUnexpected
			}
			values = append(values, &text)
		}
		n.cells.keys = append(n.cells.keys, row.Key)
		n.values, n.keep = append(n.values, values), append(n.keep, true)
	}
	return nil
}

// mostDigits is the largest whole number of the type of released sums.
var mostDigits = new(big.Int).Sub(new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil), big.NewInt(1))

var mostCount = big.NewInt(1<<63 - 1)

func noisyText(a policy.Agg, v *big.Rat) (string, bool) {
	switch a.Op {
	case policy.AggAvg:
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(a.Scale)), nil)
		x, _ := new(big.Rat).Quo(v, new(big.Rat).SetInt(scale)).Float64()
		return result.FormatDouble(x)
	case policy.AggSum:
		return result.FormatDecimal(within(v.Num(), new(big.Int).Neg(mostDigits), mostDigits), a.Scale), v.IsInt()
	}
	return within(v.Num(), new(big.Int), mostCount).String(), v.IsInt()
}

func within(x, lo, hi *big.Int) *big.Int {
	switch {
	case x.Cmp(lo) < 0:
		return lo
	case x.Cmp(hi) > 0:
		return hi
	}
	return x
}
