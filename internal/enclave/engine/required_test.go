package engine

import (
	"context"
	"reflect"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
)

// Columns that the file's own schema requires are not asked for NULL, and the answer is the same. An offer that says so of a file
// whose schema does not is refused: nothing would notice a row without a unit.
func TestRequiredColumns(t *testing.T) {
	for name, m := range map[string]*market{"one release": newMarket(9, 3), "program": newFreeMarket(9, 3)} {
		t.Run(name, func(t *testing.T) {
			if m.request(&policy.Request{}); name == "one release" {
				m.policy = replaced(t, reportsAreUnits, "unit: {column: customer, rows_are_units: true}", "unit: {column: customer}")
			}
			for _, rows := range m.rows {
				for i := range rows {
					if rows[i].customer == nil {
						rows[i].customer = ptr("nobody")
					}
				}
			}
			plan := m.compile(t, "SELECT size, count(*), sum(cost) FROM pool.strikes GROUP BY size")
			want, err := bind(t, m.files(t, plan)...).Run(context.Background(), plan)
			if err != nil || len(want.Rows) == 0 {
				t.Fatal(err, want)
			}
			both := []string{"customer", "size"}
			if got, err := m.runRequiring(t, plan, both, both); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%v: other answer without the question for NULL: %v", err, got)
			}
			for lie, required := range map[string][]string{"of the unit": {"size"}, "of a dimension": {"customer"}, "of both": nil} {
				if _, err := m.runRequiring(t, plan, both, required); err != (Error{CodeInput}) {
					t.Errorf("the offer lies %s: %v", lie, err)
				}
			}
		})
	}
}

// runRequiring answers over files whose schemas require some columns and whose offers say so of others.
func (m *market) runRequiring(t *testing.T, plan *policy.Plan, said, required []string) (*result.Table, error) {
	t.Helper()
	var sources []Source
	for o, rows := range m.rows {
		file := memFile(t, parquetRequiring(t, required, columnsOf(rows, plan.Sources[o].Columns)...))
		sources = append(sources, Source{Index: o, Path: file, Required: said})
	}
	e := open(t)
	if err := e.Bind(context.Background(), sources); err != nil {
		t.Fatal(err)
	}
	return e.Run(context.Background(), plan)
}
