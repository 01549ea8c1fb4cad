package publish

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/tabular"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
	"github.com/cordon-exchange/cordon/statement"
)

// column is one published column: where it comes from, what it must satisfy.
type column struct {
	policy.Column
	from    int // index in the file's row; rowID for the numbering
	measure *measure
	domain  map[string]bool // declared values; nil: any
	unique  bool
}

const rowID = -1

// measure bounds a column that the policy lets be aggregated, in integers of 10^-scale.
type measure struct {
	lo, hi int64
	scale  int

	keeps bool // values outside: output: dp
}

// selection pairs file columns with published names, before types are known.
type selection struct {
	names []string
	from  []int
	where []condition
}

type condition struct {
	from int
	text string
}

func selectColumns(r *Request, fields []tabular.Field) (*selection, error) {
	var s selection
	index := func(name string) (int, error) {
		i := slices.IndexFunc(fields, func(f tabular.Field) bool { return f.Name == name })
		if i < 0 {
			return 0, input(fmt.Sprintf("the file has no column %q", name), "it has: "+fieldNames(fields))
		}
		return i, nil
	}
	wanted := r.Columns
	if len(wanted) == 0 {
		for _, f := range fields {
			wanted = append(wanted, Rename{From: f.Name, To: f.Name})
		}
	}
	for _, w := range wanted {
		i, err := index(w.From)
		if err != nil {
			return nil, err
		}
		if err := s.add(w.To, i); err != nil {
			return nil, err
		}
	}
	for _, w := range r.Where {
		i, err := index(w.Column)
		if err != nil {
			return nil, err
		}
		s.where = append(s.where, condition{from: i, text: w.Text})
	}
	if r.RowID != "" {
		if err := s.add(r.RowID, rowID); err != nil {
			return nil, err
		}
	}
	return &s, nil
}

func (s *selection) add(name string, from int) error {
	if !statement.ValidColumn(name) {
		return input(fmt.Sprintf("column %q can't be published under this name", name), fmt.Sprintf("rename it: --column %q", name+"="+suggest(name)))
	}
	if slices.Contains(s.names, name) {
		return input("two published columns are named "+name, "rename one with --column or --row-id")
	}
	s.names, s.from = append(s.names, name), append(s.from, from)
	return nil
}

// suggest makes a valid name out of a heading.
func suggest(name string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' && b.Len() > 0 {
			b.WriteRune(c)
		} else if b.Len() > 0 && !strings.HasSuffix(b.String(), "_") {
			b.WriteByte('_')
		}
	}
	if out := strings.Trim(b.String(), "_"); statement.ValidColumn(out) {
		return out
	}
	return "name"
}

func fieldNames(fields []tabular.Field) string {
	var out []string
	for _, f := range fields {
		out = append(out, fmt.Sprintf("%q", f.Name))
	}
	return strings.Join(out, ", ")
}

