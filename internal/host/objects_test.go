package host

import (
	"context"
	"errors"
	"io"
	"testing"

	words "github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/host/cache"
	"github.com/cordon-exchange/cordon/internal/host/channel"
)

// jobOf is a relay of one job of the exchange, over a cache of all jobs of a test.
func jobOf(f *fakeExchange, c *cache.Cache) *relay {
	r := newRelay(Options{Exchange: f, Cache: c}, Class{}, nil)
	r.give(f.claim)
	return r
}

func newCache(t *testing.T) *cache.Cache {
	t.Helper()
	c, err := cache.Open(cache.Options{Dir: t.TempDir(), Bytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func readObject(t *testing.T, r *relay, path string) (string, error) {
	t.Helper()
	body, err := r.Object(t.Context(), path, 0, int64(len(content)))
	if err != nil {
		return "", err
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	return string(b), err
}

// TestObjectsOfTheJobAlone: what no offer of the job names is not read for it, neither from the exchange nor from what another job's
// enclave had the host keep.
func TestObjectsOfTheJobAlone(t *testing.T) {
	f, c := newFakeExchange(t), newCache(t)
	if got, err := readObject(t, jobOf(f, c), here); err != nil || got != string(content) {
		t.Fatal(got, err)
	}
	other := newFakeExchange(t)
	other.claim.Statements = other.claim.Statements[1:] // no offer
	for name, r := range map[string]*relay{"kept": jobOf(other, c), "streamed": jobOf(other, nil)} {
		var p *channel.Problem
		if got, err := readObject(t, r, here); !errors.As(err, &p) || p.Code != "not-found" {
			t.Errorf("%s: read %q (%v)", name, got, err)
		}
	}
	if other.opened+other.sized != 0 {
		t.Error("the exchange was asked")
	}
}

// TestKeptObjects: the second job's bytes come from the cache, once the exchange has said that the object is still there.
func TestKeptObjects(t *testing.T) {
	f, c := newFakeExchange(t), newCache(t)
	for range 3 {
		r := jobOf(f, c)
		for range 2 {
			if got, err := readObject(t, r, here); err != nil || got != string(content) {
				t.Fatal(got, err)
			}
		}
	}
	if f.opened != 1 || f.sized != 2 {
		t.Errorf("%d ranges and %d sizes were asked for", f.opened, f.sized)
	}
	f.removed = true
	if got, err := readObject(t, jobOf(f, c), here); err == nil {
		t.Errorf("read %q, which its owner has removed", got)
	}
	if c.Has(here) {
		t.Error("it is kept still")
	}
}

// TestSpoiledObjectIsForgotten: a job that ends in bad data costs the cache that owner's objects, and the next job reads good ones.
func TestSpoiledObjectIsForgotten(t *testing.T) {
	for code, forgotten := range map[string]bool{"bad-data:alpha": true, "bad-data:beta": false, "engine": false} {
		f, c := newFakeExchange(t), newCache(t)
		f.spoil = true
		r := jobOf(f, c)
		if got, err := readObject(t, r, here); err != nil || got == string(content) {
			t.Fatal(got, err)
		}
		f.spoil = false
		if err := r.Finish(context.Background(), words.Finish{State: words.Failed, Code: code}); err != nil {
			t.Fatal(err)
		}
		got, err := readObject(t, jobOf(f, c), here)
		if err != nil || (got == string(content)) != forgotten {
			t.Errorf("after %s: %q (%v)", code, got, err)
		}
	}
}
