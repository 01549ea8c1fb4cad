package policy

import (
	"reflect"

	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// released converts an expression above the release: over keys, bases and constants alone, so its label is Released.
// A bare aggregate call is moved into the release; what stands around it sees the released value.
func (c *compiler) released(e *query.Expr) (Expr, *Refusal) {
	if x, ok, r := c.literal(e); ok {
		return x, r
	}
	if e.Kind == query.Call && isAggregate(e.Text) {
		return c.aggregate(e)
	}
	if x, ok := c.key(e); ok {
		return x, nil
	}
	if e.Kind == query.Ident {
		return c.releasedName(e)
	}
	args := make([]Expr, len(e.Args))
	for i, a := range e.Args {
		var r *Refusal
		if args[i], r = c.released(a); r != nil {
			return Expr{}, r
		}
	}
	if e.Kind == query.Cast {
		return castOf(e, args[0])
	}
	return operate(e, args)
}

// key matches an expression with the keys of GROUP BY.
func (c *compiler) key(e *query.Expr) (Expr, bool) {
	if hasAggregate(e) {
		return Expr{}, false
	}
	x, l, r := c.row(e, useDimension)
	if r != nil || l == labelConst {
		return Expr{}, false
	}
	used := map[string]bool{}
	columnsOf(x, used)
	for name := range used {
		if _, inSet := c.dimIndex[name]; !inSet {
			return Expr{}, false
		}
	}
	x = c.numbered(x)
	for i, k := range c.keys {
		if reflect.DeepEqual(k, x) {
			return Expr{Op: OpKey, Type: k.Type, Index: i}, true
		}
	}
	return Expr{}, false
}

// releasedName is a name that is no key: an alias of the output where those may be used, or a column of rows.
func (c *compiler) releasedName(e *query.Expr) (Expr, *Refusal) {
	if item := c.aliases[fold(e.Path[0])]; item != nil && len(e.Path) == 1 {
		names := c.aliases
		c.aliases = nil // an alias can't name another
		defer func() { c.aliases = names }()
		return c.released(item)
	}
	if _, _, r := c.row(e, useDimension); r != nil {
		return Expr{}, r
	}
	r := ruled("release", "not-grouped", e.Pos, "only keys of GROUP BY and aggregates leave", "group by this column, or leave it out").of(c.names())
	if !c.aggregates() {
		r.Code, r.Msg = "rows", "single rows never leave: this query would list them"
	}
	r.Nearest = c.nearestGrouped(e)
	return Expr{}, r
}

// aggregates reports whether the query groups or aggregates at all.
func (c *compiler) aggregates() bool {
	for _, it := range c.ast.Items {
		if hasAggregate(it.Expr) {
			return true
		}
	}
	return len(c.ast.GroupBy) > 0 || c.ast.GroupAll
}

// groupBy converts the keys: columns, ordinals, aliases, expressions over dimensions, or ALL.
func (c *compiler) groupBy() *Refusal {
	keys := c.ast.GroupBy
	if c.ast.GroupAll {
		for _, it := range c.ast.Items {
			if !hasAggregate(it.Expr) {
				keys = append(keys, it.Expr)
			}
		}
	}
	for _, k := range keys {
		e, r := c.groupKey(k)
		if r != nil {
			return r
		}
		x, l, r := c.row(e, useDimension)
		if r != nil {
			r.Where = at(k.Pos)
			return r
		}
		seen := func(have Expr) bool { return reflect.DeepEqual(have, x) }
		if l == labelConst || anyOf(c.keys, seen) {
			continue
		}
		c.keys = append(c.keys, x)
	}
	return nil
}

func anyOf(list []Expr, ok func(Expr) bool) bool {
	for _, x := range list {
		if ok(x) {
			return true
		}
	}
	return false
}

// groupKey replaces an ordinal or an alias by the item that it stands for; columns go before aliases.
func (c *compiler) groupKey(k *query.Expr) (*query.Expr, *Refusal) {
	if k.Kind == query.Number {
		return c.ordinal(k)
	}
	if k.Kind == query.Ident && len(k.Path) == 1 {
		if _, isColumn := c.column(k); !isColumn {
			if item := c.aliases[fold(k.Path[0])]; item != nil {
				return item, nil
			}
		}
	}
	return k, nil
}

func (c *compiler) ordinal(k *query.Expr) (*query.Expr, *Refusal) {
	for i, it := range c.ast.Items {
		if k.Text == itoa(i+1) {
			return it.Expr, nil
		}
	}
	return nil, ruled("grammar", "ordinal", k.Pos, "there is no such output column", "ordinals count from 1")
}

// orderKey replaces an ordinal or an alias; in ORDER BY names of the output go first.
func (c *compiler) orderKey(k *query.Expr) (*query.Expr, *Refusal) {
	if k.Kind == query.Number {
		return c.ordinal(k)
	}
	if k.Kind == query.Ident && len(k.Path) == 1 {
		if item := c.aliases[fold(k.Path[0])]; item != nil {
			return item, nil
		}
	}
	return k, nil
}
