package exchange_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/canary"
	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/fsck"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/testpg"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

var (
	hostileCount   = flag.Int("hostile", 4000, "hostile requests to each exchange")
	hostileSeed    = flag.Uint64("hostile-seed", 1, "of the hostile requests")
	hostileFigures = flag.String("hostile-figures", "", "file for the figures, as JSON")
)

// eavesdropped keeps the honest requests that pass through it, as they were sent: they are what hostile ones are made of.
type eavesdropped struct {
	mu     sync.Mutex
	list   map[string][]recorded // by pattern
	enough bool
	spoke  map[string]bool // parties that posted a statement
	next   http.RoundTripper
}

type recorded struct {
	pattern string // of its route
	method  string
	uri     string
	header  http.Header
	body    []byte
	by      string // who signed it

	introduces bool // its signer, who was no party then: a nonce that is not spent, for a word that can be said again
}

func (r *eavesdropped) of(name string) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		x := recorded{method: req.Method, uri: req.URL.RequestURI(), header: req.Header.Clone(), by: name}
		if req.Body != nil {
			x.body, _ = io.ReadAll(req.Body)
			req.Body = io.NopCloser(bytes.NewReader(x.body))
		}
		x.pattern = patternOf(req)
		x.introduces = x.pattern == "POST /v1/statements" && !r.spoke[name]
		r.mu.Lock()
		if !r.enough && exchange.Rules()[x.pattern].Who != exchange.WhoAnyone {
			r.list[x.pattern] = append(r.list[x.pattern], x)
		}
		r.spoke[name] = r.spoke[name] || x.pattern == "POST /v1/statements"
		r.mu.Unlock()
		return r.next.RoundTrip(req)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// patternOf is the rule's pattern that a request is of.
func patternOf(r *http.Request) string {
	mux, found := http.NewServeMux(), ""
	for pattern := range exchange.Rules() {
		mux.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
	}
	_, found = mux.Handler(r)
	return found
}

// siege is an exchange process with the data of several parties in it, each marked, and hostile callers.
type siege struct {
	*world
	rec       *eavesdropped
	rng       *rand.Rand
	attackers []*party
	outsider  *party // has keys, and is no party
	marks     canary.Set
	forB      canary.Set // what b may not read, who reads more than the attackers
	own       map[string]bool
	answers   map[string]int // by kind and status
	conns     int
}

// TestHostile sends an exchange process thousands of requests that its interface's rules and honest requests are bent to: none succeeds,
// none is answered with another party's data, none stops the service, and none leaves a trace in what honest parties see.
func TestHostile(t *testing.T) {
	for name, link := range map[string]func(*testing.T) string{"sqlite": func(*testing.T) string { return "" }, "postgres": func(t *testing.T) string { return testpg.Database(t) }} {
		t.Run(name, func(t *testing.T) { hostile(t, name, link(t)) })
	}
}

func hostile(t *testing.T, name, link string) {
	home := t.TempDir()
	url, kill := startPeer(t, home, link)
	s := &siege{rec: &eavesdropped{list: map[string][]recorded{}, spoke: map[string]bool{}, next: client.NewHTTP().Transport}, rng: rand.New(rand.NewPCG(*hostileSeed, 0)), answers: map[string]int{}}
	s.world = newWorldIn(&env{T: t, home: home, link: link, url: url, through: s.rec.of})
	s.furnish()
	instance := s.instance()
	before := s.seen()
	held := s.holdConnections()
	begin := time.Now()
	var honest []time.Duration
	for n := range *hostileCount {
		s.attack()
		if n%200 == 0 {
			honest = append(honest, s.honest())
		}
	}
	took := time.Since(begin)
	for _, c := range held {
		c.Close()
	}
	if s.instance() != instance {
		t.Error("the exchange's process ended meanwhile")
	}
	if after := s.seen(); after != before {
		t.Errorf("honest parties see something else than before:\n%s\nbefore:\n%s", after, before)
	}
	s.finishes()
	kill()
	s.sound()
	s.covers()
	slices.Sort(honest)
	t.Logf("%d requests and %d connections in %s: %v; honest calls meanwhile at most %s", *hostileCount, s.conns, took.Round(time.Millisecond), s.answers, honest[len(honest)-1])
	if honest[len(honest)-1] > 10*time.Second {
		t.Errorf("an honest call took %s", honest[len(honest)-1])
	}
	s.figures(name, took, honest)
}

