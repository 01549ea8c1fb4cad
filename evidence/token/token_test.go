package token

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence/evidencetest"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// options of a case: what its relying party demands.
func options(t testing.TB, c evidencetest.Case) Options {
	t.Helper()
	o := Options{
		At: c.At, Issuer: c.Require.Issuer, Audience: c.Require.Audience, Nonce: c.Require.Nonce,
		AnyNonce: c.Require.Nonce == "", AllowDebug: c.Require.AllowDebug,
	}
	var err error
	if len(c.Endorsements) > 0 {
		o.Keys, err = ParseKeys(c.Read(t, c.Endorsements[0]))
	} else {
		o.Root, err = ParseRoot(c.Read(t, c.Root))
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func load(t testing.TB, id string) ([]byte, Options) {
	t.Helper()
	c := evidencetest.Get(t, "token", id)
	return c.Read(t, c.File), options(t, c)
}

func TestCases(t *testing.T) {
	for _, c := range evidencetest.Load(t, "token") {
		t.Run(c.ID, func(t *testing.T) {
			o := options(t, c)
			v, err := Verify(c.Read(t, c.File), o)
			c.Check(t, v, v != nil && v.Debug, err)
			if v == nil { // what is read of a refused token is compared as well
				o.AllowDebug = true
				if v, err = Verify(c.Read(t, c.File), o); err != nil {
					t.Fatal(err)
				}
				c.CheckFields(t, v, v.Debug)
			}
		})
	}
}

// TestFields: what is read into the struct is what the claims say.
func TestFields(t *testing.T) {
	raw, o := load(t, "gcp-cs-pki/allow-debug")
	v, err := Verify(raw, o)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(v.Issuer, v.Audience, v.Nonces, v.IssuedAt.Unix(), v.NotBefore.Unix(), v.Expiry.Unix(), v.HardwareModel, v.Software,
		v.SoftwareVersions, v.SecureBoot, v.DebugStatus, v.Debug, v.ImageDigest, v.ImageReference, v.ServiceAccounts)
	want := fmt.Sprint(Issuer, "https://sts.google.com", []string{"2d42069907c0408f5b8ad156a48fd9b9da4cb77b8ab43667287569d7e44b549e"},
		1761669801, 1761669801, 1761673401, "GCP_AMD_SEV", "CONFIDENTIAL_SPACE", []string{"251000"}, true, "enabled", true,
		"sha256:cfc0496335c6a4eedd408e87b64c08945d9058963b31fd64ac92754d395d291f",
		"europe-west1-docker.pkg.dev/flare-network-staging/containers/tee-node:0.0.9",
		[]string{"confidential-sa@flare-network-staging.iam.gserviceaccount.com"})
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestRootIsTheCollections(t *testing.T) {
	evidencetest.SameAnchors(t, "roots")
	c, err := Google()
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%X", sha256.Sum256(c.Raw))
	if !strings.HasPrefix(got, "148B2938") || !strings.HasSuffix(got, "6C39") {
		t.Errorf("fingerprint %s", got)
	}
	p := newPKI(t)
	for name, src := range map[string][]byte{
		"empty": nil, "two": append(slices.Clone(root), root...), "text after it": append(slices.Clone(root), "x"...),
		"not self-signed": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.leaf.Raw}),
	} {
		_, err := ParseRoot(src)
		t.Run(name, func(t *testing.T) { evidencetest.Refused(t, err, stage.Parse) })
	}
}

func TestDebug(t *testing.T) {
	for _, id := range []string{"gcp-cs-oidc-1", "gcp-cs-pki"} {
		raw, o := load(t, id)
		_, err := Verify(raw, o)
		evidencetest.Refused(t, err, stage.Debug)
		o.AllowDebug = true
		v, err := Verify(raw, o)
		if err != nil || !v.Debug {
			t.Fatal("a debug image is not let in by name, or not marked", err)
		}
	}
}

func TestClock(t *testing.T) {
	for _, id := range []string{"gcp-cs-oidc-1/allow-debug", "gcp-cs-pki/allow-debug"} {
		raw, o := load(t, id)
		for _, at := range []time.Time{o.At.Add(-2 * time.Hour), o.At.Add(2 * time.Hour), o.At.AddDate(1, 0, 0)} {
			o.At = at
			_, err := Verify(raw, o)
			evidencetest.Refused(t, err, stage.Expired)
		}
	}
}

func TestAudienceAndNonce(t *testing.T) {
	raw, good := load(t, "gcp-cs-pki/allow-debug")
	o := good
	o.Audience = "https://example.com"
	_, err := Verify(raw, o)
	evidencetest.Refused(t, err, stage.Audience)
	o = good
	o.Issuer = "https://accounts.google.com"
	_, err = Verify(raw, o)
	evidencetest.Refused(t, err, stage.Audience)
	o = good
	o.Nonce = strings.Repeat("0", 64)
	_, err = Verify(raw, o)
	evidencetest.Refused(t, err, stage.Nonce)
	raw, o = load(t, "gcp-cs-oidc-1/allow-debug") // which has none
	o.AnyNonce, o.Nonce = false, "x"
	_, err = Verify(raw, o)
	evidencetest.Refused(t, err, stage.Nonce)
}

func TestOptions(t *testing.T) {
	raw, good := load(t, "gcp-cs-pki/allow-debug")
	for name, change := range map[string]func(*Options){
		"no key":          func(o *Options) { o.Root = nil },
		"no time":         func(o *Options) { o.At = time.Time{} },
		"no issuer":       func(o *Options) { o.Issuer = "" },
		"no audience":     func(o *Options) { o.Audience = "" },
		"no nonce":        func(o *Options) { o.Nonce = "" },
		"a nonce and any": func(o *Options) { o.AnyNonce = true },
	} {
		o := good
		change(&o)
		if _, err := Verify(raw, o); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

var madeAt = time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)

// pki is a root and a signing key with Google's names that are not Google's.
type pki struct {
	root, leaf *x509.Certificate
	rootKey    *rsa.PrivateKey
	key        *rsa.PrivateKey
}

var newKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var out [2]*rsa.PrivateKey
	for i := range out {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		out[i] = k
	}
	return out
})

