package query

import "strings"

// wholeCall takes what may follow a call in the whole grammar: WITHIN GROUP, FILTER and OVER.
func (p *parser) wholeCall(e *Expr) *Expr {
	if t := p.peek(); p.word("within") {
		p.withinGroup(t.Pos, e)
	}
	if p.word("filter") {
		p.wantOp("(")
		p.wantWord("where")
		e.Filter = p.expr()
		p.wantOp(")")
	}
	if p.isWord("ignore") || p.isWord("respect") {
		p.refuse(p.peek().Pos, "ignore-nulls")
	}
	if at := p.peek().Pos; p.word("over") {
		e.Over = p.window(at)
	}
	return e
}

// withinGroup writes percentile_cont(q) WITHIN GROUP (ORDER BY x) as quantile_cont(x, q), which means the same.
func (p *parser) withinGroup(at Pos, e *Expr) {
	if e.Text != "percentile_cont" || len(e.Args) != 1 || e.Distinct {
		p.refuse(at, "within-group")
	}
	p.wantWord("group")
	p.wantOp("(")
	p.wantWord("order")
	p.wantWord("by")
	x := p.expr()
	p.word("asc")
	if p.isWord("desc") || p.isWord("nulls") || p.isOp(",") {
		p.refuse(p.peek().Pos, "within-group")
	}
	p.wantOp(")")
	e.Text, e.Args = "quantile_cont", append([]*Expr{x}, e.Args...)
}

// extract takes year FROM x, in words or in quotes, as two arguments.
func (p *parser) extract(e *Expr) {
	t := p.peek()
	if t.kind != tokString && (t.kind != tokWord || !isName(t)) {
		p.unexpected("expected a part of a date, as year")
	}
	part := p.take()
	text := part.text
	if part.kind == tokWord {
		text = part.word
	}
	p.wantWord("from")
	e.Args = []*Expr{{Pos: part.Pos, Kind: String, Text: text}, p.expr()}
}

// refuseNamed refuses f(name := x) and f(name => x).
func (p *parser) refuseNamed() {
	t, a, b := p.peek(), p.ahead(1), p.ahead(2)
	named := a.kind == tokOp && b.kind == tokOp && (a.text == ":" && b.text == "=" || a.text == "=" && b.text == ">")
	if p.whole && named && (t.kind == tokWord || t.kind == tokQuoted) {
		p.refuse(t.Pos, "named-argument")
	}
}

func (p *parser) window(at Pos) *Window {
	w := &Window{Pos: at}
	if !p.isOp("(") {
		p.refuse(p.peek().Pos, "window")
	}
	p.take()
	if p.word("partition") {
		p.wantWord("by")
		w.PartitionBy = p.partition()
	}
	if p.word("order") {
		p.wantWord("by")
		w.OrderBy = p.orderBy()
	}
	w.Frame = p.frame()
	if isName(p.peek()) {
		p.refuse(p.peek().Pos, "window")
	}
	p.wantOp(")")
	return w
}

func (p *parser) partition() []*Expr {
	var out []*Expr
	for p.err == nil {
		if out = append(out, p.expr()); len(out) > maxItems {
			p.fail(out[0].Pos, "too-long", "more than 64 keys in PARTITION BY", "")
		}
		if !p.op(",") {
			break
		}
	}
	return out
}

// frame takes a frame, or nothing, and writes it in one form: in lower case and with both bounds.
func (p *parser) frame() string {
	at, unit := p.peek().Pos, p.peek().word
	switch unit {
	case "rows", "range":
		p.take()
	case "groups":
		p.refuse(at, "frame")
		return ""
	default:
		return ""
	}
	from, to := frameBound{}, frameBound{"current row", 2}
	if p.word("between") {
		from = p.frameBound()
		p.wantWord("and")
		to = p.frameBound()
	} else {
		from = p.frameBound()
	}
	if p.err == nil && (from.rank > to.rank || from.rank == 4 || to.rank == 0) || p.isWord("exclude") {
		p.refuse(at, "frame")
	}
	return unit + " between " + from.text + " and " + to.text
}

// frameBound has the rank of its kind, from UNBOUNDED PRECEDING, 0, to UNBOUNDED FOLLOWING, 4.
type frameBound struct {
	text string
	rank int
}

func (p *parser) frameBound() frameBound {
	t := p.peek()
	if p.word("current") {
		p.wantWord("row")
		return frameBound{"current row", 2}
	}
	what, far := "", 0
	switch {
	case p.word("unbounded"):
		what, far = "unbounded", 1
	case t.kind == tokNumber && len(t.text) <= 9 && !strings.Contains(t.text, "."):
		what = p.take().text
		if what = strings.TrimLeft(what, "0"); what == "" {
			what = "0"
		}
	default:
		p.refuse(t.Pos, "frame")
		return frameBound{}
	}
	switch {
	case p.word("preceding"):
		return frameBound{what + " preceding", 1 - far}
	case p.word("following"):
		return frameBound{what + " following", 3 + far}
	}
	p.refuse(t.Pos, "frame")
	return frameBound{}
}
