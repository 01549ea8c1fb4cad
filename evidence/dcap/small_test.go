package dcap

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

func TestKeepsItsOwnCopy(t *testing.T) {
	f := forge(t)
	raw := f.quote()
	q, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	before := bytes.Clone(q.signed)
	clear(raw)
	if !bytes.Equal(q.signed, before) {
		t.Error("a quote changes with the buffer it was read from")
	}
}

func TestBounds(t *testing.T) {
	f := forge(t)
	if _, err := parseCerts(toPEM(f.pck, f.ca, f.root, f.root)); err != nil {
		t.Error(err)
	}
	if _, err := parseCerts(toPEM(f.pck, f.ca, f.root, f.root, f.root)); err == nil {
		t.Error("more certificates than any chain has")
	}
	large := issue(t, f.ca, cert{name: "PCK", ext: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, maxCert)}}})
	if _, err := parseCerts(toPEM(large)); err == nil {
		t.Error("a large certificate")
	}
	if _, err := parseCerts(strings.Repeat("\n", maxChain+1)); err == nil {
		t.Error("a long chain")
	}
	if err := decodeDocument("{}"+strings.Repeat(" ", maxDocument), new(tcbInfo)); err == nil {
		t.Error("a long document")
	}
	if err := decodeDocument(`{"tcbLevels":[{}`+strings.Repeat(",{}", maxJSON/2)+`]}`, new(tcbInfo)); err == nil {
		t.Error("a document of many values")
	}
	f.change = func(c *Collateral) { c.TCBInfoIssuerChain += strings.Repeat("\n", maxChain) }
	if _, _, err := f.judge(); !slices.Equal(stages(err), []stage.Error{stage.Parse}) {
		t.Errorf("collateral that did not come through ParseCollateral: %v", err)
	}
	c := f.collateral()
	if _, err := c.Marshal(); !slices.Equal(stages(err), []stage.Error{stage.Parse}) {
		t.Errorf("written, but can't be read: %v", err)
	}
}

func TestStaleCRL(t *testing.T) {
	f := forge(t)
	f.crlUntil = day0(-1)
	if _, _, err := f.judge(); !slices.Equal(stages(err), []stage.Error{stage.StaleCollateral}) || !strings.Contains(err.Error(), "PCK CRL") || !strings.Contains(err.Error(), "root CA CRL") {
		t.Error(err)
	}
}

// A signature has one form: a zero more in front of s is another.
func TestSignatureSize(t *testing.T) {
	f := forge(t)
	msg := []byte("message")
	sig := f.sign(f.pck, msg)
	if !signs(certKey(f.pck.cert), msg, sig) {
		t.Error("does not verify")
	}
	for _, other := range [][]byte{nil, sig[:63], slices.Concat(sig[:32], []byte{0}, sig[32:]), append(bytes.Clone(sig), 0)} {
		if signs(certKey(f.pck.cert), msg, other) {
			t.Errorf("verifies with %d bytes", len(other))
		}
	}
	if signs(nil, msg, sig) || rawKey(make([]byte, 64)) != nil || rawKey(sig[:32]) != nil {
		t.Error("no point is a key")
	}
}

// Intel has more than one signer, and documents of two of them may stand together.
func TestQESignerOfItsOwn(t *testing.T) {
	f := forge(t)
	second := issue(t, f.root, cert{name: tcbSigner})
	f.change = func(c *Collateral) {
		c.QEIdentityIssuerChain, c.QEIdentitySignature = toPEM(second, f.root), f.sign(second, []byte(c.QEIdentity))
	}
	if _, _, err := f.judge(); err != nil {
		t.Error(err)
	}
}

// A status that this code does not know is refused even by a policy that names it.
func TestUnknownStatus(t *testing.T) {
	f := forge(t)
	f.policy.Statuses = append(f.policy.Statuses, "Splendid")
	levels(f.info)[0].(map[string]any)["tcbStatus"] = "Splendid"
	if _, _, err := f.judge(); !slices.Equal(stages(err), []stage.Error{stage.TCBStatus}) {
		t.Error(err)
	}
}

func TestAdvisoriesOfAllParts(t *testing.T) {
	f := forge(t)
	f.machine(func(m *machine) { m.cpu[0] = 4 })
	f.body[0], f.qe[258] = 5, 3
	v, _, err := f.judge()
	if v == nil {
		t.Fatal(err)
	}
	if want := []string{"INTEL-SA-00002", "INTEL-SA-00003", "INTEL-SA-00004"}; !slices.Equal(v.TCB.Advisories, want) || v.TCB.Status != OutOfDate {
		t.Errorf("%+v, want %v", v.TCB, want)
	}
}

// The most that a document within the bounds makes a reader allocate.
func TestAllocationOfDocuments(t *testing.T) {
	for name, text := range map[string]string{
		"levels":     `{"tcbLevels":[{}` + strings.Repeat(",{}", maxJSON/2-8) + `]}`,
		"components": `{"tcbLevels":[{"tcb":{"sgxtcbcomponents":[{"svn":1}` + strings.Repeat(`,{"svn":1}`, maxJSON/2-8) + `]}}]}`,
		"advisories": `{"tcbLevels":[{"advisoryIDs":[""` + strings.Repeat(`,""`, maxJSON-8) + `]}]}`,
		"identities": `{"tdxModuleIdentities":[{}` + strings.Repeat(",{}", maxJSON/2-8) + `]}`,
	} {
		if !json.Valid([]byte(text)) {
			t.Fatal(name)
		}
		var err error
		if n := allocated(func() { err = decodeDocument(text, new(tcbInfo)) }); err != nil || n > most(len(text)) {
			t.Errorf("%s: %d bytes allocated for %d: %v", name, n, len(text), err)
		}
	}
}

// No policy accepts a machine, quoting enclave or module that Intel has revoked.
func TestRevokedIsNeverAccepted(t *testing.T) {
	for name, list := range map[string]func(f *forgery) []any{
		"platform":        func(f *forgery) []any { return levels(f.info) },
		"quoting enclave": func(f *forgery) []any { return levels(f.qeid) },
		"module":          func(f *forgery) []any { return levels(module(f)) },
	} {
		f := forge(t)
		f.policy.Statuses = append(f.policy.Statuses, Revoked)
		list(f)[0].(map[string]any)["tcbStatus"] = "Revoked"
		v, _, err := f.judge()
		if !slices.Equal(stages(err), []stage.Error{stage.TCBStatus}) || v == nil || v.TCB.Status != Revoked {
			t.Errorf("%s: %v", name, err)
		}
	}
}
