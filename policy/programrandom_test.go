package policy_test

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/policy/internal/randomquery"
)

// checkProgram: a plan survives its encoding, every text can be made of it, every release has a guard or is its asker's own, and
// a source opens what some scan reads and no more.
func checkProgram(t testing.TB, p *policy.Plan) {
	t.Helper()
	back, err := policy.DecodePlan(p.Encode())
	if err != nil || !bytes.Equal(back.Encode(), p.Encode()) {
		t.Fatalf("the plan does not survive its encoding: %v\n%s", err, p.Encode())
	}
	if q := back.Program; !reflect.DeepEqual(q.Releases, p.Program.Releases) && string(back.Encode()) != string(p.Encode()) {
		t.Fatal("another plan is read back")
	}
	refs := make([]string, len(p.Sources))
	for i := range refs {
		refs[i] = string(rune('a' + i%26))
	}
	for _, text := range append(p.InputTexts(refs), p.ResultText()) {
		_ = text.SQL()
	}
	_ = p.Sums()
	for i, n := range p.Program.Releases {
		_ = p.ReleaseText(i, refs).SQL()
		p.QuantileText(i, refs)
		p.AtomText(i, refs)
		if len(n.Aggs) == 0 || n.Mode != policy.ModeOwn && n.Guard.MinUnits < 1 {
			t.Fatalf("a release without a guard: %s", p.Encode())
		}
	}
	for i, s := range p.Sources {
		for _, c := range s.Columns {
			isUnit := slices.ContainsFunc(p.Program.Tables, func(t policy.ProgramTable) bool { return t.Unit.Column == c && slices.Contains(t.Sources, i) })
			if !isUnit && !slices.ContainsFunc(p.Reads(i), func(r policy.Read) bool { return r.Column == c }) {
				t.Fatalf("column %q is opened and not read", c)
			}
		}
	}
	_ = p.Explain().Text()
}

// Random queries of the whole grammar, and random damage to them: nothing panics, verdicts repeat, what is accepted is well
// formed and opens no column without a role.
func TestRandomPrograms(t *testing.T) {
	r := freeWorld(t)
	accepted, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		for range 20 {
			q := r
			q.SQL = randomquery.Query(func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "n") })
			if strings.Contains(q.SQL, "retailer") || strings.Contains(q.SQL, "media") {
				q.Purpose = "measurement"
			}
			p, err := policy.Compile(q)
			again, err2 := policy.Compile(q)
			if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() || err == nil && p.Digest() != again.Digest() {
				rt.Fatalf("two verdicts for %s", q.SQL)
			}
			if err != nil {
				refused++
				continue
			}
			accepted++
			checkProgram(t, p)
			for _, s := range p.Sources {
				if slices.Contains(s.Columns, "loan_id") {
					rt.Fatalf("%s opens a column without a role", q.SQL)
				}
			}
		}
	})
	if accepted < 100 || refused < 100 {
		t.Errorf("%d accepted, %d refused: the test shows too little", accepted, refused)
	}
	t.Logf("%d accepted, %d refused", accepted, refused)
}
