package query

import "strings"

// expr parses one expression; the order of these methods is the order of precedence.
func (p *parser) expr() *Expr {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.peek().Pos, "too-deep", "the expression is nested too deeply", "")
	}
	defer func() { p.depth-- }()
	return p.or()
}

func (p *parser) or() *Expr {
	return p.chain(p.and, func() string {
		if p.isWord("or") {
			return "or"
		}
		return ""
	})
}

func (p *parser) and() *Expr {
	return p.chain(p.not, func() string {
		if p.isWord("and") {
			return "and"
		}
		return ""
	})
}

// chain parses operands joined by left-associative operators, of which op names the next, or none.
func (p *parser) chain(operand func() *Expr, op func() string) *Expr {
	e := operand()
	for n := 0; p.err == nil; n++ {
		o := op()
		if o == "" {
			return e
		}
		if n > maxItems {
			p.fail(p.peek().Pos, "too-long", "more than 64 operators in a row", "use IN for long lists of values")
		}
		p.take()
		e = &Expr{Pos: e.Pos, Kind: Binary, Text: o, Args: []*Expr{e, operand()}}
	}
	return e
}

func (p *parser) not() *Expr {
	t := p.peek()
	if !p.word("not") {
		return p.is()
	}
	if p.depth++; p.depth > maxDepth {
		p.fail(t.Pos, "too-deep", "the expression is nested too deeply", "")
	}
	defer func() { p.depth-- }()
	return &Expr{Pos: t.Pos, Kind: Unary, Text: "not", Args: []*Expr{p.not()}}
}

func (p *parser) is() *Expr {
	e := p.comparison()
	for p.err == nil {
		t := p.peek()
		if !p.word("is") {
			return e
		}
		not := p.word("not")
		switch {
		case p.word("null"):
			e = &Expr{Pos: e.Pos, Kind: IsNull, Args: []*Expr{e}, Not: not}
		case p.isWord("true") || p.isWord("false"):
			e = isBool(e, p.take().word, not)
		case p.whole && p.isWord("distinct"):
			p.refuse(t.Pos, "is-distinct")
		default:
			p.fail(t.Pos, "is", "IS is followed by [NOT] NULL, TRUE or FALSE", "")
		}
	}
	return e
}

// isBool writes x IS TRUE as coalesce(x = true, false), which has the same three-valued meaning.
func isBool(e *Expr, value string, not bool) *Expr {
	lit := func(v string) *Expr { return &Expr{Pos: e.Pos, Kind: Bool, Text: v} }
	eq := &Expr{Pos: e.Pos, Kind: Binary, Text: "=", Args: []*Expr{e, lit(value)}}
	out := &Expr{Pos: e.Pos, Kind: Call, Text: "coalesce", Args: []*Expr{eq, lit("false")}}
	if not {
		return &Expr{Pos: e.Pos, Kind: Unary, Text: "not", Args: []*Expr{out}}
	}
	return out
}

func (p *parser) comparison() *Expr {
	e := p.ranged()
	op := p.compareOp()
	if op == "" {
		return e
	}
	p.take()
	e = &Expr{Pos: e.Pos, Kind: Binary, Text: op, Args: []*Expr{e, p.ranged()}}
	if p.compareOp() != "" {
		p.fail(p.peek().Pos, "syntax", "comparisons can't be chained", "join them with AND")
	}
	return e
}

func (p *parser) compareOp() string {
	if t := p.peek(); t.kind == tokOp {
		switch t.text {
		case "=", "<>", "<", "<=", ">", ">=":
			return t.text
		case "!=":
			return "<>"
		}
	}
	return ""
}

func (p *parser) ranged() *Expr {
	e := p.concat()
	t, not := p.peek(), false
	if p.isWord("not") && contains3(p.peek2().word) {
		p.take()
		not = true
	}
	switch {
	case p.word("between"):
		lo := p.concat()
		p.wantWord("and")
		return &Expr{Pos: e.Pos, Kind: Between, Args: []*Expr{e, lo, p.concat()}, Not: not}
	case p.word("in"):
		return p.in(e, not)
	case p.isWord("like") || p.isWord("ilike"):
		op := p.take().word
		like := &Expr{Pos: e.Pos, Kind: Like, Text: op, Args: []*Expr{e, p.concat()}, Not: not}
		if p.isWord("escape") {
			p.fail(p.peek().Pos, "escape", "ESCAPE is not in the grammar", "")
		}
		return like
	}
	if not {
		p.fail(t.Pos, "syntax", "NOT is followed by BETWEEN, IN or LIKE here", "")
	}
	return e
}

