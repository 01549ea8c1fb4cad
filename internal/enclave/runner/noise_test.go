package runner

import (
	"slices"
	"testing"

	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// newNoisyWorld: the policies want noise, and the plan needs every owner's noise key.
func newNoisyWorld(t *testing.T) *world {
	w := newWorld(t)
	n := &world{t: t, lake: map[string][]byte{}, now: w.now, build: w.build, form: w.form, lattice: w.lattice, rows: w.rows, noisy: true}
	return n.populate()
}

// TestNoiseKeysAreTakenAndAccountedFor: each is in the receipt, and opened nothing.
func TestNoiseKeysAreTakenAndAccountedFor(t *testing.T) {
	w := newNoisyWorld(t)
	h := newFakeHost(w)
	if err := h.run(); err != nil {
		t.Fatal(err)
	}
	for _, o := range w.owners {
		r := must[*statement.Receipt](t)(statement.DecodeUnverified[statement.Receipt](h.of(o).notice.Receipt.Payload))
		n := 0
		for _, e := range r.Exposures {
			if e.Column == statement.NoiseKey && e.Bytes == 0 {
				n++
			}
		}
		if n != len(w.owners) {
			t.Fatalf("the receipt to %s lists %d noise keys", o.name, n)
		}
	}
}

// TestNoiseKeyIsNotTheOwnersOrNotNeeded: one thing wrong per case.
func TestNoiseKeyIsNotTheOwnersOrNotNeeded(t *testing.T) {
	drop := func(list []statement.ColumnKey) []statement.ColumnKey {
		return slices.DeleteFunc(list, func(k statement.ColumnKey) bool { return k.Column == statement.NoiseKey })
	}
	for _, c := range []struct {
		name, code string
		noisy      bool
		fault      func(*statement.Release, *statement.ReleasedKeys)
	}{
		{"of its own making", "bad-key:alpha", true, func(_ *statement.Release, k *statement.ReleasedKeys) {
			at := slices.IndexFunc(k.Offers[0].Column, func(c statement.ColumnKey) bool { return c.Column == statement.NoiseKey })
			k.Offers[0].Column[at].Key = nonce(3)
		}},
		{"missing", "bad-key:alpha", true, func(_ *statement.Release, k *statement.ReleasedKeys) { k.Offers[0].Column = drop(k.Offers[0].Column) }},
		{"not said to be released", "bad-release:alpha", true, func(r *statement.Release, _ *statement.ReleasedKeys) {
			r.Columns[0].Columns = slices.DeleteFunc(r.Columns[0].Columns, func(c string) bool { return c == statement.NoiseKey })
		}},
		{"of an offer that has none", "bad-key:alpha", false, func(_ *statement.Release, k *statement.ReleasedKeys) {
			k.Offers[0].Column = append(k.Offers[0].Column, statement.ColumnKey{Column: statement.NoiseKey, Key: nonce(3)})
		}},
		{"said to be released without need", "bad-release:alpha", false, func(r *statement.Release, _ *statement.ReleasedKeys) {
			r.Columns[0].Columns = append(r.Columns[0].Columns, statement.NoiseKey)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.noisy {
				w = newNoisyWorld(t)
			}
			h := newFakeHost(w)
			h.of(w.owners[0]).onRelease = c.fault
			h.wantFailure(c.code)
		})
	}
}

// TestOffersWithAndWithoutNoiseKeys: an offer has one if its policy wants noise, and only then.
func TestOffersWithAndWithoutNoiseKeys(t *testing.T) {
	for _, noisy := range []bool{false, true} {
		w := newWorld(t)
		if noisy {
			w = newNoisyWorld(t)
		}
		o := *must[*statement.Offer](t)(statement.DecodeUnverified[statement.Offer](w.owners[0].offer.Payload))
		if noisy {
			o.Commitments = slices.DeleteFunc(o.Commitments, func(c statement.Commitment) bool { return c.Key == statement.NoiseKey })
		} else {
			o.Commitments = append(o.Commitments, statement.Commitment{Key: statement.NoiseKey, Commit: statement.Sum(nil)})
		}
		w.owners[0].offer = sign(t, o, w.owners[0])
		w.agree()
		w.ask(w.institute, testSQL)
		h := newFakeHost(w)
		h.wantFailure("bad-offer:alpha")
	}
}

// TestNoiseKeyOfNoNeed: one that comes along where the plan asked for none ends the job; one that was asked for opens no file.
func TestNoiseKeyOfNoNeed(t *testing.T) {
	w := newNoisyWorld(t)
	offer := must[*statement.Verified[statement.Offer]](t)(statement.VerifyAuthor[statement.Offer](w.owners[0].offer))
	columns := w.compile(testSQL).Columns(string(offer.Digest()))
	k := statement.OfferKeys{Offer: offer.Digest(), Footer: w.owners[0].keys[statement.FooterKey].BytesUnsafe()}
	for _, c := range append(slices.Clone(columns), statement.NoiseKey) {
		k.Column = append(k.Column, statement.ColumnKey{Column: c, Key: w.owners[0].keys[c].BytesUnsafe()})
	}
	if _, err := committedKeys(nil, offer.Body(), k, columns); err == nil {
		t.Fatal("a noise key that nobody needs was taken")
	}
	set, err := committedKeys(nil, offer.Body(), k, append(columns, statement.NoiseKey))
	if err != nil || set.noise == nil || len(set.forFile().Columns) != len(k.Column)-1 {
		t.Fatalf("noise keys open no file: %v", err)
	}
	cases := &keyCase{sets: map[statement.Digest]*keySet{offer.Digest(): set}}
	if got := cases.noise()[string(offer.Digest())]; !slices.Equal(got, w.owners[0].keys[statement.NoiseKey].BytesUnsafe()) {
		t.Fatal("not the noise key for the engine")
	}
	noise := set.noise
	cases.wipe()
	if zero := make([]byte, seal.DataKeySize); !slices.Equal(noise.BytesUnsafe(), zero) {
		t.Fatal("the noise key is not wiped")
	}
}
