package policy_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/policy"
)

// Each case breaks one thing in a request that is accepted.
func TestIncompleteRequests(t *testing.T) {
	good := func() policy.Request {
		r := world(t, "strikes", "strikes", "strikes")
		r.SQL = "SELECT size, count(*) FROM pool.strikes WHERE size = $1 GROUP BY size"
		r.Params = []policy.Param{{Type: policy.Varchar, Value: "Small"}}
		return r
	}
	if _, err := policy.Compile(good()); err != nil {
		t.Fatal(err)
	}
	member := func(r *policy.Request, i int) *policy.Source {
		for j := range r.Tables {
			if r.Tables[j].Pool != "" {
				return &r.Tables[j].Members[i]
			}
		}
		return nil
	}
	for name, c := range map[string]struct {
		breaks     func(r *policy.Request)
		rule, code string
	}{
		"no requester":      {func(r *policy.Request) { r.Requester = "" }, "request", "incomplete"},
		"no recipient":      {func(r *policy.Request) { r.Recipients = nil }, "request", "incomplete"},
		"empty recipient":   {func(r *policy.Request) { r.Recipients = append(r.Recipients, "") }, "request", "incomplete"},
		"no purpose":        {func(r *policy.Request) { r.Purpose = "" }, "request", "incomplete"},
		"no time":           {func(r *policy.Request) { r.At = time.Time{} }, "request", "incomplete"},
		"no tables":         {func(r *policy.Request) { r.Tables = nil }, "tables", "unknown-table"},
		"no members":        {func(r *policy.Request) { r.Tables[3].Members = nil }, "tables", "members"},
		"several, no pool":  {func(r *policy.Request) { r.Tables[3].Pool = "" }, "tables", "members"},
		"unbound parameter": {func(r *policy.Request) { r.Params = nil }, "parameters", "unbound"},
		"parameter's value": {func(r *policy.Request) { r.Params[0] = policy.Param{Type: policy.Int64, Value: "x"} }, "parameters", "value"},
		"parameter's form":  {func(r *policy.Request) { r.Params[0] = policy.Param{Type: policy.Int64, Value: "007"} }, "parameters", "value"},
		"parameter's type":  {func(r *policy.Request) { r.Params[0] = policy.Param{Type: "blob", Value: "x"} }, "parameters", "value"},
		"no owner":          {func(r *policy.Request) { member(r, 1).Owner = "" }, "tables", "offer"},
		"no offer":          {func(r *policy.Request) { member(r, 1).Offer = "" }, "tables", "offer"},
		"no policy":         {func(r *policy.Request) { member(r, 1).Policy = nil }, "tables", "no-policy"},
		"zero policy":       {func(r *policy.Request) { member(r, 1).Policy = new(policy.Policy) }, "tables", "no-policy"},
		"policy of another": {func(r *policy.Request) { member(r, 1).Policy = readPolicy(t, "loans") }, "tables", "no-policy"},
		"policy and schema": {func(r *policy.Request) { member(r, 1).Schema = columns("report_id:varchar") }, "tables", "policy-schema"},
		"schemas differ": {func(r *policy.Request) {
			member(r, 1).Schema = append(columns(schemas["strikes"]), policy.Column{Name: "x", Type: policy.Date})
		}, "tables", "schemas"},
		"offer twice":         {func(r *policy.Request) { member(r, 1).Offer = member(r, 0).Offer }, "tables", "members"},
		"unknown contributor": {func(r *policy.Request) { member(r, 1).Owner = fingerprint("9") }, "contributors", "not-recognised"},
		"operator":            {func(r *policy.Request) { r.Operator = r.Requester }, "operators", "operator"},
	} {
		r := good()
		c.breaks(&r)
		p, err := policy.Compile(r)
		var ref *policy.Refusal
		if p != nil || !errors.As(err, &ref) || ref.Rule != c.rule || ref.Code != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A column may be NULL in the pool if it may be in one of its data sets.
func TestNullabilityIsMerged(t *testing.T) {
	r := world(t, "strikes", "strikes", "strikes")
	r.SQL = "SELECT size, count(*) FROM pool.strikes GROUP BY size"
	members := r.Tables[3].Members
	members[1].Schema = columns(schemas["strikes"])
	members[1].Schema[1].Nullable = true
	p, err := policy.Compile(r)
	if err != nil || !p.Dims[0].Nullable {
		t.Error(err, "the dimension may be NULL")
	}
}
