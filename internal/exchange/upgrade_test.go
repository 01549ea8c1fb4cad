package exchange_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/backup"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlite"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// Backups of exchanges as earlier versions wrote them, one for each schema that there was.
const (
	recordings  = "testdata/upgrade"
	upgradeSeed = "cordon upgrade test"
)

// TestRecordUpgrade writes the recording of the present schema, once, before the next one comes:
//
//	CORDON_RECORD_UPGRADE=schema1 go test -run TestRecordUpgrade ./internal/exchange
func TestRecordUpgrade(t *testing.T) {
	name := os.Getenv("CORDON_RECORD_UPGRADE")
	if name == "" {
		t.Skip("CORDON_RECORD_UPGRADE is not set: nothing is recorded")
	}
	e := newEnv(t)
	e.seed = upgradeSeed
	busyIn(e)
	e.stop()
	_, err := backupOf(t, e.home, filepath.Join(recordings, name), true)
	e.ok(err)
}

// TestUpgrade serves from what every earlier version wrote: nothing is lost, and every party goes on.
func TestUpgrade(t *testing.T) {
	list, err := os.ReadDir(recordings)
	if err != nil || len(list) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, d := range list {
		t.Run(d.Name(), func(t *testing.T) { upgrade(t, filepath.Join(recordings, d.Name())) })
	}
}

func upgrade(t *testing.T, from string) {
	e := newEnv(t)
	e.stop()
	e.seed, e.home = upgradeSeed, filepath.Join(t.TempDir(), "home")
	m, err := backup.Restore(t.Context(), from, e.home, nil)
	e.ok(err)
	file := sqlite.Place(filepath.Join(e.home, "store"))
	before, err := sqlite.Inspect(t.Context(), file)
	e.ok(err)
	if got := faults(t, e.home); len(got) != 0 { // opening it brings the schema up to date
		t.Fatalf("faults:\n%s", strings.Join(got, "\n"))
	}
	after, err := sqlite.Inspect(t.Context(), file)
	e.ok(err)
	if before.ID != after.ID || before.ID != m.Exchange || after.Schema < before.Schema || before.Schema != m.Schema {
		t.Errorf("was %+v, is %+v", before, after)
	}
	e.skew.Store(m.MadeMS - time.Now().UnixMilli()) // the recorded job has not expired
	e.start("127.0.0.1:0")
	a, asker, host := e.stranger("alpha"), e.stranger("institute"), e.stranger("hoster")
	ctx := t.Context()
	for kind, want := range map[string]int{store.KindParty: 5, store.KindOffer: 2, store.KindPool: 1, store.KindContract: 1, store.KindGrant: 2, store.KindRevocation: 1} {
		found, err := asker.AllStatements(ctx, client.Query{Kind: kind})
		e.ok(err)
		if len(found) < want {
			t.Errorf("%d statements of kind %s, want %d at least", len(found), kind, want)
		}
	}
	mail, err := a.Mailbox(ctx, 0, 0)
	e.ok(err)
	if len(mail.Items) == 0 {
		t.Error("the owner's mailbox is empty")
	}
	states := map[string]statement.Digest{}
	mail, err = asker.Mailbox(ctx, 0, 0)
	e.ok(err)
	for _, it := range mail.Items {
		if it.Kind == wire.KindJob {
			st, err := asker.Job(ctx, it.Job)
			e.ok(err)
			states[st.State] = it.Job
		}
	}
	if len(states) != 4 {
		t.Fatalf("jobs in states %v, want all four", states)
	}
	for _, name := range []string{"result", "key-" + string(asker.fp)} {
		if b, err := asker.Artifact(ctx, states[wire.StateDone], name); err != nil || string(b) != "sealed" {
			t.Errorf("artifact of before: %q %v", b, err)
		}
	}
	c, err := host.Claim(ctx, []string{"small"}, 0, nil)
	e.ok(err)
	if c.Digest != states[wire.StateQueued] {
		t.Errorf("claimed %s", c.Digest.Short())
	}
	e.ok(host.Finish(ctx, c.Digest, wire.Finish{Lease: c.Lease, State: wire.StateDone}))
	for _, o := range m.Objects {
		if n, err := asker.ObjectSize(ctx, o.Path); err != nil || n != o.Bytes {
			t.Errorf("an object of before: %d %v", n, err)
		}
	}
	_, err = a.PostStatement(ctx, sign(e, statement.Revocation{Author: a.fp, Revokes: grantOf(e, a), AtMS: 9, Reason: "withdrawn"}, a))
	e.ok(err)
}

// grantOf is the party's own grant in the catalog.
func grantOf(e *env, p *party) statement.Digest {
	e.Helper()
	found, err := p.AllStatements(e.Context(), client.Query{Kind: store.KindGrant})
	e.ok(err)
	for i := range found {
		if g, err := statement.DecodeUnverified[statement.Grant](found[i].Envelope.Payload); err == nil && g.Owner == p.fp {
			return found[i].Digest
		}
	}
	e.Fatal("no grant of the party")
	return ""
}
