package catalog

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	"github.com/cordon-exchange/cordon/statement"
)

// online is alpha with an online key; the root that certified it.
func online(k *keyring.Keyring) (*keyring.Keyring, *keyring.KeyFile) {
	root := must(k.TakeRoot())
	return must(k.WithOnlineKey(root, keyring.Terms{From: time.UnixMilli(1), Until: time.Now().Add(time.Hour)})), root
}

// TestRevokedKeys: nothing that a revoked key signed is handed out, whether it was fetched before or not; what was signed anew is.
func TestRevokedKeys(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	a, root := online(w.a)
	other, otherRoot := online(w.b)
	c := New(w.ex)
	o := w.offer(a, "1", 5)
	d := w.post(o)
	me := must(statement.Sign(statement.Party{Name: "alpha", Key: a.Root().String(), Box: w.b.Box().Public(), CreatedMS: 9}, a.Signer()))
	w.post(me)
	g := must(statement.Sign(statement.Grant{
		Owner: a.Fingerprint(), Contract: statement.Sum(nil), Offers: []statement.Digest{d}, Authority: statement.ByHand, CreatedMS: 5, UntilMS: 1 << 50,
	}, a.Signer()))
	w.post(g)
	ok := func(c *Catalog) {
		t.Helper()
		must(c.Offer(ctx, a.Fingerprint(), d))
		must(c.LatestOffer(ctx, a.Fingerprint(), "strikes"))
		if p := must(c.Party(ctx, a.Fingerprint())); p.Body().CreatedMS != 9 {
			t.Fatal("not the newest introduction")
		}
		if len(must(c.Grants(ctx, statement.Sum(nil)))) != 1 {
			t.Fatal("no grant")
		}
	}
	ok(c)
	// Another party's revocation, of its own key and of this one in its own name, says nothing.
	w.post(must(otherRoot.RevokeKey(a.Signer().Public(), "", time.Now())))
	w.post(must(otherRoot.RevokeKey(other.Signer().Public(), "", time.Now())))
	ok(c)

	w.post(must(root.RevokeKey(a.Signer().Public(), "stolen", time.Now())))
	refused := func(c *Catalog) {
		t.Helper()
		if _, err := c.Offer(ctx, a.Fingerprint(), d); !errors.Is(err, ErrKeyRevoked) || fault.ExitCode(err) != int(fault.Untrusted) {
			t.Errorf("offer: %v", err)
		}
		if _, err := c.LatestOffer(ctx, a.Fingerprint(), "strikes"); !errors.Is(err, ErrNotFound) {
			t.Errorf("latest offer: %v", err)
		}
		if p := must(c.Party(ctx, a.Fingerprint())); p.Body().CreatedMS != 1 {
			t.Error("an introduction by a revoked key, and so perhaps a thief's box")
		}
		if len(must(c.Grants(ctx, statement.Sum(nil)))) != 0 {
			t.Error("a grant by a revoked key")
		}
	}
	refused(c)
	refused(New(w.ex))

	anew := must(a.WithOnlineKey(root, keyring.Terms{From: time.UnixMilli(1), Until: time.Now().Add(time.Hour)}))
	for _, e := range []*statement.Envelope{o, me, g} {
		again := statement.Envelope{PayloadType: e.PayloadType, Payload: e.Payload}
		if err := again.AddSignature(anew.Signer()); err != nil {
			t.Fatal(err)
		}
		w.ex.Replace(e.Digest(), &again)
	}
	ok(New(w.ex)) // one that is kept may have settled on an earlier introduction

	// Who was told does not forget, though the exchange keeps it back now.
	c = New(&withholding{w.ex, false})
	c.ex.(*withholding).off = true
	w.ex.Replace(d, o)
	if _, err := c.Offer(ctx, a.Fingerprint(), d); !errors.Is(err, ErrKeyRevoked) {
		t.Fatal(err)
	}
	c.ex.(*withholding).off = false
	if _, err := c.Offer(ctx, a.Fingerprint(), d); !errors.Is(err, ErrKeyRevoked) {
		t.Errorf("believed again: %v", err)
	}
	// Whether a key is revoked can't be asked: nothing is believed.
	w.ex.Down = errors.New("away")
	if err := New(w.ex).KeysInForce(ctx, []statement.OnlineKey{{Party: a.Fingerprint(), Key: anew.Signer().Public()}}); err == nil {
		t.Error("nobody could be asked")
	}
}

