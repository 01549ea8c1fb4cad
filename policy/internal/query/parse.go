package query

import "strings"

// Parse reads one query.
func Parse(src string) (*Select, *Error) {
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks}
	s := p.statement()
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
	err   *Error
}

func (p *parser) peek() token  { return p.toks[p.at] }
func (p *parser) peek2() token { return p.toks[min(p.at+1, len(p.toks)-1)] }

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

func (p *parser) refuse(at Pos, code string) {
	c := constructs[code]
	p.fail(at, code, c.msg, c.hint)
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
	if code, ok := beginsWord[t.word]; ok && t.kind == tokWord {
		p.refuse(t.Pos, code)
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
	s := p.selectBody()
	if p.err == nil && p.op(";") && p.peek().kind != tokEOF {
		p.refuse(p.peek().Pos, "several-statements")
	}
	if p.err == nil && p.peek().kind != tokEOF {
		p.unexpected("expected the end of the query")
	}
	return s
}

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
	p.limits(s)
	return s
}

func (p *parser) items() []Item {
	var out []Item
	for {
		if p.isOp("*") {
			p.refuse(p.peek().Pos, "star")
		}
		it := Item{Expr: p.expr()}
		if p.word("as") {
			it.Alias = p.name("a column alias")
		} else if t := p.peek(); t.kind == tokQuoted || t.kind == tokWord && !reserved[t.word] {
			it.Alias = p.take().text
		}
		out = append(out, it)
		if len(out) > maxItems {
			p.fail(it.Expr.Pos, "too-long", "more than 64 output columns", "")
		}
		if !p.op(",") {
			return out
		}
	}
}

func (p *parser) name(what string) string {
	t := p.peek()
	if t.kind == tokQuoted || t.kind == tokWord && !reserved[t.word] {
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
	if p.word("as") {
		t.Alias = p.name("a table alias")
	} else if n := p.peek(); n.kind == tokQuoted || n.kind == tokWord && !reserved[n.word] {
		t.Alias = p.take().text
	}
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

func (p *parser) limits(s *Select) {
	for p.err == nil {
		switch {
		case s.Limit == nil && p.word("limit"):
			s.Limit = p.bound()
		case s.Offset == nil && p.word("offset"):
			s.Offset = p.bound()
		default:
			return
		}
	}
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