func newPKI(t testing.TB) pki {
	t.Helper()
	keys := newKeys()
	p := pki{rootKey: keys[0], key: keys[1]}
	p.root = certify(t, "Confidential Space Root CA", p.rootKey.Public(), nil, p.rootKey)
	p.leaf = certify(t, "Confidential Space Leaf Certificate", p.key.Public(), p.root, p.rootKey)
	return p
}

func certify(t testing.TB, name string, pub crypto.PublicKey, parent *x509.Certificate, by *rsa.PrivateKey) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: madeAt.Add(-time.Hour), NotAfter: madeAt.Add(24 * time.Hour),
		IsCA: parent == nil, BasicConstraintsValid: true,
	}
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, pub, by)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c
}

func (p pki) options() Options {
	return Options{Root: p.root, At: madeAt, Issuer: Issuer, Audience: "a broker", Nonce: "a nonce of one job"}
}

func (p pki) header() map[string]any {
	return map[string]any{"alg": "RS256", "typ": "JWT", "kid": "1", "x5c": []string{b64(p.leaf), b64(p.root)}}
}

func b64(c *x509.Certificate) string { return base64.StdEncoding.EncodeToString(c.Raw) }

func claims() map[string]any {
	return map[string]any{
		"iss": Issuer, "aud": "a broker", "eat_nonce": "a nonce of one job", "iat": madeAt.Unix(), "nbf": madeAt.Unix(), "exp": madeAt.Unix() + 3600,
		"dbgstat": "disabled-since-boot", "hwmodel": "GCP_INTEL_TDX", "swname": "CONFIDENTIAL_SPACE", "secboot": true,
		"submods": map[string]any{"container": map[string]any{"image_digest": "sha256:01"}}, "unknown": map[string]any{"x": []any{1, nil}},
	}
}

