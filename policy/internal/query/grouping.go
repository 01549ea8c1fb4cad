package query

func (p *parser) grouping() *Grouping {
	g := &Grouping{Pos: p.take().Pos}
	p.wantWord("by")
	if p.word("all") {
		g.All = true
		return g
	}
	for p.err == nil {
		g.Elems = append(g.Elems, p.groupElem())
		if len(g.Elems) > maxItems {
			p.fail(g.Pos, "too-long", "more than 64 grouping keys", "")
		}
		if !p.op(",") {
			break
		}
	}
	return g
}

func (p *parser) groupElem() GroupElem {
	e := GroupElem{Pos: p.peek().Pos}
	switch {
	case p.word("rollup"):
		e.Kind = GroupRollup
	case p.word("cube"):
		e.Kind = GroupCube
	case p.isWord("grouping") && p.peek2().word == "sets":
		p.take()
		p.take()
		e.Kind = GroupSets
	case p.isOp("(") && p.closes() == p.at+1:
		p.take()
		p.take()
		return GroupElem{Pos: e.Pos, Kind: GroupSets, Sets: [][]*Expr{nil}}
	default:
		return GroupElem{Pos: e.Pos, Kind: GroupExpr, Sets: [][]*Expr{{p.expr()}}}
	}
	p.wantOp("(")
	for p.err == nil {
		if e.Sets = append(e.Sets, p.groupSet(e.Kind)); len(e.Sets) > maxItems {
			p.fail(e.Pos, "too-long", "more than 64 grouping sets", "")
		}
		if !p.op(",") {
			break
		}
	}
	p.wantOp(")")
	return e
}

// groupSet takes one expression, or several in parentheses. Parentheses that belong to a longer expression are left to it.
func (p *parser) groupSet(kind GroupKind) []*Expr {
	end := p.ahead(p.closes() - p.at + 1)
	if !p.isOp("(") || end.kind != tokOp || end.text != "," && end.text != ")" {
		return []*Expr{p.expr()}
	}
	var out []*Expr
	at := p.take().Pos
	if kind == GroupSets && p.op(")") {
		return out
	}
	for p.err == nil {
		if out = append(out, p.expr()); len(out) > maxItems {
			p.fail(at, "too-long", "more than 64 grouping keys", "")
		}
		if !p.op(",") {
			break
		}
	}
	p.wantOp(")")
	return out
}

// closes finds the parenthesis that closes the one at hand. Sets don't nest, so that no token is looked at twice.
func (p *parser) closes() int {
	depth := 0
	for i := p.at; i < len(p.toks); i++ {
		if t := p.toks[i]; t.kind == tokOp && t.text == "(" {
			depth++
		} else if t.kind == tokOp && t.text == ")" {
			depth--
		}
		if depth <= 0 {
			return i
		}
	}
	return len(p.toks) - 1
}
