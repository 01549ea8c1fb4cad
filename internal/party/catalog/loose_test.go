package catalog

import (
	"context"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/statement"
)

// loose answers each question with all that it has of the kind, genuine and beside the point.
type loose struct{ Exchange }

func (l loose) AllStatements(ctx context.Context, q client.Query) ([]wire.StatementItem, error) {
	return l.Exchange.AllStatements(ctx, client.Query{Kind: q.Kind})
}

// TestAnswersToOtherQuestions: what an exchange gives that was not asked for counts for nothing.
func TestAnswersToOtherQuestions(t *testing.T) {
	ctx, a, d := t.Context(), statement.Fingerprint(""), statement.Digest("")
	setup := func(t *testing.T) (*world, *Catalog) {
		w := newWorld(t)
		a, d = w.a.Fingerprint(), w.post(w.offer(w.a, "1", 1))
		return w, New(loose{w.ex})
	}
	t.Run("a party of another name", func(t *testing.T) {
		_, c := setup(t)
		if got, err := c.ByName(ctx, "alpha"); err != nil || got != a {
			t.Errorf("%s %v", got, err)
		}
	})
	t.Run("an offer that names another owner", func(t *testing.T) {
		w, c := setup(t)
		o := *must(statement.DecodeUnverified[statement.Offer](w.offer(w.b, "2", 2).Payload))
		w.post(must(statement.Sign(o, w.a.Signer())))
		if got, err := c.LatestOffer(ctx, a, "strikes"); err != nil || got.Digest() != d {
			t.Errorf("%v %v", got, err)
		}
	})
	t.Run("a revocation by another", func(t *testing.T) {
		w, c := setup(t)
		w.revoke(w.b, w.b.Fingerprint(), d)
		w.revoke(w.a, w.b.Fingerprint(), d) // in whose name it is not
		if must(c.Revoked(ctx, a, d)) {
			t.Error("someone else revoked it")
		}
	})
	t.Run("a revocation of another statement", func(t *testing.T) {
		w, c := setup(t)
		w.revoke(w.a, a, statement.Sum(nil))
		if must(c.Revoked(ctx, a, d)) {
			t.Error("it was revoked by the revocation of another")
		}
	})
	t.Run("a grant of another contract", func(t *testing.T) {
		w, c := setup(t)
		w.grant(w.a, statement.Sum([]byte("other")))
		if got := must(c.Grants(ctx, statement.Sum([]byte("contract")))); len(got) != 0 {
			t.Errorf("%v", got)
		}
	})
	t.Run("a grant that was revoked", func(t *testing.T) {
		w, c := setup(t)
		contract := statement.Sum([]byte("contract"))
		w.revoke(w.a, a, w.grant(w.a, contract))
		if got := must(c.Grants(ctx, contract)); len(got) != 0 {
			t.Errorf("%v", got)
		}
	})
	t.Run("a pool of another name", func(t *testing.T) {
		w, c := setup(t)
		strikes, other := w.pool("strikes", 1), w.pool("other", 2)
		if got, err := c.LatestPool(ctx, "strikes"); err != nil || got.Digest() != strikes {
			t.Errorf("%v %v", got, err)
		}
		if got, err := c.Table(ctx, "pool.strikes@"+string(other), nil); fault.ExitCode(err) != int(fault.Input) && fault.ExitCode(err) != int(fault.Untrusted) {
			t.Errorf("another pool by its digest: %+v %v", got, err)
		}
	})
}

// TestTableOfAPool: a contract that names a pool names its members, all of them and in their order.
func TestTableOfAPool(t *testing.T) {
	w := newWorld(t)
	d := w.pool("strikes", 1)
	p := must(New(w.ex).Pool(t.Context(), d)).Body()
	for name, members := range map[string][]statement.Member{
		"one less": p.Members[:1], "another order": {p.Members[1], p.Members[0]}, "another offer": {p.Members[0], {Owner: p.Members[1].Owner, Offer: statement.Sum(nil)}},
	} {
		_, err := New(w.ex).Tables(t.Context(), &statement.Contract{Tables: []statement.Table{{Name: "pool.strikes", Pool: d, Members: members}}})
		if fault.ExitCode(err) != int(fault.Untrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func (w *world) grant(k *keyring.Keyring, contract statement.Digest) statement.Digest {
	return w.post(must(statement.Sign(statement.Grant{
		Owner: k.Fingerprint(), Contract: contract, Offers: []statement.Digest{statement.Sum(nil)}, Authority: statement.ByHand, UntilMS: 100, CreatedMS: 1,
	}, k.Signer())))
}

func (w *world) pool(name string, epoch int64) statement.Digest {
	p := statement.Pool{Name: name, Epoch: epoch, CreatedMS: 1, Members: []statement.Member{
		{Owner: w.a.Fingerprint(), Offer: statement.Sum([]byte("a"))}, {Owner: w.b.Fingerprint(), Offer: statement.Sum([]byte("b"))},
	}}
	if epoch > 1 {
		p.Previous = statement.Sum(nil)
	}
	return w.post(must(statement.Sign(p, w.a.Signer(), w.b.Signer())))
}
