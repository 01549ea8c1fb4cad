package broker

import (
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/keyring"
)

// takeRoots gives everybody online keys, if the world is to have them.
func (w *world) takeRoots() {
	if w.online.IsZero() {
		return
	}
	online := func(k *keyring.Keyring) *keyring.Keyring {
		return must(k.WithOnlineKey(must(k.TakeRoot()), keyring.Terms{From: time.UnixMilli(1), Until: w.online}))
	}
	for _, m := range w.owners {
		m.root, m.ring = m.ring, online(m.ring)
	}
	w.askerRoot, w.asker = w.asker, online(w.asker)
}

func (w *world) revokeKey(root, online *keyring.Keyring) {
	w.post(must(must(root.TakeRoot()).RevokeKey(online.Signer().Public(), "", w.now)))
}

func newOnlineWorld(t *testing.T, until time.Time) *world {
	t.Helper()
	return (&world{maxQuery: 200, online: until}).furnish(t, nil)
}

// TestOnlineKeys: everybody signs with an online key, and is believed.
func TestOnlineKeys(t *testing.T) {
	w := newOnlineWorld(t, start.AddDate(0, 1, 0))
	e := w.enclave(w.newJob(nil))
	if r := e.close(e.run(), nil); r == nil || r.Ack == nil {
		t.Fatalf("not closed: %s", e.why(r))
	}
}

// TestRevokedKeyReleasesNothing: one key of what a job rests on is revoked, before anything was asked, or between hello and quote.
func TestRevokedKeyReleasesNothing(t *testing.T) {
	for name, revoke := range map[string]func(*world){
		"requester's":                func(w *world) { w.revokeKey(w.askerRoot, w.asker) },
		"another member of the pool": func(w *world) { w.revokeKey(w.owners[2].root, w.owners[2].ring) },
	} {
		t.Run(name+", before the job", func(t *testing.T) {
			w := newOnlineWorld(t, start.AddDate(0, 1, 0))
			revoke(w)
			w.wantHelloRefused(CodeKeyRevoked)
		})
		t.Run(name+", after the hello", func(t *testing.T) {
			w := newOnlineWorld(t, start.AddDate(0, 1, 0))
			j := w.newJob(nil)
			e := w.enclave(j)
			h := e.hello(nil)
			if h == nil || h.Ready == nil {
				t.Fatalf("no ready: %s", e.why(h))
			}
			revoke(w)
			w.refusedWith(j, e, e.quote(e.readies(h.Ready, nil), nil), CodeKeyRevoked, 0)
		})
	}
}

// TestReadyUnderAnotherKey: a ready is made for the moment, so that its key is looked at even where the party's statements are signed by a good one.
func TestReadyUnderAnotherKey(t *testing.T) {
	for name, spoil := range map[string]func(w *world, m *member) *keyring.Keyring{
		"revoked": func(w *world, m *member) *keyring.Keyring {
			k := must(m.ring.WithOnlineKey(must(m.root.TakeRoot()), keyring.Terms{From: time.UnixMilli(1), Until: start.AddDate(0, 1, 0)}))
			w.revokeKey(m.root, k)
			return k
		},
		"not valid yet": func(w *world, m *member) *keyring.Keyring {
			return must(m.ring.WithOnlineKey(must(m.root.TakeRoot()), keyring.Terms{From: w.now.Add(time.Second), Until: start.AddDate(0, 1, 0)}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newOnlineWorld(t, start.AddDate(0, 1, 0))
			j := w.newJob(nil)
			e := w.enclave(j)
			h := e.hello(nil)
			m := w.owners[1]
			m.ring = spoil(w, m)
			w.refusedWith(j, e, e.quote(e.readies(h.Ready, nil), nil), CodeKeyRevoked, 0)
		})
	}
}

// TestJobOfAnExpiredKey: a job states its own time, and who stole an expired key states an earlier one.
func TestJobOfAnExpiredKey(t *testing.T) {
	w := newOnlineWorld(t, start.AddDate(0, 1, 0))
	w.asker = must(w.asker.WithOnlineKey(must(w.askerRoot.TakeRoot()), keyring.Terms{From: time.UnixMilli(1), Until: start.Add(time.Minute)}))
	j := w.newJob(nil) // dated and signed while the certificate was valid
	w.now = start.Add(2 * time.Minute)
	e := w.enclave(j)
	w.refusedWith(j, e, e.hello(nil), CodeKeyRevoked, 0)
}

// TestExposureIsClosedAllTheSame: what a release led to is accounted for, whatever became of the requester's key.
func TestExposureIsClosedAllTheSame(t *testing.T) {
	w := newOnlineWorld(t, start.AddDate(0, 1, 0))
	e := w.enclave(w.newJob(nil))
	x := e.run()
	w.revokeKey(w.askerRoot, w.asker)
	w.broker.Catalog = w.catalog()
	if r := e.close(x, nil); r == nil || r.Ack == nil {
		t.Fatalf("not closed: %s", e.why(r))
	}
}
