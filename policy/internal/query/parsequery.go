package query

import "strings"

// ParseQuery reads one query of the whole grammar.
func ParseQuery(src string) (*Query, *Error) {
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks, whole: true}
	if p.peek().kind == tokEOF {
		p.fail(p.peek().Pos, "syntax", "the query is empty", "begin with SELECT")
	}
	q := p.query()
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	return q, nil
}

// deeper guards every recursion; the caller defers what it returns.
func (p *parser) deeper() func() {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.peek().Pos, "too-deep", "the query is nested too deeply", "")
	}
	return func() { p.depth-- }
}

// tally counts what is bounded over the whole query.
func (p *parser) tally(n *int, most int, msg string) {
	if *n++; *n > most {
		p.fail(p.peek().Pos, "too-long", msg, "")
	}
}

// beginsQuery tells a query in parentheses from a join in parentheses.
func beginsQuery(t token) bool {
	switch t.word {
	case "select", "with", "from", "values", "pivot", "unpivot":
		return t.kind == tokWord
	}
	return false
}

func (p *parser) query() *Query {
	defer p.deeper()()
	q := &Query{Pos: p.peek().Pos}
	if p.word("with") {
		q.With = p.ctes()
	}
	for more := true; more && p.err == nil; more = p.unionAll() {
		q.Arms = append(q.Arms, p.arm())
		p.tally(&p.count.arms, maxArms, "more than 256 SELECTs")
	}
	if p.word("order") {
		p.wantWord("by")
		q.OrderBy = p.orderBy()
	}
	q.Limit, q.Offset = p.limits()
	return q
}

func (p *parser) ctes() []CTE {
	if p.isWord("recursive") && isName(p.peek2()) {
		p.refuse(p.peek().Pos, "recursive")
	}
	var out []CTE
	seen := map[string]bool{}
	for p.err == nil {
		c := p.cte()
		if name := strings.ToLower(c.Name); p.err == nil && seen[name] {
			p.refuse(c.Pos, "cte-twice")
		} else {
			seen[name] = true
		}
		out = append(out, c)
		p.tally(&p.count.ctes, maxCTEs, "more than 64 common table expressions")
		if !p.op(",") {
			break
		}
	}
	return out
}

// cte takes one name AS (query). Whether it is materialised is the engine's affair: the hint is dropped.
func (p *parser) cte() CTE {
	c := CTE{Pos: p.peek().Pos, Name: p.name("the name of a common table expression")}
	if p.isOp("(") {
		p.refuse(p.peek().Pos, "alias-columns")
	}
	p.wantWord("as")
	if p.isWord("not") && p.peek2().word == "materialized" {
		p.take()
	}
	p.word("materialized")
	p.wantOp("(")
	c.Query = p.query()
	p.wantOp(")")
	return c
}

func (p *parser) unionAll() bool {
	t := p.peek()
	switch {
	case p.isWord("intersect") || p.isWord("except"):
	case !p.word("union"):
		return false
	case p.word("all") && !p.isWord("by"):
		return true
	}
	p.refuse(t.Pos, "set-operation")
	return false
}

func (p *parser) arm() *Select {
	s := &Select{Pos: p.peek().Pos}
	if !p.word("select") {
		p.notSelect()
		return s
	}
	if s.Distinct = p.word("distinct"); s.Distinct && p.isWord("on") {
		p.refuse(p.peek().Pos, "distinct-on")
	}
	if !s.Distinct {
		p.word("all")
	}
	s.Items = p.items()
	if t := p.peek(); t.kind == tokEOF || p.isOp(")") || p.isOp(";") || p.isWord("union") {
		p.refuse(t.Pos, "no-from")
	}
	if p.wantWord("from"); p.err == nil {
		s.Source = p.from()
	}
	if p.word("where") {
		s.Where = p.expr()
	}
	if p.isWord("group") {
		s.Group = p.grouping()
	}
	if p.word("having") {
		s.Having = p.expr()
	}
	return s
}

// notSelect refuses what stands where a SELECT must.
func (p *parser) notSelect() {
	t := p.peek()
	switch name := p.begins(t); {
	case name == "pivot" || name == "values" || name == "cte":
		p.refuse(t.Pos, name)
	case p.isWord("from"):
		p.refuse(t.Pos, "from-first")
	case p.isOp("("):
		p.refuse(t.Pos, "parentheses")
	case t.kind == tokEOF:
		p.fail(t.Pos, "syntax", "expected SELECT, but the query ends here", "")
	default:
		p.refuse(t.Pos, "statement")
	}
}

// starItem takes * or table.* where it is a whole item; the narrow grammar refuses it.
func (p *parser) starItem() *Expr {
	n := 0
	for p.whole && n < 4 && isName(p.ahead(n)) && p.ahead(n+1).kind == tokOp && p.ahead(n+1).text == "." {
		n += 2
	}
	if t := p.ahead(n); t.kind != tokOp || t.text != "*" {
		return nil
	}
	e := &Expr{Pos: p.peek().Pos, Kind: Star}
	if !p.whole {
		p.refuse(e.Pos, "star")
	}
	for ; n > 0; n -= 2 {
		e.Path = append(e.Path, p.take().text)
		p.take()
	}
	p.take()
	if t := p.peek(); !p.isOp(",") && !p.isWord("from") && t.kind != tokEOF {
		p.refuse(t.Pos, "star")
	}
	return e
}
