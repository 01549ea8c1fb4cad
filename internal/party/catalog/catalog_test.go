package catalog

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type world struct {
	t    *testing.T
	ex   *partytest.Exchange
	a, b *keyring.Keyring
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, ex: partytest.New(), a: must(keyring.New("alpha")), b: must(keyring.New("bravo"))}
	w.introduce(w.a, "alpha", 1)
	w.introduce(w.b, "bravo", 1)
	return w
}

func (w *world) post(e *statement.Envelope) statement.Digest {
	return must(w.ex.PostStatement(w.t.Context(), e))
}

func (w *world) introduce(k *keyring.Keyring, name string, at int64) *statement.Envelope {
	e := must(statement.Sign(statement.Party{Name: name, Key: k.Signer().Public().String(), Box: k.Box().Public(), CreatedMS: at}, k.Signer()))
	w.post(e)
	return e
}

func (w *world) offer(k *keyring.Keyring, version string, at int64) *statement.Envelope {
	o := statement.Offer{
		Owner: k.Fingerprint(), Dataset: "strikes", Version: version, Policy: "p", CreatedMS: at,
		Schema:      []statement.Column{{Name: "size", Type: "varchar"}},
		Files:       []statement.File{{Object: "a/b/1/0.parquet", Bytes: 1, Rows: 1, AADPrefix: "x"}},
		Commitments: []statement.Commitment{{Key: "size", Commit: statement.Sum(nil)}, {Key: statement.FooterKey, Commit: statement.Sum(nil)}},
	}
	return must(statement.Sign(o, k.Signer()))
}

func (w *world) revoke(k *keyring.Keyring, author statement.Fingerprint, d statement.Digest) {
	reason := "signed by " + k.Name()
	w.post(must(statement.Sign(statement.Revocation{Author: author, Revokes: d, Reason: reason, AtMS: 1}, k.Signer())))
}

