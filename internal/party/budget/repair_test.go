package budget_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/budget"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// TestGivenUp: a budget that a repair gave up covers nothing, whatever the policies say; others are as they were.
func TestGivenUp(t *testing.T) {
	l, err := ledger.Open(t.TempDir(), statement.Fingerprint("cordon1"+strings.Repeat("a", 64)), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Append(t.Context(), ledger.Entry{Kind: ledger.KindExhaust, About: statement.Sum(nil), Name: "strikes"}, nil); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"strikes": true, "other": false} {
		l.View(func(a *ledger.Accounts) {
			d := budget.Due{Dataset: name, Rules: []budget.Rule{{}}, Charges: []policy.Charge{{}}}
			_, err := d.Entries(a, budget.By{})
			r := new(budget.Refused)
			if got := errors.As(err, &r) && strings.Contains(r.Why, "given up"); got != want {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}
