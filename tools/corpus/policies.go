package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// assumed is one data set's rules as a corpus writes them.
type assumed struct {
	name         string // party.dataset
	unit         string
	minUnits     string
	contributors *contributors
	purposes     []string
	columns      []assumedColumn
	joins        []string // "a.b.key = c.d.key"
	aggregates   []string
	rounding     map[string]string
	dp           map[string]string
}

type contributors struct{ Min, MaxSharePct, PPercent string }

// assumedColumn keeps every setting as its text.
type assumedColumn struct {
	name    string
	roles   []string
	bins    []string
	clamp   []string
	grain   string
	onlyAs  string
	measure bool
}

// world is the policies of a corpus: data sets in the order of the file, then pools.
type assumedWorld struct {
	sets  []*assumed
	pools []assumedPool
}

type assumedPool struct {
	name    string
	members []string
}

func (w *assumedWorld) find(name string) *assumed {
	for _, a := range w.sets {
		if a.name == name {
			return a
		}
	}
	return nil
}

// pooled lists the members of the pool that a data set is in.
func (w *assumedWorld) pooled(name string) []string {
	for _, p := range w.pools {
		if slices.Contains(p.members, name) {
			return p.members
		}
	}
	return []string{name}
}

// readPolicies reads the block "Policies assumed" of a corpus. What it does not know is an error: a rule that is read over
// would be judged as if nobody had asked for it.
func readPolicies(src []byte) (*assumedWorld, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil {
		return nil, err
	}
	if doc.Kind != yaml.DocumentNode || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("policies: not a mapping")
	}
	w := &assumedWorld{}
	err := pairs(doc.Content[0], func(k string, v *yaml.Node) error {
		if k == "pools" {
			return pairs(v, func(name string, members *yaml.Node) error {
				list, err := list(members)
				w.pools = append(w.pools, assumedPool{strings.ToLower(name), list})
				return err
			})
		}
		a := &assumed{name: k}
		w.sets = append(w.sets, a)
		if err := pairs(v, a.read); err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
		return a.complete()
	})
	if err != nil {
		return nil, err
	}
	return w, w.inherit()
}

// inherit gives a pool's member without an entry the rules of the first member that has one: "bank_b and bank_c the same".
func (w *assumedWorld) inherit() error {
	for _, p := range w.pools {
		i := slices.IndexFunc(p.members, func(m string) bool { return w.find(m) != nil })
		if i < 0 {
			return fmt.Errorf("no member of %s has a policy", p.name)
		}
		for _, m := range p.members {
			if w.find(m) == nil {
				same := *w.find(p.members[i])
				same.name = m
				w.sets = append(w.sets, &same)
			}
		}
	}
	return nil
}

func (a *assumed) complete() error {
	if a.unit == "" || len(a.columns) == 0 || len(a.purposes) == 0 || a.dp == nil && (a.minUnits == "" || a.rounding == nil) || !strings.Contains(a.name, ".") {
		return fmt.Errorf("%s: unit, columns, purposes, and dp or min_units and rounding are required", a.name)
	}
	return nil
}

func (a *assumed) read(k string, v *yaml.Node) (err error) {
	switch k {
	case "unit":
		a.unit = v.Value
	case "min_units":
		a.minUnits = v.Value
	case "contributors":
		var m map[string]string
		if m, err = texts(v, "min", "max_share_pct", "p_percent"); err == nil {
			a.contributors = &contributors{m["min"], m["max_share_pct"], m["p_percent"]}
		}
	case "purposes":
		a.purposes, err = list(v)
	case "columns":
		err = pairs(v, a.column)
	case "joins":
		if v.Kind != yaml.ScalarNode || v.Value != "none" {
			a.joins, err = list(v)
		}
	case "aggregates":
		a.aggregates, err = list(v)
	case "rounding":
		a.rounding, err = texts(v, "count", "value")
	case "dp":
		a.dp, err = texts(v, "epsilon_per_query_max", "epsilon_per_30_days", "delta", "max_groups_per_unit")
	default:
		err = fmt.Errorf("no rule is called %q", k)
	}
	return err
}

func (a *assumed) column(name string, v *yaml.Node) error {
	c := assumedColumn{name: name}
	err := pairs(v, func(k string, v *yaml.Node) (err error) {
		switch k {
		case "roles":
			c.roles, err = list(v)
		case "bins":
			c.bins, err = list(v)
		case "clamp":
			c.clamp, err = list(v)
		case "grain":
			c.grain = v.Value
		case "only_as":
			c.onlyAs = v.Value
		default:
			err = fmt.Errorf("column %s: no rule is called %q", name, k)
		}
		return err
	})
	c.measure = slices.Contains(c.roles, "measure")
	a.columns = append(a.columns, c)
	return err
}

// pairs visits a mapping in its order. In a flow mapping, YAML takes the comma of only_as: left(zip, 3) for the end of the
// value; here the two halves are put together again.
func pairs(n *yaml.Node, visit func(k string, v *yaml.Node) error) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: not a mapping", n.Line)
	}
	for i := 0; i < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if v.Kind == yaml.ScalarNode && strings.Count(v.Value, "(") > strings.Count(v.Value, ")") && i+3 < len(n.Content) && n.Content[i+3].Tag == "!!null" {
			v = &yaml.Node{Kind: yaml.ScalarNode, Value: v.Value + ", " + n.Content[i+2].Value, Line: v.Line}
			i += 2
		}
		if err := visit(k.Value, v); err != nil {
			return err
		}
	}
	return nil
}

func list(n *yaml.Node) ([]string, error) {
	if n.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("line %d: not a list", n.Line)
	}
	var out []string
	for _, v := range n.Content {
		if v.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: not a text", v.Line)
		}
		out = append(out, v.Value)
	}
	return out, nil
}

func texts(n *yaml.Node, keys ...string) (map[string]string, error) {
	out := map[string]string{}
	err := pairs(n, func(k string, v *yaml.Node) error {
		if !slices.Contains(keys, k) || v.Kind != yaml.ScalarNode {
			return fmt.Errorf("line %d: no rule is called %q", v.Line, k)
		}
		out[k] = v.Value
		return nil
	})
	for _, k := range keys {
		if out[k] == "" && err == nil {
			err = fmt.Errorf("line %d: %s is missing", n.Line, k)
		}
	}
	return out, err
}