func (s *siege) mark(to *canary.Set, what string) string {
	s.Helper()
	text := fmt.Sprintf("canary of %s %016x", what, s.rng.Uint64())
	s.ok(to.Text(what, text))
	return text
}

// furnish lives an honest life that uses every route, with a mark in whatever has readers. Each is in the set of who may not read it.
func (s *siege) furnish() {
	s.Helper()
	ctx, w := s.Context(), s.world
	both := func(what string) string { // neither attackers nor b
		text := s.mark(&s.marks, what)
		s.ok(s.forB.Text(what, text))
		return text
	}
	c := w.contractOf()
	c.Purpose = s.mark(&s.marks, "contract")
	var err error
	w.contract, err = w.asker.PostStatement(ctx, sign(w.env, c, w.asker))
	w.ok(err)
	n := w.counterOf(w.a)
	n.Reason = both("counter")
	w.ok(second(w.a.PostStatement(ctx, sign(w.env, n, w.a))))
	tm := w.templateOf(nil)
	tm.Purpose = s.mark(&s.marks, "template")
	w.ok(second(w.asker.PostStatement(ctx, sign(w.env, tm, w.asker))))
	w.ok(second(w.a.PostStatement(ctx, sign(w.env, w.grantOf(w.a, 0), w.a))))
	w.ok(second(w.other.PostStatement(ctx, sign(w.env, w.accreditationOf(w.asker.fp), w.other))))

	j := w.jobOf()
	for i := range j.Bodies {
		j.Bodies[i].Sealed = []byte(s.mark(&s.marks, "body of a job"))
	}
	job, err := w.asker.SubmitJob(ctx, sign(w.env, j, w.asker))
	w.ok(err)
	lease := w.claim().Lease
	w.ok(w.host.Renew(ctx, job, lease))
	w.ok(w.host.ReportStage(ctx, job, lease, "running"))
	w.ok(w.host.SendMessages(ctx, job, lease, []wire.Outgoing{{To: w.a.fp, Kind: wire.KindReceipt, Body: []byte(both("message of an enclave"))}}))
	box, err := w.a.Mailbox(ctx, 0, 0)
	w.ok(err)
	w.ok(w.a.Reply(ctx, job, wire.Answer{Attempt: 1, Kind: "reply", Body: []byte(both("reply")), Ref: box.Next}))
	w.ok(second(w.host.Replies(ctx, job, lease, wire.Await{})))
	w.ok(w.a.SendNotice(ctx, w.asker.fp, wire.Notice{Job: job, Body: []byte(both("notice"))}))
	w.ok(w.host.PutArtifact(ctx, job, lease, "key-"+string(w.asker.fp), []byte(both("key"))))
	w.ok(w.host.Finish(ctx, job, wire.Finish{Lease: lease, State: wire.StateDone, Artifacts: []wire.NewArtifact{{Name: "result", Body: []byte(both("result"))}}}))
	for _, name := range []string{"result", "key-" + string(w.asker.fp)} {
		w.ok(second(w.asker.Artifact(ctx, job, name)))
	}
	w.ok(second(w.asker.Job(ctx, job)))
	w.ok(second(w.asker.JobEnvelope(ctx, job)))
	w.ok(second(w.asker.Statement(ctx, w.contract)))
	w.ok(second(w.asker.AllStatements(ctx, client.Query{Kind: client.Contracts, About: []statement.Digest{w.members[0].Offer}})))
	w.ok(w.host.AckMailbox(ctx, 0))
	path, _ := w.a.object("kept.parquet", "sealed")
	r, err := w.b.OpenObject(ctx, path, 1, 3)
	w.ok(err)
	w.ok(r.Close())
	gone, _ := w.a.object("gone.parquet", "sealed")
	w.ok(w.a.DeleteObject(ctx, gone))
	_, code := w.send(w.host.raw(http.MethodPost, "/v1/claim/recall", []byte(`{"poll":"000102030405060708090a0b0c0d0e0f"}`)))
	s.rec.list["POST /v1/claim/recall"] = []recorded{{pattern: "POST /v1/claim/recall", method: http.MethodPost, uri: "/v1/claim/recall", body: []byte(`{"poll":"000102030405060708090a0b0c0d0e0f"}`), by: "hoster"}}
	if code != "" {
		s.Fatalf("recall: %s", code)
	}
	s.furnishMoney()
	s.furnishLog()
	// One more job under lease: what its holder can do must be nobody else's.
	w.submit()
	w.claim()

	s.rec.enough = true
	for n := range 4 {
		s.attackers = append(s.attackers, w.party(fmt.Sprintf("mallory%d", n)))
	}
	s.outsider = w.stranger("outsider")
	// What a party that is named in nothing may do, as it likes: it is about itself, or public.
	s.own = map[string]bool{
		"GET /v1/statements": true, "GET /v1/statements/{digest}": true, "GET /v1/mailbox": true, "POST /v1/mailbox/ack": true,
		"POST /v1/claim": true, "POST /v1/claim/recall": true, "GET /v1/objects/{path...}": true,
		"GET /v1/credits": true, "GET /v1/credits/postings": true, "GET /v1/log": true, "GET /v1/log/checkpoint": true, "GET /v1/log/round": true, "GET /v1/log/leaves": true,
		"GET /v1/log/tile/{path...}": true, "POST /v1/log/proofs": true, "POST /v1/log/commitments": true, "GET /v1/log/commitments": true, "POST /v1/log/cosigned": true,
	}
}

