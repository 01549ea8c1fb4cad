package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// Tick is the time between two moments at which the answer may leave, counted from when the keys came; 0: it leaves at once.
func (p *Plan) Tick() time.Duration {
	if p.Program == nil {
		return 0
	}
	return time.Duration(p.Program.Tick) * time.Second
}

// maxTick is the longest wait for an answer, in seconds: as long as a policy may ask for.
const maxTick = 9999

// manner holds a plan against what policies ask of queries as a whole, whatever they read: which texts may be asked, and when
// answers leave. It looks at all that the plan reads, but for what its owner asks for itself alone.
func (r Request) manner(p *Plan) *Refusal {
	var read []Source
	for _, t := range r.Tables {
		for _, s := range t.Members {
			if !r.asksItself(s) && slices.ContainsFunc(p.Sources, func(have PlanSource) bool { return have.Offer == s.Offer }) {
				read = append(read, s)
			}
		}
	}
	for _, s := range read {
		if s.Policy.templatesOnly && !r.isListed(s.Policy.templates) {
			return &Refusal{
				Rule: "templates", Code: "not-listed", Whose: []string{s.name()},
				Msg: "the policy permits its templates alone, with parameters of their types, and this is none of them", Hint: "ask one of them: " + listed(s.Policy.templates),
				Nearest: r.nearestTemplate(s.Policy.templates),
			}
		}
	}
	return p.keepTime(read)
}

// keepTime gives the plan the ticks at which answers leave: the common multiples of all that are asked for.
func (p *Plan) keepTime(read []Source) *Refusal {
	tick := int64(1)
	var whose []string
	for _, s := range read {
		if seconds := int64(s.Policy.timing.Seconds()); seconds > 0 {
			whose = append(whose, s.name())
			tick = tick / gcd(tick, seconds) * seconds
		}
		if tick > maxTick {
			return &Refusal{Rule: "timing", Code: "apart", Whose: sortedSet(whose), Msg: fmt.Sprintf("no tick of up to %d seconds is a multiple of all that the policies ask for", maxTick), Hint: "their owners must agree on one"}
		}
	}
	if len(whose) == 0 {
		return nil
	}
	if p.Program == nil {
		return &Refusal{Rule: "timing", Code: "encoding", Whose: sortedSet(whose), Msg: "answers at fixed ticks need a contract over " + EncodingProgram, Hint: "propose the contract anew: it then names that encoding"}
	}
	p.Program.Tick = tick
	return nil
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// isListed reports whether the query is a template, however it is spaced, with parameters of its types.
func (r Request) isListed(list []template) bool {
	text, err := inOneForm(r.SQL)
	return err == nil && slices.ContainsFunc(list, func(t template) bool {
		return t.form == text && slices.EqualFunc(t.params, r.Params, func(p templateParam, v Param) bool { return p.typ == v.Type })
	})
}

// inOneForm is a text of the grammar without what spaces, comments and the case of keywords say.
func inOneForm(sql string) (string, error) {
	q, err := query.ParseQuery(sql)
	if err != nil {
		return "", err
	}
	return q.Format(), nil
}

// maxListed is how many templates a hint names.
const maxListed = 8

func listed(list []template) string {
	var names []string
	for _, t := range list[:min(len(list), maxListed)] {
		name := t.name
		for i, p := range t.params {
			name += fmt.Sprintf(" --param %s:VALUE", p.typ)
			if p.name != "" {
				name += fmt.Sprintf(" ($%d: %s)", i+1, p.name)
			}
		}
		names = append(names, name)
	}
	if len(list) > maxListed {
		names = append(names, fmt.Sprintf("and %d more", len(list)-maxListed))
	}
	return strings.Join(names, ", ")
}

// nearestTemplate is the text that has most of the query's beginning.
func (r Request) nearestTemplate(list []template) (best string) {
	text, most := strings.ToLower(r.SQL), -1
	if q, err := inOneForm(r.SQL); err == nil {
		text = strings.ToLower(q)
	}
	for _, t := range list {
		n := 0
		for l := strings.ToLower(t.form); n < len(l) && n < len(text) && l[n] == text[n]; n++ {
		}
		if n > most {
			best, most = t.sql, n
		}
	}
	return best
}

// asksItself reports whether the owner of the source asks, for itself alone.
func (r Request) asksItself(s Source) bool {
	return s.Owner == r.Requester && !slices.ContainsFunc(r.Recipients, func(f string) bool { return f != s.Owner })
}