// sign makes a token of two JSON texts.
func (p pki) sign(t testing.TB, head, body any) []byte {
	t.Helper()
	part := func(v any) string {
		if s, ok := v.(string); ok {
			return base64.RawURLEncoding.EncodeToString([]byte(s))
		}
		src, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(src)
	}
	signed := part(head) + "." + part(body)
	sum := sha256.Sum256([]byte(signed))
	sig, err := rsa.SignPKCS1v15(nil, p.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return []byte(signed + "." + base64.RawURLEncoding.EncodeToString(sig))
}

func TestLookAlike(t *testing.T) {
	p := newPKI(t)
	raw := p.sign(t, p.header(), claims())
	if _, err := Verify(raw, p.options()); err != nil {
		t.Fatal("a root that is configured is not believed:", err)
	}
	o := p.options()
	var err error
	if o.Root, err = Google(); err != nil {
		t.Fatal(err)
	}
	_, err = Verify(raw, o)
	evidencetest.Refused(t, err, stage.Chain)
	genuine, o := load(t, "gcp-cs-pki/allow-debug")
	o.Root = p.root
	_, err = Verify(genuine, o)
	evidencetest.Refused(t, err, stage.Chain)
}

// TestAlgorithms: a token does not choose how it is checked.
func TestAlgorithms(t *testing.T) {
	raw, o := load(t, "gcp-cs-oidc-1/allow-debug")
	_, rest, _ := strings.Cut(string(raw), ".")
	payload, sig, _ := strings.Cut(rest, ".")
	head := func(alg string) string {
		return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":%s,"kid":"d6d5071ab75246a42acfa46d29316311cdab51f7","typ":"JWT"}`, alg))
	}
	for _, alg := range []string{`"none"`, `"None"`, `"HS256"`, `"RS384"`, `"PS256"`, `"ES256"`, `"rs256"`, `""`, `null`, `["RS256"]`, `1`} {
		_, err := Verify([]byte(head(alg)+"."+payload+"."+sig), o)
		t.Run(alg, func(t *testing.T) { evidencetest.Refused(t, err, stage.Alg) })
	}
	_, err := Verify([]byte(head(`"none"`)+"."+payload+"."), o)
	evidencetest.Refused(t, err, stage.Alg)
	// The public key as the secret of a MAC.
	pub, err := x509.MarshalPKIXPublicKey(o.Keys.byID["d6d5071ab75246a42acfa46d29316311cdab51f7"])
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, pub)
	mac.Write([]byte(head(`"HS256"`) + "." + payload))
	_, err = Verify([]byte(head(`"HS256"`)+"."+payload+"."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil))), o)
	evidencetest.Refused(t, err, stage.Alg)
}

func TestKID(t *testing.T) {
	p := newPKI(t)
	o := p.options()
	o.Root, o.Keys = nil, Keys{byID: map[string]*rsa.PublicKey{"1": &p.key.PublicKey, "2": &p.rootKey.PublicKey}}
	h := p.header()
	delete(h, "x5c")
	if _, err := Verify(p.sign(t, h, claims()), o); err != nil {
		t.Fatal(err)
	}
	for kid, want := range map[any]stage.Error{"2": stage.Signature, "3": stage.KID, "": stage.KID, 1: stage.Parse} {
		h["kid"] = kid
		_, err := Verify(p.sign(t, h, claims()), o)
		evidencetest.Refused(t, err, want)
	}
	delete(h, "kid")
	_, err := Verify(p.sign(t, h, claims()), o)
	evidencetest.Refused(t, err, stage.KID)
	// Certificates count for nothing where no root is pinned.
	h = p.header()
	h["kid"] = "3"
	_, err = Verify(p.sign(t, h, claims()), o)
	evidencetest.Refused(t, err, stage.KID)
	// Without certificates nothing leads to a root.
	h = p.header()
	delete(h, "x5c")
	_, err = Verify(p.sign(t, h, claims()), p.options())
	evidencetest.Refused(t, err, stage.Chain)
}