// ask has an honest party send what no method of the client sends.
func (s *siege) ask(p *party, method, pattern, uri, body string) {
	s.Helper()
	var b []byte
	if body != "" {
		b = []byte(body)
	}
	s.send(p.raw(method, uri, b))
	s.rec.list[pattern] = append(s.rec.list[pattern], recorded{pattern: pattern, method: method, uri: uri, body: b, by: p.name})
}

// furnishMoney orders, and asks about it. Nothing here settles orders, or sells credits.
func (s *siege) furnishMoney() {
	s.Helper()
	ctx, w := s.Context(), s.world
	c, err := w.asker.Statement(ctx, w.contract)
	w.ok(err)
	v, err := statement.VerifyAuthor[statement.Contract](c)
	w.ok(err)
	var offers []statement.Digest
	for _, t := range v.Body().Tables {
		for _, m := range t.Members {
			if m.Owner == w.a.fp {
				offers = append(offers, m.Offer)
			}
		}
	}
	o := statement.Order{Nonce: make([]byte, 32), Buyer: w.asker.fp, Contract: w.contract, Owner: w.a.fp, Offers: offers, Most: 5, Provider: statement.ProviderStripe,
		CreatedMS: v.Body().CreatedMS, ExpiresMS: v.Body().UntilMS}
	order, err := w.asker.PostStatement(ctx, sign(w.env, o, w.asker))
	w.ok(err)
	w.ok(second(w.asker.Order(ctx, order)))
	w.ok(second(w.asker.Credits(ctx)))
	w.ok(second(w.asker.AllPostings(ctx, order)))
	s.ask(w.asker, http.MethodPost, "POST /v1/credits/checkout", "/v1/credits/checkout", `{"credits":5,"nonce":"000102030405060708090a0b0c0d0e0f"}`)
}

