package engine

import (
	"context"
	"database/sql/driver"
	"math/big"
	"slices"
	"strconv"
	"strings"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy"
	"github.com/cordon-exchange/cordon/result"
)

// releasing is one release of a program on its way from rows to released cells.
type releasing struct {
	*program
	index     int
	node      policy.ReleaseNode
	cells     *cells
	atoms     *atoms
	quantiles map[string][]*float64 // by key: of the aggregates that are quantiles, in their order
	values    [][]*string           // by cell, by aggregate; nil is suppressed
	keep      []bool                // the cell has a row in the released table
}

func (r *releasing) check(ctx context.Context) error {
	if err := r.engine.bindsAs(ctx, r.scans[r.index]); err != nil {
		return err
	}
	for _, q := range []*policy.Text{r.program.quantile[r.index], r.program.atoms[r.index]} {
		if q == nil {
			continue
		}
		if err := r.engine.bindsAs(ctx, *q); err != nil {
			return err
		}
	}
	return nil
}

// scan reads the contributions.
func (r *releasing) scan(ctx context.Context) error {
	r.cells, r.quantiles = newCells(), map[string][]*float64{}
	err := r.engine.query(ctx, r.scans[r.index].SQL(), maxContributions, r.take)
	if err != nil {
		return err
	}
	if r.node.Mode != policy.ModeOwn {
		if err := r.cells.declare(r.dims()); err != nil {
			return err
		}
	}
	if q := r.program.atoms[r.index]; q != nil {
		r.atoms = &atoms{conditions: r.program.divided[r.index], index: map[string]int{}}
		if err := r.engine.query(ctx, q.SQL(), maxContributions, r.takeAtom); err != nil {
			return err
		}
	}
	if q := r.program.quantile[r.index]; q != nil {
		return r.engine.query(ctx, q.SQL(), maxCells, r.takeQuantiles)
	}
	return nil
}

func (r *releasing) dims() (out []policy.Dim) {
	for _, k := range r.node.Keys {
		out = append(out, policy.Dim{Type: k.Expr.Type, Values: k.Values})
	}
	return out
}

func (r *releasing) key(row []driver.Value) ([]privacy.Value, error) {
	key := make([]privacy.Value, len(r.node.Keys))
	for i, k := range r.node.Keys {
		text, present, err := canonical(row[i], k.Expr.Type)
		if err != nil {
			return nil, Error{CodeInput}
		}
		key[i] = privacy.Value{Null: !present, Text: text}
	}
	return key, nil
}

func (r *releasing) take(row []driver.Value) error {
	n, quantiles := len(r.node.Keys), r.plan.OwnQuantiles(r.index)
	if len(row) != n+allFixed+policy.ContributedColumns*len(r.node.Aggs)+quantiles {
		return errUnexpected
	}
	key, err := r.key(row)
	if err != nil {
		return err
	}
	for i, k := range key {
		if !r.node.KeyIsHonest(i, k.Null, k.Text) {
			return Error{CodeInput}
		}
	}
	fixed, err := counts(row[n : n+fixedColumns])
	if err != nil {
		return err
	}
	if err := honest(row[n+badColumn]); err != nil {
		return err
	}
	got := contribution{source: int(fixed[0]), rows: fixed[1], units: fixed[2]}
	if got.units > got.rows || got.rows > 0 && got.units == 0 {
		return errUnexpected
	}
	if got.rows == 0 { // the one row of a release without keys over no rows
		return nil
	}
	for j := range r.node.Aggs {
		at := n + allFixed + policy.ContributedColumns*j
		a, err := aggregated(row[at : at+policy.ContributedColumns])
		if err != nil {
			return err
		}
		if a.part[policy.ContributedRows].Cmp(big.NewInt(got.rows)) > 0 || r.node.Aggs[j].Op != policy.AggCountUnits && a.part[policy.ContributedUnits].Cmp(big.NewInt(got.units)) > 0 {
			return errUnexpected
		}
		got.aggs = append(got.aggs, a)
	}
	if quantiles > 0 {
		if err := r.keepQuantiles(key, row[len(row)-quantiles:]); err != nil {
			return err
		}
	}
	return r.cells.add(key, got)
}

// contributed is what a contribution says of one aggregate of a program.
type contributed struct {
	part [policy.ContributedColumns]*big.Int
}

func aggregated(row []driver.Value) (contributed, error) {
	var c contributed
	for i, v := range row {
		if c.part[i] = new(big.Int); v == nil {
			continue
		}
		n, ok := integer(v)
		if !ok {
			return c, errUnexpected
		}
		c.part[i] = n
	}
	return c, nil
}

