package snp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
	fake "github.com/google/go-sev-guest/testing"
	oracle "github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"

	"github.com/cordon-exchange/cordon/evidence/evidencetest"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// amd returns AMD's roots.
func amd(t testing.TB) Anchors {
	t.Helper()
	a, err := AMD()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// sample is one recorded report with its key and clock.
type sample struct {
	evidencetest.Case
	report, ek []byte
}

func load(t testing.TB, id string) sample {
	t.Helper()
	c := evidencetest.Get(t, "snp", id)
	return sample{c, c.Read(t, c.File), c.Read(t, c.Endorsements[0])}
}

func (s sample) options(t testing.TB) Options { return Options{Anchors: amd(t), At: s.At} }

func TestCases(t *testing.T) {
	for _, c := range evidencetest.Load(t, "snp") {
		t.Run(c.ID, func(t *testing.T) {
			root, err := ParseAnchors(c.Read(t, c.Root))
			if err != nil {
				t.Fatal(err)
			}
			for name, anchors := range map[string]Anchors{"named root": root, "all roots": amd(t)} {
				v, err := verify(t, c.Read(t, c.File), c.Read(t, c.Endorsements[0]), Options{Anchors: anchors, At: c.At})
				c.Check(t, v, v != nil && v.Debug, err)
				if v == nil { // what is read of a refused report is compared as well
					v, err = verify(t, c.Read(t, c.File), c.Read(t, c.Endorsements[0]), Options{Anchors: anchors, At: c.At, AllowDebug: true})
					if err != nil {
						t.Fatal(name, err)
					}
					c.CheckFields(t, v, v.Debug)
				}
			}
		})
	}
}

func TestAnchorsAreTheCollections(t *testing.T) { evidencetest.SameAnchors(t, "roots") }

func TestVLEK(t *testing.T) {
	s := load(t, "aws-vlek-milan")
	v, err := verify(t, s.report, s.ek, s.options(t))
	if err != nil {
		t.Fatal(err)
	}
	if v.SigningKey != VLEK || v.Provider == "" || v.Line != Milan {
		t.Errorf("%s of %q, %s", v.SigningKey, v.Provider, v.Line)
	}
	vcek, err := ParseAnchors(s.Read(t, "../roots/amd-ask_ark_milan.pem"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = verify(t, s.report, s.ek, Options{Anchors: vcek, At: s.At})
	evidencetest.Refused(t, err, stage.Chain) // the same root, but the intermediate of VCEKs
}

func TestBergamo(t *testing.T) {
	s := load(t, "bergamo-genoa-v5")
	v, err := verify(t, s.report, s.ek, s.options(t))
	if err != nil {
		t.Fatal(err)
	}
	if v.Line != Genoa || v.CPUID != 0xaa0f02 || v.Version != 5 {
		t.Errorf("line %s, cpuid %s, version %d", v.Line, v.CPUID, v.Version)
	}
}

func TestDebug(t *testing.T) {
	s := load(t, "google-milan-debug")
	_, err := verify(t, s.report, s.ek, s.options(t))
	evidencetest.Refused(t, err, stage.Debug)
	o := s.options(t)
	o.AllowDebug = true
	v, err := verify(t, s.report, s.ek, o)
	if err != nil || !v.Debug {
		t.Fatal("a debug guest is not let in by name, or not marked", err)
	}
	p := policyFor(v)
	evidencetest.Refused(t, Appraise(v, p), stage.Debug)
	p.AllowDebug = true
	if err := Appraise(v, p); err != nil {
		t.Error(err)
	}
}

// TestVersion2 takes the line of processors from the key's issuer, which must then lead to that line's root.
func TestVersion2(t *testing.T) {
	s := load(t, "virtee-milan")
	v, err := verify(t, s.report, s.ek, s.options(t))
	if err != nil || v.Version != 2 || v.Line != Milan {
		t.Fatal(v, err)
	}
	genoa, err := ParseAnchors(s.Read(t, "../roots/amd-ask_ark_genoa.pem"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = verify(t, s.report, s.ek, Options{Anchors: genoa, At: s.At})
	evidencetest.Refused(t, err, stage.Chain)
}

// TestCorruption changes one bit in every region of a report and of its key.
func TestCorruption(t *testing.T) {
	s := load(t, "gcp-milan-v5-x25519")
	for name, c := range map[string]struct {
		at   int
		want stage.Error
	}{
		"version":           {0x03, stage.Parse},
		"version 3 for 5":   {0x00, stage.ReportSignature}, // 4: read, but not what was signed
		"guest svn":         {0x04, stage.ReportSignature},
		"policy":            {0x0a, stage.ReportSignature},
		"policy, reserved":  {0x0f, stage.Parse},
		"vmpl":              {0x30, stage.ReportSignature},
		"signature algo":    {0x34, stage.Alg},
		"current tcb":       {0x38, stage.ReportSignature},
		"signing key":       {0x48, stage.ReportSignature},
		"reserved":          {0x4c, stage.Parse},
		"report data":       {0x50, stage.ReportSignature},
		"measurement":       {0x90, stage.ReportSignature},
		"host data":         {0xc0, stage.ReportSignature},
		"reported tcb":      {0x180, stage.EndorsementMismatch},
		"reported tcb, too": {0x180, stage.ReportSignature},
		"family":            {0x188, stage.Chain},
		"chip id":           {0x1a0, stage.EndorsementMismatch},
		"chip id, too":      {0x1a0, stage.ReportSignature},
		"committed tcb":     {0x1e0, stage.ReportSignature},
		"reserved, second":  {0x210, stage.Parse},
		"r":                 {0x2a0, stage.ReportSignature},
		"s":                 {0x2a0 + 72, stage.ReportSignature},
		"after s":           {0x2a0 + 144, stage.Parse},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verify(t, evidencetest.Flipped(s.report, c.at), s.ek, s.options(t))
			evidencetest.Refused(t, err, c.want)
		})
	}
	for name, ek := range map[string][]byte{
		"key's signature": evidencetest.Flipped(s.ek, len(s.ek)-1),
		"no key":          nil,
		"cut off":         s.ek[:len(s.ek)-1],
		"trailing":        append(slices.Clone(s.ek), 0),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verify(t, s.report, ek, s.options(t))
			evidencetest.Refused(t, err, stage.Chain)
		})
	}
	for name, report := range map[string][]byte{"empty": nil, "short": s.report[:1183], "long": append(slices.Clone(s.report), 0)} {
		t.Run(name, func(t *testing.T) {
			_, err := verify(t, report, s.ek, s.options(t))
			evidencetest.Refused(t, err, stage.Parse)
		})
	}
	_, err := verify(t, s.report, make([]byte, MaxEndorsement+1), s.options(t))
	evidencetest.Refused(t, err, stage.Parse)
}

// TestAnotherKey gives genuine keys of other chips, TCBs and kinds.
func TestAnotherKey(t *testing.T) {
	s := load(t, "aci-milan")
	other := load(t, "trustee-milan") // the same TCB on another chip
	_, err := verify(t, s.report, other.ek, other.options(t))
	evidencetest.Refused(t, err, stage.EndorsementMismatch)
	v3 := load(t, "azure-milan-v3")
	_, err = verify(t, v3.report, load(t, "azure-genoa-v3").ek, v3.options(t))
	evidencetest.Refused(t, err, stage.Chain)
	_, err = verify(t, v3.report, load(t, "aws-vlek-milan").ek, v3.options(t))
	evidencetest.Refused(t, err, stage.EndorsementMismatch)
}

func TestClock(t *testing.T) {
	s := load(t, "aci-milan")
	for _, at := range []time.Time{s.At.AddDate(-20, 0, 0), s.At.AddDate(20, 0, 0)} {
		_, err := verify(t, s.report, s.ek, Options{Anchors: amd(t), At: at})
		evidencetest.Refused(t, err, stage.Chain)
	}
	_, err := verify(t, s.report, s.ek, Options{Anchors: amd(t)})
	evidencetest.Refused(t, err, stage.Chain)
	_, err = verify(t, s.report, s.ek, Options{At: s.At})
	evidencetest.Refused(t, err, stage.Chain)
}

// TestClockOfTheRoot: a root that ended ends what hangs from it, though the intermediate and the key go on; so does one that did not
// begin.
func TestClockOfTheRoot(t *testing.T) {
	s := signer(t, func(b *fake.AmdSignerBuilder) { b.ArkCreationTime = fakeTime.AddDate(-24, 0, 0) })
	if !s.Ark.NotAfter.Before(s.Vcek.NotAfter) || !s.Ark.NotAfter.Before(s.Ask.NotAfter) {
		t.Fatal("the root does not end first")
	}
	report := fakeReport(t, s, fake.TestReportOptions{}, nil)
	for at, ok := range map[time.Time]bool{fakeTime.AddDate(0, 6, 0): true, s.Ark.NotAfter: true, s.Ark.NotAfter.Add(time.Second): false} {
		_, err := verify(t, report, s.Vcek.Raw, Options{Anchors: anchorsOf(t, s, s.Ask), At: at})
		if ok != (err == nil) {
			t.Errorf("%s: %v", at, err)
		}
		if !ok {
			evidencetest.Refused(t, err, stage.Chain)
		}
	}
	s = signer(t, func(b *fake.AmdSignerBuilder) { b.ArkCreationTime = fakeTime.AddDate(1, 0, 0) })
	_, err := verify(t, fakeReport(t, s, fake.TestReportOptions{}, nil), s.Vcek.Raw, Options{Anchors: anchorsOf(t, s, s.Ask), At: fakeTime.AddDate(0, 6, 0)})
	evidencetest.Refused(t, err, stage.Chain)
}

var fakeTime = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// signer makes keys with AMD's names that are not AMD's.
func signer(t testing.TB, custom func(*fake.AmdSignerBuilder)) *fake.AmdSigner {
	t.Helper()
	b := &fake.AmdSignerBuilder{
		Keys: fake.DefaultAmdKeys(), ProductName: "Milan-B1", CSPID: "a provider",
		ArkCreationTime: fakeTime, AskCreationTime: fakeTime, AsvkCreationTime: fakeTime,
		VcekCreationTime: fakeTime, VlekCreationTime: fakeTime,
	}
	if custom != nil {
		custom(b)
	}
	s, err := b.TestOnlyCertChain()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// anchorsOf returns what a test must configure to believe the look-alike.
func anchorsOf(t testing.TB, s *fake.AmdSigner, ask *x509.Certificate) Anchors {
	t.Helper()
	var src []byte
	for _, c := range []*x509.Certificate{ask, s.Ark} {
		src = append(src, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	a, err := ParseAnchors(src)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// fakeReport signs a report that change may alter first.
func fakeReport(t testing.TB, s *fake.AmdSigner, o fake.TestReportOptions, change func(r []byte)) []byte {
	t.Helper()
	whole := fake.CreateRawReport(&o)
	raw := whole[:ReportSize]
	raw[0x0a] &^= 1 << 3 // not a debug guest
	if change != nil {
		change(raw)
	}
	r, sig, err := s.Sign(abi.SignedComponent(raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := abi.SetSignature(r, sig, raw); err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestLookAlike(t *testing.T) {
	s := signer(t, nil)
	report := fakeReport(t, s, fake.TestReportOptions{Version: 3, FMS: 0xa00f11}, nil)
	_, err := verify(t, report, s.Vcek.Raw, Options{Anchors: amd(t), At: fakeTime})
	evidencetest.Refused(t, err, stage.Chain)
	if _, err = verify(t, report, s.Vcek.Raw, Options{Anchors: anchorsOf(t, s, s.Ask), At: fakeTime}); err != nil {
		t.Fatal("a root that is configured is not believed:", err)
	}
	_, err = verify(t, load(t, "gcp-milan-v5").report, load(t, "gcp-milan-v5").ek, Options{Anchors: anchorsOf(t, s, s.Ask), At: fakeTime})
	evidencetest.Refused(t, err, stage.Chain)
	// A key of the right chip and TCB that is not the one which signed.
	forged := evidencetest.Flipped(report, 0x90)
	_, err = verify(t, forged, s.Vcek.Raw, Options{Anchors: anchorsOf(t, s, s.Ask), At: fakeTime})
	evidencetest.Refused(t, err, stage.ReportSignature)
}

// TestAnchorsHangTogether refuses what is not one intermediate and its own root.
func TestAnchorsHangTogether(t *testing.T) {
	s := load(t, "aci-milan")
	milan, genoa := s.Read(t, "../roots/amd-ask_ark_milan.pem"), s.Read(t, "../roots/amd-ask_ark_genoa.pem")
	_, rest := pem.Decode(milan)
	_, other := pem.Decode(genoa)
	ask := milan[:len(milan)-len(rest)]
	for name, c := range map[string]struct {
		src  []byte
		want stage.Error
	}{
		"another root":  {append(slices.Clone(ask), other...), stage.Chain},
		"one":           {ask, stage.Parse},
		"three":         {append(slices.Clone(milan), other...), stage.Parse},
		"root first":    {append(slices.Clone(rest), ask...), stage.Parse},
		"text after it": {append(slices.Clone(milan), "more"...), stage.Parse},
		"empty":         {nil, stage.Parse},
	} {
		_, err := ParseAnchors(c.src)
		t.Run(name, func(t *testing.T) { evidencetest.Refused(t, err, c.want) })
	}
}

// TestEndorsement: the key must be made for the report's TCB and chip, though it signed the report.
func TestEndorsement(t *testing.T) {
	plain := signer(t, nil)
	for name, c := range map[string]struct {
		custom func(*fake.AmdSignerBuilder)
		change func(r []byte)
		vlek   bool
		want   stage.Error
	}{
		"good":              {},
		"another tcb":       {change: func(r []byte) { r[0x186] = 1 }, want: stage.EndorsementMismatch},
		"another chip":      {change: func(r []byte) { r[0x1a0] = 1 }, want: stage.EndorsementMismatch},
		"good vlek":         {vlek: true},
		"vlek, another tcb": {vlek: true, change: func(r []byte) { r[0x180] = 1 }, want: stage.EndorsementMismatch},
		"vlek of no provider": {vlek: true, want: stage.EndorsementMismatch, custom: func(b *fake.AmdSignerBuilder) {
			b.VlekCustom.Extensions = slices.DeleteFunc(fake.CustomExtensions(kds.TCBParts{}, nil, "x", "Milan"), func(x pkix.Extension) bool { return x.Id.Equal(oidCSP) })
		}},
		"vcek of a provider": {want: stage.EndorsementMismatch, custom: func(b *fake.AmdSignerBuilder) {
			b.VcekCustom.Extensions = append(fake.CustomExtensions(kds.TCBParts{}, make([]byte, 64), "", "Milan-B1"), fake.CustomExtensions(kds.TCBParts{}, nil, "x", "Milan")[10])
		}},
		"tcb not whole": {want: stage.EndorsementMismatch, custom: func(b *fake.AmdSignerBuilder) {
			b.VcekCustom.Extensions = slices.Delete(fake.CustomExtensions(kds.TCBParts{}, make([]byte, 64), "", "Milan-B1"), 3, 4)
		}},
		"unknown component": {want: stage.EndorsementMismatch, custom: func(b *fake.AmdSignerBuilder) {
			one, _ := asn1.Marshal(1)
			b.VcekCustom.Extensions = append(fake.CustomExtensions(kds.TCBParts{}, make([]byte, 64), "", "Milan-B1"),
				pkix.Extension{Id: append(slices.Clone(oidTCB), 9), Value: one})
		}},
		"named for another key": {want: stage.EndorsementMismatch, custom: func(b *fake.AmdSignerBuilder) {
			n := plain.Vlek.Subject
			b.VcekCustom.Subject = &n
		}},
		"signed otherwise": {want: stage.Chain, custom: func(b *fake.AmdSignerBuilder) { b.VcekCustom.SignatureAlgorithm = x509.SHA256WithRSA }},
	} {
		t.Run(name, func(t *testing.T) {
			s := signer(t, c.custom)
			o := fake.TestReportOptions{Version: 3, FMS: 0xa00f11}
			ek, ask := s.Vcek, s.Ask
			if c.vlek {
				o.SignerInfo.SigningKey, ek, ask = abi.VlekReportSigner, s.Vlek, s.Asvk
			}
			_, err := verify(t, fakeReport(t, s, o, c.change), ek.Raw, Options{Anchors: anchorsOf(t, s, ask), At: fakeTime})
			if c.want == "" && err != nil {
				t.Fatal(err)
			}
			if c.want != "" {
				evidencetest.Refused(t, err, c.want)
			}
		})
	}
}

func TestUnsigned(t *testing.T) {
	s := signer(t, nil)
	report := fakeReport(t, s, fake.TestReportOptions{Version: 3, FMS: 0xa00f11}, nil)
	report[0x48] = byte(abi.NoneReportSigner) << 2
	_, err := verify(t, report, s.Vcek.Raw, Options{Anchors: anchorsOf(t, s, s.Ask), At: fakeTime})
	evidencetest.Refused(t, err, stage.ReportSignature)
}

// TestTurin: no report of a Turin is recorded, so one is made in the form that AMD describes: eight bytes of chip name,
// the FMC firmware in front of the TCB.
func TestTurin(t *testing.T) {
	tcb := []pkix.Extension{}
	for part, n := range map[int]int{9: 1, 1: 2, 2: 3, 3: 4, 8: 5} {
		v, _ := asn1.Marshal(n)
		tcb = append(tcb, pkix.Extension{Id: append(slices.Clone(oidTCB), part), Value: v})
	}
	s := signer(t, func(b *fake.AmdSignerBuilder) {
		b.ProductName = "Turin-B1"
		b.VcekCustom.Extensions = append(tcb, pkix.Extension{Id: oidHWID, Value: []byte{1, 2, 3, 4, 5, 6, 7, 8}})
	})
	report := func(more byte) []byte {
		return fakeReport(t, s, fake.TestReportOptions{Version: 3, FMS: abi.FmsToCpuid1Eax(0x1a, 2, 1)}, func(r []byte) {
			copy(r[0x180:], []byte{1, 2, 3, 4, 0, 0, 0, 5})
			copy(r[0x1a0:], []byte{1, 2, 3, 4, 5, 6, 7, 8, more})
		})
	}
	o := Options{Anchors: anchorsOf(t, s, s.Ask), At: fakeTime}
	v, err := verify(t, report(0), s.Vcek.Raw, o)
	if err != nil || v.Line != Turin {
		t.Fatal(v, err)
	}
	_, err = verify(t, report(1), s.Vcek.Raw, o)
	evidencetest.Refused(t, err, stage.EndorsementMismatch)
}

func TestUnknownProcessor(t *testing.T) {
	s := signer(t, nil)
	for _, fms := range []uint32{abi.FmsToCpuid1Eax(0x19, 0x20, 0), abi.FmsToCpuid1Eax(0x1a, 0x50, 0), abi.FmsToCpuid1Eax(0x17, 1, 0)} {
		report := fakeReport(t, s, fake.TestReportOptions{Version: 3, FMS: fms}, nil)
		_, err := Verify(report, s.Vcek.Raw, Options{Anchors: anchorsOf(t, s, s.Ask), At: fakeTime})
		evidencetest.Refused(t, err, stage.Chain)
	}
}

// TestOtherLine: a genuine chain of one line does not vouch for a processor of another.
func TestOtherLine(t *testing.T) {
	s := signer(t, nil) // Milan's names
	report := fakeReport(t, s, fake.TestReportOptions{Version: 3, FMS: 0xa10f11}, nil)
	_, err := Verify(report, s.Vcek.Raw, Options{Anchors: anchorsOf(t, s, s.Ask), At: fakeTime})
	evidencetest.Refused(t, err, stage.Chain)
}

// TestKeyOfTheOtherIntermediate: what signs VLEKs makes a certificate that is named for a VCEK.
func TestKeyOfTheOtherIntermediate(t *testing.T) {
	s := signer(t, func(b *fake.AmdSignerBuilder) {
		n := pkix.Name{CommonName: "SEV-VCEK"}
		b.VlekCustom.Subject, b.VlekCustom.Extensions = &n, fake.CustomExtensions(kds.TCBParts{}, make([]byte, 64), "", "Milan-B1")
	})
	s.Keys.Vcek = s.Keys.Vlek
	report := fakeReport(t, s, fake.TestReportOptions{Version: 3, FMS: 0xa00f11}, nil)
	a := anchorsOf(t, s, s.Asvk)
	_, err := Verify(report, s.Vlek.Raw, Options{Anchors: a, At: fakeTime})
	evidencetest.Refused(t, err, stage.Chain)
}

func TestCurve(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "SEV-VCEK"}}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parseEndorsement(der, VCEK)
	evidencetest.Refused(t, err, stage.Chain)
}

func TestRevocationSize(t *testing.T) {
	a := amd(t).list[0]
	_, err := a.notRevoked(nil, [][]byte{make([]byte, MaxCRL+1)}, fakeTime)
	if err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("%v, want a refusal for the size", err)
	}
}

func TestRevocation(t *testing.T) {
	s, other := signer(t, nil), signer(t, func(b *fake.AmdSignerBuilder) { b.ProductName = "Genoa-B1" })
	list := func(by *fake.AmdSigner, serial *big.Int) []byte {
		var entries []x509.RevocationListEntry
		if serial != nil {
			entries = append(entries, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: fakeTime})
		}
		ark := *by.Ark
		ark.KeyUsage = x509.KeyUsageCRLSign
		if ark.SubjectKeyId == nil {
			ark.SubjectKeyId = []byte{1}
		}
		der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number: big.NewInt(1), ThisUpdate: fakeTime.AddDate(0, 0, 1), NextUpdate: fakeTime.AddDate(0, 1, 0), RevokedCertificateEntries: entries,
			SignatureAlgorithm: x509.SHA384WithRSAPSS,
		}, &ark, by.Keys.Ark)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	good := list(s, big.NewInt(77))
	for name, c := range map[string]struct {
		crls [][]byte
		at   time.Time
		want stage.Error
	}{
		"none given":      {},
		"not listed":      {crls: [][]byte{list(other, nil), good}},
		"listed":          {crls: [][]byte{list(s, s.Ask.SerialNumber)}, want: stage.Revoked},
		"of another root": {crls: [][]byte{list(other, nil)}, want: stage.NoCRL},
		"altered":         {crls: [][]byte{evidencetest.Flipped(good, len(good)-1)}, want: stage.NoCRL},
		"no list":         {crls: [][]byte{{1, 2, 3}}, want: stage.Parse},
		"too long":        {crls: [][]byte{make([]byte, MaxCRL+1)}, want: stage.Parse},
		"out of date":     {crls: [][]byte{good}, at: fakeTime.AddDate(0, 2, 0), want: stage.StaleCollateral},
		"of the future":   {crls: [][]byte{good}, at: fakeTime, want: stage.StaleCollateral},
	} {
		t.Run(name, func(t *testing.T) {
			if c.at.IsZero() {
				c.at = fakeTime.AddDate(0, 0, 2)
			}
			report := fakeReport(t, s, fake.TestReportOptions{Version: 3, FMS: 0xa00f11}, nil)
			_, err := Verify(report, s.Vcek.Raw, Options{Anchors: anchorsOf(t, s, s.Ask), At: c.at, CRLs: c.crls})
			if c.want == "" && err != nil {
				t.Fatal(err)
			}
			if c.want != "" {
				evidencetest.Refused(t, err, c.want)
			}
		})
	}
}

// TestExtensionsAgree reads every recorded key with go-sev-guest as well.
func TestExtensionsAgree(t *testing.T) {
	for _, c := range evidencetest.Load(t, "snp") {
		cert, err := x509.ParseCertificate(c.Read(t, c.Endorsements[0]))
		if err != nil {
			t.Fatal(err)
		}
		line, key, _ := issuerName(cert.Issuer.CommonName)
		of := abi.VcekReportSigner
		if key == VLEK {
			of = abi.VlekReportSigner
		}
		want, err := kds.CertificateExtensions(cert, of)
		if err != nil {
			t.Fatal(err)
		}
		got, err := extensions(cert, line)
		if err != nil {
			t.Fatal(err)
		}
		if uint64(got.tcb) != uint64(want.TCBVersion) || string(got.hwid) != string(want.HWID) || got.csp != want.CspID {
			t.Errorf("%s: %+v, want %+v", c.ID, got, want)
		}
	}
}

// TestAgreesWithGoSevGuest compares verdicts on every recorded report, whole and with a bit changed in each field. The
// other verifier looks neither at debug nor at whether the key is for this chip and TCB, so those are left out.
func TestAgreesWithGoSevGuest(t *testing.T) {
	compared := 0
	for _, c := range evidencetest.Load(t, "snp") {
		report, ek := c.Read(t, c.File), c.Read(t, c.Endorsements[0])
		for at := -1; at < ReportSize; at += 41 {
			raw := report
			if at >= 0 {
				raw = evidencetest.Flipped(report, at)
			}
			_, own := Verify(raw, ek, Options{Anchors: amd(t), At: c.At, AllowDebug: true})
			if other := ask(t, c, raw, ek); (own == nil) != (other == nil) {
				t.Errorf("%s, byte %d: %v, but go-sev-guest %v", c.ID, at, own, other)
			}
			compared++
		}
	}
	t.Logf("%d verdicts compared", compared)
}

// ask lets go-sev-guest verify, with the root of the case and without a network.
func ask(t *testing.T, c evidencetest.Case, report, ek []byte) error {
	t.Helper()
	r, err := abi.ReportToProto(report)
	if err != nil {
		return err
	}
	a, err := ParseAnchors(c.Read(t, c.Root))
	if err != nil {
		t.Fatal(err)
	}
	line := a.list[0].line
	root := trust.AMDRootCertsProduct(line)
	if err := root.FromKDSCertBytes(c.Read(t, c.Root)); err != nil {
		t.Fatal(err)
	}
	chain := &spb.CertificateChain{VcekCert: ek}
	if a.list[0].key == VLEK {
		chain = &spb.CertificateChain{VlekCert: ek}
	}
	roots := map[string][]*trust.AMDRootCerts{line: {root}}
	if r.GetCpuid1EaxFms()>>12 == 0xaa0 { // Bergamo, which it does not know
		roots["Unknown"] = roots[line]
	}
	return oracle.SnpAttestation(&spb.Attestation{Report: r, CertificateChain: chain}, &oracle.Options{
		DisableCertFetching: true, Now: c.At, TrustedRoots: roots, Getter: failing{t},
	})
}

// failing is a network that must not be used.
type failing struct{ t *testing.T }

func (f failing) Get(url string) ([]byte, error) {
	f.t.Errorf("fetched %s", url)
	return nil, x509.ErrUnsupportedAlgorithm
}

// policyFor accepts exactly this report.
func policyFor(v *Verified) Policy {
	tcb := v.ReportedTCB
	return Policy{Measurements: [][]byte{v.Measurement}, ReportData: slices.Clone(v.ReportData), MinTCB: &tcb, GuestPolicy: 0x30000, MaxVMPL: v.VMPL}
}

func TestAppraise(t *testing.T) {
	s := load(t, "bergamo-genoa-v5")
	good, err := Verify(s.report, s.ek, s.options(t))
	if err != nil {
		t.Fatal(err)
	}
	tcb := func(f func(*TCB)) func(*Policy) {
		return func(p *Policy) { x := *p.MinTCB; f(&x); p.MinTCB = &x }
	}
	for name, c := range map[string]struct {
		change func(*Policy)
		v      func(*Verified)
		want   error
	}{
		"accepted":                       {},
		"another is accepted":            {change: func(p *Policy) { p.Measurements = append([][]byte{make([]byte, 48)}, p.Measurements...) }},
		"lower minimum":                  {change: tcb(func(x *TCB) { *x -= 1 << 56 })},
		"microcode too old":              {change: tcb(func(x *TCB) { *x += 1 << 56 }), want: stage.TCBStatus},
		"loader too old":                 {change: tcb(func(x *TCB) { *x++ }), want: stage.TCBStatus},
		"lower microcode, higher loader": {change: tcb(func(x *TCB) { *x = *x - 1<<56 + 1 }), want: stage.TCBStatus},
		"no minimum":                     {change: func(p *Policy) { p.MinTCB = nil }, want: ErrPolicy},
		"no measurement":                 {change: func(p *Policy) { p.Measurements = nil }, want: ErrPolicy},
		"another measurement":            {change: func(p *Policy) { p.Measurements = [][]byte{make([]byte, 48)} }, want: ErrMeasurement},
		"prefix of measurement":          {change: func(p *Policy) { p.Measurements[0] = p.Measurements[0][:47] }, want: ErrMeasurement},
		"no report data":                 {change: func(p *Policy) { p.ReportData = nil }, want: ErrPolicy},
		"another's report data":          {change: func(p *Policy) { p.ReportData[63] ^= 1 }, want: ErrReportData},
		"report data of nothing":         {change: func(p *Policy) { p.ReportData = make([]byte, 64) }, v: func(v *Verified) { v.ReportData = make([]byte, 64) }, want: ErrReportData},
		"no guest policy":                {change: func(p *Policy) { p.GuestPolicy = 0 }, want: ErrPolicy},
		"no threads":                     {change: func(p *Policy) { p.GuestPolicy = 0x20000 }, want: ErrGuestPolicy},
		"migration":                      {v: func(v *Verified) { v.Policy |= 1 << 18 }, want: ErrGuestPolicy},
		"one socket":                     {v: func(v *Verified) { v.Policy |= 1 << 20 }},
		"interface too old":              {change: func(p *Policy) { p.MinABI = 1 }, want: ErrGuestPolicy},
		"privilege level":                {v: func(v *Verified) { v.VMPL = 1 }, want: ErrVMPL},
		"debug":                          {v: func(v *Verified) { v.Debug = true }, want: stage.Debug},
		"not verified":                   {v: func(v *Verified) { v.checked = false }, want: ErrPolicy},
	} {
		t.Run(name, func(t *testing.T) {
			v, p := *good, policyFor(good)
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
	if err := Appraise(nil, policyFor(good)); !errors.Is(err, ErrPolicy) {
		t.Error(err)
	}
}

func FuzzVerify(f *testing.F) {
	s, v := load(f, "gcp-milan-v5"), load(f, "aws-vlek-milan")
	f.Add(s.report, s.ek)
	f.Add(v.report, v.ek)
	o := s.options(f)
	f.Fuzz(func(t *testing.T, report, ek []byte) {
		evidencetest.Bounded(t, len(report)+len(ek), func() {
			got, err := Verify(report, ek, o)
			if (got == nil) != (err != nil) {
				t.Fatal("neither verified nor refused, or both")
			}
			if got != nil && !slices.Equal(report, s.report) && !slices.Equal(report, v.report) {
				t.Fatal("accepted what nobody signed")
			}
		})
	})
}

func FuzzAnchors(f *testing.F) {
	f.Add(load(f, "aci-milan").Read(f, "../roots/amd-ask_ark_milan.pem"))
	f.Fuzz(func(t *testing.T, src []byte) {
		evidencetest.Bounded(t, len(src), func() {
			if a, err := ParseAnchors(src); err != nil && len(a.list) != 0 {
				t.Fatal("anchors of what was refused")
			}
		})
	})
}

func BenchmarkVerify(b *testing.B) {
	s := load(b, "gcp-milan-v5")
	o := s.options(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Verify(s.report, s.ek, o); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "ms/op")
}
