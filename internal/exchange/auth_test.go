package exchange_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// raw is a request whose parts a test can bend before and after it is signed.
type raw struct {
	call  wire.Call
	key   keys
	body  []byte
	after func(*http.Request) // once signed
}

func (p *party) raw(method, uri string, body []byte) *raw {
	p.e.Helper()
	ex, err := p.Exchange(p.e.Context())
	p.e.ok(err)
	p.e.seq++
	return &raw{key: p.keys, body: body, call: wire.Call{Method: method, URI: uri, Exchange: ex.ID, Instance: ex.Instance,
		TimeMS: p.e.now().UnixMilli(), Nonce: nonce(p.e.seq), Body: statement.Sum(body)}}
}

func nonce(n int) string {
	s := strconv.Itoa(n)
	return strings.Repeat("0", 32-len(s)) + s
}

// request is r, signed.
func (e *env) request(r *raw) *http.Request {
	e.Helper()
	req, err := http.NewRequestWithContext(e.Context(), r.call.Method, e.url+r.call.URI, bytes.NewReader(r.body))
	e.ok(err)
	sig, err := r.key.Sign(r.call.Bytes())
	e.ok(err)
	for name, v := range map[string]string{
		wire.HeaderKey: r.key.Public().String(), wire.HeaderTime: strconv.FormatInt(r.call.TimeMS, 10), wire.HeaderNonce: r.call.Nonce,
		wire.HeaderInstance: r.call.Instance, wire.HeaderBody: string(r.call.Body), wire.HeaderSignature: base64.StdEncoding.EncodeToString(sig),
	} {
		req.Header.Set(name, v)
	}
	if r.after != nil {
		r.after(req)
	}
	return req
}

