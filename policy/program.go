package policy

// EncodingProgram names the encoding of plans that hold a program.
const EncodingProgram = "plan/2"

// Modes of a release in a program, besides ModeLattice and ModeOwn.
const (
	// ModeGuard: every cell is judged by itself, with what its release shows beside it. It stops what one query could say.
	ModeGuard Mode = "guard"
	// ModeDP: every value carries noise, charged to a budget.
	ModeDP Mode = "dp"
)

// Program is a query as its releases and what is computed from them. Each release reads rows through steps; the result
// sees released tables alone, so whatever it computes tells no more than they do.
type Program struct {
	Tables   []ProgramTable `json:"tables"`
	Releases []ReleaseNode  `json:"releases"` // a release reads only those before it
	Result   Rel            `json:"result"`
	Tick     int64          `json:"tick,omitempty"` // seconds: the answer leaves at a multiple of it after the keys came; 0: at once

	required required // see OverFiles; no part of the encoding
}

// ProgramTable is a data set or a pool that a program reads.
type ProgramTable struct {
	Name    string `json:"name"`
	Pool    string `json:"pool,omitempty"`
	Epoch   int64  `json:"epoch,omitempty"`
	Sources []int  `json:"sources"` // into the plan's sources
	Unit    Unit   `json:"unit"`
}

// StepOp says how a step makes its rows.
type StepOp string

const (
	StepScan   StepOp = "scan"   // the rows of one table that have a unit
	StepJoin   StepOp = "join"   // pairs of rows of two steps that have one unit
	StepEntity StepOp = "entity" // one row for each unit of each owner, and for each value of the keys
)

// A Step makes rows below a release. Every row has an owner and a unit, which no expression can name. Columns: a scan has
// Reads; a join has those of the left input, those of the right, and where it is Outer a BOOLEAN that is true where there is
// a partner; an entity has Keys, then Aggs.
type Step struct {
	Op     StepOp `json:"op"`
	Table  int    `json:"table"`            // of a scan
	Reads  []Read `json:"reads,omitempty"`  // of a scan
	Inputs []Step `json:"inputs,omitempty"` // two of a join, one of an entity
	Outer  bool   `json:"outer,omitempty"`  // of a join: rows of the left without a partner stay
	Keys   []Expr `json:"keys,omitempty"`   // of an entity: over the columns of its input
	Aggs   []Agg  `json:"aggs,omitempty"`   // of an entity
	Where  *Expr  `json:"where,omitempty"`  // over the step's own columns
}

// Read is a column that a scan opens. Rows with a measure outside its bounds, or a value outside a declared domain, end the job.
type Read struct {
	Column   string   `json:"column"`
	Type     Type     `json:"type"`
	Nullable bool     `json:"nullable"`
	Bounds   *Bounds  `json:"bounds,omitempty"` // of a measure
	Values   []string `json:"values,omitempty"` // of a dimension with a declared domain, sorted
}

// Bounds of a measure, as integers of 10^-Scale.
type Bounds struct {
	Scale int   `json:"scale"`
	Lo    int64 `json:"lo"`
	Hi    int64 `json:"hi"`
	Clamp bool  `json:"clamp,omitempty"` // values outside are moved to the bounds: under ModeDP alone
}

// AggOp is what an aggregate counts or adds up.
type AggOp string

const (
	AggCount      AggOp = "count"       // rows
	AggCountUnits AggOp = "count_units" // distinct units
	AggCountValue AggOp = "count_value" // rows in which Arg is not NULL
	AggSum        AggOp = "sum"
	AggQuantile   AggOp = "quantile" // interpolated, at Q
	AggStddev     AggOp = "stddev"   // of a sample
)

// Agg is one aggregate. Arg is a column that holds numbers, or a product of two, one of which may be a constant; it is
// computed in whole numbers of 10^-Scale. Only rows in which When is true take part.
type Agg struct {
	Op    AggOp  `json:"op"`
	Arg   *Expr  `json:"arg,omitempty"`
	When  *Expr  `json:"when,omitempty"`
	Scale int    `json:"scale,omitempty"`
	Q     string `json:"q,omitempty"` // of a quantile: a decimal
}

// Key is an expression that rows are grouped by.
type Key struct {
	Expr   Expr     `json:"expr"`
	Values []string `json:"values,omitempty"` // the declared domain, sorted: then a cell is there, rows or not
}

// Survivors limits a release to rows whose cell in an earlier release shows an aggregate. Both read the same rows.
type Survivors struct {
	Release int `json:"release"`
	Agg     int `json:"agg"`
}

// ReleaseNode is the boundary: the cells of Keys, for each of Aggs, leave under the guard. Its columns are Keys, then Aggs.
type ReleaseNode struct {
	Mode   Mode       `json:"mode"`
	From   Step       `json:"from"`
	Keys   []Key      `json:"keys"`
	Aggs   []Agg      `json:"aggs"`
	Within *Survivors `json:"within,omitempty"`
	Guard  Guard      `json:"guard"`
	DP     *DPRule    `json:"dp,omitempty"` // of ModeDP
}

