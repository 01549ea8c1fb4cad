package dcap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// forgery is a hierarchy, a machine and a quote of our own making, whose every part a test can set.
type forgery struct {
	t *testing.T

	root, ca, pck, signer, att *identity
	at                         time.Time
	roots                      []*x509.Certificate // pinned
	policy                     Policy

	version, bodyType int
	header, body, qe  []byte
	auth              []byte
	looseQE           bool // leave the report data of the quoting enclave as it stands
	outer, inner      uint16
	pem               string
	padding           string // behind the chain, within the certification data
	tail              []byte
	behindOuter       []byte // in the signature data, behind all that is known
	behindInner       []byte // the same within the certification data
	crlUntil          time.Time
	unsigned          func(signed []byte) // changes header and body after signing

	info, qeid         map[string]any
	revoked, pckListed []*big.Int
	change             func(c *Collateral)
	bare               bool // no collateral
}

type identity struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var (
	forgedAt = time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC)
	serials  = int64(100)
)

type cert struct {
	name     string
	ca       bool
	ext      []pkix.Extension
	from, to time.Time
}

func issue(t *testing.T, by *identity, c cert) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serials++
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serials), Subject: pkix.Name{CommonName: c.name, Organization: []string{"Intel Corporation"}},
		NotBefore: forgedAt.AddDate(-1, 0, 0), NotAfter: forgedAt.AddDate(5, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true, IsCA: c.ca, ExtraExtensions: c.ext,
	}
	if c.ca {
		tmpl.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	}
	if !c.to.IsZero() {
		tmpl.NotBefore, tmpl.NotAfter = c.from, c.to
	}
	parent, signer := tmpl, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &identity{out, key}
}

// machine is what a PCK certificate says.
type machine struct {
	fmspc, pceid []byte
	cpu          [16]int
	pcesvn       any
	extra        []item2
}

type item2 struct {
	ID    asn1.ObjectIdentifier
	Value any
}

func aMachine() machine {
	m := machine{fmspc: []byte{0x90, 0xc0, 0x6f, 0, 0, 0}, pceid: []byte{0, 0}, pcesvn: 13}
	for i := range m.cpu {
		m.cpu[i] = 5
	}
	return m
}

func (m machine) ext(t *testing.T) []pkix.Extension {
	t.Helper()
	under := func(base asn1.ObjectIdentifier, n int) asn1.ObjectIdentifier { return append(slices.Clone(base), n) }
	tcbID := under(oidSGX, 2)
	var tcb []item2
	for i, c := range m.cpu {
		tcb = append(tcb, item2{under(tcbID, i+1), c})
	}
	if m.pcesvn != nil {
		tcb = append(tcb, item2{under(tcbID, 17), m.pcesvn})
	}
	tcb = append(tcb, item2{under(tcbID, 18), make([]byte, 16)})
	items := append([]item2{{under(oidSGX, 1), make([]byte, 16)}, {tcbID, tcb}, {under(oidSGX, 3), m.pceid}, {under(oidSGX, 4), m.fmspc}}, m.extra...)
	der, err := asn1.Marshal(items)
	if err != nil {
		t.Fatal(err)
	}
	return []pkix.Extension{{Id: oidSGX, Value: der}}
}

// forge makes a TD of TDX 1.0 in a quote v4 that is accepted.
func forge(t *testing.T) *forgery {
	f := &forgery{t: t, at: forgedAt, outer: certQEReport, inner: certPCKChain, auth: []byte("0123456789abcdef")}
	f.root = issue(t, nil, cert{name: "Intel SGX Root CA", ca: true})
	f.ca = issue(t, f.root, cert{name: platformCA, ca: true})
	f.pck = issue(t, f.ca, cert{name: "Intel SGX PCK Certificate", ext: aMachine().ext(t)})
	f.signer = issue(t, f.root, cert{name: tcbSigner})
	f.att = issue(t, nil, cert{name: "attestation key"})
	f.roots = []*x509.Certificate{f.root.cert}
	f.policy = Policy{Statuses: []Status{UpToDate}, MinTCBDate: forgedAt.AddDate(-1, 0, 0), MinEvaluation: 17}
	f.qe = make([]byte, enclaveSize)
	copy(f.qe[48:], []byte{0x11})
	copy(f.qe[128:], sgxSigner[:])
	f.qe[256], f.qe[258] = 2, 4
	f.info, f.qeid = tdxInfo(), tdQE()
	f.as(4, bodyTD10)
	return f
}

