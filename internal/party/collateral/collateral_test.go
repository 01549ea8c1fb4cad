package collateral

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/evidence/snp"
	"github.com/cordon-exchange/cordon/evidence/stage"
	"github.com/cordon-exchange/cordon/internal/party/home"
)

const recorded = "../../../evidence/testdata"

var (
	sgxTime = time.Date(2025, 8, 30, 5, 9, 6, 0, time.UTC)
	sgx     = Machine{"SGX", "00606a000000", "platform"}
	tdxTime = time.Date(2025, 9, 8, 6, 41, 42, 0, time.UTC)
	tdx     = Machine{"TDX", "20a06f000000", "platform"}
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(recorded, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sgxSource(t testing.TB) []byte {
	return file(t, "sgx/collateral/sgx-00606a000000-20250830-f80c13.json")
}

func tdxSource(t testing.TB) []byte {
	return file(t, "tdx/collateral/tdx-20a06f000000-20250908-a00fb3.json")
}

func cache(t testing.TB, a Anchors) *Cache {
	t.Helper()
	dir, err := home.Create(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(dir, a)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answer is what the service says to one path.
type answer struct {
	status int
	header http.Header
	body   []byte
}

type service map[string]*answer

func (s service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := s[r.URL.RequestURI()]
	if a == nil {
		http.NotFound(w, r)
		return
	}
	for k, v := range a.header {
		w.Header()[k] = v
	}
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	_, _ = w.Write(a.body)
}

// intel serves recorded collateral as Intel's service does.
func intel(t testing.TB, src []byte, m Machine) service {
	t.Helper()
	c, err := dcap.ParseCollateral(src)
	if err != nil {
		t.Fatal(err)
	}
	header := func(name, chain string) http.Header {
		h := http.Header{}
		h.Set(name, url.PathEscape(chain))
		return h
	}
	signed := func(name, doc string, sig []byte) []byte {
		return []byte(`{"` + name + `":` + doc + `,"signature":"` + hex.EncodeToString(sig) + `"}`)
	}
	tee := strings.ToLower(m.TEE)
	return service{
		"/" + tee + "/certification/v4/tcb?fmspc=" + m.FMSPC:        {header: header("TCB-Info-Issuer-Chain", c.TCBInfoIssuerChain), body: signed("tcbInfo", c.TCBInfo, c.TCBInfoSignature)},
		"/" + tee + "/certification/v4/qe/identity":                 {header: header("SGX-Enclave-Identity-Issuer-Chain", c.QEIdentityIssuerChain), body: signed("enclaveIdentity", c.QEIdentity, c.QEIdentitySignature)},
		"/sgx/certification/v4/pckcrl?ca=" + m.CA + "&encoding=der": {header: header("SGX-PCK-CRL-Issuer-Chain", c.PCKCRLIssuerChain), body: c.PCKCRL},
		"/IntelSGXRootCA.der":                                       {body: c.RootCACRL},
	}
}

func fetcher(t testing.TB, c *Cache, s http.Handler, at time.Time) *Fetcher {
	t.Helper()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	f, err := NewFetcher(c, srv.URL, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// TestFetchIntel: what is fetched judges the recorded quotes as the recorded collateral does, until it ends.
func TestFetchIntel(t *testing.T) {
	for name, x := range map[string]struct {
		src   []byte
		m     Machine
		at    time.Time
		quote string
	}{
		"SGX": {sgxSource(t), sgx, sgxTime, "sgx/automata-a.quote.bin"},
		"TDX": {tdxSource(t), tdx, tdxTime, "tdx/near-gas.quote.bin"},
	} {
		t.Run(name, func(t *testing.T) {
			c := cache(t, Anchors{})
			if _, _, err := c.ForIntel(x.m, x.at); !errors.Is(err, ErrNone) {
				t.Fatalf("an empty cache: %v", err)
			}
			i, err := fetcher(t, c, intel(t, x.src, x.m), x.at).Intel(t.Context(), x.m)
			if err != nil {
				t.Fatal(err)
			}
			quote := file(t, x.quote)
			q, err := dcap.Parse(quote)
			if err != nil {
				t.Fatal(err)
			}
			src, expires, err := c.ForIntel(MachineOf(q), x.at)
			if err != nil || !expires.Equal(i.Expires) || expires.Before(x.at) {
				t.Fatalf("until %s: %v", expires, err)
			}
			d, err := dcap.ParseCollateral(src)
			if err != nil {
				t.Fatal(err)
			}
			v, err := dcap.Verify(quote, d, dcap.Options{At: x.at})
			if err != nil || v.TCB.Status == "" {
				t.Fatalf("%v", err)
			}
			if _, _, err := c.ForIntel(x.m, expires.Add(time.Second)); !errors.Is(err, ErrStale) {
				t.Errorf("after its end: %v", err)
			}
			other := x.m
			other.FMSPC = "0123456789ab"
			if _, _, err := c.ForIntel(other, x.at); !errors.Is(err, ErrNone) {
				t.Errorf("another machine: %v", err)
			}
		})
	}
}

// TestFetchRefuses: one thing wrong with the service per case; nothing is kept.
func TestFetchRefuses(t *testing.T) {
	const tcb, qe, crl, root = "/sgx/certification/v4/tcb?fmspc=00606a000000", "/sgx/certification/v4/qe/identity", "/sgx/certification/v4/pckcrl?ca=platform&encoding=der", "/IntelSGXRootCA.der"
	other, err := dcap.ParseCollateral(tdxSource(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		edit func(service)
		at   time.Time
		want error
	}{
		"truncated":         {func(s service) { s[tcb].body = s[tcb].body[:len(s[tcb].body)/2] }, sgxTime, stage.Parse},
		"truncated list":    {func(s service) { s[crl].body = s[crl].body[:len(s[crl].body)/2] }, sgxTime, stage.NoCRL},
		"shorter than said": {func(s service) { s[qe].header["Content-Length"] = []string{"100000"} }, sgxTime, ErrService},
		"oversized":         {func(s service) { s[root].body = make([]byte, maxBody+1) }, sgxTime, ErrService},
		"oversized header":  {func(s service) { s[tcb].header.Set("TCB-Info-Issuer-Chain", strings.Repeat("x", 2*maxHeader)) }, sgxTime, ErrService},
		"a byte changed": {func(s service) {
			s[tcb].body = bytes.Replace(s[tcb].body, []byte("SWHardeningNeeded"), []byte("UpToDate"), 1)
		}, sgxTime, stage.TCBInfoSignature},
		"identity changed": {func(s service) { s[qe].body = bytes.Replace(s[qe].body, []byte("UpToDate"), []byte("UpToDat3"), 1) }, sgxTime, stage.QEIdentitySignature},
		"wrong signer": {func(s service) {
			s[tcb].header.Set("TCB-Info-Issuer-Chain", s[crl].header.Get("SGX-PCK-CRL-Issuer-Chain"))
		}, sgxTime, stage.TCBInfoChain},
		"wrong list":       {func(s service) { s[crl].body = s[root].body }, sgxTime, stage.NoCRL},
		"no chain":         {func(s service) { s[tcb].header = nil }, sgxTime, ErrService},
		"no chain of list": {func(s service) { s[crl].header = nil }, sgxTime, ErrService},
		"chain malformed":  {func(s service) { s[qe].header.Set("SGX-Enclave-Identity-Issuer-Chain", "%zz") }, sgxTime, ErrService},
		"not found":        {func(s service) { delete(s, qe) }, sgxTime, ErrService},
		"unavailable":      {func(s service) { s[root].status = 503 }, sgxTime, ErrService},
		"redirect": {func(s service) {
			s["/else"] = s[root]
			s[root] = &answer{status: 302, header: http.Header{"Location": {"/else"}}}
		}, sgxTime, ErrService},
		"wrong FMSPC": {func(s service) {
			s[tcb].body = bytes.Replace(s[tcb].body, []byte("00606a000000"), []byte("00606a000001"), 1)
		}, sgxTime, stage.TCBInfoSignature},
		"another TEE": {func(s service) {
			s[tcb].body = []byte(`{"tcbInfo":` + other.TCBInfo + `,"signature":"` + hex.EncodeToString(other.TCBInfoSignature) + `"}`)
		}, sgxTime, stage.EndorsementMismatch},
		"something more":     {func(s service) { s[tcb].body = append(s[tcb].body[:len(s[tcb].body)-1], `,"x":1}`...) }, sgxTime, stage.Parse},
		"stale":              {func(service) {}, sgxTime.AddDate(0, 2, 0), ErrStale},
		"before it was made": {func(service) {}, sgxTime.AddDate(0, -2, 0), ErrStale},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := cache(t, Anchors{}), intel(t, sgxSource(t), sgx)
			x.edit(s)
			if i, err := fetcher(t, c, s, x.at).Intel(t.Context(), sgx); !errors.Is(err, x.want) {
				t.Fatalf("kept %v: %v", i != nil, err)
			}
			if list, err := c.List(sgxTime); err != nil || len(list) != 0 {
				t.Fatalf("%d files: %v", len(list), err)
			}
		})
	}
}

// TestFetchOther: genuine collateral of another machine than was asked for is not kept.
func TestFetchOther(t *testing.T) {
	s := intel(t, sgxSource(t), sgx)
	asked := sgx
	asked.FMSPC = "00906ed50000"
	s["/sgx/certification/v4/tcb?fmspc="+asked.FMSPC] = s["/sgx/certification/v4/tcb?fmspc="+sgx.FMSPC]
	c := cache(t, Anchors{})
	if _, err := fetcher(t, c, s, sgxTime).Intel(t.Context(), asked); !errors.Is(err, ErrOther) {
		t.Fatal(err)
	}
	if list, _ := c.List(sgxTime); len(list) != 0 {
		t.Fatal("kept")
	}
	if _, err := fetcher(t, c, s, sgxTime).Intel(t.Context(), Machine{"SGX", "../../etc", "platform"}); !errors.Is(err, ErrNone) {
		t.Fatal(err)
	}
}

func TestFetchStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := cache(t, Anchors{})
	f := fetcher(t, c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() }), sgxTime)
	if _, err := f.Intel(ctx, sgx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for _, u := range []string{"ftp://x", "x", "https://user:pass@x", "https://x?a=b", "http://"} {
		if _, err := NewFetcher(c, u, sgxTime); !errors.Is(err, ErrService) {
			t.Errorf("%s: %v", u, err)
		}
	}
}

// TestCacheIsNotTrusted: what stands in the folder is verified each time it is read.
func TestCacheIsNotTrusted(t *testing.T) {
	c := cache(t, Anchors{})
	if _, err := c.Put(sgxSource(t), sgxTime); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(c.dir, sgx.file())
	for what, src := range map[string][]byte{
		"cut":             sgxSource(t)[:1000],
		"another machine": tdxSource(t),
		"a status better": bytes.Replace(sgxSource(t), []byte("SWHardeningNeeded"), []byte("UpToDate"), 1),
		"nothing":         nil,
		"too much":        make([]byte, dcap.MaxCollateral+2),
	} {
		if err := os.WriteFile(name, src, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.ForIntel(sgx, sgxTime); err == nil {
			t.Errorf("%s is given", what)
		}
		if list, err := c.List(sgxTime); err != nil || len(list) != 1 || list[0].Damaged == "" || list[0].Current {
			t.Errorf("%s: %d files, %v", what, len(list), err)
		}
	}
}

// TestImport: files from elsewhere are kept if they are genuine, current and no older than what is there.
func TestImport(t *testing.T) {
	c := cache(t, Anchors{})
	i, err := c.Put(sgxSource(t), sgxTime)
	if err != nil || i.File != sgx.file() || !i.Current {
		t.Fatalf("%v", err)
	}
	if _, err := c.Put(sgxSource(t), sgxTime); err != nil {
		t.Errorf("the same again: %v", err)
	}
	list, err := c.List(i.Expires.Add(time.Hour))
	if err != nil || len(list) != 1 || list[0].Current || len(list[0].Stale) == 0 {
		t.Errorf("%d files, %v", len(list), err)
	}
	for name, src := range map[string][]byte{"nothing": nil, "text": []byte("x"), "object": []byte("{}"), "a quote": file(t, "sgx/automata-a.quote.bin")} {
		if _, err := c.Put(src, sgxTime); err == nil {
			t.Errorf("%s is kept", name)
		}
	}
	whole, err := dcap.ParseCollateral(sgxSource(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, drop := range map[string]func(*dcap.Collateral){
		"PCK CRL": func(c *dcap.Collateral) { c.PCKCRL = nil }, "root CRL": func(c *dcap.Collateral) { c.RootCACRL = nil }, "issuer": func(c *dcap.Collateral) { c.PCKCRLIssuerChain = "" },
	} {
		part := *whole
		drop(&part)
		src, err := part.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Put(src, sgxTime); !errors.Is(err, stage.NoCRL) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if _, err := cache(t, Anchors{Intel: []*x509.Certificate{}}).Put(sgxSource(t), sgxTime); !errors.Is(err, stage.Chain) {
		t.Errorf("under no root: %v", err)
	}
}

// TestOlder: a mirror can't take back what the vendor published since.
func TestOlder(t *testing.T) {
	older, newer := "sgx/collateral/sgx-00906ed50000-20250611-a08cba.json", "sgx/collateral/sgx-00906ed50000-20250611-b8c970.json"
	at := time.Date(2025, 6, 11, 19, 4, 55, 0, time.UTC)
	issued := func(name string) time.Time {
		i, err := cache(t, Anchors{}).Put(file(t, name), at)
		if err != nil {
			t.Fatal(name, err)
		}
		return i.Issued
	}
	a, b := issued(older), issued(newer)
	if a.After(b) {
		older, newer = newer, older
	}
	if a.Equal(b) {
		t.Fatal("both of one time")
	}
	c := cache(t, Anchors{})
	if _, err := c.Put(file(t, newer), at); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(file(t, older), at); !errors.Is(err, ErrOlder) {
		t.Errorf("an older one: %v", err)
	}
	c = cache(t, Anchors{})
	for _, name := range []string{older, newer} {
		if _, err := c.Put(file(t, name), at); err != nil {
			t.Errorf("in order: %v", err)
		}
	}
}

func anchorsOf(t testing.TB) snp.Anchors {
	t.Helper()
	a, err := snp.AMD()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// crlOf makes a list, and the anchors whose root signed it: a look-alike of AMD's, by name. The real roots sign no list here.
func crlOf(t testing.TB, from, until time.Time) (snp.Anchors, []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ca := func(cn string, serial int64, parent *x509.Certificate) *x509.Certificate {
		c := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: cn}, NotBefore: from.AddDate(-1, 0, 0), NotAfter: from.AddDate(20, 0, 0), IsCA: true,
			BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SignatureAlgorithm: x509.SHA384WithRSAPSS, SubjectKeyId: []byte(cn),
		}
		if parent == nil {
			parent = c
			for _, real := range anchorsOf(t).Certificates() {
				if real.Subject.CommonName == cn {
					c.RawSubject = real.RawSubject
				}
			}
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		out, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	ark := ca("ARK-Milan", 1, nil) // of the same name as AMD's
	ask := ca("SEV-Milan", 2, ark)
	var chain []byte
	for _, c := range []*x509.Certificate{ask, ark} {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	anchors, err := snp.ParseAnchors(chain)
	if err != nil {
		t.Fatal(err)
	}
	crl, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: from, NextUpdate: until}, ark, key)
	if err != nil {
		t.Fatal(err)
	}
	return anchors, crl
}

// TestFetchAMD: the key of a recorded report, under AMD's real root; the list is of a root of ours, and so is refused under AMD's.
func TestFetchAMD(t *testing.T) {
	at := time.Date(2022, 12, 29, 1, 55, 56, 0, time.UTC)
	report, key := file(t, "snp/aci-milan.report.bin"), file(t, "snp/aci-milan.ek.der")
	r, err := snp.Parse(report)
	if err != nil {
		t.Fatal(err)
	}
	query, err := r.Query(snp.Milan)
	if err != nil || !strings.HasPrefix(query, "/vcek/v1/Milan/b12164b45a2a2742") || !strings.HasSuffix(query, "?blSPL=3&teeSPL=0&snpSPL=8&ucodeSPL=115") {
		t.Fatal(query, err)
	}
	ours, list := crlOf(t, at.AddDate(0, 0, -1), at.AddDate(0, 0, 30))
	s := service{query: {body: key}, "/vcek/v1/Milan/crl": {body: list}}
	c := cache(t, Anchors{})
	if _, err := fetcher(t, c, s, at).AMD(t.Context(), report, ""); !errors.Is(err, ErrNone) {
		t.Errorf("no line: %v", err)
	}
	if _, err := fetcher(t, c, s, at).AMD(t.Context(), report, snp.Milan); !errors.Is(err, stage.Chain) {
		t.Errorf("a list that is not AMD's: %v", err)
	}
	chip := ChipOf(r, snp.Milan)
	if _, _, err := c.ForAMD(chip, at); !errors.Is(err, ErrNone) {
		t.Errorf("a key without a list is given: %v", err)
	}
	// The list under our root, beside the key that was kept under AMD's.
	both := &Cache{dir: c.dir, anchors: c.anchors}
	merged := c.anchors.AMD.And(ours)
	both.anchors.AMD = &merged
	if _, err := both.Put(list, at); err != nil {
		t.Fatal(err)
	}
	e, expires, err := both.ForAMD(chip, at)
	if err != nil || len(e) != 2 || !bytes.Equal(e[0], key) || !expires.Equal(at.AddDate(0, 0, 30)) {
		t.Fatalf("%d until %s: %v", len(e), expires, err)
	}
	if _, _, err := both.ForAMD(chip, at.AddDate(0, 0, 31)); !errors.Is(err, ErrStale) {
		t.Errorf("a list that has ended: %v", err)
	}
	chip.TCB++
	if _, _, err := both.ForAMD(chip, at); !errors.Is(err, ErrNone) {
		t.Errorf("another TCB: %v", err)
	}
	s[query] = &answer{body: file(t, "snp/trustee-milan.ek.der")}
	if _, err := fetcher(t, cache(t, Anchors{}), s, at.AddDate(0, 6, 0)).AMD(t.Context(), report, snp.Milan); !errors.Is(err, ErrOther) {
		t.Errorf("the key of another chip: %v", err)
	}
	vlek := file(t, "snp/aws-vlek-milan.report.bin")
	if _, err := fetcher(t, c, s, at).AMD(t.Context(), vlek, ""); !errors.Is(err, stage.NoCollateral) {
		t.Errorf("a VLEK: %v", err)
	}
}

// FuzzPut: whatever is imported, what is kept is current under the pinned roots.
func FuzzPut(f *testing.F) {
	f.Add(sgxSource(f))
	f.Add(file(f, "snp/aci-milan.ek.der"))
	f.Add([]byte("{}"))
	c := cache(f, Anchors{})
	f.Fuzz(func(t *testing.T, src []byte) {
		if i, err := c.read(src, sgxTime); err == nil && (i.File == "" || strings.ContainsAny(i.File, "/\\") || i.Kind == "") {
			t.Errorf("%q %q", i.File, i.Kind)
		}
	})
}

// TestHeld: a verifier's look-up gives what is kept, current or not, nothing where there is none, and an error where it was changed.
func TestHeld(t *testing.T) {
	c := cache(t, Anchors{})
	at := sgxTime
	held := c.Held(func() time.Time { return at })
	quote := file(t, "sgx/automata-a.quote.bin")
	want := func(what string, n int, bad bool) {
		t.Helper()
		if list, err := held(dcap.KindSGX, quote); len(list) != n || (err != nil) != bad {
			t.Errorf("%s: %d held, %v", what, len(list), err)
		}
	}
	want("empty", 0, false)
	if _, err := c.Put(sgxSource(t), at); err != nil {
		t.Fatal(err)
	}
	want("kept", 1, false)
	at = at.AddDate(0, 2, 0)
	want("ended", 1, false)
	at = sgxTime
	if err := os.WriteFile(filepath.Join(c.dir, sgx.file()), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	want("damaged", 0, true)
	for _, kind := range []string{"snp", "nitro"} {
		if list, err := held(kind, quote); list != nil || err != nil {
			t.Errorf("%s: %d, %v", kind, len(list), err)
		}
	}
}

// TestHeldVersion2: a report of version 2 does not say its line, and what is kept for its chip is found all the same.
func TestHeldVersion2(t *testing.T) {
	at := time.Date(2025, 2, 27, 16, 26, 55, 0, time.UTC)
	c := cache(t, Anchors{})
	report := file(t, "snp/aci-milan.report.bin")
	r, err := snp.Parse(report)
	if err != nil || r.Version != 2 || r.Line != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := c.Put(file(t, "snp/aci-milan.ek.der"), at); err != nil {
		t.Fatal(err)
	}
	list, err := c.Held(func() time.Time { return at })("snp", report)
	if err != nil || len(list) != 1 || !bytes.Equal(list[0], file(t, "snp/aci-milan.ek.der")) {
		t.Errorf("%d held, %v", len(list), err)
	}
	if _, _, err := c.ForReport(r, at); !errors.Is(err, ErrNone) {
		t.Errorf("a key without a list: %v", err)
	}
}
