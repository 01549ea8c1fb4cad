package tpm

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"

	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/evidence/evidencetest"
	"github.com/cordon-exchange/cordon/evidence/snp"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

func TestCases(t *testing.T) {
	for _, c := range evidencetest.Load(t, "vtpm") {
		t.Run(c.ID, func(t *testing.T) {
			v, err := replay(t, c, c.Read(t, c.File))
			c.Check(t, v, false, err)
		})
	}
}

// nonce that the relying party of a case demands. One is given by its start, and filled with zeros.
func nonce(t testing.TB, c evidencetest.Case) []byte {
	t.Helper()
	n, err := hex.DecodeString(c.Require.NonceHex + c.Require.NoncePrefixHex)
	if err != nil || len(n) == 0 {
		t.Fatal("no nonce", err)
	}
	if c.Require.NoncePrefixHex != "" {
		n = append(n, make([]byte, 64-len(n))...)
	}
	return n
}

func replay(t testing.TB, c evidencetest.Case, src []byte) (*Verified, error) {
	t.Helper()
	switch {
	case strings.HasSuffix(c.File, ".pb"):
		quotes, ak, err := ParseGoogleForm(src)
		if err != nil {
			return nil, err
		}
		var v *Verified
		for _, q := range quotes {
			if v, err = Verify(q, ak, nonce(t, c)); err == nil || !errors.Is(err, stage.Alg) { // the first is of SHA-1
				return v, err
			}
		}
		return nil, err
	case strings.HasPrefix(c.File, "plain"):
		q, ak, err := ParsePlainForm(src)
		if err != nil {
			return nil, err
		}
		return Verify(q, ak, nonce(t, c))
	default:
		e, vcek, err := ParseAzureForm(src)
		if err != nil {
			return nil, err
		}
		return VerifyAzure(e, AzureOptions{Nonce: nonce(t, c), SNP: onSNP(t, c, vcek), TDX: onTDX(t, c)})
	}
}

// onSNP verifies SNP reports under the root of a case.
func onSNP(t testing.TB, c evidencetest.Case, vcek []byte) Hardware {
	t.Helper()
	return func(raw []byte) ([]byte, error) {
		anchors, err := snp.ParseAnchors(c.Read(t, c.Root))
		if err != nil {
			t.Fatal(err)
		}
		v, err := snp.Verify(raw, vcek, snp.Options{Anchors: anchors, At: c.At})
		if err != nil {
			return nil, err
		}
		return v.ReportData, nil
	}
}

// onTDX verifies TD quotes under the root and collateral of a case, as the collection appraises them.
func onTDX(t testing.TB, c evidencetest.Case) Hardware {
	t.Helper()
	return func(raw []byte) ([]byte, error) {
		collateral, err := dcap.ParseCollateral(c.Read(t, c.Collateral))
		if err != nil {
			return nil, err
		}
		v, err := dcap.Verify(raw, collateral, dcap.Options{Roots: dcap.IntelRoots(), At: c.At})
		if err != nil {
			return nil, err
		}
		_, err = dcap.Appraise(v, dcap.Policy{
			Statuses: []dcap.Status{dcap.UpToDate, dcap.SWHardeningNeeded}, AnyAdvisory: true, MinTCBDate: time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC), MinEvaluation: 1,
		})
		data := v.Quote.ReportData()
		return data[:], err
	}
}

func azure(t testing.TB, id string) (evidencetest.Case, Azure, []byte) {
	t.Helper()
	c := evidencetest.Get(t, "vtpm", id)
	e, vcek, err := ParseAzureForm(c.Read(t, c.File))
	if err != nil {
		t.Fatal(err)
	}
	return c, e, vcek
}

