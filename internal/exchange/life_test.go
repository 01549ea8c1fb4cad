package exchange_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// TestLifeOfAJob walks every call once, as parties and host do.
func TestLifeOfAJob(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if got := w.a.kinds(); got != "statement,statement" { // pool, contract
		t.Fatalf("owner's mailbox: %s", got)
	}
	w.a.empty()
	grant, err := w.a.PostStatement(ctx, sign(w.env, statement.Grant{Owner: w.a.fp, Contract: w.contract,
		Offers: []statement.Digest{w.members[0].Offer}, Authority: statement.ByRule, UntilMS: 1 << 50, CreatedMS: 1}, w.a))
	w.ok(err)
	if got := w.asker.kinds(); got != "statement,statement" { // contract, grant
		t.Fatalf("requester's mailbox: %s", got)
	}
	job := w.submit()
	env, err := w.a.JobEnvelope(ctx, job)
	w.ok(err)
	if env.Digest() != job {
		t.Fatal("another job")
	}
	c := w.claim()
	if c.Digest != job || c.Attempt != 1 || c.LeaseMS != 10000 || c.Job.Digest() != job || c.Contract.Digest() != w.contract {
		t.Fatalf("claim: %+v", c)
	}
	w.checkStatements(c, grant)
	w.ok(w.host.Renew(ctx, job, c.Lease))
	w.ok(w.host.ReportStage(ctx, job, c.Lease, "hello"))
	w.round(job, c.Lease)
	w.ok(w.a.SendNotice(ctx, w.asker.fp, wire.Notice{Job: job, Body: []byte("sealed refusal")}))
	if got := w.asker.kinds(); !strings.HasSuffix(got, "job,hello,notice") {
		t.Fatalf("requester's mailbox: %s", got)
	}
	w.artifacts(job, c.Lease)
	if _, err := w.host.Claim(ctx, []string{"small"}, 0, nil); !errors.Is(err, client.ErrNoJob) {
		t.Fatalf("claim of a finished job: %v", err)
	}
}

func (w *world) checkStatements(c *wire.Claim, grant statement.Digest) {
	w.Helper()
	have := map[statement.Digest]int{}
	for i := range c.Statements {
		have[c.Statements[i].Digest()]++
	}
	want := []statement.Digest{w.pool, w.members[0].Offer, w.members[1].Offer, w.a.in, w.b.in, w.asker.in, w.host.in, grant}
	for _, d := range want {
		if have[d] != 1 {
			w.Errorf("claim has %d of %s", have[d], d.Short())
		}
	}
	if len(have) != len(want) {
		w.Errorf("claim has %d statements, want %d", len(have), len(want))
	}
}

// round sends one message to each broker and collects the answers.
func (w *world) round(job statement.Digest, lease string) {
	w.Helper()
	brokers := []*party{w.a, w.b, w.asker}
	var out []wire.Outgoing
	for _, p := range brokers {
		out = append(out, wire.Outgoing{To: p.fp, Kind: wire.KindHello, Body: []byte("to " + p.name)})
	}
	w.ok(w.host.SendMessages(w.Context(), job, lease, out))
	for _, p := range brokers {
		m, err := p.Mailbox(w.Context(), 0, 0)
		w.ok(err)
		it := m.Items[len(m.Items)-1]
		if it.Kind != wire.KindHello || string(it.Body) != "to "+p.name || it.Job != job || it.Attempt != 1 || it.From != w.host.fp || m.Next != it.Seq {
			w.Fatalf("%s got %+v", p.name, it)
		}
		w.ok(p.Reply(w.Context(), job, wire.Answer{Attempt: 1, Kind: "reply", Body: []byte("from " + p.name), Ref: it.Seq}))
	}
	r, err := w.host.Replies(w.Context(), job, lease, wire.Await{})
	w.ok(err)
	if len(r.Items) != 3 || r.Next != r.Items[2].Seq {
		w.Fatalf("%d replies", len(r.Items))
	}
	for i, p := range brokers {
		if it := r.Items[i]; it.From != p.fp || string(it.Body) != "from "+p.name || it.Kind != "reply" {
			w.Fatalf("reply %d: %+v", i, it)
		}
	}
	r, err = w.host.Replies(w.Context(), job, lease, wire.Await{After: r.Items[1].Seq})
	w.ok(err)
	if len(r.Items) != 1 || r.Items[0].From != w.asker.fp {
		w.Fatalf("replies behind the second: %+v", r.Items)
	}
}

