package approval

import (
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// TestRevokedKeySettles: a settlement under the owner's own online key, which was revoked and whose certificate is over, is believed by
// nobody, whatever date it bears.
func TestRevokedKeySettles(t *testing.T) {
	for name, revoked := range map[string]bool{"revoked": true, "certificate over": false} {
		t.Run(name, func(t *testing.T) {
			s := newSale(t) // no rule: what this party settles itself needs none
			root := must(s.ring.TakeRoot())
			stolen := must(s.ring.WithOnlineKey(root, keyring.Terms{From: time.UnixMilli(1), Until: s.now.Add(time.Minute)}))
			if revoked {
				must(s.ex.PostStatement(t.Context(), must(root.RevokeKey(stolen.Signer().Public(), "stolen", s.now))))
			} else {
				s.now = s.now.Add(30 * time.Minute)
			}
			o := s.order(func(o *statement.Order) { o.Provider = statement.ProviderStripe })
			e := s.settlement(o, stolen, func(v *statement.Settlement) { v.SettledMS = s.now.Add(-30 * time.Minute).UnixMilli() })
			if s.comes(e) || s.count(ledger.KindSettle) != 0 {
				t.Error("the settlement was believed")
			}
		})
	}
}

// TestRuleOfOldApprovals: what officers approved of a rule for purchases does not count again once the rule was replaced.
func TestRuleOfOldApprovals(t *testing.T) {
	s := newSale(t)
	keys := twoOfTwo(t, s.owner, statement.ActionPolicy)
	big, none := PurchaseRule{Settlers: []Settler{{s.settler.Fingerprint(), 100000}}}, PurchaseRule{Settlers: []Settler{}}
	for _, r := range []PurchaseRule{big, none} {
		if err := s.SetPurchaseRule(t.Context(), r); err == nil {
			t.Fatal("nobody approved it")
		}
		approveAll(t, s.owner, keys...)
		if err := s.SetPurchaseRule(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetPurchaseRule(t.Context(), big); err == nil {
		t.Error("a rule that was replaced came back by old approvals")
	}
}