func TestAzureOnSNP(t *testing.T) {
	c, e, vcek := azure(t, "az-snp-v1")
	o := AzureOptions{Nonce: nonce(t, c), SNP: onSNP(t, c, vcek)}
	v, err := VerifyAzure(e, o)
	if err != nil {
		t.Fatal(err)
	}
	if v.Platform != SNP || !v.Runtime.SecureBoot || v.Runtime.VMID != "26F8BC30-774E-4290-8E7A-535F3B672AEE" || len(v.PCRs) != 24 {
		t.Errorf("%+v", v)
	}
	change := func(f func(e *Azure)) Azure {
		x := Azure{HCL: slices.Clone(e.HCL), TDQuote: e.TDQuote, Quote: Quote{
			Message: slices.Clone(e.Quote.Message), Signature: slices.Clone(e.Quote.Signature), PCRs: maps.Clone(e.Quote.PCRs)}}
		f(&x)
		return x
	}
	at := func(part string) int { return bytes.Index(e.HCL, []byte(part)) }
	for name, x := range map[string]struct {
		change func(e *Azure)
		want   stage.Error
	}{
		"header":             {func(e *Azure) { e.HCL[0] ^= 1 }, stage.Parse},
		"report":             {func(e *Azure) { e.HCL[hclReport+0x90] ^= 1 }, stage.ReportSignature},
		"report's data":      {func(e *Azure) { e.HCL[hclReport+0x50] ^= 1 }, stage.ReportSignature},
		"kind of hardware":   {func(e *Azure) { e.HCL[hclRuntime+8] ^= 1 }, stage.Parse},
		"length":             {func(e *Azure) { e.HCL[hclRuntime+16] ^= 1 }, stage.Parse},
		"key":                {func(e *Azure) { e.HCL[at("mHSRbgAA")] ^= 1 }, stage.AKBinding},
		"secure boot":        {func(e *Azure) { copy(e.HCL[at(`"secure-boot":true`):], `"secure-boot":null`) }, stage.AKBinding},
		"after the runtime":  {func(e *Azure) { e.HCL[len(e.HCL)-1] ^= 1 }, stage.Parse},
		"quote's nonce":      {func(e *Azure) { e.Quote.Message[45] ^= 1 }, stage.QuoteSignature},
		"quote's digest":     {func(e *Azure) { e.Quote.Message[len(e.Quote.Message)-1] ^= 1 }, stage.QuoteSignature},
		"quote's magic":      {func(e *Azure) { e.Quote.Message[0] ^= 1 }, stage.Parse},
		"quote's signature":  {func(e *Azure) { e.Quote.Signature[20] ^= 1 }, stage.QuoteSignature},
		"register":           {func(e *Azure) { e.Quote.PCRs[4] = make([]byte, 32) }, stage.PCRDigest},
		"register left out":  {func(e *Azure) { delete(e.Quote.PCRs, 4) }, stage.PCRDigest},
		"register too short": {func(e *Azure) { e.Quote.PCRs[4] = e.Quote.PCRs[4][:31] }, stage.PCRDigest},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := VerifyAzure(change(x.change), o)
			evidencetest.Refused(t, err, x.want)
		})
	}
	_, err = VerifyAzure(e, AzureOptions{Nonce: []byte("another challenge"), SNP: o.SNP})
	evidencetest.Refused(t, err, stage.Nonce)
	_, err = VerifyAzure(e, AzureOptions{Nonce: o.Nonce})
	evidencetest.Refused(t, err, stage.AKBinding)
	if _, err = VerifyAzure(e, AzureOptions{SNP: o.SNP}); !errors.Is(err, ErrOptions) {
		t.Error(err)
	}
	// The quote of another machine, whose own evidence is good.
	_, other, _ := azure(t, "az-tdx-v1")
	_, err = VerifyAzure(change(func(e *Azure) { e.Quote = other.Quote }), o)
	evidencetest.Refused(t, err, stage.QuoteSignature)
	_, err = VerifyAzure(change(func(e *Azure) { copy(e.HCL[hclRuntime:], other.HCL[hclRuntime:]); e.HCL[hclRuntime+8] = 2 }), o)
	evidencetest.Refused(t, err, stage.AKBinding)
}

// TestAzureOnTDX checks binding and quote with a stand-in that reads the TD quote's report data and checks nothing, and that the
// refusal of a real one is passed on.
func TestAzureOnTDX(t *testing.T) {
	c, e, _ := azure(t, "az-tdx-v1")
	reads := func(raw []byte) ([]byte, error) {
		if len(raw) < 48+584 {
			return nil, fmt.Errorf("%w: TD quote", stage.Parse)
		}
		return raw[48+520 : 48+584], nil
	}
	v, err := VerifyAzure(e, AzureOptions{Nonce: nonce(t, c), TDX: reads})
	if err != nil || v.Platform != TDX {
		t.Fatal(err)
	}
	_, err = VerifyAzure(e, AzureOptions{Nonce: nonce(t, c), SNP: reads}) // not asked about TDX
	evidencetest.Refused(t, err, stage.AKBinding)
	e.TDQuote[48+520] ^= 1
	_, err = VerifyAzure(e, AzureOptions{Nonce: nonce(t, c), TDX: reads})
	evidencetest.Refused(t, err, stage.AKBinding)
	refuses := func([]byte) ([]byte, error) { return nil, stage.TCBStatus }
	_, err = VerifyAzure(e, AzureOptions{Nonce: nonce(t, c), TDX: refuses})
	evidencetest.Refused(t, err, stage.TCBStatus)
}