// artifacts leaves all of them, finishes, and reads them as each party may.
func (w *world) artifacts(job statement.Digest, lease string) {
	w.Helper()
	ctx := w.Context()
	result := bytes.Repeat([]byte("r"), 3<<20)
	names := map[string][]byte{"result": result, "receipt": []byte("receipt"), "key-" + string(w.asker.fp): []byte("key"),
		"bundle-" + string(w.asker.fp): []byte("bundle")}
	var last []wire.NewArtifact
	for name, b := range names {
		if name == "result" || name == "receipt" {
			w.ok(w.host.PutArtifact(ctx, job, lease, name, b))
			continue
		}
		last = append(last, wire.NewArtifact{Name: name, Body: b})
	}
	_, err := w.asker.Artifact(ctx, job, "result")
	w.code(err, wire.CodeNotFound)
	for range 2 { // finishing is idempotent
		w.ok(w.host.Finish(ctx, job, wire.Finish{Lease: lease, State: wire.StateDone, Artifacts: last}))
	}
	for _, c := range []struct {
		p    *party
		want int
	}{{w.asker, 4}, {w.a, 1}, {w.host, 0}} {
		st, err := c.p.Job(ctx, job)
		w.ok(err)
		if st.State != wire.StateDone || st.Attempts != 1 || st.Host != w.host.fp || len(st.Stages) != 1 || st.EndedMS == 0 || len(st.Artifacts) != c.want {
			w.Errorf("%s sees %+v", c.p.name, st)
		}
	}
	for name, b := range names {
		got, err := w.asker.Artifact(ctx, job, name)
		w.ok(err)
		if !bytes.Equal(got, b) {
			w.Errorf("%s: %d bytes", name, len(got))
		}
	}
	_, err = w.a.Artifact(ctx, job, "receipt")
	w.ok(err)
}

func TestObjects(t *testing.T) {
	e := newEnv(t)
	p, q := e.party("alpha"), e.party("beta")
	content := strings.Repeat("0123456789", 300000)
	path, _ := p.object("part.parquet", content)
	n, err := q.ObjectSize(t.Context(), path)
	e.ok(err)
	if n != 3000000 {
		t.Fatalf("size %d", n)
	}
	for _, c := range []struct{ from, length int64 }{{0, -1}, {0, 10}, {5, 7}, {2999999, 1}, {1000, 2000000}, {7, 0}} {
		r, err := q.OpenObject(t.Context(), path, c.from, c.length)
		e.ok(err)
		b, err := io.ReadAll(r)
		e.ok(err)
		e.ok(r.Close())
		end := c.from + c.length
		if c.length < 0 {
			end = n
		}
		if string(b) != content[c.from:end] {
			t.Errorf("%d+%d: %d bytes", c.from, c.length, len(b))
		}
	}
	buf := make([]byte, 5)
	if k, err := q.ReadObjectAt(t.Context(), path, buf, 13); k != 5 || err != nil || string(buf) != "34567" {
		t.Errorf("read at: %d %v %q", k, err, buf)
	}
	_, err = q.OpenObject(t.Context(), path, 2999999, 2)
	e.code(err, wire.CodeRange)
	_, err = q.OpenObject(t.Context(), strings.Replace(path, "part", "none", 1), 0, -1)
	e.code(err, wire.CodeNotFound)
	e.ok(p.put(path, content)) // the same again
	e.code(p.put(path, content+"x"), wire.CodeObjectExists)
	e.code(p.put(path, "x"+content[1:]), wire.CodeObjectExists)
	e.ok(p.DeleteObject(t.Context(), path))
	e.ok(p.DeleteObject(t.Context(), path))
	_, err = q.ObjectSize(t.Context(), path)
	if err == nil {
		t.Fatal("a removed object has a size")
	}
}

func TestWaitJob(t *testing.T) {
	w := newWorld(t)
	job := w.submit()
	st, err := w.asker.Job(t.Context(), job)
	w.ok(err)
	got := make(chan *wire.JobStatus, 1)
	go func() {
		st, err := w.asker.WaitJob(t.Context(), job, st.Version, 20*time.Second)
		if err != nil {
			t.Error(err)
		}
		got <- st
	}()
	c := w.claim()
	st = <-got
	if st == nil || st.State != wire.StateLeased {
		t.Fatalf("got %+v", st)
	}
	w.ok(w.host.Finish(t.Context(), job, wire.Finish{Lease: c.Lease, State: wire.StateFailed, Code: "no-plan"}))
	st, err = w.asker.WaitJob(t.Context(), job, st.Version, 20*time.Second)
	w.ok(err)
	if st.State != wire.StateFailed || st.Code != "no-plan" {
		t.Fatalf("got %+v", st)
	}
}
