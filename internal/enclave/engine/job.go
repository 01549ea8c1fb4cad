package engine

import (
	"database/sql/driver"
	"slices"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy"
	"github.com/cordon-exchange/cordon/result"
)

// job is the state of one Run.
type job struct {
	engine   *Engine
	plan     *policy.Plan
	scanSQL  string
	postSQL  string
	posting  driver.StmtQueryContext // postSQL, prepared over the empty released table
	columns  []result.Column
	owners   []int // owner by source: data sets of one owner are one contributor
	parties  *privacy.Parties
	cells    *cells
	released *released
	result   *result.Table
}

func newJob(e *Engine, plan *policy.Plan) (*job, error) {
	if len(plan.Sources) != len(e.paths) || len(plan.Bases) == 0 || len(plan.Post.Select) == 0 {
		return nil, Error{CodePlan}
	}
	if plan.Mode != policy.ModeLattice && plan.Mode != policy.ModeOwn {
		return nil, Error{CodePlan}
	}
	if slices.ContainsFunc(plan.Sources, func(s policy.PlanSource) bool { return len(s.Columns) == 0 }) {
		return nil, Error{CodePlan} // a Parquet file without columns can't be read, not even to count its rows
	}
	cols, err := columns(plan)
	if err != nil {
		return nil, err
	}
	j := &job{engine: e, plan: plan, columns: cols, scanSQL: plan.ScanSQL(e.paths), postSQL: plan.PostSQL(releasedTable)}
	names, owners := ownersOf(plan)
	parties, err := privacy.NewParties(privacy.Lists{
		Owners:     len(names),
		Asker:      indices(names, plan.Asker),
		Recognised: indices(names, plan.Guard.Recognised),
		Affiliates: groupIndices(names, plan.Guard.Affiliates),
	})
	if err != nil {
		return nil, Error{CodePlan}
	}
	j.owners, j.parties = owners, parties
	return j, nil
}

// ownersOf numbers the owners in the order of their first source.
func ownersOf(plan *policy.Plan) (names []string, bySource []int) {
	for _, s := range plan.Sources {
		i := slices.Index(names, s.Owner)
		if i < 0 {
			i = len(names)
			names = append(names, s.Owner)
		}
		bySource = append(bySource, i)
	}
	return names, bySource
}

// indices leaves out fingerprints that own nothing here, such as an analyst's.
func indices(names, fingerprints []string) []int {
	var out []int
	for _, f := range fingerprints {
		if i := slices.Index(names, f); i >= 0 {
			out = append(out, i)
		}
	}
	return out
}

func groupIndices(names []string, groups [][]string) [][]int {
	out := make([][]int, 0, len(groups))
	for _, g := range groups {
		out = append(out, indices(names, g))
	}
	return out
}

// rules are the guard's. A plan says by coalition 0 that one data set's policy has no contributor rules; the other numbers
// are then neutral, and package privacy takes their absence for one owner only.
func (j *job) rules() privacy.Rules {
	g := j.plan.Guard
	r := privacy.Rules{
		MinUnits: g.MinUnits, MinContributors: g.MinContributors, MaxSharePct: g.MaxSharePct, PPercent: g.PPercent,
		Coalition: g.Coalition, RoundCount: g.RoundCount, ValueDigits: g.ValueDigits,
	}
	if g.Coalition == 0 && g.MinContributors == 1 && g.MaxSharePct == 100 && g.PPercent == 0 {
		r.MinContributors, r.MaxSharePct = 0, 0
	}
	return r
}

// columns of the result. What a result can't have must fail before a row is read.
func columns(plan *policy.Plan) ([]result.Column, error) {
	t := &result.Table{}
	for _, it := range plan.Post.Select {
		t.Columns = append(t.Columns, result.Column{Name: it.Name, Type: result.Type(it.Expr.Type)})
	}
	if _, err := t.Encode(); err != nil {
		return nil, Error{CodePlan}
	}
	return t.Columns, nil
}