// machine is a paravisor's report around runtime data, and hardware's evidence that is bound to it.
func machine(runtime string) (hcl []byte, data []byte) {
	hcl = append([]byte(hclMagic), make([]byte, hclRuntime-4)...)
	for _, w := range []int{len(runtime) + hclHeader, 1, 2, 1, len(runtime)} {
		hcl = binary.LittleEndian.AppendUint32(hcl, uint32(w))
	}
	hcl = append(append(hcl, runtime...), make([]byte, 100)...)
	bound := sha256.Sum256([]byte(runtime))
	return hcl, append(bound[:], make([]byte, 32)...)
}

func TestRuntimeData(t *testing.T) {
	s := newSigner(t)
	key := fmt.Sprintf(`{"kid":"HCLAkPub","kty":"RSA","key_ops":["sign"],"e":"AQAB","n":%q}`, base64.RawURLEncoding.EncodeToString(s.rsa.N.Bytes()))
	other := strings.Replace(key, "HCLAkPub", "HCLEkPub", 1)
	set := func(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }
	for name, c := range map[string]struct {
		runtime string
		change  func(hcl, data []byte) ([]byte, []byte)
		want    stage.Error
	}{
		"good":             {runtime: set(other, key)},
		"no key":           {runtime: set(other), want: stage.AKBinding},
		"two keys":         {runtime: set(key, key), want: stage.AKBinding},
		"for encryption":   {runtime: set(strings.Replace(key, "sign", "encrypt", 1)), want: stage.AKBinding},
		"for both":         {runtime: set(strings.Replace(key, `"sign"`, `"sign","encrypt"`, 1)), want: stage.AKBinding},
		"elliptic":         {runtime: set(strings.Replace(key, "RSA", "EC", 1)), want: stage.AKBinding},
		"another exponent": {runtime: set(strings.Replace(key, "AQAB", "Aw", 1)), want: stage.AKBinding},
		"no JSON":          {runtime: "{", want: stage.Parse},
		"more data":        {runtime: set(key), change: func(h, d []byte) ([]byte, []byte) { d[63] = 1; return h, d }, want: stage.AKBinding},
		"less data":        {runtime: set(key), change: func(h, d []byte) ([]byte, []byte) { return h, d[:20] }, want: stage.AKBinding},
		"another version":  {runtime: set(key), change: func(h, d []byte) ([]byte, []byte) { h[hclRuntime+4] = 2; return h, d }, want: stage.Parse},
		"another hash":     {runtime: set(key), change: func(h, d []byte) ([]byte, []byte) { h[hclRuntime+12] = 2; return h, d }, want: stage.Parse},
		"another size":     {runtime: set(key), change: func(h, d []byte) ([]byte, []byte) { h[hclRuntime]++; return h, d }, want: stage.Parse},
		"cut off":          {runtime: set(key), change: func(h, d []byte) ([]byte, []byte) { return h[:hclRuntime+hclHeader+30], d }, want: stage.Parse},
		"no runtime":       {runtime: set(key), change: func(h, d []byte) ([]byte, []byte) { return h[:hclRuntime+10], d }, want: stage.Parse},
		"too long":         {runtime: set(key), change: func(h, d []byte) ([]byte, []byte) { return append(h, make([]byte, MaxHCLReport)...), d }, want: stage.Parse},
	} {
		t.Run(name, func(t *testing.T) {
			hcl, data := machine(c.runtime)
			if c.change != nil {
				hcl, data = c.change(hcl, data)
			}
			_, err := VerifyAzure(Azure{HCL: hcl, Quote: s.quote(t, nil)}, AzureOptions{
				Nonce: s.nonce, SNP: func([]byte) ([]byte, error) { return data, nil }})
			if c.want == "" && err != nil {
				t.Fatal(err)
			}
			if c.want != "" {
				evidencetest.Refused(t, err, c.want)
			}
		})
	}
}

