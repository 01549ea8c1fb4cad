package engine

import (
	"context"
	"database/sql/driver"
	"math/big"
	"slices"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy"
)

// scan reads the contributions and refuses what no honest source can have.
func (j *job) scan(ctx context.Context) error {
	c := newCells()
	err := j.engine.query(ctx, j.scanSQL, maxContributions, func(row []driver.Value) error {
		return j.take(c, row)
	})
	if err != nil {
		return err
	}
	if j.plan.Mode == policy.ModeLattice {
		if err := c.declare(j.plan.Dims); err != nil {
			return err
		}
	}
	j.cells = c
	return nil
}

// fixedColumns come between the dimensions and the measures: src, rows, units. Each measure has perMeasure columns.
const (
	fixedColumns = 3
	perMeasure   = 7
)

func (j *job) take(c *cells, row []driver.Value) error {
	dims := len(j.plan.Dims)
	if len(row) != dims+fixedColumns+perMeasure*len(j.plan.Measures) {
		return errUnexpected
	}
	key := make([]privacy.Value, dims)
	for i, d := range j.plan.Dims {
		v, err := dimValue(row[i], d)
		if err != nil {
			return err
		}
		key[i] = v
	}
	got, err := j.contribution(row[dims:])
	if err != nil {
		return err
	}
	return c.add(key, got)
}

// dimValue refuses a NULL where the offer has none and a value outside the declared domain.
func dimValue(v driver.Value, d policy.Dim) (privacy.Value, error) {
	text, present, err := canonical(v, d.Type)
	if err != nil {
		return privacy.Value{}, Error{CodeInput}
	}
	if !present && !d.Nullable {
		return privacy.Value{}, Error{CodeInput}
	}
	if present && len(d.Values) > 0 && !slices.Contains(d.Values, text) {
		return privacy.Value{}, Error{CodeInput}
	}
	return privacy.Value{Null: !present, Text: text}, nil
}

func (j *job) contribution(row []driver.Value) (contribution, error) {
	fixed, err := counts(row[:fixedColumns])
	if err != nil {
		return contribution{}, err
	}
	got := contribution{source: int(fixed[0]), rows: fixed[1], units: fixed[2]}
	if got.source >= len(j.plan.Sources) || got.units > got.rows || got.rows > 0 && got.units == 0 {
		return contribution{}, errUnexpected
	}
	for i, m := range j.plan.Measures {
		at := fixedColumns + perMeasure*i
		part, err := measure(row[at:at+perMeasure], m)
		if err != nil {
			return contribution{}, err
		}
		if part.rows > got.rows || part.units > got.units {
			return contribution{}, errUnexpected
		}
		if !m.Nullable && part.rows != got.rows {
			return contribution{}, Error{CodeInput}
		}
		got.measures = append(got.measures, part)
	}
	return got, nil
}

// measure reads n, u, v, s, a, lo, hi. Where no row has a value the last four are NULL and the part is empty.
func measure(row []driver.Value, m policy.Measure) (measured, error) {
	fixed, err := counts(row[:3])
	if err != nil {
		return measured{}, err
	}
	part := measured{rows: fixed[0], units: fixed[1], others: fixed[2], sum: new(big.Int), abs: new(big.Int)}
	if part.rows == 0 {
		return part, nil
	}
	var four [4]*big.Int
	for i := range four {
		n, ok := integer(row[3+i])
		if !ok {
			return measured{}, errUnexpected
		}
		four[i] = n
	}
	if err := clamped(four[2], four[3], m); err != nil {
		return measured{}, err
	}
	part.sum, part.abs = four[0], four[1]
	return part, nil
}

// clamped refuses a source with a value out of bounds: one owner's absurd value would otherwise carry every guard.
func clamped(lo, hi *big.Int, m policy.Measure) error {
	if lo.Cmp(big.NewInt(m.Lo)) < 0 || hi.Cmp(big.NewInt(m.Hi)) > 0 {
		return Error{CodeInput}
	}
	return nil
}

func counts(row []driver.Value) ([]int64, error) {
	out := make([]int64, len(row))
	for i, v := range row {
		n, ok := integer(v)
		if !ok || !n.IsInt64() || n.Sign() < 0 {
			return nil, errUnexpected
		}
		out[i] = n.Int64()
	}
	return out, nil
}
