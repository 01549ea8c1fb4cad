package policy

import "github.com/cordon-exchange/cordon/policy/internal/query"

// nearestGrouped offers the query with the column as its one key and the count, if that would pass.
func (c *compiler) nearestGrouped(e *query.Expr) string {
	return c.offer(&query.Select{
		Items:   []query.Item{{Expr: e}, {Expr: &query.Expr{Kind: query.Call, Text: "count", Star: true}}},
		From:    c.ast.From,
		GroupBy: []*query.Expr{e},
	})
}

// nearestInLattice offers the query by its first key alone, without WHERE.
func (c *compiler) nearestInLattice() string {
	for _, k := range c.ast.GroupBy {
		e, r := c.groupKey(k)
		if r != nil || e.Kind != query.Ident {
			continue
		}
		s := &query.Select{From: c.ast.From, Items: []query.Item{{Expr: e}}, GroupBy: []*query.Expr{e}}
		for _, it := range c.ast.Items {
			if hasAggregate(it.Expr) {
				s.Items = append(s.Items, it)
			}
		}
		if q := c.offer(s); q != "" {
			return q
		}
	}
	return ""
}

// offer returns the text of a query that compiles, else none.
func (c *compiler) offer(s *query.Select) string {
	if c.req.noNearest {
		return ""
	}
	r := c.req
	r.noNearest = true
	if _, ref := compileTree(r, s); ref != nil {
		return ""
	}
	return s.Format()
}
