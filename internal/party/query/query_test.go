package query

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/heads"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

var start = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

const sql = "SELECT size, count(*) AS n FROM owner.strikes GROUP BY size"

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type world struct {
	t            *testing.T
	now          time.Time
	ex           *partytest.Exchange
	asker, owner *keyring.Keyring
	offer        *statement.Envelope
	contract     statement.Digest
	dir          home.Dir
	*Asker
}

func newWorld(t *testing.T, change func(*statement.Contract)) *world {
	t.Helper()
	w := &world{t: t, now: start, ex: partytest.New(), asker: must(keyring.New("institute")), owner: must(keyring.New("owner"))}
	for _, k := range []*keyring.Keyring{w.asker, w.owner} {
		w.post(must(statement.Sign(statement.Party{Name: k.Name(), Key: k.Signer().Public().String(), Box: k.Box().Public(), CreatedMS: 1}, k.Signer())))
	}
	w.dir = must(home.Create(filepath.Join(t.TempDir(), "home")))
	w.Asker = &Asker{
		Exchange: w.ex, Catalog: catalog.New(w.ex), Heads: heads.Open(w.dir.Heads()), Home: w.dir, Signer: w.asker.Signer(), Compile: policy.Compile,
		Now: func() time.Time { return w.now },
	}
	w.publish()
	c := statement.Contract{
		Nonce: make([]byte, statement.NonceSize), Requester: w.asker.Fingerprint(), Recipients: []statement.Fingerprint{w.asker.Fingerprint()},
		Purpose: "research", Tables: []statement.Table{{Name: "owner.strikes", Members: []statement.Member{{Owner: w.owner.Fingerprint(), Offer: w.offer.Digest()}}}},
		Builds: []statement.Digest{statement.Sum(nil)}, Operators: []statement.Fingerprint{w.owner.Fingerprint()}, Evidence: []string{"simulated"},
		Perimeters: []string{"process"}, PlanEncoding: policy.Encoding, FromMS: 1, UntilMS: start.AddDate(0, 1, 0).UnixMilli(), CreatedMS: 1,
	}
	if change != nil {
		change(&c)
	}
	signer := w.asker
	if c.Requester == w.owner.Fingerprint() {
		signer = w.owner
	}
	e := must(statement.Sign(c, signer.Signer()))
	w.post(e)
	w.contract = e.Digest()
	return w
}

func (w *world) post(e *statement.Envelope) { must(w.ex.PostStatement(w.t.Context(), e)) }

func (w *world) publish() {
	text := fmt.Sprintf(`policy: 1
dataset: strikes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  size: {roles: [dimension, filter]}
output: {lattice: [[size]]}
guard:
  min_units: 10
  rounding: {count: 5, value_digits: 4}
purposes: [research]
analysts: [any]
operators: [%s]
evidence: {accept: [simulated], builds: ["%s"], perimeters: [process]}
valid: {from: 2026-01-01, until: 2027-01-01}
max_queries: {per_analyst: 200, period: 30d}
`, w.owner.Fingerprint(), statement.Sum(nil))
	o := statement.Offer{
		Owner: w.owner.Fingerprint(), Dataset: "strikes", Version: "1", Policy: text, Price: 3, CreatedMS: 1,
		Schema: []statement.Column{{Name: "report_id", Type: "int64"}, {Name: "size", Type: "varchar"}},
		Files:  []statement.File{{Object: "a/b/1/0.parquet", Bytes: 1, Rows: 1, AADPrefix: "x"}},
	}
	for _, k := range []string{"report_id", "size", statement.FooterKey} {
		o.Commitments = append(o.Commitments, statement.Commitment{Key: k, Commit: statement.Sum([]byte(k))})
	}
	w.offer = must(statement.Sign(o, w.owner.Signer()))
	w.post(w.offer)
}

func (w *world) question(sql string) Question { return Question{Contract: w.contract, SQL: sql} }

