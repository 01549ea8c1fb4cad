package nitro

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"

	"github.com/cordon-exchange/cordon/evidence/evidencetest"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

func aws(t testing.TB) *x509.Certificate {
	t.Helper()
	c, err := AWS()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func load(t testing.TB, id string) (evidencetest.Case, []byte) {
	t.Helper()
	c := evidencetest.Get(t, "nitro", id)
	return c, c.Read(t, c.File)
}

func TestCases(t *testing.T) {
	for _, c := range evidencetest.Load(t, "nitro") {
		t.Run(c.ID, func(t *testing.T) {
			root, err := ParseRoot(c.Read(t, c.Root))
			if err != nil {
				t.Fatal(err)
			}
			o := Options{Root: root, At: c.At}
			v, err := Verify(c.Read(t, c.File), o)
			c.Check(t, v, v != nil && v.Debug, err)
			if v == nil { // what is read of a refused document is compared as well
				o.AllowDebug = true
				if v, err = Verify(c.Read(t, c.File), o); err != nil {
					t.Fatal(err)
				}
				c.CheckFields(t, v, v.Debug)
			}
		})
	}
}

func TestRootIsTheCollections(t *testing.T) {
	evidencetest.SameAnchors(t, "roots")
	if got := fmt.Sprintf("%X", sha256.Sum256(aws(t).Raw)); got != "641A0321A3E244EFE456463195D606317ED7CDCC3C1756E09893F3C68F79BB5B" {
		t.Errorf("fingerprint %s", got)
	}
	for name, src := range map[string][]byte{"empty": nil, "text": []byte("x"), "two": append(slices.Clone(root), root...), "more": append(slices.Clone(root), "x"...)} {
		_, err := ParseRoot(src)
		t.Run(name, func(t *testing.T) { evidencetest.Refused(t, err, stage.Parse) })
	}
}

// TestIndefiniteLength: documents since 2025 have a map without a length.
func TestIndefiniteLength(t *testing.T) {
	for _, id := range []string{"dstack-2025", "mysten-2025"} {
		c, raw := load(t, id)
		s, _, _, err := parse(raw)
		if err != nil || s.Payload[0] != 0xbf {
			t.Fatal("no map of indefinite length", err)
		}
		if _, err := Verify(raw, Options{Root: aws(t), At: c.At}); err != nil {
			t.Error(id, err)
		}
	}
}

func TestDebug(t *testing.T) {
	c, raw := load(t, "mysten-2024-debug")
	o := Options{Root: aws(t), At: c.At}
	_, err := Verify(raw, o)
	evidencetest.Refused(t, err, stage.Debug)
	o.AllowDebug = true
	v, err := Verify(raw, o)
	if err != nil || !v.Debug {
		t.Fatal("a debug enclave is not let in by name, or not marked", err)
	}
	p := Policy{Builds: []Build{{0: make([]byte, PCRSize)}}, UserData: v.UserData}
	evidencetest.Refused(t, Appraise(v, p), stage.Debug)
	p.AllowDebug = true
	if err := Appraise(v, p); err != nil {
		t.Error(err)
	}
}

func TestClock(t *testing.T) {
	c, raw := load(t, "marlin-2024-02")
	for _, at := range []time.Time{c.At.Add(-time.Hour), c.At.Add(4 * time.Hour)} {
		_, err := Verify(raw, Options{Root: aws(t), At: at})
		evidencetest.Refused(t, err, stage.Chain)
		evidencetest.Refused(t, err, stage.Expired)
	}
	_, err := Verify(raw, Options{Root: aws(t)})
	evidencetest.Refused(t, err, stage.Chain)
	if errors.Is(err, stage.Expired) {
		t.Error("judged by the machine's clock")
	}
	_, err = Verify(raw, Options{At: c.At})
	evidencetest.Refused(t, err, stage.Chain)
}

// TestCorruption changes one bit in every region of a document.
func TestCorruption(t *testing.T) {
	c, raw := load(t, "marlin-2024-02")
	_, d, leaf, err := parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	in := func(part []byte) int {
		at := bytes.Index(raw, part)
		if at < 0 {
			t.Fatal("not there")
		}
		return at
	}
	for name, x := range map[string]struct {
		at   int
		want stage.Error
	}{
		"array":                {0, stage.Parse},
		"algorithm":            {5, stage.Alg},
		"module id":            {in([]byte(d.ModuleID)) + 3, stage.Signature},
		"pcr":                  {in(d.PCRs[0]), stage.Signature},
		"public key":           {in(d.PublicKey), stage.Signature},
		"user data":            {in(d.UserData), stage.Signature},
		"certificate":          {in(d.Certificate) + len(d.Certificate) - 1, stage.Chain},
		"certificate, too":     {in(d.Certificate) + len(d.Certificate) - 1, stage.Signature},
		"certificate's form":   {in(d.Certificate), stage.Chain},
		"certificate's serial": {in(leaf.SerialNumber.Bytes()), stage.Chain},
		"bundle's root":        {in(d.Bundle[0]) + 100, stage.Signature},
		"bundle's second":      {in(d.Bundle[1]) + len(d.Bundle[1]) - 1, stage.Chain},
		"digest's name":        {in([]byte("SHA384")), stage.Parse},
		"field's name":         {in([]byte("user_data")), stage.Parse},
		"r":                    {len(raw) - 96, stage.Signature},
		"s":                    {len(raw) - 1, stage.Signature},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Verify(evidencetest.Flipped(raw, x.at), Options{Root: aws(t), At: c.At})
			evidencetest.Refused(t, err, x.want)
		})
	}
	for name, raw := range map[string][]byte{
		"empty": nil, "cut off": raw[:len(raw)-1], "trailing": append(slices.Clone(raw), 0), "tagged": append([]byte{0xd2}, raw...),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Verify(raw, Options{Root: aws(t), At: c.At})
			evidencetest.Refused(t, err, stage.Parse)
		})
	}
}

