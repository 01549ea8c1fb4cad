package machinetest

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
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/evidence/hosted"
)

// intel is a hierarchy with Intel's names, and two machines under it.
type intel struct {
	root, ca, signer *identity
	current, old     *identity // PCK
	att              *ecdsa.PrivateKey
}

var sgxID = asn1.ObjectIdentifier{1, 2, 840, 113741, 1, 13, 1}

func (m *Machines) newIntel(t testing.TB) *intel {
	t.Helper()
	p := elliptic.P256()
	i := &intel{att: newKey(t, p)}
	i.root = m.issue(t, nil, p, "Intel SGX Root CA", true)
	i.ca = m.issue(t, i.root, p, "Intel SGX PCK Platform CA", true)
	i.signer = m.issue(t, i.root, p, "Intel SGX TCB Signing", false)
	i.current = m.issue(t, i.ca, p, "Intel SGX PCK Certificate", false, pck(t, 5, 13))
	i.old = m.issue(t, i.ca, p, "Intel SGX PCK Certificate", false, pck(t, 3, 11))
	return i
}

// pck is the extension of a PCK certificate: sixteen components, and the version of the PCE.
func pck(t testing.TB, component, pce int) pkix.Extension {
	t.Helper()
	type item struct {
		ID    asn1.ObjectIdentifier
		Value any
	}
	under := func(base asn1.ObjectIdentifier, n int) asn1.ObjectIdentifier { return append(slices.Clone(base), n) }
	tcb := under(sgxID, 2)
	var list []item
	for i := range 16 {
		list = append(list, item{under(tcb, i+1), component})
	}
	list = append(list, item{under(tcb, 17), pce})
	der, err := asn1.Marshal([]item{{tcb, list}, {under(sgxID, 3), []byte{0, 0}}, {under(sgxID, 4), []byte{0x90, 0xc0, 0x6f, 0, 0, 0}}})
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: sgxID, Value: der}
}

var qeSigner = sha256.Sum256([]byte("quoting enclave"))

// intelQuote is a quote v4 of SGX or of TDX 1.0.
func (m *Machines) intelQuote(t testing.TB, kind string, e Enclave, data evidence.ReportData) hosted.Quoted {
	t.Helper()
	signed := make([]byte, 48)
	binary.LittleEndian.PutUint16(signed, 4)
	signed[2] = 2
	vendor, _ := hex.DecodeString("939a7233f79c4ca9940a0db3957f0607")
	copy(signed[12:], vendor)
	if kind == evidence.TDX {
		signed[4] = 0x81
		signed = append(signed, tdBody(e, data)...)
	} else {
		signed = append(signed, sgxBody(e, data)...)
	}
	machine := m.intel.current
	if e.Outdated {
		machine = m.intel.old
	}
	out := hosted.Quoted{Quote: m.intel.sign(t, machine, signed)}
	if !e.Bare {
		out.Endorsements = [][]byte{m.collateral(t, kind, e, machine)}
	}
	return out
}

func sgxBody(e Enclave, data evidence.ReportData) []byte {
	b := make([]byte, 384)
	b[48] = 5
	if e.Debug {
		b[48] |= 2
	}
	copy(b[64:], measured(e, "mrenclave", 32))
	copy(b[320:], data[:])
	return b
}

func tdBody(e Enclave, data evidence.ReportData) []byte {
	b := make([]byte, 584)
	copy(b, []byte{6, 1, 5}) // module 1.6
	if e.Debug {
		b[120] = 1
	}
	if e.Moves {
		b[123] = 1 << 5
	}
	copy(b[136:], measured(e, "mrtd", 48))
	copy(b[184:], measured(e, "mrconfigid", 48))
	for i, r := range []string{"rtmr0", "rtmr1", "rtmr2", "rtmr3"} {
		copy(b[328+48*i:], measured(e, r, 48))
	}
	copy(b[520:], data[:])
	return b
}

// sign makes a quote of header and body.
func (i *intel) sign(t testing.TB, machine *identity, signed []byte) []byte {
	t.Helper()
	pub, err := i.att.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	key, auth := pub[1:], []byte("0123456789abcdef")
	qe := make([]byte, 384)
	qe[48] = 0x11
	copy(qe[128:], qeSigner[:])
	qe[256], qe[258] = 2, 4
	bound := sha256.Sum256(append(slices.Clone(key), auth...))
	copy(qe[320:], bound[:])
	inner := append(slices.Clone(qe), rs(t, machine.key, qe)...)
	inner = binary.LittleEndian.AppendUint16(inner, uint16(len(auth)))
	inner = append(append(inner, auth...), sized(5, []byte(toPEM(machine, i.ca, i.root)))...)
	sigs := append(append(rs(t, i.att, signed), key...), sized(6, inner)...)
	out := binary.LittleEndian.AppendUint32(slices.Clone(signed), uint32(len(sigs)))
	return append(out, sigs...)
}

