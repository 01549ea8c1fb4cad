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

// fixedColumns are src, rows, units. Between keys and what is added up they stand before badColumn: there is a row that no honest
// source has. Each measure has perMeasure columns.
const (
	fixedColumns = 3
	badColumn    = fixedColumns
	allFixed     = badColumn + 1
	perMeasure   = 5
)

func (j *job) take(c *cells, row []driver.Value) error {
	dims := len(j.plan.Dims)
	if len(row) != dims+allFixed+perMeasure*len(j.plan.Measures) {
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
	if err := honest(row[badColumn]); err != nil {
		return contribution{}, err
	}
	got := contribution{source: int(fixed[0]), rows: fixed[1], units: fixed[2]}
	if got.source >= len(j.plan.Sources) || got.units > got.rows || got.rows > 0 && got.units == 0 {
		return contribution{}, errUnexpected
	}
	for i, m := range j.plan.Measures {
		at := allFixed + perMeasure*i
		part, err := measure(row[at : at+perMeasure])
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

// measure reads n, u, v, s, a. Where no row has a value, s and a are 0 or NULL.
func measure(row []driver.Value) (measured, error) {
	fixed, err := counts(row[:3])
	if err != nil {
		return measured{}, err
	}
	if fixed[0] == 0 {
		return measured{units: fixed[1], others: fixed[2], sum: new(big.Int), abs: new(big.Int)}, nil
	}
	sum, ok := integer(row[3])
	abs, ok2 := integer(row[4])
	if !ok || !ok2 {
		return measured{}, errUnexpected
	}
	return measured{rows: fixed[0], units: fixed[1], others: fixed[2], sum: sum, abs: abs}, nil
}

// honest refuses a source with a row that no honest one has: one owner's absurd value would otherwise carry every guard. NULL says
// that there was none to look at.
func honest(bad driver.Value) error {
	switch dishonest, known := bad.(bool); {
	case dishonest:
		return Error{CodeInput}
	case !known && bad != nil:
		return errUnexpected
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