var madeAt = time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)

// pki is a root, an intermediate and a signing key with AWS's names that are not AWS's.
type pki struct {
	root, between, leaf *x509.Certificate
	key                 *ecdsa.PrivateKey
}

func newPKI(t testing.TB, curve elliptic.Curve) pki {
	t.Helper()
	var p pki
	make := func(name string, ca bool, curve elliptic.Curve, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{"Amazon"}},
			NotBefore: madeAt.Add(-time.Hour), NotAfter: madeAt.Add(time.Hour), IsCA: ca, BasicConstraintsValid: true,
		}
		if parent == nil {
			parent, by = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		return c, key
	}
	var rootKey, betweenKey *ecdsa.PrivateKey
	p.root, rootKey = make("aws.nitro-enclaves", true, elliptic.P384(), nil, nil)
	p.between, betweenKey = make("between", true, elliptic.P384(), p.root, rootKey)
	p.leaf, p.key = make("leaf", false, curve, p.between, betweenKey)
	return p
}

// fields of a good document, which a test may change.
func (p pki) fields() map[string]any {
	pcrs := map[uint8]any{}
	for i := range uint8(16) {
		pcrs[i] = bytes.Repeat([]byte{i + 1}, PCRSize)
	}
	return map[string]any{
		"module_id": "i-1", "digest": "SHA384", "timestamp": 1, "pcrs": pcrs, "certificate": p.leaf.Raw,
		"cabundle": [][]byte{p.root.Raw, p.between.Raw}, "public_key": nil, "user_data": []byte{1}, "nonce": []byte{2},
	}
}