func TestExplain(t *testing.T) {
	w := newWorld(t, nil)
	v, err := w.Explain(t.Context(), w.question(sql))
	if err != nil {
		t.Fatal(err)
	}
	if v.Price != 3 || !slices.Equal(v.Missing, []string{"owner"}) || !slices.Equal(v.Plan.Sources[0].Columns, []string{"size"}) {
		t.Fatalf("%+v", v)
	}
	w.post(must(statement.Sign(statement.Grant{
		Owner: w.owner.Fingerprint(), Contract: w.contract, Offers: []statement.Digest{w.offer.Digest()}, Authority: statement.ByHand,
		UntilMS: start.AddDate(0, 1, 0).UnixMilli(), CreatedMS: 1,
	}, w.owner.Signer())))
	if v := must(w.Explain(t.Context(), w.question(sql))); len(v.Missing) != 0 {
		t.Fatalf("granted, and missing %v", v.Missing)
	}
	if len(w.ex.Jobs) != 0 {
		t.Fatal("explain told someone")
	}
}

func TestExplainWithoutContract(t *testing.T) {
	w := newWorld(t, nil)
	q := Question{Data: []string{"owner.strikes"}, Purpose: "research", SQL: sql}
	if _, err := w.Explain(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	q.Pins = map[string]statement.Fingerprint{"owner": w.asker.Fingerprint()}
	if _, err := w.Explain(t.Context(), q); err == nil {
		t.Fatal("data of another key than the pinned one")
	}
	for _, bad := range []Question{{SQL: sql}, {SQL: sql, Data: []string{"owner.strikes"}}, {SQL: sql, Purpose: "research"}} {
		if _, err := w.Explain(t.Context(), bad); fault.ExitCode(err) != int(fault.Usage) {
			t.Fatalf("%+v: %v", bad, err)
		}
	}
}

// TestDenied: rule, place and whose policy; no job, nothing sealed.
func TestDenied(t *testing.T) {
	w := newWorld(t, nil)
	for _, bad := range []string{"SELECT report_id, size FROM owner.strikes", "SELECT nope, count(*) FROM owner.strikes GROUP BY nope", "DROP TABLE x"} {
		_, _, err := w.Submit(t.Context(), Run{Question: w.question(bad)})
		var d *Denied
		if !errors.As(err, &d) || fault.ExitCode(err) != int(fault.Refused) || d.Refusal.Rule == "" || d.Refusal.Where.Line == 0 ||
			!strings.Contains(fault.Hint(err), "no key was asked for") {
			t.Fatalf("%q: %v", bad, err)
		}
	}
	if len(w.ex.Jobs) != 0 {
		t.Fatal("submitted what policy refuses")
	}
}

func TestContractRefused(t *testing.T) {
	cases := map[string]func(*world, *statement.Contract){
		"expired":             func(w *world, c *statement.Contract) { c.UntilMS = start.UnixMilli() },
		"not yet":             func(w *world, c *statement.Contract) { c.FromMS = start.Add(time.Hour).UnixMilli() },
		"somebody else's":     func(w *world, c *statement.Contract) { c.Requester = w.owner.Fingerprint() },
		"data that is absent": func(w *world, c *statement.Contract) { c.Tables[0].Members[0].Offer = statement.Sum([]byte("x")) },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			con := *must(statement.DecodeUnverified[statement.Contract](must(w.ex.Statement(t.Context(), w.contract)).Payload))
			change(w, &con)
			signer := w.asker
			if con.Requester == w.owner.Fingerprint() {
				signer = w.owner
			}
			e := must(statement.Sign(con, signer.Signer()))
			w.post(e)
			if _, _, err := w.Submit(t.Context(), Run{Question: Question{Contract: e.Digest(), SQL: sql}}); err == nil || len(w.ex.Jobs) != 0 {
				t.Fatalf("submitted: %v", err)
			}
		})
	}
}