// files are the columns of the file that are published or asked for, by their places in it.
func (s *selection) files() (out []int) {
	for _, from := range s.from {
		if from != rowID {
			out = append(out, from)
		}
	}
	for _, w := range s.where {
		out = append(out, w.from)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// place is where a column of the file stands among those.
func (s *selection) place(from int) int { return slices.Index(s.files(), from) }

// kept are the rows of a batch that match all conditions, before the first that can't be read.
func (s *selection) kept(b *tabular.Batch) (out []piece, err error) {
	if len(s.where) == 0 {
		return []piece{{b, 0, b.Rows}}, nil
	}
	defer b.Guard(&err)
	var places []int
	for _, w := range s.where {
		places = append(places, s.place(w.from))
	}
	for row := range b.Rows {
		keeps, err := s.keeps(b, places, row)
		if err != nil {
			return out, err
		}
		if !keeps {
			continue
		}
		if n := len(out); n > 0 && out[n-1].to == row {
			out[n-1].to++
		} else {
			out = append(out, piece{b, row, row + 1})
		}
	}
	return out, nil
}

func (s *selection) keeps(b *tabular.Batch, places []int, row int) (bool, error) {
	for i, w := range s.where {
		c, err := b.Cell(places[i], row)
		if err != nil || c.Null || c.Text != w.text {
			return false, err
		}
	}
	return true, nil
}

// columns decides each column's type: what the owner says, else what the policy
// needs of a measure, else what the file says, else what all its values fit.
func (s *selection) columns(r *Request, p *policy.Policy, inferred []policy.Type) ([]column, error) {
	var out []column
	typed := map[string]Typed{}
	for _, t := range r.Schema {
		if _, twice := typed[t.Column]; twice || !slices.Contains(s.names, t.Column) {
			return nil, usage("--schema names "+t.Column+" twice, or it is not published", "published are: "+strings.Join(s.names, ", "))
		}
		typed[t.Column] = t
	}
	for i, name := range s.names {
		c := column{Column: policy.Column{Name: name, Nullable: true}, from: s.from[i]}
		if c.from == rowID {
			c.Type, c.Nullable = "int64", false
		} else {
			c.Type = inferred[c.from]
		}
		if err := c.rules(p, typed[name]); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func (c *column) rules(p *policy.Policy, t Typed) error {
	lo, hi, scale, isMeasure := p.Clamp(c.Name)
	if isMeasure {
		c.measure = &measure{lo: lo, hi: hi, scale: scale, keeps: p.Noisy()}
		c.Type = measureType(scale)
	}
	if t.Type != "" {
		c.Type, c.Nullable = t.Type, c.Nullable && !t.NotNull
	}
	_, _, decimal := result.Type(c.Type).Decimal()
	if isMeasure && c.Type != "int64" && !decimal {
		return input(fmt.Sprintf("measure %s can't have type %s", c.Name, c.Type), "measures are int64 or decimal(p,s), so that no rounding is hidden")
	}
	if values, ok := p.Domain(c.Name); ok {
		c.domain = map[string]bool{}
		for _, v := range values {
			c.domain[v] = true
		}
	}
	if p.RowsAreUnits() && c.Name == p.UnitColumn() {
		c.Nullable, c.unique = false, c.from != rowID
	}
	return nil
}

func measureType(scale int) policy.Type {
	if scale == 0 {
		return "int64"
	}
	return policy.Type(fmt.Sprintf("decimal(18,%d)", scale))
}

func schemaOf(cols []column) []policy.Column {
	var out []policy.Column
	for _, c := range cols {
		out = append(out, c.Column)
	}
	return out
}

// parsePolicy reads the owner's policy, for errors with line and column.
func parsePolicy(r *Request) (*policy.Policy, error) {
	p, err := policy.Parse(r.Policy)
	if err != nil {
		return nil, policyFault(err)
	}
	if p.Dataset() != r.Dataset {
		return nil, input(fmt.Sprintf("the policy is for data set %q, not %q", p.Dataset(), r.Dataset), "change its first line, or --name")
	}
	return p, nil
}

// termsUnder reads the terms that go with a policy, and finds the columns that they speak of.
func (r *Request) termsUnder(p *policy.Policy, schema []policy.Column) (*statement.Terms, error) {
	terms := r.terms
	if len(r.Terms) > 0 {
		var err error
		var s *policy.SyntaxError
		if terms, err = policy.ParseTerms(r.Terms, p); errors.As(err, &s) {
			return nil, input(fmt.Sprintf("terms:%d:%d: %s", s.Line, s.Col, s.Msg), s.Hint)
		}
		if err != nil {
			return nil, err
		}
	}
	if terms == nil {
		return nil, nil
	}
	for _, x := range terms.Statistics {
		if !slices.ContainsFunc(schema, func(c policy.Column) bool { return c.Name == x.Column }) {
			return nil, input(fmt.Sprintf("the terms have statistics of column %q, which is not published", x.Column), "remove them, or publish the column")
		}
	}
	return terms, nil
}

func policyFault(err error) error {
	var s *policy.SyntaxError
	if errors.As(err, &s) {
		return input(fmt.Sprintf("policy:%d:%d: %s", s.Line, s.Col, s.Msg), s.Hint)
	}
	return fault.New(fault.Input, "the policy can't be used", "see docs/spec/policy.md", err)
}