func (r *releasing) takeQuantiles(row []driver.Value) error {
	key, err := r.key(row)
	if err != nil {
		return err
	}
	return r.keepQuantiles(key, row[len(r.node.Keys):])
}

func (r *releasing) keepQuantiles(key []privacy.Value, row []driver.Value) error {
	var out []*float64
	for _, v := range row {
		switch x := v.(type) {
		case nil:
			out = append(out, nil)
		case float64:
			out = append(out, &x)
		default:
			return errUnexpected
		}
	}
	r.quantiles[identity(key)] = out
	return nil
}

// protect judges every aggregate, and forgets the contributions.
func (r *releasing) protect(context.Context) error {
	parties, owner, err := r.parties()
	if err != nil {
		return Error{CodePlan}
	}
	r.values = make([][]*string, len(r.cells.keys))
	for i := range r.values {
		r.values[i] = make([]*string, len(r.node.Aggs))
	}
	var bases []*privacy.Released
	for j, a := range r.node.Aggs {
		released, err := r.judge(parties, r.base(a, j, owner))
		if err != nil {
			return Error{CodePlan}
		}
		bases = append(bases, released)
		r.fill(a, j, released)
	}
	if err := r.judgeAtoms(parties, owner); err != nil {
		return err
	}
	r.keep = make([]bool, len(r.cells.keys))
	for i, values := range r.values {
		r.keep[i] = r.cells.declared || r.node.Mode == policy.ModeOwn
		for _, v := range values {
			r.keep[i] = r.keep[i] || v != nil
		}
	}
	if r.node.Mode != policy.ModeOwn {
		r.program.hidden += privacy.SuppressedCount(rulesOf(r.node.Guard), bases...)
	}
	r.cells.parts, r.quantiles = nil, nil
	return nil
}

func (r *releasing) judge(p *privacy.Parties, b privacy.Base) (*privacy.Released, error) {
	if r.node.Mode == policy.ModeOwn {
		return privacy.ReleaseOwn(p, b)
	}
	return privacy.Protect(rulesOf(r.node.Guard), p, b)
}

// base arranges the contributions to one aggregate. Distributions are judged by their rows.
func (r *releasing) base(a policy.Agg, j int, owner map[int]int) privacy.Base {
	out := privacy.Base{Kind: privacy.Count, UniqueUnits: r.plan.UniqueUnits(r.index), Margins: r.margins()}
	if a.Op == policy.AggSum {
		out.Kind = privacy.Sum
	}
	for i, key := range r.cells.keys {
		cell := privacy.Cell{Key: r.marginal(key)}
		for _, c := range r.cells.parts[i] {
			g := c.aggs[j].part
			part := privacy.Part{Owner: owner[c.source], Units: g[policy.ContributedUnits].Int64()}
			rest := privacy.Part{Owner: owner[c.source], Units: g[policy.ContributedOtherUnits].Int64()}
			switch a.Op {
			case policy.AggSum:
				part.Value, part.Weight = g[policy.ContributedSum], g[policy.ContributedAbs]
				rest.Value, rest.Weight = g[policy.ContributedOtherSum], g[policy.ContributedOtherAbs]
			case policy.AggCountUnits:
				part.Value, rest.Value = g[policy.ContributedUnits], big.NewInt(c.units-part.Units)
				part.Weight, rest.Weight = part.Value, rest.Value
				rest.Units = c.units - part.Units // a unit with rows of both kinds is in the count: the whole minus it is of the others
			default:
				part.Value, rest.Value = g[policy.ContributedRows], g[policy.ContributedOtherRows]
				part.Weight, rest.Weight = part.Value, rest.Value
			}
			if part.Units > 0 {
				cell.Parts = append(cell.Parts, part)
			}
			if rest.Units > 0 {
				cell.Complement = append(cell.Complement, rest)
			}
		}
		out.Cells = append(out.Cells, cell)
	}
	return out
}

// marginal is a key as the release rules take it. A lattice's cells have a margin for each dimension; those of one guarded answer
// have their total alone, so its key is one value.
func (r *releasing) marginal(key []privacy.Value) []privacy.Value {
	if r.node.Mode == policy.ModeLattice {
		return key
	}
	return []privacy.Value{{Text: identity(key)}}
}