// DPRule holds the strictest numbers of all policies concerned. Clamps are the Bounds of what is read; groups are given where
// all keys have Values, or there are none, and selected else.
type DPRule struct {
	Epsilon          string `json:"epsilon"`             // of this release: an exact amount
	Delta            string `json:"delta,omitempty"`     // of the selection of groups
	MinUnits         int64  `json:"min_units,omitempty"` // of the selection of groups
	MaxGroupsPerUnit int64  `json:"max_groups_per_unit"`
	MaxRowsPerUnit   int64  `json:"max_rows_per_unit"` // in one group
	Domain           string `json:"domain,omitempty"`  // equal units of all sources are one; absent: each source's are its own
	Copies           int64  `json:"copies"`            // as how many units one person may be there
}

// RelOp says how a released table is made.
type RelOp string

const (
	RelRelease RelOp = "release" // of the program
	RelSelect  RelOp = "select"  // from one input
	RelJoin    RelOp = "join"    // the columns of the left input, then those of the right
	RelUnion   RelOp = "union"   // all rows of all inputs
)

// Rel is a table above the releases.
type Rel struct {
	Op      RelOp   `json:"op"`
	Release int     `json:"release"`
	Inputs  []Rel   `json:"inputs,omitempty"`
	Outer   bool    `json:"outer,omitempty"` // of a join: rows of the left without a partner stay
	On      *Expr   `json:"on,omitempty"`    // of a join, over the columns of both; absent: all pairs
	Where   *Expr   `json:"where,omitempty"` // over the input's columns, as are Group
	Grouped bool    `json:"grouped,omitempty"`
	Group   []Expr  `json:"group,omitempty"`
	Having  *Expr   `json:"having,omitempty"` // where Grouped over OpKey and OpAgg, as are the items and the order
	Select  []Item  `json:"select,omitempty"`
	Unique  bool    `json:"unique,omitempty"` // SELECT DISTINCT
	OrderBy []Order `json:"order_by,omitempty"`
	Limit   *int64  `json:"limit,omitempty"`
	Offset  int64   `json:"offset,omitempty"`
}

// Over is the window of OpWindow.
type Over struct {
	Partition []Expr  `json:"partition,omitempty"`
	OrderBy   []Order `json:"order_by,omitempty"`
	Frame     string  `json:"frame,omitempty"`
}

// Column is what a step or a released table gives in one place.
type programColumn struct {
	Type     Type
	Nullable bool
	Scale    int     // of whole numbers of 10^-Scale: measures and what is made of them
	Positive bool    // 0 or more, where the row is an honest source's
	Bounds   *Bounds // of a measure, where the row is an honest source's
}

// columns of a step, in order.
func (p *Program) stepColumns(s Step) []programColumn {
	var out []programColumn
	switch s.Op {
	case StepScan:
		for _, r := range s.Reads {
			c := programColumn{Type: r.Type, Nullable: r.Nullable}
			if r.Bounds != nil {
				c.Scale, c.Positive, c.Bounds = r.Bounds.Scale, r.Bounds.Lo >= 0, r.Bounds
			}
			out = append(out, c)
		}
	case StepJoin:
		out = append(out, p.stepColumns(s.Inputs[0])...)
		for _, c := range p.stepColumns(s.Inputs[1]) {
			c.Nullable = c.Nullable || s.Outer
			out = append(out, c)
		}
		if s.Outer {
			out = append(out, programColumn{Type: Boolean})
		}
	case StepEntity:
		for _, k := range s.Keys {
			out = append(out, programColumn{Type: k.Type, Nullable: true})
		}
		for _, a := range s.Aggs {
			out = append(out, programColumn{Type: a.entityType(), Nullable: true, Scale: a.Scale})
		}
	}
	return out
}

// entityType is the type of an aggregate within a step: exact whole numbers.
func (a Agg) entityType() Type {
	if a.Op == AggSum {
		return Hugeint
	}
	return Int64
}

// Type of a released aggregate.
func (a Agg) Type() Type {
	switch a.Op {
	case AggSum:
		return Decimal(38, a.Scale)
	case AggQuantile, AggStddev, AggAvg:
		return Double
	}
	return Int64
}

// relColumns are the types of a released table.
func (p *Program) relColumns(r Rel) []Type {
	var out []Type
	switch r.Op {
	case RelRelease:
		n := p.Releases[r.Release]
		for _, k := range n.Keys {
			out = append(out, k.Expr.Type)
		}
		for _, a := range n.Aggs {
			out = append(out, a.Type())
		}
	case RelSelect:
		for _, it := range r.Select {
			out = append(out, it.Expr.Type)
		}
	case RelJoin:
		out = append(p.relColumns(r.Inputs[0]), p.relColumns(r.Inputs[1])...)
	case RelUnion:
		out = p.relColumns(r.Inputs[0])
	}
	return out
}