func TestPlain(t *testing.T) {
	c := evidencetest.Get(t, "vtpm", "plain-tpm")
	q, ak, err := ParsePlainForm(c.Read(t, c.File))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Verify(q, ak, []byte("x"))
	evidencetest.Refused(t, err, stage.Nonce)
	_, err = Verify(q, ak, nonce(t, c)[:48]) // its start is not it
	evidencetest.Refused(t, err, stage.Nonce)
	_, err = Verify(q, newSigner(t).rsa.Public(), nonce(t, c))
	evidencetest.Refused(t, err, stage.QuoteSignature)
	for _, n := range [][]byte{nil, make([]byte, MaxNonce+1)} {
		if _, err = Verify(q, ak, n); !errors.Is(err, ErrOptions) {
			t.Error(err)
		}
	}
	if _, err = Verify(q, nil, nonce(t, c)); !errors.Is(err, ErrOptions) {
		t.Error(err)
	}
}

// TestGoogle: the sample has quotes of three banks. That of SHA-1 is refused, the others are good.
func TestGoogle(t *testing.T) {
	c := evidencetest.Get(t, "vtpm", "gce-cos-85-nonce9009")
	quotes, ak, err := ParseGoogleForm(c.Read(t, c.File))
	if err != nil || len(quotes) != 3 {
		t.Fatal(len(quotes), err)
	}
	_, err = Verify(quotes[0], ak, nonce(t, c))
	evidencetest.Refused(t, err, stage.Alg)
	for i, bank := range map[int]string{1: "SHA-256", 2: "SHA-384"} {
		v, err := Verify(quotes[i], ak, nonce(t, c))
		if err != nil || v.Bank != bank || len(v.PCRs) != 24 || v.ResetCount != 10 {
			t.Error(v, err)
		}
	}
	q := quotes[1]
	q.PCRs = quotes[2].PCRs
	_, err = Verify(q, ak, nonce(t, c))
	evidencetest.Refused(t, err, stage.PCRDigest)
}

// signer is an attestation key that no TPM holds.
type signer struct {
	rsa   *rsa.PrivateKey
	ec    *ecdsa.PrivateKey
	nonce []byte
	pcrs  map[uint][]byte
}

var newKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newSigner(t testing.TB) signer {
	t.Helper()
	r, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{r, e, []byte("a nonce"), map[uint][]byte{0: bytes.Repeat([]byte{1}, 32), 11: bytes.Repeat([]byte{2}, 32)}}
}

// quoted is what a test may change before it is signed.
type quoted struct {
	attest tpm2.TPMSAttest
	info   tpm2.TPMSQuoteInfo
}

// message of a quote over the signer's registers.
func (s signer) message(change func(*quoted)) []byte {
	d := sha256.New()
	for _, i := range slices.Sorted(maps.Keys(s.pcrs)) {
		d.Write(s.pcrs[i])
	}
	q := quoted{
		attest: tpm2.TPMSAttest{Magic: tpm2.TPMGeneratedValue, Type: tpm2.TPMSTAttestQuote, ExtraData: tpm2.TPM2BData{Buffer: s.nonce}},
		info: tpm2.TPMSQuoteInfo{
			PCRSelect: tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{{Hash: tpm2.TPMAlgSHA256, PCRSelect: []byte{1, 8, 0}}}},
			PCRDigest: tpm2.TPM2BDigest{Buffer: d.Sum(nil)},
		},
	}
	if change != nil {
		change(&q)
	}
	q.attest.Attested = tpm2.NewTPMUAttest(tpm2.TPMSTAttestQuote, &q.info)
	return tpm2.Marshal(q.attest)
}

// quote signs the message with the RSA key.
func (s signer) quote(t testing.TB, change func(*quoted)) Quote {
	t.Helper()
	return s.sign(t, s.message(change))
}

