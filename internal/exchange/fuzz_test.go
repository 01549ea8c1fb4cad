package exchange

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// FuzzBodies gives foreign bytes to the decoder of every JSON body: what one
// accepts encodes to the same bytes.
func FuzzBodies(f *testing.F) {
	for _, s := range []string{`{"through":1}`, `{"classes":["small"],"wait_ms":0}`, `{"lease":"x"}`,
		`{"lease":"x","id":"y","messages":[{"to":"z","kind":"hello","body":"AA=="}]}`,
		`{"attempt":1,"kind":"reply","body":"AA==","ref":1}`, `{"job":"x","body":"AA=="}`, `{"lease":"x","name":"hello"}`,
		`{"lease":"x","state":"failed","code":"y"}`, `{}`, `{"through":1,"through":1}`, `null`, `[]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range []any{new(wire.MailboxAck), new(wire.ClaimRequest), new(wire.Heartbeat), new(wire.Messages),
			new(wire.Answer), new(wire.Notice), new(wire.StageReport), new(wire.FinishText), new(wire.Error), new(wire.Exchange)} {
			if decodeBody(b, v) != nil {
				continue
			}
			again, err := statement.Marshal(v)
			if err != nil || string(again) != string(b) {
				t.Fatalf("%T: accepted %q, encodes to %q, %v", v, b, again, err)
			}
		}
	})
}

func FuzzFinish(f *testing.F) {
	for _, s := range []string{`{"lease":"x","state":"done"}`, `{"lease":"x","state":"done","artifacts":[{"name":"result","bytes":2}]}` + "\nab", `{"lease":"x","state":"done"}` + "\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := wire.DecodeFinish(b)
		if err != nil {
			return
		}
		if again, err := got.Encode(); err != nil || string(again) != string(b) {
			t.Fatalf("accepted %q, encodes to %q, %v", b, again, err)
		}
	})
}

// FuzzPaths: a path that is accepted has one reading, stays below its owner, and is rebuilt from its parts.
func FuzzPaths(f *testing.F) {
	fp := "cordon1" + strings.Repeat("a", 64)
	f.Add("/v1/objects/" + wire.ObjectPath(statement.Fingerprint(fp), "strikes", "v1", "part.parquet"))
	for _, s := range []string{"/v1/objects/../x", "/v1//x", "/", "/v1/%2e%2e/x", "/v1/a\\b", "/v1/a?b", "/V1", "//host/x", "/v1/objects/" + strings.Repeat("a", 64) + "/a/b/.parquet"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.ParseRequestURI(s)
		if err != nil || !plainPath(u) {
			return
		}
		parts := strings.Split(u.Path[1:], "/")
		if slices.Contains(parts, "..") || slices.Contains(parts, ".") || slices.Contains(parts, "") || strings.ContainsAny(u.Path, "\\%\x00") {
			t.Fatalf("accepted %q", s)
		}
		path := strings.TrimPrefix(u.Path, "/v1/objects/")
		owner, ok := wire.ObjectOwner(path)
		if !ok {
			return
		}
		part := strings.Split(path, "/")
		if !owner.Valid() || len(part) != 4 || wire.ObjectPath(owner, part[1], part[2], part[3]) != path || !statement.ValidObject(path) {
			t.Fatalf("accepted object %q of %s", path, owner)
		}
	})
}

// FuzzRange: an accepted range lies within the object.
func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=5-", "bytes=-5", "bytes=0-1,2-3", "bytes=9223372036854775807-", "bytes=1-0"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, s string, size int64) {
		if size < 0 {
			return
		}
		from, n, partial, err := parseRange([]string{s}, size)
		if err == nil && (!partial || from < 0 || n <= 0 || from >= size || n > size-from) {
			t.Fatalf("%q of %d: %d+%d", s, size, from, n)
		}
	})
}

// FuzzQuery: what is accepted holds allowed names only, none of them empty.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"after=1", "after=1&after=2", "after=", "a=b;c=d", "%61fter=1", "after=1&wait_ms=2", "&&", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseQuery(s, []string{"after", "wait_ms"})
		if err != nil {
			if p != nil {
				t.Fatal("a refused query returned something")
			}
			return
		}
		for name, v := range p {
			if name != "after" && name != "wait_ms" || v == "" {
				t.Fatalf("%q: accepted %q=%q", s, name, v)
			}
		}
		if n, err := p.number("after"); err == nil && n < 0 {
			t.Fatalf("%q: %d", s, n)
		}
	})
}

// FuzzCredentials: headers that are accepted have all their parts.
func FuzzCredentials(f *testing.F) {
	f.Add("ed25519:"+strings.Repeat("a", 64), "1", strings.Repeat("0", 32), strings.Repeat("0", 32), string(statement.Sum(nil)), strings.Repeat("A", 86)+"==")
	f.Fuzz(func(t *testing.T, key, at, nonce, instance, body, sig string) {
		h := map[string][]string{wire.HeaderKey: {key}, wire.HeaderTime: {at}, wire.HeaderNonce: {nonce},
			wire.HeaderInstance: {instance}, wire.HeaderBody: {body}, wire.HeaderSignature: {sig}}
		c, err := parseCredentials(h)
		if err != nil {
			if c != nil {
				t.Fatal("refused credentials returned something")
			}
			return
		}
		if c.key.String() != key || len(c.sig) != 64 || c.timeMS < 0 || !wire.ValidNonce(c.nonce) || !wire.ValidNonce(c.instance) || !c.body.Valid() {
			t.Fatalf("accepted %q %q %q %q %q %q", key, at, nonce, instance, body, sig)
		}
	})
}

// FuzzNames: tokens and artifact names are ASCII words.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"result", "receipt", "key-cordon1" + strings.Repeat("a", 64), "bundle-", "small", "A", "a b", "failed:x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if wire.ValidToken(s) && (s == "" || len(s) > 64 || strings.ToLower(s) != s || strings.ContainsAny(s, " /\\.%\x00\n")) {
			t.Fatalf("token %q", s)
		}
		if to, ok := wire.ArtifactFor(s); ok && to != "" && s != wire.ArtifactKey+string(to) && s != wire.ArtifactBundle+string(to) {
			t.Fatalf("artifact %q for %q", s, to)
		}
	})
}