// TestCorruption changes one character in every part of a token.
func TestCorruption(t *testing.T) {
	raw, o := load(t, "gcp-cs-oidc-1/allow-debug")
	renamed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"d6d5071ab75246a42acfa46d29316311cdab51f8","typ":"JWT"}`))
	first, last := bytes.IndexByte(raw, '.'), bytes.LastIndexByte(raw, '.')
	other := func(at int) []byte {
		out := slices.Clone(raw)
		if out[at]++; out[at] == 'Z'+1 || out[at] == 'z'+1 || out[at] == '9'+1 || out[at] == '_'+1 || out[at] == '-'+1 {
			out[at] = 'B'
		}
		return out
	}
	for name, c := range map[string]struct {
		raw  []byte
		want stage.Error
	}{
		"header's form":     {other(0), stage.Parse},
		"kid":               {append([]byte(renamed), raw[first:]...), stage.KID},
		"payload":           {other(first + 20), stage.Signature},
		"payload's end":     {other(last - 20), stage.Signature},
		"signature":         {other(last + 1), stage.Signature},
		"signature's end":   {other(len(raw) - 5), stage.Signature},
		"signature cut off": {raw[:len(raw)-6], stage.Signature},
		"no signature":      {raw[:last+1], stage.Signature},
		"two parts":         {raw[:last], stage.Parse},
		"four parts":        {append(slices.Clone(raw), ".AA"...), stage.Parse},
		"newline":           {append(slices.Clone(raw), '\n'), stage.Parse},
		"newline inside":    {slices.Insert(slices.Clone(raw), last+4, '\n'), stage.Parse},
		"padding":           {append(slices.Clone(raw), "=="...), stage.Parse},
		"empty":             {nil, stage.Parse},
		"too long":          {append(slices.Clone(raw), bytes.Repeat([]byte("AAAA"), MaxToken/4)...), stage.Parse},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Verify(c.raw, o)
			evidencetest.Refused(t, err, c.want)
		})
	}
}

// TestStrict changes one thing in a token that is signed well.
func TestStrict(t *testing.T) {
	p := newPKI(t)
	body := func(change map[string]any) map[string]any {
		c := claims()
		maps.Copy(c, change)
		return c
	}
	text := func(v any) string {
		src, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(src)
	}
	twice := strings.Replace(text(claims()), "{", `{"aud":"another broker",`, 1)
	deep := strings.Replace(text(claims()), `"sha256:01"`, `"sha256:01","image_digest":"sha256:02"`, 1)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	head := func(change map[string]any) map[string]any {
		h := p.header()
		maps.Copy(h, change)
		return h
	}
	for name, c := range map[string]struct {
		head, body any
		want       stage.Error
	}{
		"good":                    {},
		"one audience, listed":    {body: body(map[string]any{"aud": []string{"a broker"}})},
		"several nonces":          {body: body(map[string]any{"eat_nonce": []string{"another one", "a nonce of one job"}})},
		"two audiences":           {body: body(map[string]any{"aud": []string{"a broker", "another broker"}}), want: stage.Parse},
		"no audience":             {body: body(map[string]any{"aud": []string{}}), want: stage.Parse},
		"audience null":           {body: body(map[string]any{"aud": nil}), want: stage.Parse},
		"a name twice":            {body: twice, want: stage.Parse},
		"a name twice, deep":      {body: deep, want: stage.Parse},
		"other case":              {body: strings.Replace(text(claims()), `"aud"`, `"AUD"`, 1), want: stage.Parse},
		"more after it":           {body: text(claims()) + "{}", want: stage.Parse},
		"not UTF-8":               {body: strings.Replace(text(claims()), "TDX", "\xff", 1), want: stage.Parse},
		"nested deep":             {body: strings.Replace(text(claims()), `"unknown":{`, `"unknown":{"y":`+strings.Repeat("[", 20)+strings.Repeat("]", 20)+",", 1), want: stage.Parse},
		"not an object":           {body: "[]", want: stage.Parse},
		"submods null":            {body: body(map[string]any{"submods": nil}), want: stage.Parse},
		"versions null":           {body: body(map[string]any{"swversion": nil}), want: stage.Parse},
		"no object":               {body: "null", want: stage.Parse},
		"no expiry":               {body: body(map[string]any{"exp": nil}), want: stage.Parse},
		"expiry as text":          {body: body(map[string]any{"exp": "1"}), want: stage.Parse},
		"expiry in parts":         {body: body(map[string]any{"exp": 1748739600.5}), want: stage.Parse},
		"expired":                 {body: body(map[string]any{"exp": madeAt.Unix()}), want: stage.Expired},
		"of the future":           {body: body(map[string]any{"nbf": madeAt.Unix() + 1}), want: stage.Expired},
		"made in the future":      {body: body(map[string]any{"iat": madeAt.Unix() + 1}), want: stage.Expired},
		"another issuer":          {body: body(map[string]any{"iss": "https://example.com"}), want: stage.Audience},
		"nonce of another job":    {body: body(map[string]any{"eat_nonce": "x"}), want: stage.Nonce},
		"nonce is part":           {body: body(map[string]any{"eat_nonce": "a nonce of one job, and more"}), want: stage.Nonce},
		"nonce null":              {body: body(map[string]any{"eat_nonce": []any{nil}}), want: stage.Parse},
		"debug":                   {body: body(map[string]any{"dbgstat": "enabled"}), want: stage.Debug},
		"debug unsaid":            {body: body(map[string]any{"dbgstat": ""}), want: stage.Debug},
		"debug in other words":    {body: body(map[string]any{"dbgstat": "Disabled"}), want: stage.Debug},
		"secure boot as text":     {body: body(map[string]any{"secboot": "true"}), want: stage.Parse},
		"digest as number":        {body: body(map[string]any{"submods": map[string]any{"container": map[string]any{"image_digest": 1}}}), want: stage.Parse},
		"brings a key":            {head: head(map[string]any{"jwk": map[string]any{}}), want: stage.Parse},
		"critical header":         {head: head(map[string]any{"crit": []string{"x"}}), want: stage.Parse},
		"another type":            {head: head(map[string]any{"typ": "at+jwt"}), want: stage.Parse},
		"header twice":            {head: strings.Replace(text(p.header()), "{", `{"alg":"none",`, 1), want: stage.Parse},
		"no certificates":         {head: head(map[string]any{"x5c": []string{}}), want: stage.Chain},
		"too many certificates":   {head: head(map[string]any{"x5c": slices.Repeat([]string{b64(p.leaf)}, 5)}), want: stage.Chain},
		"root only":               {head: head(map[string]any{"x5c": []string{b64(p.root)}}), want: stage.Signature},
		"certificate of newlines": {head: head(map[string]any{"x5c": []string{"!"}}), want: stage.Parse},
		"no certificate":          {head: head(map[string]any{"x5c": []string{"AAAA"}}), want: stage.Chain},
		"another kind of key":     {head: head(map[string]any{"x5c": []string{b64(certify(t, "leaf", ec.Public(), p.root, p.rootKey))}}), want: stage.Chain},
		"a small key":             {head: head(map[string]any{"x5c": []string{b64(certify(t, "leaf", small.Public(), p.root, p.rootKey))}}), want: stage.Chain},
	} {
		t.Run(name, func(t *testing.T) {
			if c.head == nil {
				c.head = p.header()
			}
			if c.body == nil {
				c.body = claims()
			}
			_, err := Verify(p.sign(t, c.head, c.body), p.options())
			if c.want == "" && err != nil {
				t.Fatal(err)
			}
			if c.want != "" {
				evidencetest.Refused(t, err, c.want)
			}
		})
	}
}

func TestKeySet(t *testing.T) {
	good := string(evidencetest.Get(t, "token", "gcp-cs-oidc-1").Read(t, "gcp-cs-jwks-2025-12.json"))
	if k, err := ParseKeys([]byte(good)); err != nil || len(k.byID) != 2 {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal([]byte(good), &set); err != nil {
		t.Fatal(err)
	}
	with := func(list ...map[string]any) string {
		src, err := json.Marshal(map[string]any{"keys": list})
		if err != nil {
			t.Fatal(err)
		}
		return string(src)
	}
	key := func(name string, v any) map[string]any {
		k := maps.Clone(set.Keys[0])
		k[name] = v
		return k
	}
	var many []map[string]any
	for i := range MaxKeys + 1 {
		many = append(many, key("kid", fmt.Sprint(i)))
	}
	for name, src := range map[string]string{
		"another kind as well": with(key("kty", "EC"), set.Keys[1]),
		"uses unsaid": with(maps.Collect(func(yield func(string, any) bool) {
			for _, n := range []string{"kty", "kid", "n", "e"} {
				if !yield(n, set.Keys[0][n]) {
					return
				}
			}
		})),
	} {
		if k, err := ParseKeys([]byte(src)); err != nil || len(k.byID) != 1 {
			t.Error(name, err)
		}
	}
	for name, src := range map[string]string{
		"empty":          "",
		"no keys":        `{"keys":[]}`,
		"keys twice":     strings.Replace(good, "{", `{"keys":[],`, 1),
		"one name twice": with(set.Keys[0], set.Keys[0]),
		"no name":        with(key("kid", "")),
		"elliptic":       with(key("kty", "EC")),
		"for encryption": with(key("use", "enc")),
		"for RS512":      with(key("alg", "RS512")),
		"exponent 3":     with(key("e", "Aw")),
		"no modulus":     with(key("n", "")),
		"small modulus":  with(key("n", strings.Repeat("_", 172))),
		"large modulus":  with(key("n", strings.Repeat("_", 1368))),
		"even modulus":   with(key("n", set.Keys[0]["n"].(string)[:340]+"gg")),
		"not base64":     with(key("n", "+++")),
		"too many":       with(many...),
		"too long":       good + strings.Repeat(" ", MaxKeySet),
	} {
		k, err := ParseKeys([]byte(src))
		t.Run(name, func(t *testing.T) {
			evidencetest.Refused(t, err, stage.Parse)
			if len(k.byID) != 0 {
				t.Error("keys of what was refused")
			}
		})
	}
}

func TestAppraise(t *testing.T) {
	p := newPKI(t)
	good, err := Verify(p.sign(t, p.header(), claims()), p.options())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Policy)
		v      func(*Verified)
		want   error
	}{
		"accepted":         {},
		"no image":         {change: func(p *Policy) { p.Images = nil }, want: ErrPolicy},
		"no hardware":      {change: func(p *Policy) { p.HardwareModels = nil }, want: ErrPolicy},
		"no nonce":         {change: func(p *Policy) { p.Nonce = "" }, v: func(v *Verified) { v.Nonces = []string{""} }, want: ErrPolicy},
		"another nonce":    {change: func(p *Policy) { p.Nonce = "x" }, want: stage.Nonce},
		"another image":    {v: func(v *Verified) { v.ImageDigest = "sha256:02" }, want: ErrImage},
		"image of nothing": {v: func(v *Verified) { v.ImageDigest = "" }, change: func(p *Policy) { p.Images = []string{""} }, want: ErrImage},
		"another machine":  {v: func(v *Verified) { v.HardwareModel = "GCP_SHIELDED_VM" }, want: ErrHardware},
		"another system":   {v: func(v *Verified) { v.Software = "GCE" }, want: ErrSoftware},
		"no secure boot":   {v: func(v *Verified) { v.SecureBoot = false }, want: ErrSoftware},
		"debug":            {v: func(v *Verified) { v.Debug = true }, want: stage.Debug},
		"debug allowed":    {v: func(v *Verified) { v.Debug = true }, change: func(p *Policy) { p.AllowDebug = true }},
		"not verified":     {v: func(v *Verified) { v.checked = false }, want: ErrPolicy},
	} {
		t.Run(name, func(t *testing.T) {
			v := *good
			p := Policy{Images: []string{"sha256:00", "sha256:01"}, HardwareModels: []string{"GCP_INTEL_TDX"}, Nonce: "a nonce of one job"}
			if c.change != nil {
				c.change(&p)
			}
			if c.v != nil {
				c.v(&v)
			}
			if err := Appraise(&v, p); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
	if err := Appraise(nil, Policy{}); !errors.Is(err, ErrPolicy) {
		t.Error(err)
	}
}

func FuzzVerify(f *testing.F) {
	oidc, o := load(f, "gcp-cs-oidc-1/allow-debug")
	pki, p := load(f, "gcp-cs-pki/allow-debug")
	f.Add(oidc)
	f.Add(pki)
	o.Root = p.Root
	f.Fuzz(func(t *testing.T, raw []byte) {
		evidencetest.Bounded(t, len(raw), func() {
			v, err := Verify(raw, o)
			if (v == nil) != (err != nil) {
				t.Fatal("neither verified nor refused, or both")
			}
			if v != nil && !bytes.Equal(raw, oidc) && !bytes.Equal(raw, pki) {
				t.Fatal("accepted what nobody signed")
			}
		})
	})
}

// FuzzClaims reads what stands behind the signature.
func FuzzClaims(f *testing.F) {
	src, err := json.Marshal(claims())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(src)
	f.Fuzz(func(t *testing.T, src []byte) {
		evidencetest.Bounded(t, len(src), func() {
			if _, err := read(src); err == nil && !json.Valid(src) {
				t.Fatal("read what is no JSON")
			}
		})
	})
}

func FuzzKeys(f *testing.F) {
	f.Add(evidencetest.Get(f, "token", "gcp-cs-oidc-1").Read(f, "gcp-cs-jwks-2025-12.json"))
	f.Fuzz(func(t *testing.T, src []byte) {
		evidencetest.Bounded(t, len(src), func() {
			if k, err := ParseKeys(src); (len(k.byID) == 0) != (err != nil) {
				t.Fatal("neither read nor refused, or both")
			}
		})
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, id := range []string{"gcp-cs-oidc-1/allow-debug", "gcp-cs-pki/allow-debug"} {
		b.Run(id, func(b *testing.B) {
			raw, o := load(b, id)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Verify(raw, o); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "ms/op")
		})
	}
}

// TestCertificateClock: the certificates are judged at the time as well, though the token itself is current.
func TestCertificateClock(t *testing.T) {
	p := newPKI(t)
	o := p.options()
	o.At = p.leaf.NotAfter.Add(time.Hour)
	c := claims()
	c["exp"] = o.At.Add(time.Hour).Unix()
	_, err := Verify(p.sign(t, p.header(), c), o)
	evidencetest.Refused(t, err, stage.Chain)
	evidencetest.Refused(t, err, stage.Expired)
}

// TestSize: a token that is signed well and too long.
func TestSize(t *testing.T) {
	p := newPKI(t)
	c := claims()
	c["unknown"] = strings.Repeat("x", MaxToken)
	_, err := Verify(p.sign(t, p.header(), c), p.options())
	evidencetest.Refused(t, err, stage.Parse)
}

// TestMemory: many small values, which would cost many times their bytes.
func TestMemory(t *testing.T) {
	_, o := load(t, "gcp-cs-pki/allow-debug")
	for name, value := range map[string]string{"numbers": "1,", "objects": "{},", "texts": `"",`, "arrays": "[],"} {
		list := func(size int) string { return strings.TrimSuffix(strings.Repeat(value, size/len(value)), ",") }
		head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","x5c":[` + list(22<<10) + `]}`))
		raw := []byte(head + ".e30.AAAA")
		set := []byte(`{"keys":[` + list(MaxKeySet-20) + `]}`)
		claims := []byte(`{"aud":[` + list(23<<10) + `]}`)
		t.Run(name, func(t *testing.T) {
			evidencetest.Bounded(t, len(raw), func() {
				_, err := Verify(raw, o)
				evidencetest.Refused(t, err, stage.Parse)
			})
			evidencetest.Bounded(t, len(set), func() {
				_, err := ParseKeys(set)
				evidencetest.Refused(t, err, stage.Parse)
			})
			evidencetest.Bounded(t, len(claims), func() {
				_, err := read(claims)
				evidencetest.Refused(t, err, stage.Parse)
			})
		})
	}
}
