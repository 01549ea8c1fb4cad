package query

import "strings"

// Parse reads one query of the narrow grammar, which plan/1 is compiled from.
func Parse(src string) (*Select, *Error) {
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks}
	s := p.statement()
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	return s, nil
}

// parser keeps the first fault and then stands at the end of the text, so that every loop ends.
type parser struct {
	toks  []token
	at    int
	depth int
	whole bool // the whole grammar; else the narrow one
	count struct{ ctes, joins, arms int }
	err   *Error
}

func (p *parser) peek() token       { return p.toks[p.at] }
func (p *parser) peek2() token      { return p.ahead(1) }
func (p *parser) ahead(n int) token { return p.toks[min(p.at+n, len(p.toks)-1)] }

func (p *parser) take() token {
	t := p.toks[p.at]
	if p.at < len(p.toks)-1 {
		p.at++
	}
	return t
}

func (p *parser) fail(at Pos, code, msg, hint string) {
	if p.err == nil {
		p.err = &Error{Pos: at, Code: code, Msg: msg, Hint: hint}
	}
	p.at = len(p.toks) - 1
}

// refuse refuses a construct by name.
func (p *parser) refuse(at Pos, name string) {
	c, ok := wholeConstructs[name]
	if !ok || !p.whole {
		c = constructs[name]
	}
	if code := wholeCodes[name]; code != "" {
		name = code
	}
	p.fail(at, name, c.msg, c.hint)
}

func (p *parser) isWord(w string) bool { return p.peek().kind == tokWord && p.peek().word == w }
func (p *parser) isOp(op string) bool  { return p.peek().kind == tokOp && p.peek().text == op }

func (p *parser) word(w string) bool {
	if p.isWord(w) {
		p.take()
		return true
	}
	return false
}

func (p *parser) op(op string) bool {
	if p.isOp(op) {
		p.take()
		return true
	}
	return false
}

func (p *parser) wantWord(w string) {
	if !p.word(w) {
		p.unexpected("expected " + strings.ToUpper(w))
	}
}

func (p *parser) wantOp(op string) {
	if !p.op(op) {
		p.unexpected("expected " + op)
	}
}

// unexpected refuses the next token: by its own rule if it begins a construct that we know.
func (p *parser) unexpected(want string) {
	t := p.peek()
	if name := p.begins(t); name != "" {
		p.refuse(t.Pos, name)
		return
	}
	if code, ok := beginsOp[t.text]; ok && t.kind == tokOp {
		p.refuse(t.Pos, code)
		return
	}
	if t.kind == tokEOF {
		want += ", but the query ends here"
	}
	p.fail(t.Pos, "syntax", want, "")
}

func (p *parser) statement() *Select {
	if t := p.peek(); !p.isWord("select") {
		switch {
		case t.kind == tokEOF:
			p.fail(t.Pos, "syntax", "the query is empty", "begin with SELECT")
		case p.isWord("with"):
			p.refuse(t.Pos, "cte")
		case p.isOp("("):
			p.refuse(t.Pos, "subquery")
		default:
			p.refuse(t.Pos, "statement")
		}
		return nil
	}
	return p.selectBody()
}

// end is the end of the text, perhaps after a semicolon.
func (p *parser) end() {
	if p.err == nil && p.op(";") && p.peek().kind != tokEOF {
		p.refuse(p.peek().Pos, "several-statements")
	}
	if p.err == nil && p.peek().kind != tokEOF {
		p.unexpected("expected the end of the query")
	}
}

// begins names the construct that a word begins, if it begins one.
func (p *parser) begins(t token) string {
	if t.kind != tokWord {
		return ""
	}
	if name := wholeBegins[t.word]; name != "" && p.whole {
		return name
	}
	return beginsWord[t.word]
}

// isName tells names from the words that can't be one unless they are quoted.
func isName(t token) bool { return t.kind == tokQuoted || t.kind == tokWord && !reserved[t.word] }

func (p *parser) selectBody() *Select {
	s := &Select{}
	p.take()
	if p.isWord("distinct") {
		p.refuse(p.peek().Pos, "distinct")
		return nil
	}
	p.word("all")
	s.Items = p.items()
	p.wantWord("from")
	s.From = p.table()
	if p.word("where") {
		s.Where = p.expr()
	}
	if s.GroupPos = p.peek().Pos; p.word("group") {
		p.wantWord("by")
		p.groupBy(s)
	}
	if p.word("having") {
		s.Having = p.expr()
	}
	if p.word("order") {
		p.wantWord("by")
		s.OrderBy = p.orderBy()
	}
	s.Limit, s.Offset = p.limits()
	return s
}

