package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
)

// Over files that require a column, statements do not ask for NULL there, and the plan is the same plan.
func TestOverFiles(t *testing.T) {
	for encoding, r := range map[string]policy.Request{policy.Encoding: corpusWorld(t), policy.EncodingProgram: freeWorld(t)} {
		plan := mustCompile(t, r, "SELECT product, count(*) FROM pool.loans GROUP BY product")
		sources := len(plan.Sources)
		refs, required := make([]string, sources), make([][]string, sources)
		for i := range refs {
			refs[i], required[i] = fmt.Sprintf("f%d", i), []string{"customer_id", "product"}
		}
		text := func(p *policy.Plan) string {
			if p.Program == nil {
				return p.ScanSQL(refs)
			}
			return p.ReleaseText(0, refs).SQL()
		}
		over := plan.OverFiles(required)
		if over.Digest() != plan.Digest() || string(over.Encode()) != string(plan.Encode()) {
			t.Errorf("%s: another plan", encoding)
		}
		if asks := strings.Count(text(plan), "IS NULL"); asks < sources || strings.Contains(text(over), "IS NULL") {
			t.Errorf("%s: asks for NULL %d times, then:\n%s", encoding, asks, text(over))
		}
		rest := append([][]string{nil}, required[1:]...) // all but the first
		if asks := strings.Count(text(plan), "IS NULL"); strings.Count(text(plan.OverFiles(rest)), "IS NULL") != asks/sources {
			t.Errorf("%s: what some files require counts for another, or not for them:\n%s", encoding, text(plan.OverFiles(rest)))
		}
		if asks := strings.Count(text(plan), "IS NULL"); strings.Count(text(plan.OverFiles(required[:1])), "IS NULL") != asks/sources*(sources-1) {
			t.Errorf("%s: files that nothing is said of count as requiring", encoding)
		}
	}
}
