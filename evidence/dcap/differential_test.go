package dcap

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-tdx-guest/verify"
)

// offline hands out collateral as Intel's provisioning service does.
type offline struct {
	t *testing.T
	c *Collateral
}

func (o offline) Get(address string) (map[string][]string, []byte, error) {
	chain := func(name, pem string) map[string][]string { return map[string][]string{name: {url.QueryEscape(pem)}} }
	switch {
	case strings.Contains(address, "/tdx/certification/v4/tcb?"):
		// That verifier compares FMSPCs as text. What it reads is in lower case, what it checks the signature of is as signed:
		// the second member changes one field of the first.
		var info struct {
			FMSPC string `json:"fmspc"`
		}
		if err := json.Unmarshal([]byte(o.c.TCBInfo), &info); err != nil {
			return nil, nil, err
		}
		body := fmt.Sprintf(`{"tcbInfo":%s,"signature":"%x","TCBINFO":{"fmspc":%q}}`, o.c.TCBInfo, o.c.TCBInfoSignature, strings.ToLower(info.FMSPC))
		return chain("Tcb-Info-Issuer-Chain", o.c.TCBInfoIssuerChain), []byte(body), nil
	case strings.Contains(address, "/tdx/certification/v4/qe/identity"):
		body := fmt.Sprintf(`{"enclaveIdentity":%s,"signature":"%s"}`, o.c.QEIdentity, hex.EncodeToString(o.c.QEIdentitySignature))
		return chain("Sgx-Enclave-Identity-Issuer-Chain", o.c.QEIdentityIssuerChain), []byte(body), nil
	case strings.Contains(address, "/pckcrl?"):
		return chain("Sgx-Pck-Crl-Issuer-Chain", o.c.PCKCRLIssuerChain), o.c.PCKCRL, nil
	case strings.HasSuffix(address, ".crl"), strings.HasSuffix(address, ".der"):
		return nil, o.c.RootCACRL, nil
	}
	o.t.Errorf("asked for %s", address)
	return nil, nil, fmt.Errorf("not here")
}

// theirs is the verdict of go-tdx-guest: accepted, if everything is UpToDate.
func (r *recorded) theirs(t *testing.T) error {
	pool := x509.NewCertPool()
	for _, c := range r.roots {
		pool.AddCert(c)
	}
	c := *r.collateral
	for _, chain := range []*string{&c.PCKCRLIssuerChain, &c.TCBInfoIssuerChain, &c.QEIdentityIssuerChain} {
		*chain = strings.TrimSpace(*chain) + "\n"
	}
	return verify.RawTdxQuote(r.raw, &verify.Options{
		CheckRevocations: true, GetCollateral: true, Getter: offline{t, &c}, Now: r.At, TrustedRoots: pool,
	})
}

// TestAgreesWithGoTDXGuest: both accept the same TDX quotes v4, as recorded and with a fault.
func TestAgreesWithGoTDXGuest(t *testing.T) {
	accepted, refused := 0, 0
	p := usual()
	p.Statuses, p.AllowDebug = []Status{UpToDate}, true // it knows nothing of debug TDs
	same := func(r *recorded, what string) {
		t.Helper()
		_, ours := r.judge(p)
		theirs := r.theirs(t)
		if (ours == nil) != (theirs == nil) {
			t.Errorf("%s, %s: ours %v, theirs %v", r.ID, what, ours, theirs)
		}
		if ours == nil {
			accepted++
		} else {
			refused++
		}
	}
	for _, r := range load(t, "tdx") {
		if r.collateral == nil || r.raw[0] != 4 {
			continue
		}
		same(r, "as recorded")
		for _, at := range []int{headerSize - 1, headerSize + 140, 700, 780, 900, 1300} {
			again := *r
			again.raw = slices.Clone(r.raw)
			again.raw[at] ^= 1
			same(&again, fmt.Sprintf("byte %d changed", at))
		}
		for what, edit := range map[string]func(c *Collateral){
			"TCB info changed":    func(c *Collateral) { c.TCBInfo = strings.Replace(c.TCBInfo, "OutOfDate", "UpToDate ", 1) + " " },
			"QE identity changed": func(c *Collateral) { c.QEIdentity = strings.Replace(c.QEIdentity, `"isvsvn":`, `"isvsvn":0`, 1) },
			"PCK CRL changed":     func(c *Collateral) { c.PCKCRL = flipped(c.PCKCRL) },
			"root CRL changed":    func(c *Collateral) { c.RootCACRL = flipped(c.RootCACRL) },
		} {
			again := *r
			c := *r.collateral
			again.collateral = &c
			edit(&c)
			same(&again, what)
		}
		stale := *r
		c := *r.Case
		stale.Case, c.At = &c, r.At.AddDate(0, 3, 0)
		same(&stale, "three months later")
	}
	if accepted < 7 || refused < 50 {
		t.Errorf("only %d accepted, %d refused", accepted, refused)
	}
	t.Logf("%d accepted, %d refused", accepted, refused)
}

func flipped(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)-1] ^= 1
	return b
}
