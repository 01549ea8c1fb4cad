package policy

import (
	"fmt"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// defaultTick is when answers leave if a policy with noise says nothing: the time that an answer takes is not noised.
const defaultTick = 5 * time.Second

var isTick = pattern(`^tick [1-9][0-9]{0,3}s$`)

// timing reads when answers leave.
func (r *reader) timing(n *yaml.Node, p *Policy) {
	switch {
	case r.err != nil:
	case n == nil && p.output == outputDP:
		p.timing = defaultTick
	case n == nil || n.Kind == yaml.ScalarNode && n.Value == "off":
	case n.Kind == yaml.ScalarNode && isTick(n.Value):
		seconds, _ := strconv.Atoi(n.Value[len("tick ") : len(n.Value)-1])
		p.timing = time.Duration(seconds) * time.Second
	default:
		r.fail(n, "timing must be off or ticks", "write timing: tick 5s: answers leave at multiples of five seconds")
	}
}

var (
	isTemplateName = pattern(`^[a-z][a-z0-9_-]{0,63}$`)
	isParamName    = pattern(`^[a-z][a-z0-9_]{0,63}$`)
)

// templates reads whether any query may be asked or the listed ones alone. Their SQL is text here: whether it is in the
// policy, a query that follows it shows.
func (r *reader) templates(s section, p *Policy) {
	p.templatesOnly = r.word(s.vals["mode"], "mode", "free", "templates-only") == "templates-only"
	if r.err != nil {
		return
	}
	if !p.templatesOnly {
		if s.vals["templates"] != nil {
			r.fail(s.keys["templates"], "templates without mode: templates-only", "they permit nothing where any query may be asked: remove them, or write mode: templates-only")
		}
		return
	}
	n := r.need(s, "templates", "templates: [{name: ..., sql: ...}] lists the queries that may be asked")
	items := r.items(n, "templates")
	if len(items) > maxTemplates {
		r.fail(n, "templates has more than 256 entries", "let parameters stand for what differs")
	}
	names := map[string]bool{}
	for _, v := range items {
		if r.err != nil {
			return
		}
		t := r.template(v)
		if names[t.name] {
			r.fail(v, "template "+t.name+" is there twice", "give each its own name")
		}
		names[t.name] = true
		p.templates = append(p.templates, t)
	}
}

func (r *reader) template(n *yaml.Node) template {
	s := r.section(n, "template", "name", "sql", "params")
	name := r.need(s, "name", "name: strikes-by-size")
	t := template{name: r.text(name, "name"), sql: r.text(r.need(s, "sql", "sql: SELECT ..."), "sql")}
	var err error
	if t.form, err = inOneForm(t.sql); r.err == nil && err != nil {
		r.fail(s.vals["sql"], fmt.Sprintf("template %s leaves the grammar at %s", t.name, err), "nobody could ask it: 'cordon query explain' tells what a query lacks")
	}
	if r.err == nil && !isTemplateName(t.name) {
		r.fail(name, "not a name of a template: "+strconv.Quote(t.name), "use lower-case letters, digits, - and _, at most 64")
	}
	params := s.vals["params"]
	if params == nil || r.err != nil {
		return t
	}
	items := r.items(params, "params")
	if len(items) > maxParams {
		r.fail(params, "params has more than 64 entries", "queries have at most 64 parameters")
	}
	for _, v := range items {
		t.params = append(t.params, r.templateParam(v, t.params))
	}
	return t
}

// templateParam reads what $1, $2 … stand for, in their order.
func (r *reader) templateParam(n *yaml.Node, before []templateParam) (p templateParam) {
	if r.err != nil {
		return p
	}
	s := r.section(n, "params", "name", "type")
	typ := r.need(s, "type", "type: varchar")
	p.typ = Type(r.text(typ, "type"))
	if r.err == nil && !p.typ.groupable() {
		r.fail(typ, "not a type of parameters: "+strconv.Quote(string(p.typ)), "types are boolean, int32, int64, decimal(p,s) with p at most 18, varchar and date")
	}
	name := s.vals["name"]
	if name == nil {
		return p
	}
	if p.name = r.text(name, "name"); r.err == nil && !isParamName(p.name) {
		r.fail(name, "not a name of a parameter: "+strconv.Quote(p.name), "use lower-case letters, digits and _, at most 64")
	}
	for _, b := range before {
		if r.err == nil && b.name == p.name {
			r.fail(name, "parameter "+p.name+" is there twice", "give each its own name, or none")
		}
	}
	return p
}