// withholding shows no revocations, unless it is off.
type withholding struct {
	*partytest.Exchange
	off bool
}

func (x *withholding) AllStatements(ctx context.Context, q client.Query) ([]wire.StatementItem, error) {
	if q.Kind == client.Revocations && !x.off {
		return nil, nil
	}
	return x.Exchange.AllStatements(ctx, q)
}

// TestRevokedKeysAreRemembered: an exchange that showed a revocation and keeps it back after a restart gains nothing.
func TestRevokedKeysAreRemembered(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	dir := must(home.Create(t.TempDir()))
	a, root := online(w.a)
	d := w.post(w.offer(a, "1", 5))
	c := New(w.ex)
	if err := c.Remember(dir); err != nil {
		t.Fatal(err)
	}
	must(c.Offer(ctx, a.Fingerprint(), d))
	w.post(must(root.RevokeKey(a.Signer().Public(), "stolen", time.Now())))
	if _, err := c.Offer(ctx, a.Fingerprint(), d); !errors.Is(err, ErrKeyRevoked) {
		t.Fatal(err)
	}
	again := New(&withholding{w.ex, false})
	if err := again.Remember(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Offer(ctx, a.Fingerprint(), d); !errors.Is(err, ErrKeyRevoked) {
		t.Errorf("forgotten: %v", err)
	}
	must(New(&withholding{w.ex, false}).Offer(ctx, a.Fingerprint(), d)) // who was never told can't know
	// What can't be kept is not acted on as if it were.
	bad := New(w.ex)
	bad.memory = full{}
	if err := bad.KeysInForce(ctx, []statement.OnlineKey{{Party: w.b.Fingerprint(), Key: w.b.Signer().Public()}}); !errors.Is(err, errFull) {
		t.Error(err)
	}
}

var errFull = errors.New("disk full")

type full struct{ home.Dir }

func (full) AddOthersRevokedKey(*statement.Verified[statement.Revocation]) error { return errFull }

// TestExpiredKeyIntroducesNobody: whoever has a key that expired yesterday dates an introduction back, and gets no letter for it.
func TestExpiredKeyIntroducesNobody(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	root := must(w.a.TakeRoot())
	now := time.Now()
	old := must(w.a.WithOnlineKey(root, keyring.Terms{From: now.AddDate(0, -3, 0), Until: now.AddDate(0, 0, -1)}))
	fresh := must(w.a.WithOnlineKey(root, keyring.Terms{From: now.AddDate(0, -3, 0), Until: now.AddDate(0, 3, 0)}))
	introduce := func(k *keyring.Keyring, box []byte, at time.Time) {
		w.post(must(statement.Sign(statement.Party{Name: "alpha", Key: w.a.Root().String(), Box: box, CreatedMS: at.UnixMilli()}, k.Signer())))
	}
	introduce(fresh, w.a.Box().Public(), now.AddDate(0, -2, 0))
	introduce(old, w.b.Box().Public(), now.AddDate(0, 0, -2))
	c := New(w.ex)
	if p := must(c.Party(ctx, w.a.Fingerprint())); !bytes.Equal(p.Body().Box, w.a.Box().Public()) {
		t.Error("the thief's box")
	}
	// What is kept expires as well: then an introduction by the root counts again.
	c.Now = func() time.Time { return now.AddDate(0, 4, 0) }
	if p := must(c.Party(ctx, w.a.Fingerprint())); p.Body().CreatedMS != 1 {
		t.Error("kept beyond its certificate")
	}
}
