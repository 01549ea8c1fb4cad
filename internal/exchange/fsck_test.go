package exchange_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/fsck"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// busy is a world with something of every kind in its store: statements of all kinds, a pool that one member has signed, jobs in
// all four states, messages and replies of a running one.
func busy(t *testing.T) *world {
	t.Helper()
	return busyIn(newEnv(t))
}

func busyIn(e *env) *world {
	e.Helper()
	w, ctx := newWorldIn(e), e.Context()
	_, err := w.a.PostStatement(ctx, sign(w.env, statement.Grant{Owner: w.a.fp, Contract: w.contract,
		Offers: []statement.Digest{w.members[0].Offer}, Authority: statement.ByRule, UntilMS: 1 << 50, CreatedMS: 1}, w.a))
	w.ok(err)
	grant, err := w.b.PostStatement(ctx, sign(w.env, statement.Grant{Owner: w.b.fp, Contract: w.contract,
		Offers: []statement.Digest{w.members[1].Offer}, Authority: statement.ByRule, UntilMS: 1 << 50, CreatedMS: 2}, w.b))
	w.ok(err)
	_, err = w.b.PostStatement(ctx, sign(w.env, statement.Revocation{Author: w.b.fp, Revokes: grant, AtMS: 3, Reason: "withdrawn"}, w.b))
	w.ok(err)
	_, err = w.a.PostStatement(ctx, sign(w.env, w.poolOf(2, w.pool), w.a))
	w.ok(err)
	w.ok(second(w.b.PostStatement(ctx, sign(w.env, w.rejectionOf(w.b), w.b))))
	w.ok(second(w.b.PostStatement(ctx, sign(w.env, w.counterOf(w.b), w.b))))
	tm := sign(w.env, w.templateOf(nil), w.asker)
	w.ok(second(w.asker.PostStatement(ctx, tm)))
	w.ok(second(w.asker.PostStatement(ctx, sign(w.env, w.templateOf(func(t *statement.Template) { t.Replaces = tm.Digest() }), w.asker))))
	ac := sign(w.env, w.accreditationOf(w.asker.fp), w.other)
	w.ok(second(w.other.PostStatement(ctx, ac)))
	made := w.contractOf()
	made.Template, made.Accreditations = tm.Digest(), []statement.Digest{ac.Digest()}
	w.ok(second(w.asker.PostStatement(ctx, sign(w.env, made, w.asker))))
	done := w.submit()
	c := w.claim()
	w.ok(w.host.SendMessages(ctx, done, c.Lease, []wire.Outgoing{{To: w.a.fp, Kind: wire.KindReceipt, Body: []byte("receipt")}}))
	w.ok(w.host.Finish(ctx, done, wire.Finish{Lease: c.Lease, State: wire.StateDone, Artifacts: []wire.NewArtifact{
		{Name: "result", Body: []byte("sealed")}, {Name: "key-" + string(w.asker.fp), Body: []byte("sealed")}}}))
	failed := w.submit()
	c = w.claim()
	w.ok(w.host.Finish(ctx, failed, wire.Finish{Lease: c.Lease, State: wire.StateFailed, Code: "no-plan"}))
	leased := w.submit()
	c = w.claim()
	w.ok(w.host.SendMessages(ctx, leased, c.Lease, []wire.Outgoing{{To: w.a.fp, Kind: wire.KindHello, Body: []byte("hello")}}))
	m, err := w.a.Mailbox(ctx, 0, 0)
	w.ok(err)
	w.ok(w.a.Reply(ctx, leased, wire.Answer{Attempt: 1, Kind: "reply", Body: []byte("sealed"), Ref: m.Next}))
	w.ok(w.a.SendNotice(ctx, w.asker.fp, wire.Notice{Job: leased, Body: []byte("sealed refusal")}))
	w.asker.proven(w.submit()) // and so is all before it
	return w
}