// sign makes a document of a payload.
func (p pki) sign(t testing.TB, payload []byte, protected any, unprotected any) []byte {
	t.Helper()
	head := encode(t, protected)
	sum := sha512.Sum384(encode(t, []any{"Signature1", head, []byte{}, payload}))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := make([]byte, 96)
	r.FillBytes(sig[:48])
	s.FillBytes(sig[48:])
	return encode(t, []any{head, unprotected, payload, sig})
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	out, err := cbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

type headers map[int64]any

func TestLookAlike(t *testing.T) {
	p := newPKI(t, elliptic.P384())
	raw := p.sign(t, encode(t, p.fields()), headers{1: es384}, headers{})
	_, err := Verify(raw, Options{Root: aws(t), At: madeAt})
	evidencetest.Refused(t, err, stage.Chain)
	if _, err := Verify(raw, Options{Root: p.root, At: madeAt}); err != nil {
		t.Fatal("a root that is configured is not believed:", err)
	}
	c, genuine := load(t, "dstack-2025")
	_, err = Verify(genuine, Options{Root: p.root, At: c.At})
	evidencetest.Refused(t, err, stage.Chain)
	// The root that the document brings is never one to go by, wherever it stands.
	f := p.fields()
	f["cabundle"] = [][]byte{aws(t).Raw, p.root.Raw, p.between.Raw}
	_, err = Verify(p.sign(t, encode(t, f), headers{1: es384}, headers{}), Options{Root: aws(t), At: madeAt})
	evidencetest.Refused(t, err, stage.Chain)
	// What stands first is not used: without its intermediate the chain is broken.
	f["cabundle"] = [][]byte{p.between.Raw}
	_, err = Verify(p.sign(t, encode(t, f), headers{1: es384}, headers{}), Options{Root: p.root, At: madeAt})
	evidencetest.Refused(t, err, stage.Chain)
}

func TestSigningKey(t *testing.T) {
	p := newPKI(t, elliptic.P256())
	_, err := Verify(p.sign(t, encode(t, p.fields()), headers{1: es384}, headers{}), Options{Root: p.root, At: madeAt})
	evidencetest.Refused(t, err, stage.Chain)
}

// TestStrict changes one thing in a document that is signed well.
func TestStrict(t *testing.T) {
	p := newPKI(t, elliptic.P384())
	good := p.fields()
	for name, c := range map[string]struct {
		change     func(f map[string]any)
		payload    func([]byte) []byte
		head, open any
		want       stage.Error
	}{
		"good":     {},
		"no nonce": {change: func(f map[string]any) { delete(f, "nonce") }},
		"largest": {change: func(f map[string]any) {
			f["public_key"], f["user_data"], f["nonce"] = make([]byte, 1024), make([]byte, 512), make([]byte, 512)
		}},
		"public key too long":  {change: func(f map[string]any) { f["public_key"] = make([]byte, 1025) }, want: stage.Parse},
		"user data too long":   {change: func(f map[string]any) { f["user_data"] = make([]byte, 513) }, want: stage.Parse},
		"nonce too long":       {change: func(f map[string]any) { f["nonce"] = make([]byte, 513) }, want: stage.Parse},
		"nonce as text":        {change: func(f map[string]any) { f["nonce"] = "text" }, want: stage.Parse},
		"nonce as numbers":     {change: func(f map[string]any) { f["nonce"] = []int{1, 2} }, want: stage.Parse},
		"another digest":       {change: func(f map[string]any) { f["digest"] = "SHA256" }, want: stage.Parse},
		"no time":              {change: func(f map[string]any) { f["timestamp"] = 0 }, want: stage.Parse},
		"no module":            {change: func(f map[string]any) { f["module_id"] = "" }, want: stage.Parse},
		"module too long":      {change: func(f map[string]any) { f["module_id"] = string(bytes.Repeat([]byte("m"), 257)) }, want: stage.Parse},
		"no pcrs":              {change: func(f map[string]any) { delete(f, "pcrs") }, want: stage.Parse},
		"no pcr1":              {change: func(f map[string]any) { delete(f["pcrs"].(map[uint8]any), 1) }, want: stage.Parse},
		"pcr of 32 bytes":      {change: func(f map[string]any) { f["pcrs"].(map[uint8]any)[4] = make([]byte, 32) }, want: stage.Parse},
		"pcr32":                {change: func(f map[string]any) { f["pcrs"].(map[uint8]any)[32] = make([]byte, 48) }, want: stage.Parse},
		"no certificate":       {change: func(f map[string]any) { f["certificate"] = []byte{} }, want: stage.Parse},
		"certificate too long": {change: func(f map[string]any) { f["certificate"] = make([]byte, 1025) }, want: stage.Parse},
		"no bundle":            {change: func(f map[string]any) { f["cabundle"] = [][]byte{} }, want: stage.Parse},
		"bundle too long":      {change: func(f map[string]any) { f["cabundle"] = slices.Repeat([][]byte{p.between.Raw}, 17) }, want: stage.Parse},
		"bundle of nothing":    {change: func(f map[string]any) { f["cabundle"] = [][]byte{p.root.Raw, p.between.Raw, {}} }, want: stage.Parse},
		"unknown field":        {change: func(f map[string]any) { f["more"] = 1 }, want: stage.Parse},
		"other case":           {change: func(f map[string]any) { f["Nonce"] = f["nonce"]; delete(f, "nonce") }, want: stage.Parse},
		"trailing in payload":  {payload: func(b []byte) []byte { return append(b, 0) }, want: stage.Parse},
		"tag in payload":       {payload: func(b []byte) []byte { return append([]byte{0xd8, 100}, b...) }, want: stage.Parse},
		"duplicate key": {payload: func(b []byte) []byte {
			return append([]byte{b[0] + 1}, append(append(encode(t, "nonce"), 0xf6), b[1:]...)...)
		}, want: stage.Parse},
		"payload is no map":  {payload: func([]byte) []byte { return []byte{1} }, want: stage.Parse},
		"too long":           {change: func(f map[string]any) { f["cabundle"] = slices.Repeat([][]byte{make([]byte, 1024)}, 16) }, want: stage.Parse},
		"es256":              {head: headers{1: -7}, want: stage.Alg},
		"none":               {head: headers{4: es384}, want: stage.Alg},
		"another header":     {head: headers{1: es384, 4: 1}, want: stage.Parse},
		"unprotected header": {open: headers{4: []byte{1}}, want: stage.Parse},
	} {
		t.Run(name, func(t *testing.T) {
			f := p.fields()
			if c.change != nil {
				c.change(f)
			}
			payload := encode(t, f)
			if c.payload != nil {
				payload = c.payload(payload)
			}
			if c.head == nil {
				c.head = headers{1: es384}
			}
			if c.open == nil {
				c.open = headers{}
			}
			_, err := Verify(p.sign(t, payload, c.head, c.open), Options{Root: p.root, At: madeAt})
			if c.want == "" && err != nil {
				t.Fatal(err)
			}
			if c.want != "" {
				evidencetest.Refused(t, err, c.want)
			}
		})
	}
	if len(good) == 0 {
		t.Fatal("no fields")
	}
}

// TestEnvelope changes the envelope, which nothing signs.
func TestEnvelope(t *testing.T) {
	p := newPKI(t, elliptic.P384())
	var parts []any
	if err := cbor.Unmarshal(p.sign(t, encode(t, p.fields()), headers{1: es384}, headers{}), &parts); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		parts []any
		want  stage.Error
	}{
		"three parts":          {parts[:3], stage.Parse},
		"five parts":           {append(slices.Clone(parts), 1), stage.Parse},
		"detached":             {[]any{parts[0], parts[1], nil, parts[3]}, stage.Parse},
		"no signature":         {[]any{parts[0], parts[1], parts[2], nil}, stage.Signature},
		"signature of 97":      {[]any{parts[0], parts[1], parts[2], slices.Insert(slices.Clone(parts[3].([]byte)), 48, 0)}, stage.Signature},
		"signature of zeros":   {[]any{parts[0], parts[1], parts[2], make([]byte, 96)}, stage.Signature},
		"no protected headers": {[]any{[]byte{}, parts[1], parts[2], parts[3]}, stage.Parse},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Verify(encode(t, c.parts), Options{Root: p.root, At: madeAt})
			evidencetest.Refused(t, err, c.want)
		})
	}
}

