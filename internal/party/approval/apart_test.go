package approval

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// form proposes an epoch of these owners' newest versions and has all of them sign it.
func (w *world) form(name string, owners ...int) error {
	w.t.Helper()
	var members []string
	for _, i := range owners {
		members = append(members, w.owners[i].ring.Name()+".strikes")
	}
	w.now = w.now.Add(time.Second)
	e, err := w.owners[owners[0]].ProposePool(w.t.Context(), name, members, nil)
	for _, i := range owners[1:] {
		if err == nil {
			err = w.owners[i].SignPool(w.t.Context(), must(w.ex.Statement(w.t.Context(), e.Digest())))
		}
	}
	return err
}

func (w *world) formed(name string, owners ...int) {
	w.t.Helper()
	if err := w.form(name, owners...); err != nil {
		w.t.Fatal(err)
	}
}

// republished gives owners a second version.
func (w *world) republished(version string, owners ...int) {
	w.t.Helper()
	w.now = w.now.Add(time.Hour)
	for _, i := range owners {
		w.publish(w.owners[i], version, "varchar")
	}
}

func refusedEpoch(t *testing.T, err error, words ...string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.Code != "pool-epoch" {
		t.Fatalf("want refusal pool-epoch, got %v", err)
	}
	for _, w := range words {
		if !strings.Contains(r.Reason, w) {
			t.Errorf("%q does not say %q", r.Reason, w)
		}
	}
}

// Owners in groups of as many as the policy asks for.
var groupA, groupB, groupC = []int{0, 1, 2, 3}, []int{4, 5, 6, 7}, []int{8, 9, 10, 11}

func join(groups ...[]int) []int { return slices.Concat(groups...) }

// TestThreeEpochs: any two differ in enough members, and the three show one.
func TestThreeEpochs(t *testing.T) {
	one := []int{12}
	t.Run("a member that signs all of them", func(t *testing.T) {
		w := newWorld(t, 13)
		w.formed("strikes", join(groupA, groupB, groupC, one)...)
		w.formed("hits", join(groupA, groupB)...)
		// Owner 12 is in the first alone: the first, less the second, less the third, plus what both have.
		refusedEpoch(t, w.form("birds", join(groupA, groupC)...), "pool birds epoch 1", "only 1 contributors are in strikes epoch 1", "3 more")
	})
	t.Run("all, one half and the other half, which nobody signs both of", func(t *testing.T) {
		w := newWorld(t, 13)
		w.formed("strikes", join(groupA, groupB, one)...)
		w.formed("west", groupA...)
		refusedEpoch(t, w.form("east", groupB...), "pool east epoch 1", "strikes epoch 1, west epoch 1", "fewer than 4")
	})
	t.Run("halves first", func(t *testing.T) {
		w := newWorld(t, 13)
		w.formed("west", groupA...)
		w.formed("east", groupB...)
		refusedEpoch(t, w.form("strikes", join(one, groupA, groupB)...))
	})
	t.Run("halves that leave enough", func(t *testing.T) {
		w := newWorld(t, 12)
		w.formed("strikes", join(groupA, groupB, groupC)...)
		w.formed("west", groupA...)
		w.formed("east", groupB...)
	})
	t.Run("one of them never complete", func(t *testing.T) {
		w := newWorld(t, 13)
		w.formed("strikes", join(groupA, groupB, groupC, one)...)
		must(w.owners[0].ProposePool(t.Context(), "hits", w.names()[:8], nil))
		refusedEpoch(t, w.form("birds", join(groupA, groupC)...))
	})
	t.Run("one member that stays", func(t *testing.T) {
		w := newWorld(t, 9)
		w.formed("strikes", join([]int{8}, groupA)...)
		refusedEpoch(t, w.form("hits", join([]int{8}, groupB)...), "only 1 contributors are in hits epoch 1, strikes epoch 1")
	})
	t.Run("the same members again", func(t *testing.T) {
		w := newWorld(t, 4)
		w.formed("strikes", 0, 1, 2, 3)
		w.formed("strikes", 3, 2, 1, 0)
		w.formed("hits", 0, 1, 2, 3)
	})
}

// TestEpochsBesideAtGrant: two halves that formed without seeing each other are seen when a contract is granted.
func TestEpochsBesideAtGrant(t *testing.T) {
	w := newWorld(t, 9)
	w.formed("strikes", 0, 1, 2, 3, 4, 5, 6, 7, 8)
	var halves []*statement.Envelope
	for i, members := range [][]int{groupA, groupB} {
		p := statement.Pool{Name: []string{"west", "east"}[i], Epoch: 1, CreatedMS: w.now.UnixMilli()}
		for _, m := range members {
			p.Members = append(p.Members, statement.Member{Owner: w.owners[m].ring.Fingerprint(), Offer: w.owners[m].offer.Digest()})
		}
		halves = append(halves, must(statement.Sign(p, w.owners[members[0]].ring.Signer())))
		must(w.ex.PostStatement(t.Context(), halves[i]))
	}
	// The last member of one half signs last, as if it had looked before the other half was complete.
	for _, o := range []int{1, 2, 5, 6, 7} {
		if err := w.owners[o].SignPool(t.Context(), halves[o/4]); err != nil {
			t.Fatal(err)
		}
	}
	late := &statement.Envelope{PayloadType: halves[0].PayloadType, Payload: halves[0].Payload}
	if err := late.AddSignature(w.owners[3].ring.Signer()); err != nil {
		t.Fatal(err)
	}
	must(w.ex.PostStatement(t.Context(), late))
	for i, name := range []string{"strikes", "west", "east"} {
		c := w.contract(func(c *statement.Contract) {
			c.Nonce[0] = byte('a' + i)
			c.Tables = []statement.Table{must(w.owners[0].Catalog.Table(t.Context(), "pool."+name, nil))}
		})
		_, err := w.owners[[]int{8, 0, 4}[i]].Grant(t.Context(), c.Digest(), statement.ByHand)
		refusedEpoch(t, err, "pool "+name)
	}
}