var sgxSigner = sha256.Sum256([]byte("quoting enclave"))

// as sets the format, with a body to match.
func (f *forgery) as(version, bodyType int) {
	f.version, f.bodyType = version, bodyType
	f.header = make([]byte, headerSize)
	vendor, _ := hex.DecodeString(intelQEVendor)
	copy(f.header[12:], vendor)
	binary.LittleEndian.PutUint16(f.header, uint16(version))
	f.header[2] = ecdsaP256
	f.body = make([]byte, map[int]int{bodyEnclave: enclaveSize, bodyTD10: td10Size, bodyTD15: td15Size}[bodyType])
	if bodyType == bodyEnclave {
		f.body[48] = 5
		f.info, f.qeid = sgxInfo(), tdQE()
		f.qeid["id"] = "QE"
		return
	}
	f.header[4] = teeTDX
	copy(f.body, []byte{6, 1, 5}) // TEE_TCB_SVN: module 1.6
}

func comps(n int) []map[string]any {
	out := make([]map[string]any, 16)
	for i := range out {
		out[i] = map[string]any{"svn": n}
	}
	return out
}

func day(d int) string { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC).Format(time.RFC3339) }

func level(status string, tcb map[string]any, advisories ...string) map[string]any {
	return map[string]any{"tcb": tcb, "tcbDate": "2025-11-12T00:00:00Z", "tcbStatus": status, "advisoryIDs": advisories}
}

func sgxInfo() map[string]any {
	return map[string]any{
		"id": "SGX", "version": 3, "issueDate": day(1), "nextUpdate": day(31), "fmspc": "90C06F000000", "pceId": "0000",
		"tcbType": 0, "tcbEvaluationDataNumber": 20,
		"tcbLevels": []any{
			level("UpToDate", map[string]any{"sgxtcbcomponents": comps(5), "pcesvn": 13}),
			level("OutOfDate", map[string]any{"sgxtcbcomponents": comps(3), "pcesvn": 11}, "INTEL-SA-00002", "INTEL-SA-00001"),
		},
	}
}

func tdxInfo() map[string]any {
	m := sgxInfo()
	m["id"] = "TDX"
	tdx := comps(0)
	tdx[0]["svn"], tdx[2]["svn"] = 9, 5 // the first two are not looked at for a module of version 1
	m["tcbLevels"] = []any{
		level("UpToDate", map[string]any{"sgxtcbcomponents": comps(5), "pcesvn": 13, "tdxtcbcomponents": tdx}),
		level("OutOfDate", map[string]any{"sgxtcbcomponents": comps(3), "pcesvn": 11, "tdxtcbcomponents": comps(0)}, "INTEL-SA-00002"),
	}
	zero48 := hex.EncodeToString(make([]byte, 48))
	m["tdxModule"] = map[string]any{"mrsigner": zero48, "attributes": "0000000000000000", "attributesMask": "FFFFFFFFFFFFFFFF"}
	m["tdxModuleIdentities"] = []any{map[string]any{
		"id": "TDX_01", "mrsigner": zero48, "attributes": "0000000000000000", "attributesMask": "FFFFFFFFFFFFFFFF",
		"tcbLevels": []any{level("UpToDate", map[string]any{"isvsvn": 6}), level("OutOfDate", map[string]any{"isvsvn": 4}, "INTEL-SA-00003")},
	}}
	return m
}

func tdQE() map[string]any {
	return map[string]any{
		"id": "TD_QE", "version": 2, "issueDate": day(1), "nextUpdate": day(31), "tcbEvaluationDataNumber": 20,
		"miscselect": "00000000", "miscselectMask": "FFFFFFFF",
		"attributes": "11000000000000000000000000000000", "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
		"mrsigner": hex.EncodeToString(sgxSigner[:]), "isvprodid": 2,
		"tcbLevels": []any{level("UpToDate", map[string]any{"isvsvn": 4}), level("OutOfDate", map[string]any{"isvsvn": 2}, "INTEL-SA-00004")},
	}
}

func (f *forgery) sign(by *identity, msg []byte) []byte {
	f.t.Helper()
	digest := sha256.Sum256(msg)
	r, s, err := ecdsa.Sign(rand.Reader, by.key, digest[:])
	if err != nil {
		f.t.Fatal(err)
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

func toPEM(list ...*identity) (out string) {
	for _, i := range list {
		out += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw}))
	}
	return out
}