// TestAgreesWithGoCOSE compares verdicts on the signature of every recorded document, whole and with bits changed. The other
// verifier reads nothing of the payload, so where ours refuses its form, both refuse.
func TestAgreesWithGoCOSE(t *testing.T) {
	compared := 0
	for _, c := range evidencetest.Load(t, "nitro") {
		raw := c.Read(t, c.File)
		_, _, leaf, err := parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		v, err := cose.NewVerifier(cose.AlgorithmES384, leaf.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		for at := -1; at < len(raw); at += 97 {
			doc := raw
			if at >= 0 {
				doc = evidencetest.Flipped(raw, at)
			}
			var m cose.UntaggedSign1Message
			other := m.UnmarshalCBOR(doc)
			if other == nil {
				other = m.Verify(nil, v)
			}
			_, own := Verify(doc, Options{Root: aws(t), At: c.At, AllowDebug: true})
			if (own == nil) != (other == nil) {
				t.Errorf("%s, byte %d: %v, but go-cose %v", c.ID, at, own, other)
			}
			compared++
		}
	}
	t.Logf("%d verdicts compared", compared)
}

func TestAppraise(t *testing.T) {
	c, raw := load(t, "evervault-2023-cert")
	good, err := Verify(raw, Options{Root: aws(t), At: c.At})
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		change func(*Policy)
		v      func(*Verified)
		want   error
	}{
		"accepted":           {},
		"another is as well": {change: func(p *Policy) { p.Builds = append([]Build{{0: make([]byte, 48)}}, p.Builds...) }},
		"no build":           {change: func(p *Policy) { p.Builds = nil }, want: ErrPolicy},
		"build of nothing":   {change: func(p *Policy) { p.Builds = []Build{{}} }, want: ErrPolicy},
		"build without pcr0": {change: func(p *Policy) { p.Builds = []Build{{1: good.PCRs[1]}} }, want: ErrPolicy},
		"another image":      {change: func(p *Policy) { p.Builds = []Build{{0: make([]byte, 48)}} }, want: ErrBuild},
		"another role":       {change: func(p *Policy) { p.Builds = []Build{{0: good.PCRs[0], 3: make([]byte, 48)}} }, want: ErrBuild},
		"absent register":    {change: func(p *Policy) { p.Builds = []Build{{0: good.PCRs[0], 31: nil}} }, want: ErrBuild},
		"another nonce":      {change: func(p *Policy) { p.Nonce = []byte{1} }, want: stage.Nonce},
		"no nonce":           {change: func(p *Policy) { p.Nonce = nil }, want: stage.Nonce},
		"another user data":  {change: func(p *Policy) { p.UserData = []byte{1} }, want: ErrBinding},
		"another key":        {change: func(p *Policy) { p.PublicKey = []byte{1} }, want: ErrBinding},
		"bound to nothing": {change: func(p *Policy) { p.Nonce, p.UserData, p.PublicKey = nil, nil, nil },
			v: func(v *Verified) { v.Nonce, v.UserData, v.PublicKey = nil, nil, nil }, want: ErrPolicy},
		"debug":        {v: func(v *Verified) { v.Debug = true }, want: stage.Debug},
		"not verified": {v: func(v *Verified) { v.checked = false }, want: ErrPolicy},
	} {
		t.Run(name, func(t *testing.T) {
			v := *good
			p := Policy{Builds: []Build{{0: v.PCRs[0], 1: v.PCRs[1], 2: v.PCRs[2]}}, Nonce: v.Nonce, UserData: v.UserData, PublicKey: v.PublicKey}
			if x.change != nil {
				x.change(&p)
			}
			if x.v != nil {
				x.v(&v)
			}
			if err := Appraise(&v, p); !errors.Is(err, x.want) {
				t.Errorf("%v, want %v", err, x.want)
			}
		})
	}
	if err := Appraise(nil, Policy{}); !errors.Is(err, ErrPolicy) {
		t.Error(err)
	}
}