// furnishLog asks what witnesses ask.
func (s *siege) furnishLog() {
	s.Helper()
	ctx, w := s.Context(), s.world
	w.ok(second(w.asker.LogKey(ctx)))
	w.ok(w.asker.LogCommit(ctx, translog.KindAnchor, make([]byte, 32)))
	w.ok(second(w.asker.LogProofs(ctx, w.contract, 0, 20*time.Second)))
	at, err := w.asker.LogCheckpoint(ctx, 0, 20*time.Second)
	w.ok(err)
	w.ok(second(w.asker.LogRound(ctx, 0, 20*time.Second)))
	w.ok(second(w.asker.LogLeaves(ctx, 0, at.Size)))
	w.ok(second(w.asker.LogProofsOf(ctx, &wire.LogAsk{Digests: []statement.Digest{w.contract}, Size: at.Size})))
	w.ok(second(w.asker.LogCommitments(ctx, translog.KindAnchor, 10)))
	w.ok(second(w.asker.LogCosigned(ctx, &wire.LogWanted{})))
	s.ask(w.asker, http.MethodGet, "GET /v1/log/tile/{path...}", "/v1/log/tile/0/000", "")
	s.ask(w.asker, http.MethodPost, "POST /v1/log/cosignatures", "/v1/log/cosignatures", `{"size":1,"cosignature":{"line":"","key":"`+w.asker.keys.Public().String()+`"}}`)
}

func (s *siege) instance() string {
	s.Helper()
	c, err := client.New(client.Options{URL: s.url, Signer: s.a.keys})
	s.ok(err)
	ex, err := c.Exchange(s.Context())
	s.ok(err)
	return ex.Instance
}

// seen is what honest parties see.
func (s *siege) seen() string {
	s.Helper()
	var out strings.Builder
	for _, p := range []*party{s.a, s.b, s.asker, s.host, s.other} {
		fmt.Fprintf(&out, "%s:", p.name)
		for _, kind := range []string{client.Parties, client.Offers, client.Pools, client.Contracts, client.Grants, client.Revocations, client.Counters, client.Rejections, client.Templates, client.Accreditations} {
			list, err := p.AllStatements(s.Context(), client.Query{Kind: kind})
			s.ok(err)
			fmt.Fprintf(&out, " %s", kind)
			for _, it := range list {
				fmt.Fprintf(&out, " %s", it.Digest.Short())
			}
		}
		m, err := p.Mailbox(s.Context(), 0, 0)
		s.ok(err)
		fmt.Fprintf(&out, " mailbox %d to %d\n", len(m.Items), m.Next)
	}
	return out.String()
}

// attack sends one hostile request, of a kind by chance.
func (s *siege) attack() {
	patterns := slices.Sorted(maps.Keys(s.rec.list))
	list := s.rec.list[patterns[s.rng.IntN(len(patterns))]]
	r := list[s.rng.IntN(len(list))]
	kinds := []func(recorded){s.crossTenant, s.crossTenant, s.byAnotherOwner, s.replayed, s.forged, s.malformed, s.malformed, s.oversized, s.truncated, s.wandering}
	kinds[s.rng.IntN(len(kinds))](r)
}

// anyAttacker is a party that nothing names, or, one time in five, none.
func (s *siege) anyAttacker() *party {
	if s.rng.IntN(5) == 0 {
		return s.outsider
	}
	return s.attackers[s.rng.IntN(len(s.attackers))]
}