func (p *parser) items() []Item {
	var out []Item
	for {
		it := p.item()
		out = append(out, it)
		if len(out) > maxItems {
			p.fail(it.Expr.Pos, "too-long", "more than 64 output columns", "")
		}
		if !p.op(",") {
			return out
		}
	}
}

func (p *parser) item() Item {
	if star := p.starItem(); star != nil {
		return Item{Expr: star}
	}
	return Item{Expr: p.expr(), Alias: p.alias("a column alias")}
}

// alias takes a name, with or without AS, or nothing.
func (p *parser) alias(what string) string {
	if p.word("as") {
		return p.name(what)
	}
	if t := p.peek(); isName(t) && !(p.whole && wholeNoAlias[t.word]) {
		return p.take().text
	}
	return ""
}

func (p *parser) name(what string) string {
	if isName(p.peek()) {
		return p.take().text
	}
	p.unexpected("expected " + what)
	return ""
}

func (p *parser) table() Table {
	t := Table{Pos: p.peek().Pos}
	switch {
	case p.peek().kind == tokString:
		p.refuse(t.Pos, "file")
	case p.isOp("("):
		p.refuse(t.Pos, "subquery")
	}
	t.Schema = p.name("a data set, as party.dataset or pool.name")
	if p.isOp("(") {
		p.refuse(t.Pos, "table-function")
	}
	if p.err == nil && !p.op(".") {
		p.refuse(t.Pos, "table-name")
	}
	t.Name = p.name("the name of a data set")
	if p.isOp(".") {
		p.refuse(t.Pos, "table-name")
	}
	if p.isOp("(") {
		p.refuse(t.Pos, "table-function")
	}
	t.Alias = p.alias("a table alias")
	if t.Alias != "" && p.isOp("(") {
		p.refuse(p.peek().Pos, "alias-columns")
	}
	if p.isOp(",") {
		p.refuse(p.peek().Pos, "join")
	}
	return t
}

func (p *parser) groupBy(s *Select) {
	if p.isWord("all") {
		p.take()
		s.GroupAll = true
		return
	}
	for {
		if p.isOp("(") && p.peek2().kind == tokOp && p.peek2().text == ")" {
			p.refuse(p.peek().Pos, "grouping-sets")
		}
		s.GroupBy = append(s.GroupBy, p.expr())
		if len(s.GroupBy) > maxItems {
			p.fail(s.GroupPos, "too-long", "more than 64 grouping keys", "")
		}
		if !p.op(",") {
			return
		}
	}
}

func (p *parser) orderBy() []Order {
	var out []Order
	for {
		if p.isWord("all") {
			p.fail(p.peek().Pos, "order-all", "ORDER BY ALL is not in the grammar", "name the columns")
		}
		o := Order{Expr: p.expr()}
		if !p.word("asc") {
			o.Desc = p.word("desc")
		}
		if p.word("nulls") {
			if o.NullsFirst = p.word("first"); !o.NullsFirst {
				p.wantWord("last")
			}
		}
		if out = append(out, o); len(out) > maxItems {
			p.fail(o.Expr.Pos, "too-long", "more than 64 sort keys", "")
		}
		if !p.op(",") {
			return out
		}
	}
}

// limits takes LIMIT and OFFSET, in either order.
func (p *parser) limits() (limit, offset *Expr) {
	for p.err == nil {
		switch {
		case limit == nil && p.word("limit"):
			limit = p.bound()
		case offset == nil && p.word("offset"):
			offset = p.bound()
		default:
			return limit, offset
		}
	}
	return limit, offset
}

// bound takes the constant of LIMIT or OFFSET.
func (p *parser) bound() *Expr {
	t := p.peek()
	e := &Expr{Pos: t.Pos, Text: t.text}
	switch {
	case t.kind == tokNumber:
		e.Kind = Number
	case t.kind == tokParam:
		e.Kind = Param
	case p.isOp("("):
		p.refuse(t.Pos, "subquery")
	default:
		p.fail(t.Pos, "limit", "LIMIT and OFFSET take a whole number or a parameter", "")
	}
	p.take()
	if p.isOp("%") || p.isWord("percent") {
		p.fail(t.Pos, "limit", "LIMIT takes a number of rows, not a percentage", "")
	}
	return e
}