func FuzzVerify(f *testing.F) {
	var genuine [][]byte
	var at time.Time
	for _, c := range evidencetest.Load(f, "nitro") {
		genuine, at = append(genuine, c.Read(f, c.File)), c.At
		f.Add(c.Read(f, c.File))
	}
	o := Options{Root: aws(f), At: at, AllowDebug: true}
	f.Fuzz(func(t *testing.T, raw []byte) {
		evidencetest.Bounded(t, len(raw), func() {
			v, err := Verify(raw, o)
			if (v == nil) != (err != nil) {
				t.Fatal("neither verified nor refused, or both")
			}
			if v == nil {
				return
			}
			s, _, _, _ := parse(raw) // the envelope may be written otherwise, what is signed may not
			if !slices.ContainsFunc(genuine, func(g []byte) bool { return bytes.Contains(g, s.Payload) }) {
				t.Fatal("accepted what nobody signed")
			}
		})
	})
}

func FuzzRoot(f *testing.F) {
	f.Add(root)
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}))
	f.Fuzz(func(t *testing.T, src []byte) {
		evidencetest.Bounded(t, len(src), func() {
			if c, err := ParseRoot(src); (c == nil) != (err != nil) {
				t.Fatal("neither read nor refused, or both")
			}
		})
	})
}

func BenchmarkVerify(b *testing.B) {
	c, raw := load(b, "mysten-2025")
	o := Options{Root: aws(b), At: c.At}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Verify(raw, o); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "ms/op")
}

func TestRootSignsItself(t *testing.T) {
	p := newPKI(t, elliptic.P384())
	_, err := ParseRoot(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.between.Raw}))
	evidencetest.Refused(t, err, stage.Parse)
}

// TestMemory: lengths that are not there, and many small values.
func TestMemory(t *testing.T) {
	for name, raw := range map[string][]byte{
		"length of a string": {0x84, 0x5b, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff},
		"length of an array": {0x9b, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff},
		"length of a map":    {0x84, 0x40, 0xbb, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff},
		"chunks":             append([]byte{0x84, 0x5f}, bytes.Repeat([]byte{0x40}, MaxDocument-2)...),
		"many values":        append([]byte{0x9f}, make([]byte, MaxDocument-1)...),
	} {
		t.Run(name, func(t *testing.T) {
			evidencetest.Bounded(t, len(raw), func() {
				_, err := Verify(raw, Options{Root: aws(t), At: madeAt})
				evidencetest.Refused(t, err, stage.Parse)
			})
		})
	}
}
