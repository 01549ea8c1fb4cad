package policy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
)

// affiliated is the policy strikes of a pool of five, with groups of affiliates.
func affiliated(t *testing.T, groups string) *policy.Policy {
	t.Helper()
	text := string(readPolicy(t, "strikes").Text())
	text = strings.Replace(text, "from: [cordon1", "from: ["+fingerprint("7")+", "+fingerprint("8")+", cordon1", 1)
	if groups != "" {
		text = strings.Replace(text, "  coalition: 1\n", "  coalition: 1\n  affiliates: "+groups+"\n", 1)
	}
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What counts to the asker's side is not protected from the asker. So an owner gets there by its own word alone: by asking
// itself, or by its own policy.
func TestOwnersAreAskersByTheirOwnWordOnly(t *testing.T) {
	a, b, e := fingerprint("a"), fingerprint("b"), fingerprint("e")
	for name, c := range map[string]struct {
		requester  string
		recipients []string
		policies   [5]string // groups of affiliates in each policy of the pool
		refused    []string  // whose word is missing; nil: accepted
	}{
		"nobody":                               {e, []string{e}, [5]string{}, nil},
		"it asks itself":                       {a, []string{a}, [5]string{}, nil},
		"it asks for another":                  {a, []string{e}, [5]string{}, nil},
		"its own policy says so":               {e, []string{e}, [5]string{"[[" + a + ", " + e + "]]"}, nil},
		"another's policy says so":             {e, []string{e}, [5]string{"", "[[" + a + ", " + e + "]]"}, []string{"o0.strikes"}},
		"another's policy says so over a step": {e, []string{e}, [5]string{"", "[[" + b + ", " + e + "]]", "[[" + a + ", " + b + "]]"}, []string{"o0.strikes"}},
		"an asking owner's policy says so":     {b, []string{b}, [5]string{"", "[[" + a + ", " + b + "]]"}, []string{"o0.strikes"}},
		"named as a recipient":                 {e, []string{e, a}, [5]string{}, []string{"o0.strikes"}},
		"named as the only recipient":          {e, []string{a}, [5]string{}, []string{"o0.strikes"}},
		"named as a recipient by an owner":     {b, []string{b, a}, [5]string{}, []string{"o0.strikes"}},
		"several":                              {e, []string{e, a, b}, [5]string{}, []string{"o0.strikes", "o1.strikes"}},
	} {
		r := world(t)
		var members []policy.Source
		for i := range 5 {
			s := source(t, string("abc78"[i]), "o"+string(rune('0'+i)), "strikes", "strikes")
			s.Policy = affiliated(t, c.policies[i])
			members = append(members, s)
		}
		r.Tables = []policy.Table{pool("pool.strikes", members...)}
		r.Requester, r.Recipients = c.requester, c.recipients
		r.SQL = "SELECT size, count(*) FROM pool.strikes GROUP BY size"
		p, err := policy.Compile(r)
		var ref *policy.Refusal
		switch {
		case c.refused == nil && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.refused != nil && (p != nil || !errors.As(err, &ref) || ref.Code != "not-its-word" || !slices.Equal(ref.Whose, c.refused)):
			t.Errorf("%s: %v", name, err)
		}
	}
}