func contains3(w string) bool { return w == "between" || w == "in" || w == "like" || w == "ilike" }

func (p *parser) in(e *Expr, not bool) *Expr {
	out := &Expr{Pos: e.Pos, Kind: In, Args: []*Expr{e}, Not: not}
	if !p.isOp("(") {
		p.unexpected("expected a list in parentheses after IN")
		return out
	}
	p.take()
	if p.isWord("select") || p.isWord("with") || p.isWord("from") {
		p.refuse(p.peek().Pos, "subquery")
		return out
	}
	for p.err == nil {
		out.Args = append(out.Args, p.expr())
		if len(out.Args) > 1024 {
			p.fail(e.Pos, "too-long", "more than 1024 values in IN", "")
		}
		if !p.op(",") {
			break
		}
	}
	p.wantOp(")")
	return out
}

func (p *parser) concat() *Expr { return p.chain(p.sum, p.oneOf("||")) }

func (p *parser) sum() *Expr { return p.chain(p.product, p.oneOf("+", "-")) }

func (p *parser) product() *Expr { return p.chain(p.unary, p.oneOf("*", "/")) }

func (p *parser) oneOf(ops ...string) func() string {
	return func() string {
		for _, op := range ops {
			if p.isOp(op) {
				return op
			}
		}
		return ""
	}
}

func (p *parser) unary() *Expr {
	t := p.peek()
	if p.op("+") {
		return p.unaryOperand()
	}
	if p.op("-") {
		return &Expr{Pos: t.Pos, Kind: Unary, Text: "-", Args: []*Expr{p.unaryOperand()}}
	}
	return p.postfix()
}

func (p *parser) unaryOperand() *Expr {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.peek().Pos, "too-deep", "the expression is nested too deeply", "")
	}
	defer func() { p.depth-- }()
	return p.unary()
}

func (p *parser) postfix() *Expr {
	e := p.primary()
	for n := 0; p.op("::"); n++ {
		if n >= maxItems {
			p.fail(e.Pos, "too-long", "more than 64 casts in a row", "")
		}
		e = &Expr{Pos: e.Pos, Kind: Cast, Text: p.typeName(), Args: []*Expr{e}}
	}
	return e
}

func (p *parser) primary() *Expr {
	t := p.peek()
	e := &Expr{Pos: t.Pos, Text: t.text}
	switch {
	case t.kind == tokNumber:
		e.Kind = Number
	case t.kind == tokString:
		e.Kind = String
	case t.kind == tokParam:
		e.Kind = Param
	case t.kind == tokWord && (t.word == "true" || t.word == "false"):
		e.Kind, e.Text = Bool, t.word
	case t.kind == tokWord && t.word == "null":
		e.Kind, e.Text = Null, ""
	case p.isOp("("):
		return p.parens()
	case t.kind == tokWord && t.word == "case":
		return p.caseExpr()
	case t.kind == tokWord && t.word == "cast":
		return p.cast()
	case t.kind == tokWord && t.word == "date" && p.peek2().kind == tokString:
		p.take()
		e.Kind, e.Text = DateLit, p.peek().text
	case t.kind == tokQuoted || t.kind == tokWord && p.canName(t):
		return p.nameOrCall()
	default:
		p.unexpected("expected a value, a column or a function")
		return e
	}
	p.take()
	return e
}

// canName tells names from words that begin a construct. left(...) and right(...) are calls, not joins.
func (p *parser) canName(t token) bool {
	if (t.word == "left" || t.word == "right") && p.peek2().kind == tokOp && p.peek2().text == "(" {
		return true
	}
	if p.whole && t.word == "grouping" && p.peek2().kind == tokOp && p.peek2().text == "(" {
		return true
	}
	return !reserved[t.word] && beginsWord[t.word] == ""
}

func (p *parser) parens() *Expr {
	at := p.take().Pos
	if p.isWord("select") || p.isWord("with") || p.isWord("from") || p.isWord("values") {
		p.refuse(at, "subquery")
	}
	e := p.expr()
	if p.isOp(",") {
		p.refuse(at, "row")
	}
	p.wantOp(")")
	return e
}