func (s signer) sign(t testing.TB, m []byte) Quote {
	t.Helper()
	sum := sha256.Sum256(m)
	sig, err := rsa.SignPKCS1v15(nil, s.rsa, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return Quote{Message: m, Signature: RSASSA(sig), PCRs: s.pcrs}
}

func TestECDSA(t *testing.T) {
	s := newSigner(t)
	m := s.message(nil)
	sum := sha256.Sum256(m)
	r, x, err := ecdsa.Sign(rand.Reader, s.ec, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	q := Quote{Message: m, PCRs: s.pcrs, Signature: tpm2.Marshal(tpm2.TPMTSignature{SigAlg: tpm2.TPMAlgECDSA,
		Signature: tpm2.NewTPMUSignature(tpm2.TPMAlgECDSA, &tpm2.TPMSSignatureECC{Hash: tpm2.TPMAlgSHA256,
			SignatureR: tpm2.TPM2BECCParameter{Buffer: r.Bytes()}, SignatureS: tpm2.TPM2BECCParameter{Buffer: x.Bytes()}})})}
	if _, err := Verify(q, s.ec.Public(), s.nonce); err != nil {
		t.Fatal(err)
	}
	_, err = Verify(q, s.rsa.Public(), s.nonce)
	evidencetest.Refused(t, err, stage.QuoteSignature)
	_, err = Verify(q, newSigner(t).ec.Public(), s.nonce)
	evidencetest.Refused(t, err, stage.QuoteSignature)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.ec = p224
	if r, x, err = ecdsa.Sign(rand.Reader, p224, sum[:]); err != nil {
		t.Fatal(err)
	}
	q.Signature = tpm2.Marshal(tpm2.TPMTSignature{SigAlg: tpm2.TPMAlgECDSA,
		Signature: tpm2.NewTPMUSignature(tpm2.TPMAlgECDSA, &tpm2.TPMSSignatureECC{Hash: tpm2.TPMAlgSHA256,
			SignatureR: tpm2.TPM2BECCParameter{Buffer: r.Bytes()}, SignatureS: tpm2.TPM2BECCParameter{Buffer: x.Bytes()}})})
	_, err = Verify(q, p224.Public(), s.nonce)
	evidencetest.Refused(t, err, stage.QuoteSignature)
}

// TestStrict changes one thing in a quote that is signed well.
func TestStrict(t *testing.T) {
	s := newSigner(t)
	selection := func(list ...tpm2.TPMSPCRSelection) func(*quoted) {
		return func(q *quoted) { q.info.PCRSelect.PCRSelections = list }
	}
	bank := func(h tpm2.TPMIAlgHash, b ...byte) tpm2.TPMSPCRSelection {
		return tpm2.TPMSPCRSelection{Hash: h, PCRSelect: b}
	}
	for name, c := range map[string]struct {
		change  func(*quoted)
		message func([]byte) []byte
		quote   func(*Quote)
		want    error
	}{
		"good":                {},
		"made by software":    {message: func(m []byte) []byte { m[0] = 0; return m }, want: stage.Parse},
		"another attestation": {message: func(m []byte) []byte { m[5] = 0x14; return m }, want: stage.Parse},
		"more after it":       {message: func(m []byte) []byte { return append(m, 0) }, want: stage.Parse},
		"too long":            {change: func(q *quoted) { q.attest.QualifiedSigner.Buffer = make([]byte, MaxMessage) }, want: stage.Parse},
		"another nonce":       {change: func(q *quoted) { q.attest.ExtraData.Buffer = []byte("x") }, want: stage.Nonce},
		"no bank":             {change: selection(), want: stage.Parse},
		"two banks":           {change: selection(bank(tpm2.TPMAlgSHA256, 1, 8, 0), bank(tpm2.TPMAlgSHA384, 0, 0, 0)), want: stage.Parse},
		"bank of SHA-1":       {change: selection(bank(tpm2.TPMAlgSHA1, 1, 8, 0)), want: stage.Alg},
		"no register":         {change: selection(bank(tpm2.TPMAlgSHA256, 0, 0, 0)), want: stage.Parse},
		"register 24":         {change: selection(bank(tpm2.TPMAlgSHA256, 1, 8, 0, 1)), want: stage.Parse},
		"another register":    {change: selection(bank(tpm2.TPMAlgSHA256, 1, 16, 0)), want: stage.PCRDigest},
		"fewer registers":     {change: selection(bank(tpm2.TPMAlgSHA256, 1, 0, 0)), want: stage.PCRDigest},
		"another digest":      {change: func(q *quoted) { q.info.PCRDigest.Buffer = make([]byte, 32) }, want: stage.PCRDigest},
		"unquoted register":   {quote: func(q *Quote) { q.PCRs = maps.Clone(q.PCRs); q.PCRs[12] = make([]byte, 32) }, want: stage.PCRDigest},
		"values run over": {quote: func(q *Quote) {
			q.PCRs = map[uint][]byte{0: append(bytes.Repeat([]byte{1}, 32), 2), 11: bytes.Repeat([]byte{2}, 31)}
		}, want: stage.PCRDigest},
		"signature, more after it": {quote: func(q *Quote) { q.Signature = append(q.Signature, 0) }, want: stage.Parse},
		"signature too long":       {quote: func(q *Quote) { q.Signature = make([]byte, MaxSignature+1) }, want: stage.Parse},
		"signature of SHA-1":       {quote: func(q *Quote) { q.Signature[3] = 4 }, want: stage.Alg},
		"signature by PSS":         {quote: func(q *Quote) { q.Signature[1] = 0x16 }, want: stage.Alg},
		"no signature":             {quote: func(q *Quote) { q.Signature = nil }, want: stage.Parse},
	} {
		t.Run(name, func(t *testing.T) {
			m := s.message(c.change)
			if c.message != nil {
				m = c.message(m)
			}
			q := s.sign(t, m)
			if c.quote != nil {
				c.quote(&q)
			}
			_, err := Verify(q, s.rsa.Public(), s.nonce)
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	s.rsa = small
	_, err = Verify(s.quote(t, nil), small.Public(), s.nonce)
	evidencetest.Refused(t, err, stage.QuoteSignature)
}

func TestSize(t *testing.T) {
	_, err := parse(make([]byte, MaxMessage+1))
	if !errors.Is(err, stage.Parse) || !strings.Contains(err.Error(), "bytes") {
		t.Error(err)
	}
	_, err = verifySignature(Quote{Signature: make([]byte, MaxSignature+1)}, nil)
	if !errors.Is(err, stage.Parse) || !strings.Contains(err.Error(), "bytes") {
		t.Error(err)
	}
	_, err = ParsePublic(make([]byte, MaxPublic+1))
	if !errors.Is(err, stage.Parse) || !strings.Contains(err.Error(), "bytes") {
		t.Error(err)
	}
}

// TestAttestationKey: a key that signs whatever its user gives it would sign made-up quotes.
func TestAttestationKey(t *testing.T) {
	c := evidencetest.Get(t, "vtpm", "gce-cos-85-nonce9009")
	src := c.Read(t, c.File)
	good := src[3 : 3+280] // the first field
	if _, err := ParsePublic(good); err != nil {
		t.Fatal(err)
	}
	for name, bit := range map[string]struct{ at, bit int }{
		"not restricted": {5, 0}, "decrypts": {5, 1}, "does not sign": {5, 2}, "may leave its TPM": {7, 1}, "made outside": {7, 5},
	} {
		key := slices.Clone(good)
		key[bit.at] ^= 1 << bit.bit
		_, err := ParsePublic(key)
		t.Run(name, func(t *testing.T) { evidencetest.Refused(t, err, stage.AKBinding) })
	}
	for name, key := range map[string][]byte{"empty": nil, "cut off": good[:100], "more after it": append(slices.Clone(good), 0)} {
		_, err := ParsePublic(key)
		t.Run(name, func(t *testing.T) { evidencetest.Refused(t, err, stage.Parse) })
	}
}

func TestForms(t *testing.T) {
	c := evidencetest.Get(t, "vtpm", "gce-cos-85-nonce9009")
	key := c.Read(t, c.File)[:3+280]
	entry := func(b ...byte) []byte { return append([]byte{0x12, byte(len(b))}, b...) }
	pcr := func(b ...byte) []byte { return entry(append([]byte{0x1a, byte(len(b))}, b...)...) }
	for name, src := range map[string][]byte{
		"no key":           nil,
		"cut off":          {0x0a, 5, 1},
		"no tag":           {0x80},
		"too long":         make([]byte, MaxForm+1),
		"register 24":      pcr(entry(8, 24, 0x12, 1, 1)...),
		"register twice":   pcr(append(entry(8, 1, 0x12, 1, 1), entry(8, 1, 0x12, 1, 1)...)...),
		"register of none": pcr(entry(8, 1)...),
		"five quotes":      append(slices.Clone(key), bytes.Repeat(entry(), MaxQuotes+1)...),
	} {
		_, _, err := ParseGoogleForm(src)
		t.Run(name, func(t *testing.T) { evidencetest.Refused(t, err, stage.Parse) })
	}
	q, err := googleQuote(pcr(entry(0x12, 1, 7)...)[2:]) // register 0, left out
	if err != nil || !bytes.Equal(q.PCRs[0], []byte{7}) {
		t.Error(q, err)
	}
	many, err := json.Marshal(map[string]any{"tpm_quote": map[string]any{"pcrs": make([]string, 25)}})
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string]string{
		"no JSON": "{", "registers": string(many), "register": `{"tpm_quote":{"pcrs":["x"]}}`, "no registers": "{}",
		"message":  `{"tpm_quote":{"message":"!","pcrs":[]}}`,
		"too long": `{"tpm_quote":{"pcrs":[]}}` + strings.Repeat(" ", MaxForm),
	} {
		_, _, err := ParseAzureForm([]byte(src))
		t.Run(name, func(t *testing.T) { evidencetest.Refused(t, err, stage.Parse) })
		_, _, err = ParsePlainForm([]byte(src))
		t.Run(name+", plain", func(t *testing.T) { evidencetest.Refused(t, err, stage.Parse) })
	}
}

func TestAppraise(t *testing.T) {
	c, e, vcek := azure(t, "az-snp-v1")
	good, err := VerifyAzure(e, AzureOptions{Nonce: nonce(t, c), SNP: onSNP(t, c, vcek)})
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		change func(*Policy)
		v      func(*Verified)
		want   error
	}{
		"accepted":             {},
		"another is as well":   {change: func(p *Policy) { p.Boots = append([]Boot{{0: make([]byte, 32)}}, p.Boots...) }},
		"no boot":              {change: func(p *Policy) { p.Boots = nil }, want: ErrPolicy},
		"boot of nothing":      {change: func(p *Policy) { p.Boots = []Boot{{}} }, want: ErrPolicy},
		"another kernel":       {change: func(p *Policy) { p.Boots = []Boot{{0: p.Boots[0][0], 4: make([]byte, 32)}} }, want: ErrPCRs},
		"register not quoted":  {change: func(p *Policy) { p.Boots = []Boot{{30: nil}} }, want: ErrPCRs},
		"no nonce":             {change: func(p *Policy) { p.Nonce = nil }, v: func(v *Verified) { v.Nonce = nil }, want: ErrPolicy},
		"another nonce":        {change: func(p *Policy) { p.Nonce = []byte("x") }, want: stage.Nonce},
		"another platform":     {change: func(p *Policy) { p.Platform = TDX }, want: ErrPlatform},
		"no platform":          {change: func(p *Policy) { p.Platform = "" }, want: ErrPolicy},
		"plain not asked for":  {v: func(v *Verified) { v.Platform = "" }, want: ErrPlatform},
		"plain asked for":      {change: func(p *Policy) { p.Platform, p.PlainTPM = "", true }, v: func(v *Verified) { v.Platform = "" }},
		"plain and a platform": {change: func(p *Policy) { p.PlainTPM = true }, want: ErrPolicy},
		"not verified":         {v: func(v *Verified) { v.checked = false }, want: ErrPolicy},
	} {
		t.Run(name, func(t *testing.T) {
			v := *good
			p := Policy{Boots: []Boot{{0: v.PCRs[0], 4: v.PCRs[4]}}, Nonce: v.Nonce, Platform: SNP}
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

func FuzzQuote(f *testing.F) {
	s := newSigner(f)
	q := s.quote(f, nil)
	c := evidencetest.Get(f, "vtpm", "plain-tpm")
	plain, _, err := ParsePlainForm(c.Read(f, c.File))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(q.Message, q.Signature)
	f.Add(plain.Message, plain.Signature)
	f.Fuzz(func(t *testing.T, message, sig []byte) {
		evidencetest.Bounded(t, len(message)+len(sig), func() {
			v, err := Verify(Quote{Message: message, Signature: sig, PCRs: s.pcrs}, s.rsa.Public(), s.nonce)
			if (v == nil) != (err != nil) {
				t.Fatal("neither verified nor refused, or both")
			}
			if v != nil && !bytes.Equal(message, q.Message) {
				t.Fatal("accepted what nobody signed")
			}
		})
	})
}

func FuzzHCL(f *testing.F) {
	_, e, _ := azure(f, "az-snp-v1")
	f.Add(e.HCL)
	f.Fuzz(func(t *testing.T, src []byte) {
		evidencetest.Bounded(t, len(src), func() {
			if r, err := parseHCL(src); err == nil {
				_, _, _ = parseRuntime(r.runtime)
			}
		})
	})
}

func FuzzForms(f *testing.F) {
	for _, c := range evidencetest.Load(f, "vtpm") {
		f.Add(c.Read(f, c.File))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		evidencetest.Bounded(t, len(src), func() {
			_, _, _ = ParseAzureForm(src)
			_, _, _ = ParsePlainForm(src)
			if quotes, ak, err := ParseGoogleForm(src); err == nil && ak == nil || err != nil && quotes != nil {
				t.Fatal("neither read nor refused, or both")
			}
		})
	})
}

func FuzzPublic(f *testing.F) {
	c := evidencetest.Get(f, "vtpm", "gce-cos-85-nonce9009")
	f.Add(c.Read(f, c.File)[3 : 3+280])
	f.Fuzz(func(t *testing.T, src []byte) {
		evidencetest.Bounded(t, len(src), func() {
			if k, err := ParsePublic(src); (k == nil) != (err != nil) {
				t.Fatal("neither read nor refused, or both")
			}
		})
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, id := range []string{"plain-tpm", "az-snp-v1"} {
		b.Run(id, func(b *testing.B) {
			c := evidencetest.Get(b, "vtpm", id)
			src := c.Read(b, c.File)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := replay(b, c, src); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "ms/op")
		})
	}
}

// TestAnotherAttestation: a key that certifies (TPM2_Certify) signs more than quotes.
func TestAnotherAttestation(t *testing.T) {
	s := newSigner(t)
	m := tpm2.Marshal(tpm2.TPMSAttest{
		Magic: tpm2.TPMGeneratedValue, Type: tpm2.TPMSTAttestCertify, ExtraData: tpm2.TPM2BData{Buffer: s.nonce},
		Attested: tpm2.NewTPMUAttest(tpm2.TPMSTAttestCertify, &tpm2.TPMSCertifyInfo{}),
	})
	_, err := Verify(s.sign(t, m), s.rsa.Public(), s.nonce)
	if !errors.Is(err, stage.Parse) || !strings.Contains(err.Error(), "not a quote") {
		t.Error(err)
	}
}

// TestAzureNonceFirst: without a nonce, the hardware is not even asked.
func TestAzureNonceFirst(t *testing.T) {
	_, e, _ := azure(t, "az-snp-v1")
	_, err := VerifyAzure(e, AzureOptions{SNP: func([]byte) ([]byte, error) {
		t.Error("asked")
		return nil, stage.Parse
	}})
	if !errors.Is(err, ErrOptions) {
		t.Error(err)
	}
}

func TestFormSize(t *testing.T) {
	_, _, err := ParseGoogleForm(make([]byte, MaxForm+1))
	if !errors.Is(err, stage.Parse) || !strings.Contains(err.Error(), "bytes") {
		t.Error(err)
	}
}

func TestRegisters(t *testing.T) {
	for name, list := range map[string][][]byte{
		"24": {{8, 24, 0x12, 1, 1}}, "twice": {{8, 1, 0x12, 1, 1}, {8, 1, 0x12, 1, 2}}, "of none": {{8, 1}},
	} {
		q := Quote{PCRs: map[uint][]byte{}}
		var err error
		for _, entry := range list {
			err = q.register(entry)
		}
		t.Run(name, func(t *testing.T) { evidencetest.Refused(t, err, stage.Parse) })
	}
}

// TestMemory: many small values, which would cost many times their bytes.
func TestMemory(t *testing.T) {
	for name, value := range map[string]string{"keys": `{},`, "texts": `{"kid":""},`} {
		hcl, _ := machine(`{"keys":[` + strings.TrimSuffix(strings.Repeat(value, 6000/len(value)), ",") + `]}`)
		evidencetest.Bounded(t, len(hcl), func() {
			r, err := parseHCL(hcl)
			if err != nil {
				t.Fatal(name, err)
			}
			_, _, err = parseRuntime(r.runtime)
			evidencetest.Refused(t, err, stage.AKBinding)
		})
	}
	registers := []byte(`{"tpm_quote":{"pcrs":[` + strings.TrimSuffix(strings.Repeat(`"",`, (MaxForm-30)/3), ",") + `]}}`)
	evidencetest.Bounded(t, len(registers), func() {
		_, _, err := ParseAzureForm(registers)
		evidencetest.Refused(t, err, stage.Parse)
	})
	message := newSigner(t).message(nil)
	at := len(message) - 32 - 2 - 6 - 4
	for n := range 4 { // a list of up to 4096 banks that are not there
		message[at+n] = []byte{0, 0, 0x10, 0}[n]
	}
	evidencetest.Bounded(t, len(message), func() {
		_, err := parse(message)
		evidencetest.Refused(t, err, stage.Parse)
	})
}