func sized(kind uint16, b []byte) []byte {
	out := binary.LittleEndian.AppendUint16(nil, kind)
	return append(binary.LittleEndian.AppendUint32(out, uint32(len(b))), b...)
}

func (f *forgery) quote() []byte {
	signed := slices.Clone(f.header)
	if f.version == 5 {
		signed = binary.LittleEndian.AppendUint16(signed, uint16(f.bodyType))
		signed = binary.LittleEndian.AppendUint32(signed, uint32(len(f.body)))
	}
	signed = append(signed, f.body...)
	pub, err := f.att.key.PublicKey.Bytes()
	if err != nil {
		f.t.Fatal(err)
	}
	key := pub[1:]
	qe := slices.Clone(f.qe)
	if !f.looseQE {
		bound := sha256.Sum256(append(slices.Clone(key), f.auth...))
		copy(qe[320:], bound[:])
	}
	if f.pem == "" {
		f.pem = toPEM(f.pck, f.ca, f.root)
	}
	inner := append(slices.Clone(qe), f.sign(f.pck, qe)...)
	inner = binary.LittleEndian.AppendUint16(inner, uint16(len(f.auth)))
	inner = append(append(inner, f.auth...), sized(f.inner, []byte(f.pem+f.padding))...)
	inner = append(inner, f.behindInner...)
	data := append(f.sign(f.att, signed), key...)
	if f.version >= 4 {
		inner = sized(f.outer, inner)
	}
	data = append(append(data, inner...), f.behindOuter...)
	if f.unsigned != nil {
		f.unsigned(signed)
	}
	out := binary.LittleEndian.AppendUint32(signed, uint32(len(data)))
	return append(append(out, data...), f.tail...)
}

func (f *forgery) crl(by *identity, listed []*big.Int) []byte {
	f.t.Helper()
	tmpl := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: forgedAt.AddDate(0, 0, -14), NextUpdate: forgedAt.AddDate(0, 0, 16)}
	if !f.crlUntil.IsZero() {
		tmpl.NextUpdate = f.crlUntil
	}
	for _, s := range listed {
		tmpl.RevokedCertificateEntries = append(tmpl.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: forgedAt})
	}
	der, err := x509.CreateRevocationList(rand.Reader, tmpl, by.cert, by.key)
	if err != nil {
		f.t.Fatal(err)
	}
	return der
}

func (f *forgery) collateral() *Collateral {
	f.t.Helper()
	if f.bare {
		return nil
	}
	info, err1 := json.Marshal(f.info)
	qeid, err2 := json.Marshal(f.qeid)
	if err1 != nil || err2 != nil {
		f.t.Fatal(err1, err2)
	}
	c := &Collateral{
		PCKCRLIssuerChain: toPEM(f.ca, f.root), RootCACRL: f.crl(f.root, f.revoked), PCKCRL: f.crl(f.ca, f.pckListed),
		TCBInfoIssuerChain: toPEM(f.signer, f.root), TCBInfo: string(info), TCBInfoSignature: f.sign(f.signer, info),
		QEIdentityIssuerChain: toPEM(f.signer, f.root), QEIdentity: string(qeid), QEIdentitySignature: f.sign(f.signer, qeid),
	}
	if f.change != nil {
		f.change(c)
	}
	return c
}

// judge verifies and appraises.
func (f *forgery) judge() (*Verified, *Result, error) {
	f.t.Helper()
	v, err := bothWays(f.t, f.quote(), f.collateral(), Options{Roots: f.roots, At: f.at})
	if err != nil {
		if v != nil {
			f.t.Error("a refused quote comes back")
		}
		return nil, nil, err
	}
	r, err := Appraise(v, f.policy)
	return v, r, err
}

// stages of a refusal, in the order of their names.
func stages(err error) []stage.Error {
	seen := map[stage.Error]bool{}
	var walk func(error)
	walk = func(err error) {
		if s, ok := err.(stage.Error); ok {
			seen[s] = true
		}
		switch x := err.(type) {
		case interface{ Unwrap() error }:
			walk(x.Unwrap())
		case interface{ Unwrap() []error }:
			for _, e := range x.Unwrap() {
				walk(e)
			}
		}
	}
	walk(err)
	return slices.Sorted(maps.Keys(seen))
}
