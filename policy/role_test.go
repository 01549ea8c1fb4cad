package policy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
)

// A column needs its role in the policy of every owner whose data is read, not of some.
func TestRoleInEveryPolicy(t *testing.T) {
	r := world(t, "strikes", "strikes", "strikes")
	text := strings.NewReplacer("damage: {roles: [dimension]}", "damage: {}", "[[size], [phase], [damage]]", "[[size], [phase]]").Replace(policyText(t))
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Tables[3].Members[1].Policy = p
	r.SQL = "SELECT damage, count(*) FROM pool.strikes GROUP BY damage"
	_, err = policy.Compile(r)
	var ref *policy.Refusal
	if !errors.As(err, &ref) || ref.Rule != "columns" || ref.Code != "no-role" || !slices.Equal(ref.Whose, []string{"bravo.strikes"}) {
		t.Errorf("got %v", err)
	}
}
