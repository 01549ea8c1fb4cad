package query

import "strings"

// from takes what stands after FROM. A comma binds less than a join.
func (p *parser) from() *From {
	defer p.deeper()()
	left := p.joined()
	for p.err == nil {
		at := p.peek().Pos
		if !p.op(",") {
			break
		}
		left = p.join(at, JoinCross, left, p.joined())
	}
	return left
}

func (p *parser) joined() *From {
	left := p.fromOne()
	for p.err == nil {
		at := p.peek().Pos
		kind := p.joinKind()
		if kind == 0 {
			break
		}
		left = p.join(at, kind, left, p.fromOne())
		if kind != JoinCross {
			p.joinKey(left)
		}
	}
	return left
}

func (p *parser) join(at Pos, kind JoinKind, left, right *From) *From {
	p.tally(&p.count.joins, maxJoins, "more than 32 joins")
	return &From{Pos: at, Kind: FromJoin, Join: kind, Left: left, Right: right}
}

// joinKind takes the words up to JOIN, or nothing where no join begins.
func (p *parser) joinKind() JoinKind {
	kind := JoinInner
	switch t := p.peek(); {
	case p.word("join"):
		return kind
	case p.word("inner"):
	case p.word("left"):
		kind = JoinLeft
		p.word("outer")
	case p.word("cross"):
		kind = JoinCross
	case p.begins(t) == "join-kind":
		p.refuse(t.Pos, "join-kind")
		return 0
	default:
		return 0
	}
	p.wantWord("join")
	return kind
}

func (p *parser) joinKey(j *From) {
	switch {
	case p.word("on"):
		j.On = p.expr()
	case p.word("using"):
		p.wantOp("(")
		j.Using = p.names("more than 64 columns in USING")
		p.wantOp(")")
	default:
		p.unexpected("expected ON or USING")
	}
}

func (p *parser) names(tooMany string) []string {
	var out []string
	for p.err == nil {
		at := p.peek().Pos
		if out = append(out, p.name("a column")); len(out) > maxItems {
			p.fail(at, "too-long", tooMany, "")
		}
		if !p.op(",") {
			break
		}
	}
	return out
}

// fromOne takes a table, a subquery or a join in parentheses.
func (p *parser) fromOne() *From {
	f := &From{Pos: p.peek().Pos}
	switch {
	case p.peek().kind == tokString:
		p.refuse(f.Pos, "file")
	case !p.isOp("("):
		f.Kind, f.Table = FromTable, p.tableName()
	case beginsQuery(p.peek2()):
		p.take()
		f.Kind, f.Sub = FromSub, p.query()
		p.wantOp(")")
	default:
		return p.fromParens()
	}
	f.Alias = p.alias("a table alias")
	if f.Alias != "" && p.isOp("(") {
		p.refuse(p.peek().Pos, "alias-columns")
	}
	return f
}

func (p *parser) fromParens() *From {
	p.take()
	f := p.from()
	p.wantOp(")")
	if t := p.peek(); p.isWord("as") || isName(t) {
		p.fail(t.Pos, "syntax", "a join in parentheses has no alias", "name the tables in it")
	}
	return f
}

// tableName takes party.dataset, or the name of a common table expression. An alias after show, describe, summarize and
// table needs its AS.
func (p *parser) tableName() Table {
	first := p.peek()
	if next := p.peek2(); wholeStatements[first.word] && (isName(next) || beginsQuery(next)) {
		p.refuse(first.Pos, "statement")
	}
	t := Table{Pos: first.Pos, Name: p.name("a data set, as party.dataset or pool.name")}
	if p.op(".") {
		t.Schema, t.Name = t.Name, p.name("the name of a data set")
	} else if first.kind == tokQuoted && strings.ContainsAny(t.Name, "./\\:*?") {
		p.refuse(t.Pos, "file") // the engine would take it for one
	}
	switch {
	case p.isOp("."):
		p.refuse(t.Pos, "table-name")
	case p.isOp("("):
		p.refuse(t.Pos, "table-function")
	}
	return t
}