// send returns status and code of the answer.
func (e *env) send(r *raw) (int, string) {
	e.Helper()
	resp, err := http.DefaultTransport.RoundTrip(e.request(r))
	e.ok(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	e.ok(err)
	var fail wire.Error
	if resp.StatusCode >= 300 {
		if err := json.Unmarshal(b, &fail); err != nil || fail.Text == "" || fail.Hint == "" {
			e.Errorf("%s %s: error without a text or hint: %q", r.call.Method, r.call.URI, b)
		}
	}
	return resp.StatusCode, fail.Code
}

// TestAuthentication bends one thing of a good request at a time.
func TestAuthentication(t *testing.T) {
	e := newEnv(t)
	p, q, stranger := e.party("alpha"), e.party("beta"), e.stranger("nobody")
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	good := func() *raw { return p.raw("POST", "/v1/mailbox/ack", []byte(`{"through":1}`)) }
	for name, c := range map[string]struct {
		bend   func(*raw)
		status int
		code   string
	}{
		"good":         {func(*raw) {}, 200, ""},
		"no key":       {func(r *raw) { r.after = func(q *http.Request) { q.Header.Del(wire.HeaderKey) } }, 401, wire.CodeUnauthenticated},
		"no time":      {func(r *raw) { r.after = func(q *http.Request) { q.Header.Del(wire.HeaderTime) } }, 401, wire.CodeUnauthenticated},
		"no nonce":     {func(r *raw) { r.after = func(q *http.Request) { q.Header.Del(wire.HeaderNonce) } }, 401, wire.CodeUnauthenticated},
		"no instance":  {func(r *raw) { r.after = func(q *http.Request) { q.Header.Del(wire.HeaderInstance) } }, 401, wire.CodeUnauthenticated},
		"no digest":    {func(r *raw) { r.after = func(q *http.Request) { q.Header.Del(wire.HeaderBody) } }, 401, wire.CodeUnauthenticated},
		"no signature": {func(r *raw) { r.after = func(q *http.Request) { q.Header.Del(wire.HeaderSignature) } }, 401, wire.CodeUnauthenticated},
		"two keys": {func(r *raw) {
			r.after = func(q *http.Request) { q.Header.Add(wire.HeaderKey, r.key.Public().String()) }
		}, 401, wire.CodeUnauthenticated},
		"another's key":       {func(r *raw) { r.after = header(wire.HeaderKey, q.keys.Public().String()) }, 401, wire.CodeUnauthenticated},
		"key of small order":  {func(r *raw) { r.after = header(wire.HeaderKey, "ed25519:"+strings.Repeat("0", 64)) }, 401, wire.CodeUnauthenticated},
		"another's signature": {func(r *raw) { r.key = q.keys; r.after = header(wire.HeaderKey, p.keys.Public().String()) }, 401, wire.CodeUnauthenticated},
		"signature cut":       {func(r *raw) { r.after = header(wire.HeaderSignature, "AAAA") }, 401, wire.CodeUnauthenticated},
		"signature of zeros": {func(r *raw) {
			r.after = header(wire.HeaderSignature, base64.StdEncoding.EncodeToString(make([]byte, 64)))
		}, 401, wire.CodeUnauthenticated},
		"other time":           {func(r *raw) { r.after = header(wire.HeaderTime, strconv.FormatInt(r.call.TimeMS+1, 10)) }, 401, wire.CodeUnauthenticated},
		"time with a sign":     {func(r *raw) { r.after = header(wire.HeaderTime, "+"+strconv.FormatInt(r.call.TimeMS, 10)) }, 401, wire.CodeUnauthenticated},
		"other nonce":          {func(r *raw) { r.after = header(wire.HeaderNonce, nonce(999999)) }, 401, wire.CodeUnauthenticated},
		"short nonce":          {func(r *raw) { r.call.Nonce = "00" }, 401, wire.CodeUnauthenticated},
		"other method":         {func(r *raw) { r.call.Method = "PUT"; r.after = func(q *http.Request) { q.Method = "POST" } }, 401, wire.CodeUnauthenticated},
		"other path":           {func(r *raw) { r.after = func(q *http.Request) { q.URL.Path = "/v1/jobs" } }, 401, wire.CodeUnauthenticated},
		"other query":          {func(r *raw) { r.after = func(q *http.Request) { q.URL.RawQuery = "after=1" } }, 401, wire.CodeUnauthenticated},
		"other exchange":       {func(r *raw) { r.call.Exchange = "exchange1" + strings.Repeat("0", 64) }, 401, wire.CodeUnauthenticated},
		"other instance":       {func(r *raw) { r.call.Instance = nonce(1) }, 401, wire.CodeWrongInstance},
		"clock two minutes on": {func(r *raw) { r.call.TimeMS += 121_000 }, 401, wire.CodeSkew},
		"clock behind":         {func(r *raw) { r.call.TimeMS -= 121_000 }, 401, wire.CodeSkew},
		"clock a minute on":    {func(r *raw) { r.call.TimeMS += 60_000 }, 200, ""},
		"not registered":       {func(r *raw) { r.key = stranger.keys }, 403, wire.CodeUnregistered},
		"other body":           {func(r *raw) { r.body = []byte(`{"through":2}`) }, 400, wire.CodeBodyDigest},
		"other digest":         {func(r *raw) { r.after = header(wire.HeaderBody, string(statement.Sum([]byte("x")))) }, 401, wire.CodeUnauthenticated},
	} {
		r := good()
		c.bend(r)
		if status, code := e.send(r); status != c.status || code != c.code {
			t.Errorf("%s: got %d %q, want %d %q", name, status, code, c.status, c.code)
		}
	}
}

func TestReplay(t *testing.T) {
	e := newEnv(t)
	p, q := e.party("alpha"), e.party("beta")
	r := p.raw("GET", "/v1/mailbox", nil)
	for i, want := range []string{"", wire.CodeReplayed, wire.CodeReplayed} {
		if _, code := e.send(r); code != want {
			t.Errorf("sent %d times: %q", i+1, code)
		}
	}
	// The nonce is its key's own.
	other := q.raw("GET", "/v1/mailbox", nil)
	other.call.Nonce = r.call.Nonce
	if _, code := e.send(other); code != "" {
		t.Errorf("another party's equal nonce: %q", code)
	}
	// As late as the signature can be accepted at all, it is still known.
	e.skew.Store(119_000)
	early := p.raw("GET", "/v1/mailbox", nil)
	early.call.TimeMS += 119_000
	if _, code := e.send(early); code != "" {
		t.Fatalf("request from ahead: %q", code)
	}
	e.skew.Store(119_000 + 119_000 + 118_000)
	if _, code := e.send(early); code != wire.CodeReplayed {
		t.Errorf("replayed at the last moment: %q", code)
	}
	e.skew.Store(119_000 + 119_000 + 125_000)
	if _, code := e.send(early); code != wire.CodeSkew {
		t.Errorf("replayed later: %q", code)
	}
	// After a restart its memory is gone, and so is what the signature was for.
	e.skew.Store(0)
	r = p.raw("GET", "/v1/mailbox", nil)
	if _, code := e.send(r); code != "" {
		t.Fatal(code)
	}
	e.restart()
	if _, code := e.send(r); code != wire.CodeWrongInstance {
		t.Errorf("replayed after a restart: %q", code)
	}
}

func TestSkewedClient(t *testing.T) {
	e := newEnv(t)
	p := e.party("alpha")
	c, err := client.New(client.Options{URL: e.url, Signer: p.keys, Now: func() time.Time { return time.Now().Add(-time.Hour) }})
	e.ok(err)
	defer c.Close()
	_, err = c.Mailbox(t.Context(), 0, 0)
	e.code(err, wire.CodeSkew)
}

// TestMalformed sends registered parties' requests that are not of their form.
func TestMalformed(t *testing.T) {
	w := newWorld(t)
	job := w.submit()
	c := w.claim()
	at := "/v1/jobs/" + string(job)
	object := "/v1/objects/" + client.ObjectPath(w.a.fp, "strikes", "v1", "x.parquet")
	big := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for name, r := range map[string]struct {
		p           *party
		method, uri string
		body        string
		status      int
		code        string
	}{
		"no such call":             {w.a, "GET", "/v1/nothing", "", 404, wire.CodeNotFound},
		"no such method":           {w.a, "PATCH", "/v1/jobs", "", 404, wire.CodeNotFound},
		"escaped path":             {w.a, "GET", "/v1/objects/%2e%2e/a/b/c.parquet", "", 400, wire.CodeMalformed},
		"dotted path":              {w.a, "GET", "/v1/objects/../../etc/passwd", "", 400, wire.CodeMalformed},
		"double slash":             {w.a, "GET", "/v1//mailbox", "", 400, wire.CodeMalformed},
		"upper case":               {w.a, "GET", "/v1/Mailbox", "", 400, wire.CodeMalformed},
		"long path":                {w.a, "GET", "/v1/" + strings.Repeat("a", 5000), "", 400, wire.CodeMalformed},
		"unknown parameter":        {w.a, "GET", "/v1/mailbox?since=1", "", 400, wire.CodeMalformed},
		"repeated parameter":       {w.a, "GET", "/v1/mailbox?after=1&after=2", "", 400, wire.CodeMalformed},
		"empty parameter":          {w.a, "GET", "/v1/mailbox?after=", "", 400, wire.CodeMalformed},
		"negative number":          {w.a, "GET", "/v1/mailbox?after=-1", "", 400, wire.CodeMalformed},
		"number with zeros":        {w.a, "GET", "/v1/mailbox?after=01", "", 400, wire.CodeMalformed},
		"number too long":          {w.a, "GET", "/v1/mailbox?after=99999999999999999999", "", 400, wire.CodeMalformed},
		"no type":                  {w.a, "GET", "/v1/statements", "", 400, wire.CodeMalformed},
		"unknown type":             {w.a, "GET", "/v1/statements?type=job", "", 400, wire.CodeMalformed},
		"owner no fingerprint":     {w.a, "GET", "/v1/statements?type=offer&owner=alpha", "", 400, wire.CodeMalformed},
		"about a list with a gap":  {w.a, "GET", "/v1/statements?type=grant&about=" + string(job) + ",", "", 400, wire.CodeMalformed},
		"about too many":           {w.a, "GET", "/v1/statements?type=grant&about=" + strings.Repeat(string(job)+",", wire.MaxAbout) + string(job), "", 400, wire.CodeMalformed},
		"about no digest":          {w.a, "GET", "/v1/statements?type=grant&about=x", "", 400, wire.CodeMalformed},
		"pending not true":         {w.a, "GET", "/v1/statements?type=pool&pending=yes", "", 400, wire.CodeMalformed},
		"path without a digest":    {w.a, "GET", "/v1/statements/sha256:00", "", 400, wire.CodeMalformed},
		"empty body":               {w.a, "POST", "/v1/mailbox/ack", "", 400, wire.CodeMalformed},
		"unknown field":            {w.a, "POST", "/v1/mailbox/ack", `{"through":1,"more":2}`, 400, wire.CodeMalformed},
		"field in another case":    {w.a, "POST", "/v1/mailbox/ack", `{"Through":1}`, 400, wire.CodeMalformed},
		"field twice":              {w.a, "POST", "/v1/mailbox/ack", `{"through":1,"through":1}`, 400, wire.CodeMalformed},
		"space":                    {w.a, "POST", "/v1/mailbox/ack", `{"through": 1}`, 400, wire.CodeMalformed},
		"trailing bytes":           {w.a, "POST", "/v1/mailbox/ack", `{"through":1}x`, 400, wire.CodeMalformed},
		"null":                     {w.a, "POST", "/v1/mailbox/ack", `{"through":null}`, 400, wire.CodeMalformed},
		"negative seq":             {w.a, "POST", "/v1/mailbox/ack", `{"through":-1}`, 400, wire.CodeMalformed},
		"no envelope":              {w.a, "POST", "/v1/statements", `{}`, 422, wire.CodeStatement},
		"envelope of nothing":      {w.a, "POST", "/v1/statements", `{"payloadType":"x","payload":"","signatures":[]}`, 422, wire.CodeStatement},
		"statement too large":      {w.a, "POST", "/v1/statements", strings.Repeat(" ", wire.MaxEnvelope+1), 413, wire.CodeTooLarge},
		"job too large":            {w.a, "POST", "/v1/jobs", strings.Repeat(" ", wire.MaxEnvelope+1), 413, wire.CodeTooLarge},
		"body too large":           {w.a, "POST", at + "/replies", strings.Repeat(" ", wire.MaxJSON+1), 413, wire.CodeTooLarge},
		"reply too large":          {w.a, "POST", at + "/replies", `{"attempt":1,"kind":"reply","body":"` + big(wire.MaxMessage+1) + `","ref":1}`, 400, wire.CodeMalformed},
		"reply without a body":     {w.a, "POST", at + "/replies", `{"attempt":1,"kind":"reply","body":"","ref":1}`, 400, wire.CodeMalformed},
		"reply without a ref":      {w.a, "POST", at + "/replies", `{"attempt":1,"kind":"reply","body":"AA==","ref":0}`, 400, wire.CodeMalformed},
		"reply without an attempt": {w.a, "POST", at + "/replies", `{"attempt":0,"kind":"reply","body":"AA==","ref":1}`, 400, wire.CodeMalformed},
		"reply of a bad kind":      {w.a, "POST", at + "/replies", `{"attempt":1,"kind":"Re","body":"AA==","ref":1}`, 400, wire.CodeMalformed},
		"notice to nobody":         {w.a, "POST", "/v1/parties/x/notices", `{"job":"` + string(job) + `","body":"AA=="}`, 400, wire.CodeMalformed},
		"notice about nothing":     {w.a, "POST", "/v1/parties/" + string(w.b.fp) + "/notices", `{"job":"","body":"AA=="}`, 400, wire.CodeMalformed},
		"notice without a body":    {w.a, "POST", "/v1/parties/" + string(w.b.fp) + "/notices", `{"job":"` + string(job) + `","body":""}`, 400, wire.CodeMalformed},
		"claim of no class":        {w.host, "POST", "/v1/claim", `{"classes":[],"wait_ms":0}`, 400, wire.CodeMalformed},
		"claim of a bad class":     {w.host, "POST", "/v1/claim", `{"classes":["A B"],"wait_ms":0}`, 400, wire.CodeMalformed},
		"claim of many classes":    {w.host, "POST", "/v1/claim", `{"classes":[` + strings.Repeat(`"a",`, 16) + `"a"],"wait_ms":0}`, 400, wire.CodeMalformed},
		"claim of a bad name":      {w.host, "POST", "/v1/claim", `{"classes":["small"],"wait_ms":0,"poll":"x"}`, 400, wire.CodeMalformed},
		"recall of a bad name":     {w.host, "POST", "/v1/claim/recall", `{"poll":""}`, 400, wire.CodeMalformed},
		"negative wait":            {w.host, "POST", "/v1/claim", `{"classes":["small"],"wait_ms":-1}`, 400, wire.CodeMalformed},
		"lease malformed":          {w.host, "POST", at + "/lease", `{"lease":"x"}`, 400, wire.CodeMalformed},
		"lease missing":            {w.host, "GET", at + "/replies", "", 400, wire.CodeMalformed},
		"no messages":              {w.host, "POST", at + "/messages", `{"lease":"` + c.Lease + `","id":"` + nonce(1) + `","messages":[]}`, 400, wire.CodeMalformed},
		"messages without an id":   {w.host, "POST", at + "/messages", `{"lease":"` + c.Lease + `","id":"","messages":[{"to":"` + string(w.a.fp) + `","kind":"hello","body":"AA=="}]}`, 400, wire.CodeMalformed},
		"message of kind job":      {w.host, "POST", at + "/messages", `{"lease":"` + c.Lease + `","id":"` + nonce(1) + `","messages":[{"to":"` + string(w.a.fp) + `","kind":"job","body":"AA=="}]}`, 400, wire.CodeMalformed},
		"message of kind notice":   {w.host, "POST", at + "/messages", `{"lease":"` + c.Lease + `","id":"` + nonce(1) + `","messages":[{"to":"` + string(w.a.fp) + `","kind":"notice","body":"AA=="}]}`, 400, wire.CodeMalformed},
		"empty message":            {w.host, "POST", at + "/messages", `{"lease":"` + c.Lease + `","id":"` + nonce(1) + `","messages":[{"to":"` + string(w.a.fp) + `","kind":"hello","body":""}]}`, 400, wire.CodeMalformed},
		"stage malformed":          {w.host, "POST", at + "/stage", `{"lease":"` + c.Lease + `","name":"a b"}`, 400, wire.CodeMalformed},
		"done with a code":         {w.host, "POST", at + "/finish", `{"lease":"` + c.Lease + `","state":"done","code":"x"}`, 400, wire.CodeMalformed},
		"failed without a code":    {w.host, "POST", at + "/finish", `{"lease":"` + c.Lease + `","state":"failed"}`, 400, wire.CodeMalformed},
		"last artifact empty":      {w.host, "POST", at + "/finish", `{"lease":"` + c.Lease + `","state":"done","artifacts":[{"name":"result","bytes":0}]}` + "\n", 400, wire.CodeMalformed},
		"last artifact of no name": {w.host, "POST", at + "/finish", `{"lease":"` + c.Lease + `","state":"done","artifacts":[{"name":"other","bytes":1}]}` + "\nx", 400, wire.CodeMalformed},
		"retry with an artifact":   {w.host, "POST", at + "/finish", `{"lease":"` + c.Lease + `","state":"retry","code":"x","artifacts":[{"name":"result","bytes":1}]}` + "\nx", 400, wire.CodeMalformed},
		"last artifact cut short":  {w.host, "POST", at + "/finish", `{"lease":"` + c.Lease + `","state":"done","artifacts":[{"name":"result","bytes":2}]}` + "\nx", 400, wire.CodeMalformed},
		"more than last artifacts": {w.host, "POST", at + "/finish", `{"lease":"` + c.Lease + `","state":"done","artifacts":[{"name":"result","bytes":2}]}` + "\nxxx", 400, wire.CodeMalformed},
		"finished as queued":       {w.host, "POST", at + "/finish", `{"lease":"` + c.Lease + `","state":"queued","code":"x"}`, 400, wire.CodeMalformed},
		"artifact of no name":      {w.host, "PUT", at + "/artifacts/other?lease=" + c.Lease, "x", 400, wire.CodeMalformed},
		"artifact for no party":    {w.host, "PUT", at + "/artifacts/key-x?lease=" + c.Lease, "x", 400, wire.CodeMalformed},
		"empty artifact":           {w.host, "PUT", at + "/artifacts/result?lease=" + c.Lease, "", 400, wire.CodeMalformed},
		"empty object":             {w.a, "PUT", object, "", 400, wire.CodeMalformed},
		"object of another form":   {w.a, "PUT", "/v1/objects/a/b.parquet", "x", 400, wire.CodeMalformed},
		"object of another suffix": {w.a, "PUT", strings.Replace(object, ".parquet", ".tmp", 1), "x", 400, wire.CodeMalformed},
	} {
		if status, code := w.send(r.p.raw(r.method, r.uri, []byte(r.body))); status != r.status || code != r.code {
			t.Errorf("%s: got %d %q, want %d %q", name, status, code, r.status, r.code)
		}
	}
	for _, spec := range []string{"bytes=5", "bytes=-5", "bytes=3-1", "bytes=0-1,3-4", "lines=0-1", "bytes=00-1", "bytes= 0-1"} {
		r := w.a.raw("GET", "/v1/objects/"+client.ObjectPath(w.a.fp, "strikes", "v1", "part.parquet"), nil)
		r.after = func(q *http.Request) { q.Header.Set("Range", spec) }
		if status, code := w.send(r); status != 400 || code != wire.CodeMalformed {
			t.Errorf("range %q: got %d %q", spec, status, code)
		}
	}
}

// TestUploadIsWhatWasSigned sends other bytes than those that the uploader signed for.
func TestUploadIsWhatWasSigned(t *testing.T) {
	e := newEnv(t)
	p := e.party("alpha")
	uri := "/v1/objects/" + client.ObjectPath(p.fp, "strikes", "v1", "part.parquet")
	r := p.raw("PUT", uri, []byte("signed bytes"))
	r.body = []byte("other  bytes")
	if status, code := e.send(r); status != 400 || code != wire.CodeBodyDigest {
		t.Fatalf("got %d %q", status, code)
	}
	if _, code := e.send(p.raw("GET", uri, nil)); code != wire.CodeNotFound {
		t.Fatalf("after a refused upload: %q", code)
	}
	if status, code := e.send(p.raw("PUT", uri, []byte("signed bytes"))); status != 200 {
		t.Fatalf("got %d %q", status, code)
	}
}