func (p *parser) caseExpr() *Expr {
	e := &Expr{Pos: p.take().Pos, Kind: Case}
	if !p.isWord("when") {
		e.Operand = true
		e.Args = append(e.Args, p.expr())
	}
	for n := 0; p.word("when"); n++ {
		if n >= maxItems {
			p.fail(e.Pos, "too-long", "more than 64 branches", "")
		}
		cond := p.expr()
		p.wantWord("then")
		e.Args = append(e.Args, cond, p.expr())
	}
	if p.word("else") {
		e.Args = append(e.Args, p.expr())
	} else {
		e.Args = append(e.Args, &Expr{Pos: e.Pos, Kind: Null})
	}
	p.wantWord("end")
	if p.err == nil && len(e.Args) < 3 {
		p.fail(e.Pos, "syntax", "CASE has no WHEN", "")
	}
	return e
}

func (p *parser) cast() *Expr {
	e := &Expr{Pos: p.take().Pos, Kind: Cast}
	p.wantOp("(")
	e.Args = []*Expr{p.expr()}
	p.wantWord("as")
	e.Text = p.typeName()
	p.wantOp(")")
	return e
}

// typeName takes a word and up to two numbers in parentheses.
func (p *parser) typeName() string {
	t := p.peek()
	if t.kind != tokWord {
		p.unexpected("expected a type")
		return ""
	}
	name := p.take().word
	if !p.op("(") {
		return name
	}
	var nums []string
	for p.peek().kind == tokNumber && len(nums) < 2 {
		nums = append(nums, p.take().text)
		if !p.op(",") {
			break
		}
	}
	p.wantOp(")")
	return name + "(" + strings.Join(nums, ",") + ")"
}

func (p *parser) nameOrCall() *Expr {
	t := p.take()
	e := &Expr{Pos: t.Pos, Kind: Ident, Path: []string{t.text}}
	if t.kind == tokWord && p.isOp("(") {
		return p.call(t)
	}
	for p.op(".") {
		if p.isOp("*") {
			p.refuse(p.peek().Pos, "star")
			return e
		}
		n := p.peek()
		if n.kind != tokQuoted && n.kind != tokWord {
			p.unexpected("expected a name after the dot")
			return e
		}
		if e.Path = append(e.Path, p.take().text); len(e.Path) > 3 {
			p.fail(e.Pos, "name", "a column is named column or table.column", "")
		}
	}
	if p.isOp("(") {
		p.refuse(t.Pos, "function-name")
	}
	return e
}

func (p *parser) call(name token) *Expr {
	e := &Expr{Pos: name.Pos, Kind: Call, Text: name.word}
	p.take()
	switch {
	case p.isOp("*"):
		p.take()
		e.Star = true
	case p.isOp(")"):
	case p.whole && e.Text == "extract" && p.peek2().word == "from":
		p.extract(e)
	default:
		if t := p.peek(); p.word("distinct") {
			if e.Distinct = true; p.whole && e.Text != "count" {
				p.refuse(t.Pos, "distinct-aggregate")
			}
		} else if p.word("all") {
			p.fail(t.Pos, "syntax", "ALL inside an aggregate is not in the grammar", "leave it out")
		}
		p.args(e)
	}
	p.wantOp(")")
	if p.whole {
		return p.wholeCall(e)
	}
	p.afterCall()
	return e
}

func (p *parser) args(e *Expr) {
	for p.err == nil {
		if p.isWord("select") || p.isWord("with") {
			p.refuse(p.peek().Pos, "subquery")
		}
		p.refuseNamed()
		e.Args = append(e.Args, p.expr())
		if len(e.Args) > maxItems {
			p.fail(e.Pos, "too-long", "more than 64 arguments", "")
		}
		if !p.op(",") {
			break
		}
	}
	switch {
	case p.isWord("order"):
		p.refuse(p.peek().Pos, "order-in-aggregate")
	case p.isWord("from"):
		p.refuse(p.peek().Pos, "extract")
	case p.whole && (p.isWord("ignore") || p.isWord("respect")):
		p.refuse(p.peek().Pos, "ignore-nulls")
	}
}

// afterCall refuses what may follow a call in SQL and is not in the grammar.
func (p *parser) afterCall() {
	t := p.peek()
	if t.kind != tokWord {
		return
	}
	switch t.word {
	case "over":
		p.refuse(t.Pos, "window")
	case "filter":
		p.refuse(t.Pos, "filter-clause")
	case "within", "ignore", "respect":
		p.refuse(t.Pos, "order-in-aggregate")
	}
}
