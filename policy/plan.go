package policy

// Encoding names the frozen encoding of plans that this package writes.
const Encoding = "plan/1"

// Mode says which promise the released cells carry.
type Mode string

const (
	// ModeLattice: the cells of one GROUP BY set that the policies list are protected as one table, whatever is asked of it.
	ModeLattice Mode = "lattice"
	// ModeOwn: every source belongs to the requester, who alone receives the result; the guard does not bind.
	ModeOwn Mode = "own"
)

// A Plan is a checked query: what to open, what to release under which guard, and what to compute over the released
// cells. Only Compile makes one from SQL; DecodePlan reads one back. It is immutable.
type Plan struct {
	Encoding string   `json:"encoding"`
	Purpose  string   `json:"purpose"`
	Asker    []string `json:"asker"` // fingerprints of the requester, the recipients and their affiliates, sorted
	Rows     `json:"rows"`
	Release  `json:"release"`
	Post     Post `json:"post"`

	Program *Program `json:"-"` // of plan/2, which has no Release and no Post

	required required // see OverFiles; no part of the encoding
}

// Rows says which columns of which data sets are read.
type Rows struct {
	Table   string       `json:"table"` // as the query names it: pool.strikes
	Pool    string       `json:"pool,omitempty"`
	Epoch   int64        `json:"epoch,omitempty"`
	Sources []PlanSource `json:"sources"` // in the order of the request; a contribution names its source by index
}

// PlanSource is one data set that the plan reads.
type PlanSource struct {
	Owner   string   `json:"owner"`
	Dataset string   `json:"dataset"`
	Version string   `json:"version"`
	Offer   string   `json:"offer"`
	Columns []string `json:"columns"` // the columns to be opened, sorted
}

// Release is the boundary: the cells of the GROUP BY set Dims, for each of Bases, leave under Guard.
type Release struct {
	Mode     Mode      `json:"mode"`
	Unit     Unit      `json:"unit"`
	Dims     []Dim     `json:"dims"`
	Measures []Measure `json:"measures"`
	Bases    []Base    `json:"bases"`
	Guard    Guard     `json:"guard"`
}

// Unit is what thresholds count.
type Unit struct {
	Column string `json:"column"`
	Unique bool   `json:"unique"` // every row is a unit of its own and the column is not opened
}

// Dim is a column of the GROUP BY set that is scanned.
type Dim struct {
	Column   string   `json:"column"`
	Type     Type     `json:"type"`
	Nullable bool     `json:"nullable"`
	Values   []string `json:"values,omitempty"` // the declared domain in canonical text; the enclave refuses rows outside it
}

// Measure is a column that is aggregated, as integers of 10^-Scale; the enclave refuses rows outside Lo..Hi.
type Measure struct {
	Column   string `json:"column"`
	Type     Type   `json:"type"`
	Nullable bool   `json:"nullable"`
	Scale    int    `json:"scale"`
	Lo       int64  `json:"lo"`
	Hi       int64  `json:"hi"`
}

// BaseOp is what a base counts or adds up in a cell.
type BaseOp string

const (
	BaseCount      BaseOp = "count"       // rows
	BaseCountUnits BaseOp = "count_units" // distinct units
	BaseCountValue BaseOp = "count_value" // rows in which the measure is not NULL
	BaseSum        BaseOp = "sum"         // of the measure
)

// Base is one aggregate of the protected table.
type Base struct {
	Op      BaseOp `json:"op"`
	Measure int    `json:"measure"` // index into Measures, or -1
}

// Guard holds the strictest numbers of all policies concerned. In ModeOwn it is the zero Guard.
type Guard struct {
	MinUnits        int64      `json:"min_units"`
	MinContributors int64      `json:"min_contributors"`
	MaxSharePct     int64      `json:"max_share_pct"`
	PPercent        int64      `json:"p_percent"`
	Coalition       int64      `json:"coalition"` // 0: one data set whose policy has no contributor rules
	RoundCount      int64      `json:"round_count"`
	ValueDigits     int64      `json:"value_digits"`
	Affiliates      [][]string `json:"affiliates"` // disjoint groups that count as one, each sorted
	Recognised      []string   `json:"recognised"` // owners that every policy counts as contributors, sorted
}

// Post computes over the released table alone: Where picks its rows; for each value of the keys in Group the shown cells
// of each base are added up; then Having, the items, the order, Offset and Limit. It is total: what has no value is NULL.
type Post struct {
	Where   *Expr   `json:"where,omitempty"`  // over dims
	Group   []Expr  `json:"group"`            // over dims: the keys, in the order of GROUP BY
	Having  *Expr   `json:"having,omitempty"` // over keys and bases, as are the items and the order
	Select  []Item  `json:"select"`
	OrderBy []Order `json:"order_by"` // then by all keys, so that the result has one order
	Limit   *int64  `json:"limit,omitempty"`
	Offset  int64   `json:"offset"`
}

// Item is a column of the result.
type Item struct {
	Name string `json:"name"`
	Expr Expr   `json:"expr"`
}

// Order is one key of ORDER BY.
type Order struct {
	Expr       Expr `json:"expr"`
	Desc       bool `json:"desc"`
	NullsFirst bool `json:"nulls_first"`
}

// Expr is an expression over the released table; docs/spec/plan-1.md lists the operators.
type Expr struct {
	Op    Op     `json:"op"`
	Type  Type   `json:"type"`
	Index int    `json:"index"`           // of OpDim, OpKey and OpBase; else 0
	Value string `json:"value,omitempty"` // of OpConst: canonical text
	Args  []Expr `json:"args,omitempty"`
	Over  *Over  `json:"over,omitempty"` // of OpWindow
}