// faults of the exchange in dir.
func faults(t *testing.T, dir string) []string {
	t.Helper()
	h, err := exchange.OpenHome(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var out []string
	sum, err := fsck.Check(t.Context(), fsck.Options{Store: h.Store, Lake: h.Lake,
		Report: func(f fsck.Fault) error { out = append(out, f.String()); return nil }})
	if err != nil {
		out = append(out, "stopped: "+err.Error())
	}
	if sum.Statements == 0 || sum.Parties == 0 || sum.Jobs == 0 || sum.Items == 0 || sum.Objects == 0 {
		t.Errorf("looked at %+v: something was not looked at", sum)
	}
	if int64(len(out)) != sum.Faults && err == nil {
		t.Errorf("%d faults counted, %d told", sum.Faults, len(out))
	}
	return out
}

// TestFsck breaks one thing after the other, and sees it named.
func TestFsck(t *testing.T) {
	w := busy(t)
	w.stop()
	if got := faults(t, w.home); len(got) != 0 {
		t.Fatalf("faults of a good store:\n%s", strings.Join(got, "\n"))
	}
	one := func(kind string) string {
		return "(SELECT digest FROM statements WHERE kind = '" + kind + "' ORDER BY seq LIMIT 1)"
	}
	job := func(state string) string { return "(SELECT digest FROM jobs WHERE state = '" + state + "')" }
	// The envelope with other bytes at the beginning of its first signature.
	text := "CAST(envelope AS TEXT)"
	forged := "CAST(replace(" + text + ", substr(" + text + ", instr(" + text + ", '\"sig\":\"'), 11), '\"sig\":\"AAAA') AS BLOB)"
	nobody := "cordon1" + strings.Repeat("0", 64)
	for _, c := range []struct{ name, sql, want string }{
		{"entry lost", "DELETE FROM log_entries WHERE idx = 3", "log: entry 3 is missing"},
		{"entry never made", "DELETE FROM log_entries WHERE kind = 'job' AND about = " + job("queued"), "log sha256:.*: job without an entry"},
		{"entries changed places", "UPDATE log_entries SET idx = CASE idx WHEN 2 THEN 1003 ELSE 1002 END WHERE idx IN (2, 3); UPDATE log_entries SET idx = idx - 1000 WHERE idx > 1000", "entries was published over others than are there"},
		{"entry dated back", "UPDATE log_entries SET time_ms = 5 WHERE idx = 3", "log sha256:.*: entry 3: it is dated before the one in front of it"},
		{"entry of another salt", "UPDATE log_entries SET salt = zeroblob(32) WHERE idx = 3", "log sha256:.*: entry 3: it does not commit to what it is about"},
		{"last entries lost", "DELETE FROM log_entries WHERE idx = (SELECT max(idx) FROM log_entries)", "entries have a place, and"},
		{"content", "UPDATE statements SET envelope = (SELECT envelope FROM statements WHERE kind = 'party' LIMIT 1) WHERE digest = " + one("offer"), "offer sha256:.*: its content has another digest"},
		{"malformed", "UPDATE statements SET envelope = x'7b' WHERE digest = " + one("grant"), "its envelope is malformed"},
		{"spaces", "UPDATE statements SET envelope = CAST(replace(CAST(envelope AS TEXT), ',\"payload\"', ', \"payload\"') AS BLOB) WHERE digest = " + one("grant"), "its envelope is malformed"},
		{"signature", "UPDATE statements SET envelope = " + forged + " WHERE digest = " + one("offer"), "offer sha256:.*: is not signed by its authors"},
		{"signature of a pool", "UPDATE statements SET envelope = " + forged + " WHERE digest = " + one("pool"), "pool sha256:.*: a signature is wrong"},
		{"signature of a job", "UPDATE jobs SET envelope = " + forged + " WHERE state = 'queued'", "job sha256:.*: is not signed by its authors"},
		{"kind", "UPDATE statements SET kind = 'grant' WHERE digest = " + one("offer"), "its content is not of its kind"},
		{"unknown kind", "UPDATE statements SET kind = 'wish' WHERE digest = " + one("grant"), "is of a kind that this version does not know"},
		{"name", "UPDATE statements SET name = 'other' WHERE digest = " + one("offer"), "it is kept under another name"},
		{"complete", "UPDATE statements SET complete = 1 WHERE kind = 'pool' AND complete = 0", "it is kept as complete and is not"},
		{"author lost", "DELETE FROM statement_authors WHERE digest = " + one("contract"), "its authors are not those that are kept"},
		{"reader added", "INSERT INTO statement_readers SELECT " + one("contract") + ", '" + string(w.other.fp) + "'", "who may read it is not who it concerns"},
		{"reader of a template", "INSERT INTO statement_readers SELECT " + one("template") + ", '" + string(w.other.fp) + "'", "template sha256:.*: who may read it is not who it concerns"},
		{"template lost", "DELETE FROM statements WHERE digest = " + one("template"), "template sha256:.*: a template that it names is not there"},
		{"accreditation lost", "DELETE FROM statements WHERE digest = " + one("accreditation"), "contract sha256:.*: an accreditation that it names is not there"},
		{"object counts otherwise", "UPDATE stored SET bytes = bytes + 1", "stored .*: counts 20 bytes for its owner, and has 19"},
		{"room for another", "INSERT INTO reservations SELECT 'x', path, '" + nobody + "', 1, 1 FROM stored LIMIT 1", "stored .*: is reserved for another than its owner"},
		{"object counts for another", "UPDATE stored SET owner = '" + nobody + "'", "counts for another than its owner"},
		{"reader of a counter", "INSERT INTO statement_readers SELECT " + one("counter") + ", '" + string(w.a.fp) + "'", "counter sha256:.*: who may read it is not who it concerns"},
		{"reader of a rejection", "INSERT INTO statement_readers SELECT " + one("rejection") + ", '" + string(w.a.fp) + "'", "rejection sha256:.*: who may read it is not who it concerns"},
		{"signature of a rejection", "UPDATE statements SET envelope = " + forged + " WHERE digest = " + one("rejection"), "rejection sha256:.*: is not signed by its authors"},
		{"reference lost", "DELETE FROM statement_refs WHERE digest = " + one("contract"), "what it names is not what is kept"},
		{"offer lost", "DELETE FROM statements WHERE digest = " + one("offer"), "an offer that it names is not there"},
		{"pool lost", "DELETE FROM statements WHERE digest = " + one("pool"), "a pool that it names is not there"},
		{"contract lost", "DELETE FROM statements WHERE kind = 'contract'", "grant sha256:.*: the contract that it names is not there"},
		{"revoked lost", "DELETE FROM statements WHERE digest = (SELECT ref FROM statement_refs r JOIN statements s ON s.digest = r.digest WHERE s.kind = 'revocation')", "the statement that it revokes is not there"},
		{"registration lost", "DELETE FROM parties WHERE name = 'alpha'", "an author is not registered"},
		{"registration of another", "UPDATE parties SET name = 'omega' WHERE name = 'alpha'", "party cordon1.*: key, name or time is not that of its introduction"},
		{"introduction lost", "DELETE FROM statements WHERE kind = 'party' AND name = 'beta'", "its introduction is not there"},
		{"registration ended", "UPDATE parties SET revoked = 1 WHERE name = 'other'", "its registration has ended, and no revocation says so"},
		{"job lost", "DELETE FROM jobs WHERE state = 'done'", "trace sha256:.*: artifacts of a job that is not there"},
		{"job of another contract", "UPDATE jobs SET contract = " + one("offer") + " WHERE state = 'queued'", "contract, class or time is not what it says"},
		{"job's envelope", "UPDATE jobs SET envelope = (SELECT envelope FROM jobs WHERE state = 'done') WHERE state = 'queued'", "job sha256:.*: its content has another digest"},
		{"job's party added", "INSERT INTO job_parties VALUES (" + job("queued") + ", '" + string(w.other.fp) + "', 2)", "its parties are not those of the job"},
		{"job's parties lost", "DELETE FROM job_parties WHERE job = " + job("queued"), "it has no parties"},
		{"job's state", "UPDATE jobs SET state = 'lost' WHERE state = 'queued'", "its state is none"},
		{"job's end lost", "UPDATE jobs SET ended_ms = 0 WHERE state = 'done'", "it has ended without a time"},
		{"job's code lost", "UPDATE jobs SET code = '' WHERE state = 'failed'", "it failed without a code"},
		{"job's host", "UPDATE jobs SET host = '" + string(w.other.fp) + "' WHERE state = 'leased'", "its host is not an operator"},
		{"never taken", "UPDATE jobs SET attempts = 0, host = '' WHERE state = 'done'", "it was never taken"},
		{"artifact emptied", "UPDATE artifacts SET body = x'' WHERE name = 'result'", "an artifact has another size"},
		{"artifact for a stranger", "UPDATE artifacts SET name = 'key-" + string(w.other.fp) + "' WHERE name LIKE 'key-%'", "for somebody whom it does not concern"},
		{"artifact of a waiting job", "UPDATE artifacts SET job = " + job("queued"), "artifacts of a job that waits"},
		{"reply that stayed", "UPDATE jobs SET state = 'queued' WHERE state = 'leased'", "replies of an attempt that is over"},
		{"message that stayed", "UPDATE mailbox SET job = " + job("failed") + " WHERE kind = 'hello'", "it is of an attempt that is over"},
		{"message to a stranger", "UPDATE mailbox SET owner = '" + string(w.other.fp) + "' WHERE kind = 'hello'", "its job does not concern its reader"},
		{"message of another host", "UPDATE mailbox SET sender = '" + string(w.other.fp) + "' WHERE kind = 'receipt'", "not from a host"},
		{"item of nobody", "UPDATE mailbox SET owner = '" + nobody + "' WHERE kind = 'notice'", "a mailbox of a party that is not registered"},
		{"item that can't be read", "UPDATE mailbox SET body = x'00' WHERE kind = 'statement'", "its statement is malformed"},
		{"item of another job", "UPDATE mailbox SET body = (SELECT envelope FROM jobs WHERE state = 'done') WHERE kind = 'job'", "it holds another job"},
		{"item emptied", "UPDATE mailbox SET body = x'' WHERE kind = 'notice'", "it has no sender or no body"},
		{"item unknown", "UPDATE mailbox SET kind = 'wish' WHERE kind = 'notice'", "of a kind that this version does not know"},
		{"statement not for its reader", "UPDATE mailbox SET owner = '" + string(w.other.fp) + "' WHERE seq = (SELECT min(seq) FROM mailbox WHERE owner = '" + string(w.asker.fp) + "' AND kind = 'statement')", "its statement is not for its reader"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := copyOf(t, w.home)
			alter(t, dir, c.sql)
			got := faults(t, dir)
			if !slices.ContainsFunc(got, matches(c.want)) {
				t.Errorf("no fault %q in:\n%s", c.want, strings.Join(got, "\n"))
			}
		})
	}
	t.Run("object lost", func(t *testing.T) {
		dir := copyOf(t, w.home)
		object := objectsIn(t, dir)[0]
		if err := os.Remove(object); err != nil {
			t.Fatal(err)
		}
		if got := faults(t, dir); len(got) != 1 || !strings.Contains(got[0], "is not in the lake") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("object cut", func(t *testing.T) {
		dir := copyOf(t, w.home)
		if err := os.Truncate(objectsIn(t, dir)[1], 3); err != nil {
			t.Fatal(err)
		}
		if got := faults(t, dir); len(got) != 1 || !strings.Contains(got[0], "has 3 bytes") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("file of the store damaged", func(t *testing.T) {
		dir := copyOf(t, w.home)
		alter(t, dir, "PRAGMA wal_checkpoint(TRUNCATE)")
		// An index says of a row what the row does not.
		alter(t, dir, "PRAGMA writable_schema = 1", "UPDATE sqlite_schema SET sql = replace(sql, '(kind, seq)', '(name, seq)') WHERE name = 'statements_kind'")
		got := faults(t, dir)
		if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "store: ") }) {
			t.Errorf("got %q", got)
		}
	})
}

func matches(pattern string) func(string) bool {
	head, tail, cut := strings.Cut(pattern, ".*")
	return func(s string) bool {
		i := strings.Index(s, head)
		return i >= 0 && (!cut || strings.Contains(s[i+len(head):], tail))
	}
}

func objectsIn(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "lake", "*", "*", "*", "*.parquet"))
	if err != nil || len(list) < 2 {
		t.Fatalf("%d objects: %v", len(list), err)
	}
	return list
}

func copyOf(t *testing.T, home string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "home")
	if err := os.CopyFS(dir, os.DirFS(home)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// alter changes a store behind the exchange's back; every statement but PRAGMA has to change something.
func alter(t *testing.T, home string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(home, "store", "exchange.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, q := range statements {
		r, err := db.Exec(q)
		if err != nil {
			t.Fatal(fmt.Errorf("%s: %w", q, err))
		}
		if n, err := r.RowsAffected(); !strings.HasPrefix(q, "PRAGMA") && (err != nil || n == 0) {
			t.Fatalf("%s: changed nothing", q)
		}
	}
}