// margins are the cells whose totals other parts of the query show, and all of them.
func (r *releasing) margins() [][]int {
	sets := r.plan.Margins(r.index)
	if sets == nil {
		return nil
	}
	all := make([]int, len(r.cells.keys))
	out := [][]int{all}
	for i := range all {
		all[i] = i
	}
	for _, set := range sets {
		at := map[string]int{}
		for i, key := range r.cells.keys {
			var part []privacy.Value
			for _, k := range set {
				part = append(part, key[k])
			}
			id := identity(part)
			if _, ok := at[id]; !ok {
				at[id] = len(out)
				out = append(out, nil)
			}
			out[at[id]] = append(out[at[id]], i)
		}
	}
	return out
}

// fill writes the values that an aggregate shows, rounded.
func (r *releasing) fill(a policy.Agg, j int, released *privacy.Released) {
	nth := 0 // among the quantiles
	for _, b := range r.node.Aggs[:j] {
		if b.Op == policy.AggQuantile {
			nth++
		}
	}
	for i, key := range r.cells.keys {
		v, shown := released.Value(i)
		if !shown {
			continue
		}
		var text string
		ok := true
		switch a.Op {
		case policy.AggSum:
			if len(r.cells.parts[i]) == 0 || !r.any(i, j) {
				continue // a sum of no rows is NULL
			}
			text = result.FormatDecimal(v, a.Scale)
		case policy.AggQuantile:
			text, ok = r.quantile(a, i, j, nth, key)
		case policy.AggStddev:
			text, ok = r.deviation(a, i, j)
		default:
			text = v.String()
		}
		if ok {
			r.values[i][j] = &text
		}
	}
}

// any reports whether a row takes part.
func (r *releasing) any(cell, agg int) bool {
	for _, c := range r.cells.parts[cell] {
		if c.aggs[agg].part[policy.ContributedRows].Sign() > 0 {
			return true
		}
	}
	return false
}

// total of one column of all contributions to a cell.
func (r *releasing) total(cell, agg, column int) *big.Int {
	sum := new(big.Int)
	for _, c := range r.cells.parts[cell] {
		sum.Add(sum, c.aggs[agg].part[column])
	}
	return sum
}

// quantile releases an interpolated quantile that half a threshold of units lies beyond on both sides.
func (r *releasing) quantile(a policy.Agg, cell, agg, nth int, key []privacy.Value) (string, bool) {
	q, ok := new(big.Rat).SetString(a.Q)
	found := r.quantiles[identity(key)]
	if !ok || nth >= len(found) || found[nth] == nil {
		return "", false
	}
	if one := big.NewRat(1, 1); q.Cmp(new(big.Rat).Sub(one, q)) > 0 {
		q.Sub(one, q)
	}
	beyond := q.Mul(q, new(big.Rat).SetInt64(r.unitsOfOthers(cell, agg)))
	if r.node.Mode != policy.ModeOwn && beyond.Cmp(big.NewRat(r.node.Guard.MinUnits, 2)) < 0 {
		return "", false
	}
	return r.rounded(*found[nth])
}

// unitsOfOthers counts the units that take part and are not the asker's: it knows where its own lie.
func (r *releasing) unitsOfOthers(cell, agg int) (n int64) {
	names, bySource := r.owners()
	for _, c := range r.cells.parts[cell] {
		if r.node.Mode == policy.ModeOwn || !slices.Contains(r.plan.Asker, names[bySource[c.source]]) {
			n += c.aggs[agg].part[policy.ContributedUnits].Int64()
		}
	}
	return n
}

// deviation is the standard deviation of a sample, from exact sums.
func (r *releasing) deviation(a policy.Agg, cell, agg int) (string, bool) {
	n := r.total(cell, agg, policy.ContributedRows)
	if n.Cmp(big.NewInt(2)) < 0 {
		return "", false
	}
	sum, squares := r.total(cell, agg, policy.ContributedSum), r.total(cell, agg, policy.ContributedSquares)
	// (n*squares - sum^2) / (n*(n-1)) is the variance in units of 10^-2*Scale.
	num := new(big.Int).Sub(new(big.Int).Mul(n, squares), new(big.Int).Mul(sum, sum))
	den := new(big.Int).Mul(n, new(big.Int).Sub(n, big.NewInt(1)))
	den.Mul(den, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(2*a.Scale)), nil))
	variance := new(big.Float).SetPrec(256).Quo(new(big.Float).SetInt(num), new(big.Float).SetInt(den))
	out, _ := variance.Sqrt(variance).Float64()
	return r.rounded(out)
}

// rounded keeps ValueDigits significant digits.
func (r *releasing) rounded(x float64) (string, bool) {
	if digits := int(r.node.Guard.ValueDigits); digits > 0 {
		y, err := strconv.ParseFloat(strconv.FormatFloat(x, 'e', digits-1, 64), 64)
		if err != nil {
			return "", false
		}
		x = y
	}
	return result.FormatDouble(x)
}