// TestSubmitCarriesHeads: each owner is sent its own newest acknowledgement, and nobody another's.
func TestSubmitCarriesHeads(t *testing.T) {
	w := newWorld(t, nil)
	stranger := must(keyring.New("stranger"))
	own := map[statement.Fingerprint]heads.Ack{}
	for _, k := range []*keyring.Keyring{w.owner, w.asker, stranger} {
		d := statement.Sum([]byte(k.Name()))
		e := must(statement.Sign(statement.Ack{
			Owner: k.Fingerprint(), Job: d, Receipt: d, Release: d, ReleasedMS: 1, ClosedMS: 2, Head: statement.LedgerHead{Seq: 3, Digest: d},
		}, k.Signer()))
		own[k.Fingerprint()] = must(heads.Verify(e, k.Fingerprint()))
		must(w.Heads.See(own[k.Fingerprint()]))
	}
	d, _, err := w.Submit(t.Context(), Run{Question: w.question(sql)})
	if err != nil {
		t.Fatal(err)
	}
	j := must(statement.Verify[statement.Job](w.ex.Jobs[d], w.asker.Fingerprint())).Body()
	for _, k := range []*keyring.Keyring{w.asker, w.owner} {
		for _, s := range j.Bodies {
			if s.To != k.Fingerprint() {
				continue
			}
			var l message.Letter
			if err := message.OpenWith(k.Box(), message.BodyContext(w.asker.Fingerprint(), k.Fingerprint()), s.Sealed, &l); err != nil {
				t.Fatal(err)
			}
			if l.Ack == nil || l.Ack.Digest() != own[k.Fingerprint()].Digest() || must(l.Body.Commit()) != j.Commitment {
				t.Errorf("%s was sent another acknowledgement, or another body", k.Name())
			}
		}
	}
}