func sized(kind uint16, b []byte) []byte {
	out := binary.LittleEndian.AppendUint16(nil, kind)
	return append(binary.LittleEndian.AppendUint32(out, uint32(len(b))), b...)
}

// rs is a signature r‖s over SHA-256.
func rs(t testing.TB, key *ecdsa.PrivateKey, msg []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(msg)
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

func toPEM(list ...*identity) (out string) {
	for _, i := range list {
		out += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw}))
	}
	return out
}

func (m *Machines) collateral(t testing.TB, kind string, e Enclave, machine *identity) []byte {
	t.Helper()
	if e.Evaluation == 0 {
		e.Evaluation = Evaluation
	}
	from, until := m.window(e)
	var revoked []*big.Int
	if e.Revoked {
		revoked = append(revoked, machine.cert.SerialNumber)
	}
	i := m.intel
	info, qe := document(t, tcbInfo(kind, e, from, until)), document(t, qeIdentity(kind, e, from, until))
	out, err := (&dcap.Collateral{
		PCKCRLIssuerChain: toPEM(i.ca, i.root), RootCACRL: crl(t, i.root, from, until, nil), PCKCRL: crl(t, i.ca, from, until, revoked),
		TCBInfoIssuerChain: toPEM(i.signer, i.root), TCBInfo: string(info), TCBInfoSignature: rs(t, i.signer.key, info),
		QEIdentityIssuerChain: toPEM(i.signer, i.root), QEIdentity: string(qe), QEIdentitySignature: rs(t, i.signer.key, qe),
	}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func document(t testing.TB, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func crl(t testing.TB, by *identity, from, until time.Time, serials []*big.Int) []byte {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: from, NextUpdate: until}
	for _, s := range serials {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: from})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, by.cert, by.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

type object = map[string]any

func components(n int) (out []object) {
	for range 16 {
		out = append(out, object{"svn": n})
	}
	return out
}

func level(status string, date time.Time, tcb object, advisories ...string) object {
	return object{"tcb": tcb, "tcbDate": date.Format(time.RFC3339), "tcbStatus": status, "advisoryIDs": advisories}
}

// tcbInfo has two levels: the current one, and one that the old machine meets.
func tcbInfo(kind string, e Enclave, from, until time.Time) object {
	current, old := object{"sgxtcbcomponents": components(5), "pcesvn": 13}, object{"sgxtcbcomponents": components(3), "pcesvn": 11}
	out := object{
		"id": "SGX", "version": 3, "issueDate": from.Format(time.RFC3339), "nextUpdate": until.Format(time.RFC3339), "fmspc": "90C06F000000",
		"pceId": "0000", "tcbType": 0, "tcbEvaluationDataNumber": e.Evaluation,
		"tcbLevels": []any{level(Status, TCBDate(), current), level("OutOfDate", TCBDate().AddDate(-2, 0, 0), old, Advisory)},
	}
	if kind == evidence.TDX {
		current["tdxtcbcomponents"], old["tdxtcbcomponents"] = components(0), components(0)
		zero := hex.EncodeToString(make([]byte, 48))
		out["id"] = "TDX"
		out["tdxModule"] = object{"mrsigner": zero, "attributes": "0000000000000000", "attributesMask": "FFFFFFFFFFFFFFFF"}
		out["tdxModuleIdentities"] = []any{object{
			"id": "TDX_01", "mrsigner": zero, "attributes": "0000000000000000", "attributesMask": "FFFFFFFFFFFFFFFF",
			"tcbLevels": []any{level(Status, TCBDate(), object{"isvsvn": 6})},
		}}
	}
	return out
}

func qeIdentity(kind string, e Enclave, from, until time.Time) object {
	id := "QE"
	if kind == evidence.TDX {
		id = "TD_QE"
	}
	return object{
		"id": id, "version": 2, "issueDate": from.Format(time.RFC3339), "nextUpdate": until.Format(time.RFC3339), "tcbEvaluationDataNumber": e.Evaluation,
		"miscselect": "00000000", "miscselectMask": "FFFFFFFF",
		"attributes": "11000000000000000000000000000000", "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
		"mrsigner": hex.EncodeToString(qeSigner[:]), "isvprodid": 2, "tcbLevels": []any{level(Status, TCBDate(), object{"isvsvn": 4})},
	}
}