// TestWhoCounts: affiliates are one contributor, and whom no policy recognises is none.
func TestWhoCounts(t *testing.T) {
	t.Run("affiliates", func(t *testing.T) {
		w := newWorld(t, 8)
		w.affiliates = fmt.Sprintf("[[%s]]", strings.Join(w.from[6:], ", "))
		w.republished("2", join(groupA, groupB)...)
		w.formed("strikes", join(groupA, groupB)...)
		refusedEpoch(t, w.form("hits", groupA...), "only 3 contributors")
	})
	t.Run("not recognised", func(t *testing.T) {
		w := newWorld(t, 8)
		w.from = w.from[:7]
		w.republished("2", join(groupA, groupB[:3])...)
		w.formed("strikes", join(groupA, groupB)...)
		refusedEpoch(t, w.form("hits", groupA...), "only 3 contributors")
	})
	small := func(t *testing.T, err error) {
		t.Helper()
		var r *Refusal
		if !errors.As(err, &r) || r.Code != "pool-small" {
			t.Fatalf("want refusal pool-small, got %v", err)
		}
	}
	t.Run("too few for a pool", func(t *testing.T) {
		w := newWorld(t, 4)
		w.from = w.from[:3]
		w.republished("2", 0, 1, 2, 3)
		small(t, w.form("strikes", 0, 1, 2, 3))
	})
	t.Run("never fewer than three more than the coalition", func(t *testing.T) {
		w := newWorld(t, 9)
		w.coalition = 2
		w.republished("2", 0, 1, 2, 3, 4, 5, 6, 7, 8)
		w.formed("tiny", 0, 1, 2, 3) // alone, an epoch is judged by its cells
		w.republished("3", 0, 1, 2, 3)
		w.formed("strikes", 0, 1, 2, 3, 4, 5, 6, 7, 8)
		refusedEpoch(t, w.form("hits", 0, 1, 2, 3, 4), "only 4 contributors are in strikes epoch 1")
	})
}

// TestSameContentsIsNoChange: an owner that published the same again knows that its part did not change.
func TestSameContentsIsNoChange(t *testing.T) {
	for _, same := range []bool{false, true} {
		w := newWorld(t, 8)
		w.formed("strikes", join(groupA, groupB)...)
		w.now = w.now.Add(time.Hour)
		for _, o := range w.owners[:minimum] {
			w.same = o == w.owners[0] && same
			w.publish(o, "2", "varchar")
		}
		// For owner 0, three members left and three came.
		if err := w.form("strikes", join(groupA, groupB)...); same {
			refusedEpoch(t, err, "only 3 contributors")
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestSidePoolBlocksNobody: a member that forms a pool with others makes a class of its own. That is its own doing, and
// must not keep the rest from their next epoch; nor may the rest drop it.
func TestSidePoolBlocksNobody(t *testing.T) {
	w := newWorld(t, 9)
	w.formed("strikes", 0, 1, 2, 3, 4)
	side := statement.Pool{Name: "side", Epoch: 1, CreatedMS: w.now.UnixMilli()}
	for _, i := range []int{4, 5, 6, 7} {
		side.Members = append(side.Members, statement.Member{Owner: w.owners[i].ring.Fingerprint(), Offer: w.owners[i].offer.Digest()})
	}
	e := must(statement.Sign(side, w.owners[4].ring.Signer()))
	for _, i := range []int{5, 6, 7} {
		if err := e.AddSignature(w.owners[i].ring.Signer()); err != nil {
			t.Fatal(err)
		}
	}
	must(w.ex.PostStatement(t.Context(), e))
	refusedEpoch(t, w.form("strikes", 0, 1, 2, 3), "only 1 contributors")
	c := w.contract(func(c *statement.Contract) {
		c.Tables = []statement.Table{must(w.owners[0].Catalog.Table(t.Context(), "pool.strikes", nil))}
	})
	must(w.owners[0].Grant(t.Context(), c.Digest(), statement.ByHand))
	w.republished("2", 0, 1, 2, 3)
	w.formed("strikes", 0, 1, 2, 3, 8)
}

// TestManyEpochs: more than can be compared are refused.
func TestManyEpochs(t *testing.T) {
	w := newWorld(t, 4)
	w.formed("strikes", 0, 1, 2, 3)
	for i := range catalog.MaxPoolsAround {
		p := statement.Pool{Name: fmt.Sprintf("side%d", i), Epoch: 1, CreatedMS: w.now.UnixMilli()}
		p.Members = []statement.Member{
			{Owner: w.owners[3].ring.Fingerprint(), Offer: w.owners[3].offer.Digest()},
			{Owner: w.other.Fingerprint(), Offer: statement.Sum([]byte{byte(i)})},
		}
		e := must(statement.Sign(p, w.owners[3].ring.Signer()))
		if err := e.AddSignature(w.other.Signer()); err != nil {
			t.Fatal(err)
		}
		must(w.ex.PostStatement(t.Context(), e))
	}
	refusedEpoch(t, w.form("hits", 0, 1, 2, 3), "more than 128 pools")
	// New versions are linked to none of them.
	w.republished("2", 0, 1, 2, 3)
	w.formed("hits", 0, 1, 2, 3)
	if w.owners[0].count(ledger.KindPool) != 2 {
		t.Fatal("not recorded")
	}
}