// TestSubmit: the header shows no SQL, each broker opens the same body, and the job is kept before it is sent.
func TestSubmit(t *testing.T) {
	w := newWorld(t, nil)
	d, _, err := w.Submit(t.Context(), Run{Question: w.question(sql), Expire: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	e := w.ex.Jobs[d]
	if strings.Contains(string(e.Payload), "SELECT") {
		t.Fatal("SQL in the header")
	}
	j := must(statement.Verify[statement.Job](e, w.asker.Fingerprint())).Body()
	if j.Class != DefaultClass || j.ExpiresMS != start.Add(time.Minute).UnixMilli() || !slices.Equal(j.Owners, []statement.Fingerprint{w.owner.Fingerprint()}) || len(j.Bodies) != 2 {
		t.Fatalf("%+v", j)
	}
	for _, k := range []*keyring.Keyring{w.asker, w.owner} {
		opened := 0
		for _, s := range j.Bodies {
			var l message.Letter
			if message.OpenWith(k.Box(), message.BodyContext(w.asker.Fingerprint(), k.Fingerprint()), s.Sealed, &l) != nil {
				continue
			}
			opened++
			if l.Body.SQL != sql || must(l.Body.Commit()) != j.Commitment || l.Ack != nil {
				t.Fatal("another body")
			}
		}
		if opened != 1 {
			t.Fatalf("%s opens %d bodies", k.Name(), opened)
		}
	}
	if _, err := os.Stat(filepath.Join(w.dir.Job(d), "job.json")); err != nil {
		t.Fatal(err)
	}
	second, _, err := w.Submit(t.Context(), Run{Question: w.question(sql)})
	if err != nil || second == d {
		t.Fatalf("two runs are one job: %v", err)
	}
}

func TestWait(t *testing.T) {
	w := newWorld(t, nil)
	job := statement.Sum([]byte("job"))
	status := func(s wire.JobStatus) { s.Digest = job; w.ex.Status[job] = &s }
	var stages []string
	tell := func(e Event) { stages = append(stages, e.Stage) }
	status(wire.JobStatus{State: wire.StateDone, Stages: []wire.JobStage{{Attempt: 1, Name: "hello"}, {Attempt: 2, Name: "run"}}})
	if _, err := w.Wait(t.Context(), job, time.Second, tell); err != nil || strings.Join(stages, " ") != "hello run" {
		t.Fatalf("%v %v", stages, err)
	}
	cases := []struct {
		name   string
		status wire.JobStatus
		exit   fault.Code
		want   string
	}{
		{"host lost", wire.JobStatus{State: wire.StateFailed, Code: wire.FailedHostLost}, fault.Unavailable, "host-lost"},
		{"broker that never answers", wire.JobStatus{State: wire.StateFailed, Code: "no-answer:owner"}, fault.Unavailable, "owner"},
		{"not granted", wire.JobStatus{State: wire.StateFailed, Code: "no-grant:owner"}, fault.Refused, "owner"},
		{"keys of a host's own making", wire.JobStatus{State: wire.StateFailed, Code: "bad-release:owner"}, fault.Untrusted, "owner"},
		{"tampered file", wire.JobStatus{State: wire.StateFailed, Code: "bad-data:owner"}, fault.Untrusted, "owner"},
		{"too large", wire.JobStatus{State: wire.StateFailed, Code: "too-large:need_900_mib:room_409_mib"}, fault.Unavailable, "too-large: 900 MiB of sealed columns are needed at once, and the class has room for 409 MiB"},
		{"nobody takes it", wire.JobStatus{State: wire.StateQueued}, fault.Unavailable, "no result in time (waiting-queued)"},
		{"stuck", wire.JobStatus{State: wire.StateLeased, Stages: []wire.JobStage{{Name: "quote"}}}, fault.Unavailable, "quote"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status(c.status)
			_, err := w.Wait(t.Context(), job, 10*time.Millisecond, func(Event) {})
			if fault.ExitCode(err) != int(c.exit) || !strings.Contains(err.Error(), c.want) || fault.Hint(err) == "" {
				t.Fatalf("exit %d: %v", fault.ExitCode(err), err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	status(wire.JobStatus{State: wire.StateFailed, Code: "refused:owner"})
	if _, err := w.Wait(ctx, job, time.Second, func(Event) {}); !errors.Is(err, context.Canceled) {
		t.Fatalf("waited past its end: %v", err)
	}
}

// TestFailedNamesWhoRefused: the sealed reason reaches the one who asked.
func TestFailedNamesWhoRefused(t *testing.T) {
	w := newWorld(t, nil)
	job := statement.Sum([]byte("job"))
	e := must(statement.Sign(statement.Refusal{Party: w.owner.Fingerprint(), Job: job, Stage: "hello", Code: "evidence-build", Reason: "not accepted", AtMS: 1}, w.owner.Signer()))
	if err := errors.Join(os.MkdirAll(w.dir.Job(job), 0o700), os.WriteFile(filepath.Join(w.dir.Job(job), "refusal-"+string(w.owner.Fingerprint())+".json"), e.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	w.ex.Status[job] = &wire.JobStatus{Digest: job, State: wire.StateFailed, Code: "refused:owner"}
	_, err := w.Wait(t.Context(), job, time.Second, func(Event) {})
	var f *Failed
	if !errors.As(err, &f) || len(f.Refusals) != 1 || !strings.Contains(err.Error(), "owner refused at hello: evidence-build: not accepted") || fault.ExitCode(err) != int(fault.Refused) {
		t.Fatalf("%v", err)
	}
}

// TestHintsOfSizes: what does not fit says which class would do.
func TestHintsOfSizes(t *testing.T) {
	for said, want := range map[string]string{
		"need_900_mib:room_409_mib": "of 3 times the memory", "need_1_mib:room_0_mib": "of 1 times", "alpha": "", "need_x_mib:room_4_mib": "", "need_9_mib:room_4_mib:alpha": "", "need_-9_mib:room_4_mib": "", "": "",
	} {
		f := &Failed{Code: "too-large", Size: sizeIn(said)}
		if (f.Size != nil) != (want != "") || !strings.Contains(f.Hint(), want) || !strings.Contains(f.Hint(), "--class") {
			t.Errorf("%s: %+v, %s", said, f.Size, f.Hint())
		}
	}
}

func TestParseParam(t *testing.T) {
	if p, err := ParseParam("varchar:a:b"); err != nil || p != (statement.Param{Type: "varchar", Value: "a:b"}) {
		t.Fatalf("%+v %v", p, err)
	}
	for _, bad := range []string{"", "x", ":5"} {
		if _, err := ParseParam(bad); err == nil || strings.Contains(err.Error(), "x\"") && bad != "x" {
			t.Errorf("%q", bad)
		}
	}
}
