package policy

import (
	"slices"
	"strconv"

	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// usePassed: a column is named in a subquery, and what for will be seen above.
const usePassed use = 100

// wideLabel is the disclosure label of a column of a data set, with the bins and the scale of a measure.
func (c *compiler) wideLabel(col Column) (label, []Expr, int) {
	if c.own {
		_, s, _ := col.Type.Decimal()
		if fold(col.Name) == fold(c.unit().Column) {
			return labelUnit, nil, 0
		}
		return labelDim, nil, s
	}
	out := labelHidden
	for _, s := range c.table.Members {
		switch r := s.Policy.columns[fold(col.Name)]; {
		case r.unit:
			return labelUnit, nil, 0
		case r.measure:
			out = labelMeasure
		case (r.grain != "" || r.onlyAs.kind != "") && out != labelMeasure:
			out = labelRaw
		case (r.dimension || r.filter) && out == labelHidden:
			out = labelDim
		}
	}
	if out != labelMeasure {
		return out, nil, 0
	}
	return out, c.bins(col), c.table.Members[0].Policy.columns[fold(col.Name)].scale
}

// bins are the constants that every policy lets a measure be compared with.
func (c *compiler) bins(col Column) (out []Expr) {
	for _, b := range c.table.Members[0].Policy.columns[fold(col.Name)].bins {
		t, text := number(b.text)
		x, ok := coerce(Expr{Op: OpConst, Type: t, Value: text}, col.Type)
		everywhere := c.lacking(col.Name, func(r columnRule) bool {
			return slices.ContainsFunc(r.bins, func(o scalar) bool { return trimZeros(o.text) == trimZeros(b.text) })
		}) == nil
		if ok && everywhere {
			out = append(out, x)
		}
	}
	return out
}

// coarsest is the strictest grain, and the form that every policy asks for.
func (c *compiler) coarsest(column string) (grain string, only onlyAs) {
	for i, s := range c.table.Members {
		r := s.Policy.columns[fold(column)]
		if slices.Index(grains, r.grain) > slices.Index(grains, grain) {
			grain = r.grain
		}
		if i > 0 && only != r.onlyAs {
			return grain, onlyAs{kind: "none"}
		}
		only = r.onlyAs
	}
	return grain, only
}

// read is a column as a scan opens it.
func (c *compiler) read(col Column, l label) Read {
	r := Read{Column: col.Name, Type: col.Type, Nullable: col.Nullable}
	switch {
	case l == labelMeasure || c.own && col.Type.aggregable(18) && fold(col.Name) != fold(c.unit().Column):
		rule := c.table.Members[0].Policy.columns[fold(col.Name)]
		if c.own && !rule.measure {
			rule = wholeRange(col.Type)
		}
		r.Bounds = &Bounds{Scale: rule.scale, Lo: rule.clamp[0], Hi: rule.clamp[1]}
	case l == labelDim:
		r.Values = c.domain(col)
	}
	return r
}

// bounded checks that all policies agree on a measure's clamp and scale, and gives it.
func (c *compiler) bounded(e *query.Expr, col Column) (Measure, *Refusal) {
	c.measures = nil
	if _, ref := c.measure(e, col); ref != nil {
		return Measure{}, ref
	}
	return c.measures[0], nil
}

// domainName names the identity space of the units: that of the policies, if they agree on one.
func (c *compiler) domainName() string {
	name := c.table.Members[0].Policy.unit.domain
	for _, s := range c.table.Members {
		if s.Policy.unit.domain != name {
			return ""
		}
	}
	return name
}

func multipleOf(s string, n int64) bool {
	v, err := strconv.ParseInt(s, 10, 64)
	return err == nil && n > 0 && v%n == 0
}

func itoa64(n int64) string { return strconv.FormatInt(n, 10) }
