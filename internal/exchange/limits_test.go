package exchange_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/fsck"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// TestRulesInSpec: the table of the spec's section 4.1 is the one that the exchange goes by.
func TestRulesInSpec(t *testing.T) {
	src, err := os.ReadFile("../../docs/spec/exchange-api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(src), "### 4.1 ")
	if !ok {
		t.Fatal("no section 4.1")
	}
	section, _, _ = strings.Cut(section, "\n##")
	got := regexp.MustCompile("(?m)^\\| `.*$").FindAllString(section, -1)
	var want []string
	for pattern, r := range exchange.Rules() {
		size := map[int64]string{0: "none", exchange.Streamed: "streamed"}[r.Body]
		if size == "" {
			size = fmt.Sprintf("%d MiB", r.Body>>20)
			if r.Body < 1<<20 {
				size = fmt.Sprintf("%d KiB", r.Body>>10)
			}
		}
		params := "none"
		if len(r.Params) > 0 {
			params = "`" + strings.Join(r.Params, "`, `") + "`"
		}
		want = append(want, fmt.Sprintf("| `%s` | %s | %s | %s | %s | `%s` |", pattern, r.Who, r.Concerns, size, params, r.Class))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the spec's table differs. It is to be:\n%s", strings.Join(want, "\n"))
	}
}

// TestRulesHold for every route that is signed: a body where there is none, one that is declared too large, parameters that are unknown or
// stand twice, a key that is no party.
func TestRulesHold(t *testing.T) {
	e := newEnv(t)
	p, stranger := e.party("alpha"), e.stranger("nobody")
	for pattern, r := range exchange.Rules() {
		if r.Who == exchange.WhoAnyone {
			continue
		}
		method, path := concrete(pattern, p.fp)
		ask := func(q string, body []byte, declared int64, by *party) string {
			t.Helper()
			r := by.raw(method, path+q, body)
			if declared > 0 {
				r.after = func(req *http.Request) { // the exchange says no before a byte is sent
					req.Header.Set("Expect", "100-continue")
					req.Body, req.ContentLength = io.NopCloser(&cutBody{}), declared
				}
			}
			_, code := e.send(r)
			return code
		}
		if got := ask("?odd=1", nil, 0, p); got != wire.CodeMalformed {
			t.Errorf("%s with an unknown parameter: %q", pattern, got)
		}
		for _, name := range r.Params {
			if got := ask("?"+name+"=1&"+name+"=1", nil, 0, p); got != wire.CodeMalformed {
				t.Errorf("%s with %s twice: %q", pattern, name, got)
			}
		}
		switch {
		case r.Body == 0:
			if got := ask("", []byte("x"), 0, p); got != wire.CodeMalformed {
				t.Errorf("%s with a body: %q", pattern, got)
			}
		case r.Body > 0:
			if got := ask("", nil, r.Body+1, p); got != wire.CodeTooLarge {
				t.Errorf("%s with %d bytes declared: %q", pattern, r.Body+1, got)
			}
		}
		if got := ask("", nil, 0, stranger); r.Who == exchange.WhoParty && got != wire.CodeUnregistered {
			t.Errorf("%s by no party: %q", pattern, got)
		}
	}
}

// concrete is a route's method and a path that it has.
func concrete(pattern string, f statement.Fingerprint) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	return method, strings.NewReplacer("{digest}", string(statement.Sum([]byte("no such"))), "{fingerprint}", string(f), "{name}", "result",
		"{path...}", client.ObjectPath(f, "strikes", "v1", "part.parquet")).Replace(path)
}

func limitedEnv(t *testing.T, l exchange.Limits) *world {
	t.Helper()
	e := newEnv(t)
	e.stop()
	e.opts = func(o *exchange.Options) { o.Limits = l }
	e.start("127.0.0.1:0")
	return newWorldIn(e)
}

// TestRate: past its burst a party waits, as long as Retry-After says and no longer; others don't. What it signed is not spent by that.
func TestRate(t *testing.T) {
	w := limitedEnv(t, exchange.Limits{Rates: map[string]exchange.Rate{exchange.ClassRead: {PerSecond: 2, Burst: 3}}})
	const list = "/v1/statements?type=party"
	ask := func(p *party) *http.Response {
		resp, err := http.DefaultTransport.RoundTrip(w.request(p.raw(http.MethodGet, list, nil)))
		w.ok(err)
		w.ok(resp.Body.Close())
		return resp
	}
	limited := 0
	var after string
	for range 5 {
		if resp := ask(w.other); resp.StatusCode == http.StatusTooManyRequests {
			limited, after = limited+1, resp.Header.Get("Retry-After")
		}
	}
	if limited == 0 || after != "1" {
		t.Fatalf("%d of 5 calls limited, Retry-After %q", limited, after)
	}
	if resp := ask(w.a); resp.StatusCode != http.StatusOK {
		t.Fatalf("another party: %d", resp.StatusCode)
	}
	if _, got := w.send(w.other.raw(http.MethodGet, "/v1/statements/"+string(w.contract), nil)); got != wire.CodeTooMany {
		t.Fatalf("another call of the class: %q", got)
	}
	// The client waits, and comes again.
	begin := time.Now()
	_, err := w.other.Statements(t.Context(), client.Query{Kind: client.Parties})
	w.ok(err)
	if took := time.Since(begin); took < 900*time.Millisecond || took > 10*time.Second {
		t.Errorf("the client came through after %s", took)
	}
	// What a limit refused was not used: the same signed request passes later.
	var again *raw
	for n, code := 0, ""; n < 50 && code == ""; n++ {
		again = w.b.raw(http.MethodGet, list, nil)
		_, code = w.send(again)
	}
	time.Sleep(time.Second)
	if status, got := w.send(again); status != http.StatusOK {
		t.Errorf("after the wait: %q", got)
	}
}

