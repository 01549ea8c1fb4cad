package exchange_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// TestJobCost measures one job of 20 brokers and prints its parts.
func TestJobCost(t *testing.T) {
	if testing.Short() {
		t.Skip("measures")
	}
	w := newWorld(t)
	var owners []*party
	w.members = nil
	for i := range 19 {
		p := w.party("owner" + string(rune('a'+i)))
		path, size := p.object("part.parquet", "x")
		o := p.offerOf(path, size)
		o.Policy = strings.Repeat("policy ", 500)
		d, err := p.PostStatement(t.Context(), sign(w.env, o, p))
		w.ok(err)
		owners = append(owners, p)
		w.members = append(w.members, statement.Member{Owner: p.fp, Offer: d})
	}
	pool, err := owners[0].PostStatement(t.Context(), sign(w.env, statement.Pool{Name: "all", Epoch: 1, Members: w.members, CreatedMS: 1}, owners...))
	w.ok(err)
	ct := w.contractOf()
	ct.Tables = []statement.Table{{Name: "pool.all", Pool: pool, Members: w.members}}
	w.contract, err = w.asker.PostStatement(t.Context(), sign(w.env, ct, w.asker))
	w.ok(err)
	for i, p := range owners {
		_, err := p.PostStatement(t.Context(), sign(w.env, w.grantOf(p, i), p))
		w.ok(err)
	}
	for range 3 {
		w.measure(owners)
	}
}

func (w *world) measure(owners []*party) {
	ctx := w.Context()
	brokers := append([]*party{w.asker}, owners...)
	j := w.jobOf()
	j.Owners, j.Bodies = nil, []statement.SealedBody{{To: w.asker.fp, Sealed: make([]byte, 1500)}}
	for _, p := range owners {
		j.Owners = append(j.Owners, p.fp)
		j.Bodies = append(j.Bodies, statement.SealedBody{To: p.fp, Sealed: make([]byte, 1500)})
	}
	slices.Sort(j.Owners)
	env := sign(w.env, j, w.asker)
	for _, p := range brokers {
		p.empty()
	}
	var wg sync.WaitGroup
	for _, p := range brokers {
		wg.Go(func() {
			var after int64
			for n := 0; n < 4; {
				m, err := p.Mailbox(ctx, after, 20*time.Second)
				if err != nil {
					w.Error(err)
					return
				}
				after = m.Next
				for _, it := range m.Items {
					if n++; it.Kind != wire.KindJob {
						if err := p.Reply(ctx, it.Job, wire.Answer{Attempt: it.Attempt, Kind: "reply", Body: make([]byte, 3000), Ref: it.Seq}); err != nil {
							w.Error(err)
						}
					}
				}
			}
		})
	}
	lap := stopwatch()
	job, err := w.asker.SubmitJob(ctx, env)
	w.ok(err)
	submit := lap()
	c := w.claim()
	claim := lap()
	var rounds []time.Duration
	var after int64
	for range 3 {
		var out []wire.Outgoing
		for _, p := range brokers {
			out = append(out, wire.Outgoing{To: p.fp, Kind: wire.KindQuote, Body: make([]byte, 8000)})
		}
		w.ok(w.host.SendMessages(ctx, job, c.Lease, out))
		for n := 0; n < len(brokers); {
			r, err := w.host.Replies(ctx, job, c.Lease, wire.Await{After: after, Wait: 20 * time.Second})
			w.ok(err)
			after = r.Next
			n += len(r.Items)
		}
		rounds = append(rounds, lap())
	}
	wg.Wait()
	w.ok(w.host.Finish(ctx, job, wire.Finish{Lease: c.Lease, State: wire.StateDone}))
	w.Logf("20 brokers: submit %v, claim %v, rounds %v, finish %v", submit, claim, rounds, lap())
}

func stopwatch() func() time.Duration {
	last := time.Now()
	return func() time.Duration {
		now := time.Now()
		d := now.Sub(last).Round(10 * time.Microsecond)
		last = now
		return d
	}
}