// tableColumns are the released table's: those of keys, then the aggregates'.
func (r *releasing) tableColumns() (keys, all []tableColumn) {
	for i, k := range r.node.Keys {
		keys = append(keys, tableColumn{"d" + itoa(i), k.Expr.Type})
	}
	all = slices.Clone(keys)
	for j, a := range r.node.Aggs {
		all = append(all, tableColumn{"b" + itoa(j), a.Type()})
	}
	return keys, all
}

// shownColumns are those of the table of the keys for which an aggregate is shown, or nil where no later release asks for it.
func (r *releasing) shownColumns(agg int) []tableColumn {
	for _, n := range r.plan.Program.Releases {
		if n.Within != nil && n.Within.Release == r.index && n.Within.Agg == agg {
			keys, _ := r.tableColumns()
			return append(keys, tableColumn{"shown", policy.Boolean})
		}
	}
	return nil
}

// makeTables makes the released table, and those of shown keys that later releases ask for.
func (r *releasing) makeTables(ctx context.Context) error {
	_, columns := r.tableColumns()
	if err := r.engine.makeTable(ctx, policy.ReleasedTable(r.index), columns); err != nil {
		return err
	}
	for j := range r.node.Aggs {
		if columns := r.shownColumns(j); columns != nil {
			if err := r.engine.makeTable(ctx, policy.ShownTable(r.index, j), columns); err != nil {
				return err
			}
		}
	}
	return nil
}

// store fills them.
func (r *releasing) store(ctx context.Context) error {
	_, columns := r.tableColumns()
	var rows [][]driver.Value
	for i, key := range r.cells.keys {
		if !r.keep[i] {
			continue
		}
		row := keyRow(key)
		for _, v := range r.values[i] {
			if v == nil {
				row = append(row, nil)
			} else {
				row = append(row, *v)
			}
		}
		rows = append(rows, row)
	}
	if err := r.engine.fillTable(ctx, policy.ReleasedTable(r.index), columns, rows); err != nil {
		return err
	}
	for j := range r.node.Aggs {
		if err := r.storeShown(ctx, j); err != nil {
			return err
		}
	}
	r.cells, r.values = nil, nil
	return nil
}

func (r *releasing) storeShown(ctx context.Context, agg int) error {
	columns := r.shownColumns(agg)
	if columns == nil {
		return nil
	}
	var rows [][]driver.Value
	for i, key := range r.cells.keys {
		if r.values[i][agg] != nil {
			rows = append(rows, append(keyRow(key), "true"))
		}
	}
	return r.engine.fillTable(ctx, policy.ShownTable(r.index, agg), columns, rows)
}

func keyRow(key []privacy.Value) []driver.Value {
	var row []driver.Value
	for _, v := range key {
		if v.Null {
			row = append(row, nil)
		} else {
			row = append(row, v.Text)
		}
	}
	return row
}

type tableColumn struct {
	name string
	t    policy.Type
}

// makeTable makes a table, and one that holds its rows as texts on their way into it. Neither may be there.
func (e *Engine) makeTable(ctx context.Context, name string, columns []tableColumn) error {
	var texts, typed []string
	for _, c := range columns {
		sql, ok := duckType(c.t)
		if !ok {
			return Error{CodePlan}
		}
		texts, typed = append(texts, c.name+" VARCHAR"), append(typed, c.name+" "+sql)
	}
	return e.exec(ctx, "CREATE TABLE memory.main."+stagingOf(name)+" ("+strings.Join(texts, ", ")+"); CREATE TABLE memory.main."+name+" ("+strings.Join(typed, ", ")+")")
}

func stagingOf(table string) string { return stagingTable + "_" + table }

// fillTable writes canonical texts into a table of makeTable: as texts first, then by one statement that casts them.
func (e *Engine) fillTable(ctx context.Context, name string, columns []tableColumn, rows [][]driver.Value) error {
	var casts []string
	for _, c := range columns {
		sql, ok := duckType(c.t)
		if !ok {
			return Error{CodePlan}
		}
		casts = append(casts, "CAST("+c.name+" AS "+sql+")")
	}
	a, err := duckdb.NewAppender(e.conn, "memory", "main", stagingOf(name))
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := a.AppendRow(row...); err != nil {
			a.Close()
			return err
		}
	}
	if err := a.Close(); err != nil {
		return err
	}
	return e.exec(ctx, "INSERT INTO memory.main."+name+" SELECT "+strings.Join(casts, ", ")+" FROM memory.main."+stagingOf(name))
}