// TestIntroductionsShareOneRate: whoever makes up keys has no more than all strangers together, and parties don't wait for them.
func TestIntroductionsShareOneRate(t *testing.T) {
	w := limitedEnv(t, exchange.Limits{Introductions: exchange.Rate{PerSecond: 0.1, Burst: 8}}) // the world itself takes some
	limited := 0
	for n := range 12 {
		s := w.stranger(fmt.Sprintf("made_up_%d", n))
		if _, code := w.send(s.raw(http.MethodPost, "/v1/statements", s.introduction(1).Bytes())); code == wire.CodeTooMany {
			limited++
		}
	}
	if limited < 4 {
		t.Errorf("%d of 12 limited", limited)
	}
	_, err := w.a.Statements(t.Context(), client.Query{Kind: client.Parties})
	w.ok(err)
}

// TestStorageOfAParty: counted by what arrives, given back by what is removed or breaks off, and not for others.
func TestStorageOfAParty(t *testing.T) {
	w := limitedEnv(t, exchange.Limits{Storage: 1000})
	var rooms store.Store
	w.stop()
	w.opts = func(o *exchange.Options) { o.Limits, rooms = exchange.Limits{Storage: 1000}, o.Store }
	w.start(strings.TrimPrefix(w.url, "http://"))
	put := func(p *party, name string, size int) error {
		return p.put(client.ObjectPath(p.fp, "extra", "v1", name+".parquet"), strings.Repeat(name, size))
	}
	w.ok(put(w.other, "a", 600))
	w.ok(put(w.other, "a", 600)) // again
	w.code(put(w.other, "b", 401), wire.CodeTooMany)
	w.ok(put(w.b, "b", 401))
	// An upload that breaks off counts nothing.
	path := client.ObjectPath(w.other.fp, "extra", "v1", "c.parquet")
	half := w.other.raw(http.MethodPut, "/v1/objects/"+path, bytes.Repeat([]byte("c"), 400))
	var sent bytes.Buffer
	w.ok(w.request(half).Write(&sent))
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	w.ok(err)
	defer conn.Close()
	_, err = conn.Write(sent.Bytes()[:sent.Len()-100])
	w.ok(err)
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) { // until its room is taken
		list, err := rooms.Reservations(t.Context(), math.MaxInt64, "", 1)
		w.ok(err)
		if len(list) == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("an upload that comes has no room")
		}
	}
	w.code(put(w.other, "d", 400), wire.CodeTooMany)
	w.ok(conn.Close())
	deadline := time.Now().Add(5 * time.Second)
	for err := put(w.other, "d", 400); err != nil; err = put(w.other, "d", 400) {
		if time.Now().After(deadline) {
			t.Fatalf("after half an upload: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.ok(w.other.DeleteObject(t.Context(), client.ObjectPath(w.other.fp, "extra", "v1", "a.parquet")))
	w.ok(put(w.other, "e", 600))
	w.code(put(w.other, "f", 1), wire.CodeTooMany)
	w.stop()
	// Room for an upload that was cut off with the exchange is no fault.
	alter(t, w.home, "INSERT INTO reservations (id, path, owner, bytes, until_ms) VALUES ('1', '"+client.ObjectPath(w.b.fp, "extra", "v1", "cut.parquet")+"', '"+string(w.b.fp)+"', 7, 1)")
	h, err := exchange.OpenHome(t.Context(), w.home)
	w.ok(err)
	defer h.Close()
	sum, err := fsck.Check(t.Context(), fsck.Options{Store: h.Store, Lake: h.Lake, Report: func(f fsck.Fault) error { t.Error(f); return nil }})
	w.ok(err)
	if sum.Reserved != 1 {
		t.Errorf("%d reserved", sum.Reserved)
	}
	if i := slices.IndexFunc(sum.Storage, func(s fsck.Storage) bool { return s.Party == w.other.fp }); i < 0 || sum.Storage[i].Bytes != 1000 || sum.Storage[i].Objects != 2 {
		t.Errorf("storage %+v", sum.Storage)
	}
}

type cutBody struct{}

func (*cutBody) Read([]byte) (int, error) { return 0, errors.New("broken") }

// TestStoredBefore: objects of a store that did not count them count from the next start on.
func TestStoredBefore(t *testing.T) {
	w := newWorld(t)
	w.stop()
	db, err := sql.Open("sqlite", filepath.Join(w.home, "store", "exchange.db"))
	w.ok(err)
	_, err = db.Exec("DELETE FROM stored")
	w.ok(errors.Join(err, db.Close()))
	w.opts = func(o *exchange.Options) { o.Limits = exchange.Limits{Storage: 1} }
	w.start(strings.TrimPrefix(w.url, "http://"))
	w.code(w.a.put(client.ObjectPath(w.a.fp, "extra", "v1", "x.parquet"), "x"), wire.CodeTooMany)
}

// TestOpenJobs, TestStatementsOfADay and TestMailboxFromOne: past the number it is refused, and goes on once something has ended.
func TestOpenJobs(t *testing.T) {
	w := limitedEnv(t, exchange.Limits{OpenJobs: 2})
	w.submit()
	w.submit()
	job := w.jobOf()
	job.Nonce = bytes.Repeat([]byte{9}, 32)
	e := sign(w.env, job, w.asker)
	w.code(second(w.asker.SubmitJob(t.Context(), e)), wire.CodeTooMany)
	c := w.claim()
	w.ok(w.host.Finish(t.Context(), c.Digest, wire.Finish{Lease: c.Lease, State: wire.StateFailed, Code: "no-plan"}))
	w.ok(second(w.asker.SubmitJob(t.Context(), e)))
}

func TestStatementsOfADay(t *testing.T) {
	w := limitedEnv(t, exchange.Limits{Statements: 6})
	post := func(n int64) error {
		a := w.accreditationOf(w.asker.fp)
		a.CreatedMS = n
		return second(w.other.PostStatement(t.Context(), sign(w.env, a, w.other)))
	}
	n := int64(1)
	for ; n < 20 && post(n) == nil; n++ {
	}
	if n < 3 || n > 7 {
		t.Fatalf("the %dth was refused", n)
	}
	w.code(post(n), wire.CodeTooMany)
	w.ok(post(1)) // that is here already
	d := sign(w.env, func() statement.Accreditation { a := w.accreditationOf(w.asker.fp); a.CreatedMS = 1; return a }(), w.other).Digest()
	w.ok(second(w.other.PostStatement(t.Context(), w.revocation(w.other, d)))) // taking back always passes
	w.skew.Add((24 * time.Hour).Milliseconds())
	w.ok(post(n))
}

func TestMailboxFromOne(t *testing.T) {
	w := limitedEnv(t, exchange.Limits{FromOne: 4})
	post := func(by *party, n int64) error {
		a := w.accreditationOf(w.asker.fp)
		a.Accreditor, a.CreatedMS = by.fp, n
		return second(by.PostStatement(t.Context(), sign(w.env, a, by)))
	}
	n := int64(1)
	for ; n < 20 && post(w.other, n) == nil; n++ {
	}
	if n < 3 || n > 5 {
		t.Fatalf("the %dth was refused", n)
	}
	w.code(post(w.other, n), wire.CodeTooMany)
	w.ok(post(w.b, 1)) // another reaches the mailbox
	m, err := w.asker.Mailbox(t.Context(), 0, 0)
	w.ok(err)
	w.ok(w.asker.AckMailbox(t.Context(), m.Next))
	w.ok(post(w.other, n))
}

// TestLimitsThatAreNone are refused when the server is made.
func TestLimitsThatAreNone(t *testing.T) {
	for name, l := range map[string]exchange.Limits{
		"unknown class": {Rates: map[string]exchange.Rate{"all": {PerSecond: 1, Burst: 1}}},
		"no burst":      {Rates: map[string]exchange.Rate{exchange.ClassRead: {PerSecond: 1}}},
		"no rate":       {Introductions: exchange.Rate{Burst: 1}},
		"negative":      {Storage: -1},
	} {
		if err := l.Valid(); !errors.Is(err, exchange.ErrLimits) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (exchange.Limits{}).Valid(); err != nil {
		t.Error(err)
	}
}

// TestLimitsAreCounted by their names, and nobody's.
func TestLimitsAreCounted(t *testing.T) {
	w := newWorld(t)
	x := w.watched(nil)
	watched := w.opts
	w.stop()
	w.opts = func(o *exchange.Options) {
		watched(o)
		o.Limits.OpenJobs = 1
	}
	w.start(strings.TrimPrefix(w.url, "http://"))
	w.submit()
	w.code(second(w.asker.SubmitJob(t.Context(), sign(w.env, w.jobOf(), w.asker))), wire.CodeTooMany)
	got := figures(t, x)
	if !strings.Contains(got, "\ncordon_limited_total{limit=\"jobs\"} 1\n") {
		t.Error("not counted")
	}
	if strings.Contains(got, string(w.asker.fp)) {
		t.Error("figures name a party")
	}
}