// TestLies: an exchange can withhold, but not make anyone believe what nobody signed.
func TestLies(t *testing.T) {
	t.Run("another statement for the digest", func(t *testing.T) {
		w := newWorld(t)
		d := w.post(w.offer(w.a, "1", 1))
		w.ex.Replace(d, w.offer(w.a, "2", 2))
		if _, err := New(w.ex).Offer(t.Context(), w.a.Fingerprint(), d); fault.ExitCode(err) != int(fault.Untrusted) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("an offer that its owner did not sign", func(t *testing.T) {
		w := newWorld(t)
		e := w.offer(w.a, "1", 1)
		e.Signatures = w.offer(w.b, "1", 1).Signatures
		d := w.post(e)
		if _, err := New(w.ex).Offer(t.Context(), w.a.Fingerprint(), d); !errors.Is(err, statement.ErrSignature) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("an offer of another owner", func(t *testing.T) {
		w := newWorld(t)
		d := w.post(w.offer(w.b, "1", 1))
		if _, err := New(w.ex).Offer(t.Context(), w.a.Fingerprint(), d); fault.ExitCode(err) != int(fault.Untrusted) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("a statement of another kind", func(t *testing.T) {
		w := newWorld(t)
		d := w.post(w.offer(w.a, "1", 1))
		if _, err := New(w.ex).Contract(t.Context(), d); !errors.Is(err, statement.ErrType) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("a box key for another's fingerprint", func(t *testing.T) {
		w := newWorld(t)
		p := statement.Party{Name: "alpha", Key: w.a.Signer().Public().String(), Box: w.b.Box().Public(), CreatedMS: 99}
		w.post(must(statement.Sign(p, w.b.Signer())))
		got := must(New(w.ex).Party(t.Context(), w.a.Fingerprint()))
		if !slices.Equal(got.Body().Box, w.a.Box().Public()) {
			t.Fatal("took a box key that the party did not sign")
		}
	})
	t.Run("two parties of one name", func(t *testing.T) {
		w := newWorld(t)
		w.introduce(must(keyring.New("alpha")), "alpha", 1)
		if _, err := New(w.ex).ByName(t.Context(), "alpha"); fault.ExitCode(err) != int(fault.Untrusted) {
			t.Fatalf("got %v", err)
		}
		pinned := must(New(w.ex).Resolve(t.Context(), "alpha", map[string]statement.Fingerprint{"alpha": w.a.Fingerprint()}))
		if pinned != w.a.Fingerprint() {
			t.Fatal("a pin was not used")
		}
	})
	t.Run("a revocation by someone else", func(t *testing.T) {
		w := newWorld(t)
		d := w.post(w.offer(w.a, "1", 1))
		w.revoke(w.b, w.b.Fingerprint(), d)
		w.revoke(w.b, w.a.Fingerprint(), d)
		if must(New(w.ex).Revoked(t.Context(), w.a.Fingerprint(), d)) {
			t.Fatal("someone else revoked it")
		}
		w.revoke(w.a, w.a.Fingerprint(), d)
		if !must(New(w.ex).Revoked(t.Context(), w.a.Fingerprint(), d)) {
			t.Fatal("its author revoked it")
		}
	})
}

func TestNewest(t *testing.T) {
	w := newWorld(t)
	w.post(w.offer(w.a, "1", 1))
	second := w.post(w.offer(w.a, "2", 2))
	third := w.post(w.offer(w.a, "3", 3))
	c := New(w.ex)
	if got := must(c.LatestOffer(t.Context(), w.a.Fingerprint(), "strikes")); got.Digest() != third {
		t.Fatal("not the newest")
	}
	w.revoke(w.a, w.a.Fingerprint(), third)
	if got := must(c.LatestOffer(t.Context(), w.a.Fingerprint(), "strikes")); got.Digest() != second {
		t.Fatal("not the newest that is not revoked")
	}
	if _, err := c.LatestOffer(t.Context(), w.b.Fingerprint(), "strikes"); !errors.Is(err, ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	w.introduce(w.a, "alpha", 7)
	if got := must(New(w.ex).Party(t.Context(), w.a.Fingerprint())); got.Body().CreatedMS != 7 {
		t.Fatal("not the newest introduction")
	}
}

func TestPools(t *testing.T) {
	w := newWorld(t)
	pool := func(offer string, signers ...statement.Signer) *statement.Envelope {
		return must(statement.Sign(statement.Pool{Name: "strikes", Epoch: 1, CreatedMS: 1, Members: []statement.Member{
			{Owner: w.a.Fingerprint(), Offer: statement.Sum([]byte(offer))}, {Owner: w.b.Fingerprint(), Offer: statement.Sum([]byte("b"))},
		}}, signers...))
	}
	w.post(pool("a", w.a.Signer()))
	if _, err := New(w.ex).LatestPool(t.Context(), "strikes"); !errors.Is(err, ErrNotFound) {
		t.Fatalf("a pool that a member did not sign: %v", err)
	}
	d := w.post(pool("a", w.b.Signer()))
	if got := must(New(w.ex).LatestPool(t.Context(), "strikes")); got.Digest() != d {
		t.Fatal("not found")
	}
	if _, err := New(w.ex).Pool(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	w.post(pool("other", w.a.Signer(), w.b.Signer()))
	if _, err := New(w.ex).LatestPool(t.Context(), "strikes"); fault.ExitCode(err) != int(fault.Input) || errors.Is(err, ErrNotFound) {
		t.Fatalf("two pools of one name and epoch: %v", err)
	}
	if got := must(New(w.ex).Table(t.Context(), "pool.strikes@"+string(d), nil)); got.Pool != d {
		t.Fatal("the digest did not decide")
	}
}

func TestGrants(t *testing.T) {
	w := newWorld(t)
	contract := statement.Sum([]byte("contract"))
	grant := func(k *keyring.Keyring, at int64) *statement.Envelope {
		return must(statement.Sign(statement.Grant{
			Owner: k.Fingerprint(), Contract: contract, Offers: []statement.Digest{statement.Sum(nil)}, Authority: statement.ByHand, UntilMS: 100, CreatedMS: at,
		}, k.Signer()))
	}
	w.post(grant(w.a, 1))
	newer := w.post(grant(w.a, 2))
	forged := grant(w.b, 1)
	forged.Signatures = grant(w.a, 3).Signatures
	w.post(forged)
	got := must(New(w.ex).Grants(t.Context(), contract))
	if len(got) != 1 || got[w.a.Fingerprint()].Digest() != newer {
		t.Fatalf("%v", got)
	}
}

// TestManyGrants: more than one listing of revocations asks about, each revoked or not by its own.
func TestManyGrants(t *testing.T) {
	w := newWorld(t)
	contract := statement.Sum([]byte("contract"))
	var left []statement.Fingerprint
	for i := range 2*wire.MaxAbout + 1 {
		k := must(seal.NewSigningKey())
		d := w.post(must(statement.Sign(statement.Grant{
			Owner: k.Fingerprint(), Contract: contract, Offers: []statement.Digest{statement.Sum(nil)}, Authority: statement.ByHand, UntilMS: 100, CreatedMS: 1,
		}, k)))
		if i%3 > 0 {
			left = append(left, k.Fingerprint())
			continue
		}
		w.post(must(statement.Sign(statement.Revocation{Author: k.Fingerprint(), Revokes: d, AtMS: 1}, k)))
	}
	got := slices.Collect(maps.Keys(must(New(w.ex).Grants(t.Context(), contract))))
	slices.Sort(got)
	slices.Sort(left)
	if !slices.Equal(got, left) {
		t.Errorf("%d grants count, want %d", len(got), len(left))
	}
}

func TestTableNames(t *testing.T) {
	w := newWorld(t)
	w.post(w.offer(w.a, "1", 1))
	for _, bad := range []string{"", "strikes", "alpha.", "alpha.Strikes", "alpha.strikes@x", "alpha.strikes@" + string(statement.Sum(nil)), "nobody.strikes", "bravo.strikes", "pool.none"} {
		if got, err := New(w.ex).Table(t.Context(), bad, nil); err == nil {
			t.Errorf("%q gave %+v", bad, got)
		}
	}
	if got := must(New(w.ex).Table(t.Context(), "alpha.strikes", nil)); got.Name != "alpha.strikes" || got.Members[0].Owner != w.a.Fingerprint() {
		t.Fatalf("%+v", got)
	}
}

// TestSearch: what is listed is the newest version in force that its owner signed; a revoked one stands in the history alone.
func TestSearch(t *testing.T) {
	w := newWorld(t)
	post := func(k *keyring.Keyring, version string, at int64) statement.Digest {
		o := must(statement.DecodeUnverified[statement.Offer](w.offer(k, version, at).Payload))
		o.Policy = searchPolicy
		return w.post(must(statement.Sign(*o, k.Signer())))
	}
	first, second, third := post(w.a, "1", 1), post(w.a, "2", 2), post(w.a, "3", 3)
	other := post(w.b, "1", 1)
	w.revoke(w.a, w.a.Fingerprint(), third)
	w.revoke(w.b, w.a.Fingerprint(), second) // not the owner's word
	c := New(w.ex)
	list := must(c.Search(t.Context(), Filter{}))
	if len(list) != 2 || list[0].Offer.Digest() != second || list[1].Offer.Digest() != other {
		t.Fatalf("got %d data sets", len(list))
	}
	if list := must(c.Search(t.Context(), Filter{Owner: w.b.Fingerprint(), Words: []string{"BRAVO", "size"}})); len(list) != 1 || list[0].Offer.Digest() != other {
		t.Fatalf("got %d data sets of bravo", len(list))
	}
	l, versions, err := c.Listing(t.Context(), "alpha.strikes", nil)
	if err != nil || l.Offer.Digest() != second || len(versions) != 3 {
		t.Fatalf("got %d versions, %v", len(versions), err)
	}
	if versions[0].Offer.Digest() != third || !versions[0].Retired || versions[1].Retired || versions[2].Offer.Digest() != first {
		t.Fatal("the history is not newest first, with what is retired")
	}
	forged := w.offer(w.a, "9", 9)
	forged.Signatures = w.offer(w.b, "9", 9).Signatures
	w.post(forged)
	if list := must(c.Search(t.Context(), Filter{Owner: w.a.Fingerprint()})); len(list) != 1 || list[0].Offer.Digest() != second {
		t.Fatal("listed what the owner did not sign")
	}
}

const searchPolicy = `policy: 1
dataset: strikes
unit: {column: size, rows_are_units: true}
columns:
  size: {roles: [unit]}
  state: {roles: [dimension]}
output: {lattice: [[state]]}
guard:
  min_units: 10
  rounding: {count: 5, value_digits: 4}
purposes: [research]
analysts: [any]
operators: [cordon1dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd]
evidence: {accept: [simulated], builds: ["sha256:0000000000000000000000000000000000000000000000000000000000000000"], perimeters: [process]}
valid: {from: 2020-01-01, until: 2100-01-01}
max_queries: {per_analyst: 200, period: 30d}
`