// try sends a request, and judges the answer by what its sender may read and do.
func (s *siege) try(kind, pattern string, req *http.Request, marks *canary.Set, mayPass bool) {
	s.Helper()
	ctx, cancel := context.WithTimeout(req.Context(), 20*time.Second)
	defer cancel()
	resp, err := s.rec.next.RoundTrip(req.WithContext(ctx))
	if ctx.Err() != nil {
		s.Fatalf("%s of %s: no answer", kind, pattern)
	}
	if err != nil {
		s.answers[kind+" cut"]++ // the exchange hung up
		return
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && !utf8JSON(resp, b) {
		s.Errorf("%s of %s: answer is no JSON: %.80q", kind, pattern, b)
	}
	text, _ := json.Marshal(resp.Header)
	for _, h := range append(marks.Bytes(b), marks.Bytes(text)...) {
		s.Errorf("%s of %s: the answer holds %v", kind, pattern, h)
	}
	s.answers[fmt.Sprintf("%s %dxx", kind, resp.StatusCode/100)]++
	switch {
	case resp.StatusCode >= 500:
		s.Errorf("%s of %s: %d %s", kind, pattern, resp.StatusCode, b)
	case resp.StatusCode < 300 && !mayPass:
		s.Errorf("%s of %s succeeded: %s %s: %d %.200s", kind, pattern, req.Method, req.URL, resp.StatusCode, b)
	}
}

// utf8JSON reports whether a refusal is one of ours.
func utf8JSON(resp *http.Response, b []byte) bool {
	return resp.StatusCode < 400 || resp.Request.Method == http.MethodHead || json.Valid(b) || resp.Header.Get("Content-Type") == "text/plain; charset=utf-8"
}

func (s *siege) signedBy(p *party, method, uri string, body []byte) *http.Request {
	s.Helper()
	return s.request(p.raw(method, uri, body))
}

// crossTenant is what an honest party asked, asked by one that it does not concern.
func (s *siege) crossTenant(r recorded) {
	p := s.anyAttacker()
	s.try("cross-tenant", r.pattern, s.signedBy(p, r.method, r.uri, r.body), &s.marks, s.own[r.pattern] && p != s.outsider)
}

// byAnotherOwner reads, as an owner of the same contract, what is the first owner's or the requester's alone.
func (s *siege) byAnotherOwner(r recorded) {
	if r.method != http.MethodGet || r.by == "beta" {
		s.crossTenant(r)
		return
	}
	s.try("another owner", r.pattern, s.signedBy(s.b, r.method, r.uri, nil), &s.forB, true)
}

// replayed is the same bytes once more.
func (s *siege) replayed(r recorded) {
	if r.header == nil {
		s.forged(r)
		return
	}
	req, err := http.NewRequestWithContext(s.Context(), r.method, s.url+r.uri, bytes.NewReader(r.body))
	s.ok(err)
	maps.Copy(req.Header, r.header)
	s.try("replayed", r.pattern, req, &s.marks, r.introduces)
}

// forged carries an honest party's key over what it did not sign.
func (s *siege) forged(r recorded) {
	victim := []*party{s.a, s.asker, s.host}[s.rng.IntN(3)]
	x := victim.raw(r.method, r.uri, r.body)
	switch s.rng.IntN(9) {
	case 0:
		x.key = s.attackers[0].keys
		x.after = func(q *http.Request) { q.Header.Set(wire.HeaderKey, victim.keys.Public().String()) }
	case 1:
		x.after = func(q *http.Request) { q.Header.Set(wire.HeaderNonce, nonce(1<<40+s.rng.IntN(1<<20))) }
	case 2:
		x.call.TimeMS += int64(200_000 * (1 - 2*s.rng.IntN(2)))
	case 3:
		x.call.Instance = nonce(s.rng.IntN(1 << 20))
	case 4:
		x.call.Exchange = "exchange1" + strings.Repeat("0", 64)
	case 5:
		x.call.Method = "PATCH"
		x.after = func(q *http.Request) { q.Method = r.method }
	case 6:
		x.call.URI += "x"
		x.after = func(q *http.Request) { q.URL, _ = q.URL.Parse(s.url + r.uri) }
	case 7:
		h := []string{wire.HeaderKey, wire.HeaderTime, wire.HeaderNonce, wire.HeaderInstance, wire.HeaderBody, wire.HeaderSignature}[s.rng.IntN(6)]
		x.after = func(q *http.Request) {
			if s.rng.IntN(2) == 0 {
				q.Header.Del(h)
			} else {
				q.Header.Add(h, q.Header.Get(h))
			}
		}
	case 8:
		x.call.Body = statement.Sum([]byte("another body"))
	}
	s.try("forged", r.pattern, s.request(x), &s.marks, false)
}

// malformed bends query and body, and signs what came of it.
func (s *siege) malformed(r recorded) {
	uri, body := r.uri, bytes.Clone(r.body)
	junk := []string{"-1", "00", "9223372036854775808", "null", strings.Repeat("9", 400), "%00", "x", "../..", "sha256:" + strings.Repeat("g", 64), "[" + strings.Repeat("[", 2000)}
	for range 1 + s.rng.IntN(3) {
		switch s.rng.IntN(6) {
		case 0:
			at := strings.IndexByte(uri, '?')
			if at < 0 {
				uri += "?after=" + junk[s.rng.IntN(6)]
			} else {
				uri = uri[:at+1] + strings.ReplaceAll(uri[at+1:], "=", "="+junk[s.rng.IntN(6)])
			}
		case 1:
			if len(body) > 0 {
				body = body[:s.rng.IntN(len(body))]
			}
		case 2:
			if len(body) > 0 {
				body[s.rng.IntN(len(body))] ^= byte(1 << s.rng.IntN(8))
			}
		case 3:
			at := bytes.IndexByte(body, ':')
			if at > 0 {
				body = slices.Concat(body[:at+1], []byte(junk[s.rng.IntN(len(junk))]), body[at+1:])
			}
		case 4:
			body = append(body, body...)
		case 5:
			body = slices.Concat([]byte(" "), body)
		}
	}
	p := s.anyAttacker()
	x := p.raw(r.method, uri, body)
	req, err := http.NewRequestWithContext(s.Context(), r.method, s.url, bytes.NewReader(body))
	s.ok(err)
	if _, err := req.URL.Parse(s.url + uri); err != nil {
		return // no client can send it; wandering sends bytes
	}
	s.try("malformed", r.pattern, s.request(x), &s.marks, s.own[r.pattern] && p != s.outsider)
}

// oversized declares or sends more than the route takes.
func (s *siege) oversized(r recorded) {
	most := exchange.Rules()[r.pattern].Body
	p := s.attackers[s.rng.IntN(len(s.attackers))]
	x := p.raw(r.method, r.uri, r.body)
	switch {
	case most == exchange.Streamed:
		most = wire.MaxObject
	case most == 0, most <= wire.MaxSmall && s.rng.IntN(2) == 0:
		x = p.raw(r.method, r.uri, bytes.Repeat([]byte("a"), int(most)+1)) // all of it is sent
		s.try("oversized", r.pattern, s.request(x), &s.marks, false)
		return
	}
	x.after = func(q *http.Request) {
		q.Header.Set("Expect", "100-continue")
		q.Body, q.ContentLength = io.NopCloser(&cutBody{}), most+1
	}
	s.try("oversized", r.pattern, s.request(x), &s.marks, false)
}

// truncated hangs up within a request that is well signed.
func (s *siege) truncated(r recorded) {
	req := s.signedBy(s.attackers[s.rng.IntN(len(s.attackers))], r.method, r.uri, append(r.body, bytes.Repeat([]byte(" "), 100)...))
	var b bytes.Buffer
	s.ok(req.Write(&b))
	s.bytes("truncated", b.Bytes()[:s.rng.IntN(b.Len())])
}

// wandering sends bytes that are hardly HTTP, or paths that have more than one reading.
func (s *siege) wandering(r recorded) {
	path := []string{"/v1/../v1/mailbox", "//v1/mailbox", "/v1/objects/%2e%2e/%2e%2e/etc/passwd", "/v1/objects/" + strings.Repeat("a/", 3000), "/" + strings.Repeat("é", 50), "*", "http://other/v1/mailbox", r.uri + "#x"}[s.rng.IntN(8)]
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\n", []string{r.method, "get", "TRACE", "CONNECT", "\x00"}[s.rng.IntN(5)], path)
	tail := []string{"\r\n", "Content-Length: -1\r\n\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nffffffffffffffff\r\n", "X: " + strings.Repeat("y", 1<<15) + "\r\n\r\n"}[s.rng.IntN(5)]
	s.bytes("bytes", []byte(head+tail))
}

// bytes writes to a connection of its own, closes it for writing, and looks at what comes back.
func (s *siege) bytes(kind string, b []byte) {
	s.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	s.ok(err)
	defer c.Close()
	s.conns++
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = c.Write(b) // the exchange may have hung up
	_ = c.(*net.TCPConn).CloseWrite()
	got, _ := io.ReadAll(c)
	for _, h := range s.marks.Bytes(got) {
		s.Errorf("%s: the answer holds %v", kind, h)
	}
	status := "cut"
	if len(got) > 12 {
		status = string(got[9:10]) + "xx"
	}
	if status == "2xx" || status == "5xx" && !bytes.HasPrefix(got, []byte("HTTP/1.1 50")) {
		s.Errorf("%s: answered with %.60q", kind, got)
	}
	s.answers[kind+" "+status]++
}

// holdConnections opens connections that say half a request and then nothing.
func (s *siege) holdConnections() (out []net.Conn) {
	s.Helper()
	for n := range 100 {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		s.ok(err)
		_, err = fmt.Fprintf(c, "GET /v1/exchange HTTP/1.1\r\nX-%d", n)
		s.ok(err)
		out = append(out, c)
	}
	s.conns += len(out)
	return out
}

// honest does what parties do all day, and says how long it took.
func (s *siege) honest() time.Duration {
	s.Helper()
	begin := time.Now()
	s.ok(second(s.asker.Statement(s.Context(), s.contract)))
	path, _ := s.a.object("honest.parquet", "sealed again")
	s.ok(s.a.DeleteObject(s.Context(), path))
	return time.Since(begin)
}

// finishes a job from its beginning to its end.
func (s *siege) finishes() {
	s.Helper()
	s.submit()
	c := s.claim()
	s.ok(s.host.Finish(s.Context(), c.Digest, wire.Finish{Lease: c.Lease, State: wire.StateDone, Artifacts: []wire.NewArtifact{{Name: "result", Body: []byte("r")}}}))
	got, err := s.asker.Artifact(s.Context(), c.Digest, "result")
	if err != nil || string(got) != "r" {
		s.Errorf("result %q, %v", got, err)
	}
}

// sound checks the store and lake that the process left.
func (s *siege) sound() {
	s.Helper()
	h, err := exchange.Open(s.Context(), exchange.Place{Home: s.home, Store: s.link})
	s.ok(err)
	defer h.Close()
	_, err = fsck.Check(s.Context(), fsck.Options{Store: h.Store, Lake: h.Lake, Report: func(f fsck.Fault) error { s.Error(f); return nil }})
	s.ok(err)
}

// covers: every signed route was attacked, with what an honest party asked of it.
func (s *siege) covers() {
	s.Helper()
	for pattern, r := range exchange.Rules() {
		if r.Who != exchange.WhoAnyone && len(s.rec.list[pattern]) == 0 {
			s.Errorf("no honest request of %s to make hostile ones of: add one to furnish", pattern)
		}
	}
	if s.marks.Len() < 10 {
		s.Errorf("only %d marks", s.marks.Len())
	}
}

func (s *siege) figures(name string, took time.Duration, honest []time.Duration) {
	s.Helper()
	if *hostileFigures == "" {
		return
	}
	b, err := json.Marshal(map[string]any{
		"store": name, "requests": *hostileCount, "connections": s.conns, "seconds": took.Seconds(), "answers": s.answers, "routes": len(exchange.Rules()),
		"honest_calls": len(honest), "honest_median_ms": float64(honest[len(honest)/2].Microseconds()) / 1000, "honest_worst_ms": float64(honest[len(honest)-1].Microseconds()) / 1000,
	})
	s.ok(err)
	f, err := os.OpenFile(*hostileFigures, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	s.ok(err)
	_, err = f.Write(append(b, '\n'))
	s.ok(err)
	s.ok(f.Close())
}
