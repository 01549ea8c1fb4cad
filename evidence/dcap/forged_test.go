package dcap

import (
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

func levels(doc map[string]any) []any { return doc["tcbLevels"].([]any) }

func tcbOf(l any) map[string]any { return l.(map[string]any)["tcb"].(map[string]any) }

func svns(l any, name string) []map[string]any { return tcbOf(l)[name].([]map[string]any) }

func module(f *forgery) map[string]any {
	return f.info["tdxModuleIdentities"].([]any)[0].(map[string]any)
}

// One thing wrong per case, and the refusal names that thing alone.
func TestForged(t *testing.T) {
	for _, x := range []struct {
		name string
		edit func(f *forgery)
		want []stage.Error // none: accepted
	}{
		{"TDX 1.0 in v4", func(f *forgery) {}, nil},
		{"TDX 1.0 in v5", func(f *forgery) { f.as(5, bodyTD10) }, nil},
		{"TDX 1.5 in v5", func(f *forgery) { f.as(5, bodyTD15) }, nil},
		{"SGX in v3", func(f *forgery) { f.as(3, bodyEnclave) }, nil},
		{"SGX in v4", func(f *forgery) { f.as(4, bodyEnclave) }, nil},
		{"SGX in v5", func(f *forgery) { f.as(5, bodyEnclave) }, nil},
		{"NUL behind the chain", func(f *forgery) { f.padding = "\x00" }, nil},
		{"zeros behind the quote", func(f *forgery) { f.tail = make([]byte, 3000) }, nil},
		{"lower-case FMSPC", func(f *forgery) { f.info["fmspc"] = "90c06f000000" }, nil},
		{"CRL issuer not shown", func(f *forgery) { f.change = func(c *Collateral) { c.PCKCRLIssuerChain = "" } }, nil},
		{"Processor CA", func(f *forgery) {
			f.ca = issue(f.t, f.root, cert{name: processorCA, ca: true})
			f.pck = issue(f.t, f.ca, cert{name: "PCK", ext: aMachine().ext(f.t)})
		}, nil},

		// 1
		{"too long", func(f *forgery) { f.tail = make([]byte, MaxQuote) }, []stage.Error{stage.Parse}},
		{"something behind the quote", func(f *forgery) { f.tail = []byte{0, 1} }, []stage.Error{stage.Parse}},
		{"version 2", func(f *forgery) { f.header[0] = 2 }, []stage.Error{stage.Parse}},
		{"version 6", func(f *forgery) { f.as(5, bodyTD15); f.header[0] = 6 }, []stage.Error{stage.Parse}},
		{"another attestation key type", func(f *forgery) { f.header[2] = 3 }, []stage.Error{stage.Alg, stage.Parse}},
		{"another vendor", func(f *forgery) { f.header[12] ^= 1 }, []stage.Error{stage.Parse}},
		{"another TEE", func(f *forgery) { f.header[4] = 0x82 }, []stage.Error{stage.Parse}},
		{"TDX in v3", func(f *forgery) { f.as(3, bodyEnclave); f.header[4] = teeTDX }, []stage.Error{stage.Parse}},
		{"SGX body said to be a TD", func(f *forgery) { f.as(5, bodyEnclave); f.header[4] = teeTDX }, []stage.Error{stage.Parse}},
		{"TD body said to be SGX", func(f *forgery) { f.as(5, bodyTD15); f.header[4] = teeSGX }, []stage.Error{stage.Parse}},
		{"body of another size", func(f *forgery) { f.as(5, bodyTD15); f.body = f.body[:td10Size] }, []stage.Error{stage.Parse}},
		{"PCK certificate not in the quote", func(f *forgery) { f.inner = 3 }, []stage.Error{stage.Parse}},
		{"certification data of another type", func(f *forgery) { f.outer = 5 }, []stage.Error{stage.Parse}},
		{"data behind the certification data", func(f *forgery) { f.behindOuter = []byte{0} }, []stage.Error{stage.Parse}},
		{"data behind the chain", func(f *forgery) { f.behindInner = []byte{0} }, []stage.Error{stage.Parse}},
		{"not a chain", func(f *forgery) { f.pem = "x" }, []stage.Error{stage.Chain, stage.Parse}},
		{"text between certificates", func(f *forgery) { f.pem = toPEM(f.pck, f.ca) + "x\n" + toPEM(f.root) }, []stage.Error{stage.Chain, stage.Parse}},
		{"a chain of two", func(f *forgery) { f.pem = toPEM(f.pck, f.ca) }, []stage.Error{stage.Chain, stage.Parse}},
		{"a chain of four", func(f *forgery) { f.pem = toPEM(f.pck, f.ca, f.root, f.root) }, []stage.Error{stage.Chain, stage.Parse}},
		{"a chain of five", func(f *forgery) { f.pem = toPEM(f.pck, f.ca, f.root, f.root, f.root) }, []stage.Error{stage.Chain, stage.Parse}},
		{"no SGX extension", func(f *forgery) { f.pck = issue(f.t, f.ca, cert{name: "PCK"}) }, []stage.Error{stage.Chain, stage.Parse}},
		{"no PCESVN", func(f *forgery) { f.machine(func(m *machine) { m.pcesvn = nil }) }, []stage.Error{stage.Chain, stage.Parse}},
		{"component of 256", func(f *forgery) { f.machine(func(m *machine) { m.cpu[3] = 256 }) }, []stage.Error{stage.Chain, stage.Parse}},
		{"negative component", func(f *forgery) { f.machine(func(m *machine) { m.cpu[3] = -1 }) }, []stage.Error{stage.Chain, stage.Parse}},
		{"FMSPC of five bytes", func(f *forgery) { f.machine(func(m *machine) { m.fmspc = m.fmspc[:5] }) }, []stage.Error{stage.Chain, stage.Parse}},
		{"FMSPC twice", func(f *forgery) {
			f.machine(func(m *machine) { m.extra = []item2{{append(slices.Clone(oidSGX), 4), m.fmspc}} })
		}, []stage.Error{stage.Chain, stage.Parse}},

		// 2
		{"no root pinned", func(f *forgery) { f.roots = []*x509.Certificate{} }, []stage.Error{stage.Chain}},
		{"leaf of the root", func(f *forgery) { f.pck = issue(f.t, f.root, cert{name: "PCK", ext: aMachine().ext(f.t)}) }, []stage.Error{stage.Chain}},
		{"CA that is not", func(f *forgery) {
			f.ca = issue(f.t, f.root, cert{name: platformCA})
			f.pck = issue(f.t, f.ca, cert{name: "PCK", ext: aMachine().ext(f.t)})
			f.change = func(c *Collateral) { c.PCKCRL, c.PCKCRLIssuerChain = nil, "" }
			f.bare = true
		}, []stage.Error{stage.Chain}},
		{"CA of another name", func(f *forgery) {
			f.ca = issue(f.t, f.root, cert{name: "Intel SGX PCK Other CA", ca: true})
			f.pck = issue(f.t, f.ca, cert{name: "PCK", ext: aMachine().ext(f.t)})
		}, []stage.Error{stage.Chain}},
		{"leaf that is a CA", func(f *forgery) {
			f.pck = issue(f.t, f.ca, cert{name: "PCK", ca: true, ext: aMachine().ext(f.t)})
		}, []stage.Error{stage.Chain}},
		{"leaf that has ended", func(f *forgery) {
			f.pck = issue(f.t, f.ca, cert{name: "PCK", ext: aMachine().ext(f.t), from: day0(-9), to: day0(-1)})
		}, []stage.Error{stage.Chain}},
		{"leaf that has not begun", func(f *forgery) {
			f.pck = issue(f.t, f.ca, cert{name: "PCK", ext: aMachine().ext(f.t), from: day0(1), to: day0(9)})
		}, []stage.Error{stage.Chain}},

		// 3
		{"body changed", func(f *forgery) { f.unsigned = func(b []byte) { b[headerSize+40] ^= 1 } }, []stage.Error{stage.QuoteSignature}},
		{"header changed", func(f *forgery) { f.unsigned = func(b []byte) { b[headerSize-1] ^= 1 } }, []stage.Error{stage.QuoteSignature}},
		{"attestation key of somebody else", func(f *forgery) { f.looseQE = true }, []stage.Error{stage.QEBinding}},
		{"more in the report data of the quoting enclave", func(f *forgery) { f.qe[383] = 1 }, []stage.Error{stage.QEBinding}},
		{"quoting enclave of another machine", func(f *forgery) {
			other := issue(f.t, f.ca, cert{name: "PCK", ext: aMachine().ext(f.t)})
			f.pem = toPEM(other, f.ca, f.root)
		}, []stage.Error{stage.QESignature}},

		// 4
		{"no collateral", func(f *forgery) { f.bare = true }, []stage.Error{stage.NoCollateral}},
		{"no PCK CRL", func(f *forgery) { f.change = func(c *Collateral) { c.PCKCRL = nil } }, []stage.Error{stage.NoCRL}},
		{"no root CRL", func(f *forgery) { f.change = func(c *Collateral) { c.RootCACRL = nil } }, []stage.Error{stage.NoCRL}},
		{"not a CRL", func(f *forgery) { f.change = func(c *Collateral) { c.PCKCRL = []byte("x") } }, []stage.Error{stage.NoCRL, stage.Parse}},
		{"PCK revoked", func(f *forgery) { f.pckListed = []*big.Int{big.NewInt(1), f.pck.cert.SerialNumber} }, []stage.Error{stage.Revoked}},
		{"PCK CA revoked", func(f *forgery) { f.revoked = []*big.Int{f.ca.cert.SerialNumber} }, []stage.Error{stage.Revoked}},
		{"others revoked", func(f *forgery) {
			f.pckListed, f.revoked = []*big.Int{f.ca.cert.SerialNumber}, []*big.Int{f.pck.cert.SerialNumber}
		}, nil},
		{"TCB signer revoked", func(f *forgery) { f.revoked = []*big.Int{f.signer.cert.SerialNumber} }, []stage.Error{stage.Revoked, stage.TCBInfoChain}},
		{"PCK CRL by the root", func(f *forgery) { f.change = func(c *Collateral) { c.PCKCRL = c.RootCACRL } }, []stage.Error{stage.Chain, stage.NoCRL}},
		{"root CRL by the PCK CA", func(f *forgery) { f.change = func(c *Collateral) { c.RootCACRL = c.PCKCRL } }, []stage.Error{stage.Chain, stage.NoCRL}},
		{"PCK CRL by a CA of the same name", func(f *forgery) {
			other := issue(f.t, f.root, cert{name: platformCA, ca: true})
			f.change = func(c *Collateral) { c.PCKCRL = f.crl(other, nil) }
		}, []stage.Error{stage.Chain, stage.NoCRL}},
		{"chain of another CA beside the PCK CRL", func(f *forgery) {
			other := issue(f.t, f.root, cert{name: platformCA, ca: true})
			f.change = func(c *Collateral) { c.PCKCRLIssuerChain = toPEM(other, f.root) }
		}, []stage.Error{stage.Chain, stage.NoCRL}},
		{"PCK CRL issuer under a look-alike root", func(f *forgery) {
			other := issue(f.t, nil, cert{name: "Intel SGX Root CA", ca: true})
			f.change = func(c *Collateral) { c.PCKCRLIssuerChain = toPEM(f.ca, other) }
		}, []stage.Error{stage.Chain, stage.NoCRL}},
		{"all stale but signed", func(f *forgery) { f.at = day0(17) }, []stage.Error{stage.StaleCollateral}},
		{"not yet issued", func(f *forgery) { f.at = day0(-20) }, []stage.Error{stage.StaleCollateral}},

		// 5
		{"no TCB info", func(f *forgery) { f.change = func(c *Collateral) { c.TCBInfo = "" } }, []stage.Error{stage.NoCollateral}},
		{"no QE identity", func(f *forgery) { f.change = func(c *Collateral) { c.QEIdentity = "" } }, []stage.Error{stage.NoCollateral}},
		{"TCB info changed", func(f *forgery) { f.change = func(c *Collateral) { c.TCBInfo += " " } }, []stage.Error{stage.TCBInfoSignature}},
		{"QE identity changed", func(f *forgery) { f.change = func(c *Collateral) { c.QEIdentity += " " } }, []stage.Error{stage.QEIdentitySignature}},
		{"TCB info unsigned", func(f *forgery) { f.change = func(c *Collateral) { c.TCBInfoSignature = nil } }, []stage.Error{stage.TCBInfoSignature}},
		{"signer of another name", func(f *forgery) { f.signer = issue(f.t, f.root, cert{name: "Intel SGX PCK Certificate"}) }, []stage.Error{stage.TCBInfoChain}},
		{"signer that is a CA", func(f *forgery) { f.signer = issue(f.t, f.root, cert{name: tcbSigner, ca: true}) }, []stage.Error{stage.TCBInfoChain}},
		{"signer under the PCK CA", func(f *forgery) { f.signer = issue(f.t, f.ca, cert{name: tcbSigner}) }, []stage.Error{stage.TCBInfoChain}},
		{"signer that has ended", func(f *forgery) {
			f.signer = issue(f.t, f.root, cert{name: tcbSigner, from: day0(-9), to: day0(-1)})
		}, []stage.Error{stage.TCBInfoChain}},
		{"signer under a look-alike root", func(f *forgery) {
			other := issue(f.t, nil, cert{name: "Intel SGX Root CA", ca: true})
			f.signer = issue(f.t, other, cert{name: tcbSigner})
			f.change = func(c *Collateral) {
				c.TCBInfoIssuerChain, c.QEIdentityIssuerChain = toPEM(f.signer, other), toPEM(f.signer, other)
			}
		}, []stage.Error{stage.TCBInfoChain}},
		{"signer under a look-alike root, shown with ours", func(f *forgery) {
			other := issue(f.t, nil, cert{name: "Intel SGX Root CA", ca: true})
			f.signer = issue(f.t, other, cert{name: tcbSigner})
		}, []stage.Error{stage.TCBInfoChain}},
		{"our signer, shown with a look-alike root", func(f *forgery) {
			other := issue(f.t, nil, cert{name: "Intel SGX Root CA", ca: true})
			f.change = func(c *Collateral) {
				c.TCBInfoIssuerChain, c.QEIdentityIssuerChain = toPEM(f.signer, other), toPEM(f.signer, other)
			}
		}, []stage.Error{stage.TCBInfoChain}},
		{"QE identity by another signer", func(f *forgery) {
			other := issue(f.t, nil, cert{name: "Intel SGX Root CA", ca: true})
			fake := issue(f.t, other, cert{name: tcbSigner})
			f.change = func(c *Collateral) {
				c.QEIdentityIssuerChain, c.QEIdentitySignature = toPEM(fake, other), f.sign(fake, []byte(c.QEIdentity))
			}
		}, []stage.Error{stage.Chain, stage.QEIdentitySignature}},
		{"TCB info of SGX", func(f *forgery) { f.info["id"] = "SGX" }, []stage.Error{stage.EndorsementMismatch}},
		{"TCB info of version 2", func(f *forgery) { f.info["version"] = 2 }, []stage.Error{stage.EndorsementMismatch}},
		{"TCB info of another type", func(f *forgery) { f.info["tcbType"] = 1 }, []stage.Error{stage.EndorsementMismatch}},
		{"QE identity of SGX", func(f *forgery) { f.qeid["id"] = "QE" }, []stage.Error{stage.EndorsementMismatch}},
		{"QE identity of version 1", func(f *forgery) { f.qeid["version"] = 1 }, []stage.Error{stage.EndorsementMismatch}},
		{"another FMSPC", func(f *forgery) { f.info["fmspc"] = "90C06F000001" }, []stage.Error{stage.EndorsementMismatch}},
		{"another PCE", func(f *forgery) { f.info["pceId"] = "0001" }, []stage.Error{stage.EndorsementMismatch}},
		{"stale TCB info", func(f *forgery) { f.info["nextUpdate"] = day(14) }, []stage.Error{stage.StaleCollateral}},
		{"TCB info of tomorrow", func(f *forgery) { f.info["issueDate"] = day(16) }, []stage.Error{stage.StaleCollateral}},
		{"stale QE identity", func(f *forgery) { f.qeid["nextUpdate"] = day(14) }, []stage.Error{stage.StaleCollateral}},
		{"too many levels", func(f *forgery) { f.info["tcbLevels"] = make([]struct{}, maxJSON) }, []stage.Error{stage.Parse}},
		{"level without components", func(f *forgery) { delete(tcbOf(levels(f.info)[0]), "sgxtcbcomponents") }, []stage.Error{stage.Parse}},
		{"level without TDX components", func(f *forgery) { delete(tcbOf(levels(f.info)[0]), "tdxtcbcomponents") }, []stage.Error{stage.Parse}},
		{"level without PCESVN", func(f *forgery) { delete(tcbOf(levels(f.info)[0]), "pcesvn") }, []stage.Error{stage.Parse}},
		{"fifteen components", func(f *forgery) { tcbOf(levels(f.info)[0])["sgxtcbcomponents"] = comps(5)[:15] }, []stage.Error{stage.Parse}},
		{"component without number", func(f *forgery) { delete(svns(levels(f.info)[0], "sgxtcbcomponents")[3], "svn") }, []stage.Error{stage.Parse}},
		{"null for a level", func(f *forgery) { levels(f.info)[0] = nil }, []stage.Error{stage.Parse}},
		{"null for a QE level", func(f *forgery) { levels(f.qeid)[0] = nil }, []stage.Error{stage.Parse}},
		{"null for a module", func(f *forgery) { f.info["tdxModuleIdentities"] = []any{nil} }, []stage.Error{stage.EndorsementMismatch}},
		{"null for a component", func(f *forgery) { tcbOf(levels(f.info)[0])["sgxtcbcomponents"].([]map[string]any)[3] = nil }, []stage.Error{stage.Parse}},
		{"QE level without version", func(f *forgery) { delete(tcbOf(levels(f.qeid)[0]), "isvsvn") }, []stage.Error{stage.Parse}},

		// 6
		{"quoting enclave of another signer", func(f *forgery) { f.qe[128] ^= 1 }, []stage.Error{stage.EndorsementMismatch}},
		{"another product of that signer", func(f *forgery) { f.qe[256] = 1 }, []stage.Error{stage.EndorsementMismatch}},
		{"QE identity without product", func(f *forgery) { delete(f.qeid, "isvprodid") }, []stage.Error{stage.EndorsementMismatch}},
		{"quoting enclave in debug mode", func(f *forgery) { f.qe[48] |= 2 }, []stage.Error{stage.EndorsementMismatch}},
		{"miscselect of the quoting enclave", func(f *forgery) { f.qe[16] = 1 }, []stage.Error{stage.EndorsementMismatch}},
		{"mask of another length", func(f *forgery) { f.qeid["attributesMask"] = "FB" }, []stage.Error{stage.EndorsementMismatch}},
		{"XFRM of the quoting enclave is not looked at", func(f *forgery) { f.qe[56] = 0xe7 }, nil},
		{"quoting enclave out of date", func(f *forgery) { f.qe[258] = 3 }, []stage.Error{stage.TCBStatus}},
		{"quoting enclave below every level", func(f *forgery) { f.qe[258] = 1 }, []stage.Error{stage.TCBNoLevel}},
		{"quoting enclave of an odd status", func(f *forgery) { levels(f.qeid)[0].(map[string]any)["tcbStatus"] = "SWHardeningNeeded" }, []stage.Error{stage.TCBStatus}},
		{"platform out of date", func(f *forgery) { f.machine(func(m *machine) { m.cpu[15] = 4 }) }, []stage.Error{stage.TCBStatus}},
		{"PCE out of date", func(f *forgery) { f.machine(func(m *machine) { m.pcesvn = 12 }) }, []stage.Error{stage.TCBStatus}},
		{"TDX component out of date", func(f *forgery) { f.body[2] = 4 }, []stage.Error{stage.TCBStatus}},
		{"platform below every level", func(f *forgery) { f.machine(func(m *machine) { m.cpu[0] = 2 }) }, []stage.Error{stage.TCBNoLevel}},
		{"PCE below every level", func(f *forgery) { f.machine(func(m *machine) { m.pcesvn = 10 }) }, []stage.Error{stage.TCBNoLevel}},
		{"status nobody knows", func(f *forgery) { levels(f.info)[0].(map[string]any)["tcbStatus"] = "Splendid" }, []stage.Error{stage.TCBStatus}},
		{"module out of date", func(f *forgery) { f.body[0] = 5 }, []stage.Error{stage.TCBStatus}},
		{"module below every level", func(f *forgery) { f.body[0] = 3 }, []stage.Error{stage.TCBNoLevel}},
		{"module of an unlisted version", func(f *forgery) { f.body[1] = 2 }, []stage.Error{stage.EndorsementMismatch}},
		{"module of version 0", func(f *forgery) { f.body[0], f.body[1] = 9, 0 }, nil},
		{"module of version 0, out of date", func(f *forgery) { f.body[0], f.body[1] = 8, 0 }, []stage.Error{stage.TCBStatus}},
		{"module of version 0 without identity", func(f *forgery) { f.body[0], f.body[1] = 9, 0; delete(f.info, "tdxModule") }, []stage.Error{stage.EndorsementMismatch}},
		{"module of another signer", func(f *forgery) { f.body[64] = 1 }, []stage.Error{stage.EndorsementMismatch}},
		{"module in debug mode", func(f *forgery) { f.body[112] = 1 }, []stage.Error{stage.EndorsementMismatch}},
		{"module of an odd status", func(f *forgery) { levels(module(f))[0].(map[string]any)["tcbStatus"] = "Splendid" }, []stage.Error{stage.TCBStatus}},

		// 7
		{"quoting enclave out of date of no advisory", func(f *forgery) {
			f.qe[258] = 3
			levels(f.qeid)[1].(map[string]any)["advisoryIDs"] = nil
		}, []stage.Error{stage.TCBStatus}},
		{"module out of date of no advisory", func(f *forgery) {
			f.body[0] = 5
			levels(module(f))[1].(map[string]any)["advisoryIDs"] = nil
		}, []stage.Error{stage.TCBStatus}},
		{"quoting enclave revoked", func(f *forgery) { levels(f.qeid)[0].(map[string]any)["tcbStatus"] = "Revoked" }, []stage.Error{stage.TCBStatus}},
		{"module revoked", func(f *forgery) { levels(module(f))[0].(map[string]any)["tcbStatus"] = "Revoked" }, []stage.Error{stage.TCBStatus}},

		// 8
		{"debug TD", func(f *forgery) { f.body[120] = 1 }, []stage.Error{stage.Debug}},
		{"profiled TD", func(f *forgery) { f.body[120] = 0x20 }, []stage.Error{stage.Debug}},
		{"debug enclave", func(f *forgery) { f.as(3, bodyEnclave); f.body[48] |= 2 }, []stage.Error{stage.Debug}},
	} {
		t.Run(x.name, func(t *testing.T) {
			f := forge(t)
			x.edit(f)
			if q, err := Parse(f.quote()); (q == nil) != (err != nil) {
				t.Errorf("%v, and a quote: %v", err, q != nil)
			}
			_, r, err := f.judge()
			if got := stages(err); !slices.Equal(got, x.want) || (err == nil) != (x.want == nil) || (r == nil) == (err == nil) {
				t.Errorf("%v: %v, want %v", err, got, x.want)
			}
		})
	}
}

func day0(d int) time.Time { return forgedAt.AddDate(0, 0, d) }

// machine replaces the PCK certificate.
func (f *forgery) machine(edit func(m *machine)) {
	m := aMachine()
	edit(&m)
	f.pck = issue(f.t, f.ca, cert{name: "Intel SGX PCK Certificate", ext: m.ext(f.t)})
}

func TestPolicy(t *testing.T) {
	f := forge(t)
	f.body[0] = 5 // the module is out of date
	v, _, err := f.judge()
	if v == nil {
		t.Fatal(err)
	}
	want := TCB{Status: OutOfDate, Platform: UpToDate, Module: OutOfDate, QE: UpToDate, Advisories: []string{"INTEL-SA-00003"}}
	if v.TCB.Status != want.Status || v.TCB.Platform != want.Platform || v.TCB.Module != want.Module || v.TCB.QE != want.QE || !slices.Equal(v.TCB.Advisories, want.Advisories) {
		t.Errorf("%+v", v.TCB)
	}
	good := Policy{Statuses: []Status{UpToDate, OutOfDate}, Advisories: []string{"INTEL-SA-00003"}, MinTCBDate: v.TCB.Date, MinEvaluation: 20}
	for _, x := range []struct {
		name string
		edit func(p *Policy)
		want string // in the refusal
	}{
		{"as agreed", func(p *Policy) {}, ""},
		{"any advisory", func(p *Policy) { p.Advisories, p.AnyAdvisory = nil, true }, ""},
		{"status", func(p *Policy) { p.Statuses = []Status{UpToDate} }, "tcb-status: OutOfDate"},
		{"advisory", func(p *Policy) { p.Advisories = []string{"INTEL-SA-00001"} }, "tcb-status: advisory INTEL-SA-00003"},
		{"no advisory", func(p *Policy) { p.Advisories = nil }, "tcb-status: advisory INTEL-SA-00003"},
		{"date", func(p *Policy) { p.MinTCBDate = p.MinTCBDate.Add(time.Second) }, "tcb-status: level of 2025-11-12"},
		{"evaluation", func(p *Policy) { p.MinEvaluation = 21 }, "tcb-status: collateral of evaluation 20"},
		{"no statuses", func(p *Policy) { p.Statuses = nil }, ErrPolicy.Error()},
		{"no date", func(p *Policy) { p.MinTCBDate = time.Time{} }, ErrPolicy.Error()},
		{"no evaluation", func(p *Policy) { p.MinEvaluation = 0 }, ErrPolicy.Error()},
	} {
		p := good
		x.edit(&p)
		r, err := Appraise(v, p)
		if (err == nil) != (x.want == "") || err != nil && err.Error() != x.want || (r == nil) == (err == nil) {
			t.Errorf("%s: %v, want %q", x.name, err, x.want)
		}
	}
	if _, err := Appraise(nil, good); err != ErrPolicy {
		t.Errorf("nothing verified: %v", err)
	}
	if _, err := Appraise(&Verified{}, good); err != ErrPolicy {
		t.Errorf("nothing verified: %v", err)
	}
	if _, err := bothWays(t, f.quote(), nil, Options{Roots: f.roots}); err != ErrPolicy {
		t.Errorf("no clock: %v", err)
	}
}

// The number of the QE identity counts as well.
func TestEvaluationOfBothDocuments(t *testing.T) {
	for name, edit := range map[string]func(f *forgery){
		"TCB info":    func(f *forgery) { f.info["tcbEvaluationDataNumber"] = 16 },
		"QE identity": func(f *forgery) { f.qeid["tcbEvaluationDataNumber"] = 16 },
	} {
		f := forge(t)
		edit(f)
		if _, _, err := f.judge(); !slices.Equal(stages(err), []stage.Error{stage.TCBStatus}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConverge(t *testing.T) {
	for _, x := range []struct{ platform, part, want Status }{
		{UpToDate, UpToDate, UpToDate},
		{UpToDate, "", UpToDate},
		{SWHardeningNeeded, UpToDate, SWHardeningNeeded},
		{OutOfDate, UpToDate, OutOfDate},
		{UpToDate, OutOfDate, OutOfDate},
		{SWHardeningNeeded, OutOfDate, OutOfDate},
		{OutOfDate, OutOfDate, OutOfDate},
		{ConfigurationNeeded, OutOfDate, OutOfDateConfigurationNeeded},
		{ConfigurationAndSWHardeningNeeded, OutOfDate, OutOfDateConfigurationNeeded},
		{OutOfDateConfigurationNeeded, OutOfDate, OutOfDateConfigurationNeeded},
		{Revoked, UpToDate, Revoked},
		{Revoked, OutOfDate, Revoked},
		{UpToDate, Revoked, Revoked},
		{ConfigurationNeeded, Revoked, Revoked},
	} {
		if got := converged(x.platform, x.part); got != x.want {
			t.Errorf("%s and %s: %s, want %s", x.platform, x.part, got, x.want)
		}
	}
}

// A hierarchy with Intel's names is refused under Intel's root, and accepted under its own only.
func TestLookAlikePKI(t *testing.T) {
	for _, version := range []int{3, 4, 5} {
		body := map[int]int{3: bodyEnclave, 4: bodyTD10, 5: bodyTD15}[version]
		own := forge(t)
		own.as(version, body)
		raw, c := own.quote(), own.collateral()
		for name, x := range map[string]struct {
			roots  []*x509.Certificate
			accept bool
		}{
			"Intel's root, by default": {nil, false},
			"Intel's root":             {IntelRoots(), false},
			"no root":                  {[]*x509.Certificate{}, false},
			"another synthetic root":   {[]*x509.Certificate{issue(t, nil, cert{name: "Intel SGX Root CA", ca: true}).cert}, false},
			"its PCK CA":               {[]*x509.Certificate{own.ca.cert}, false},
			"its leaf":                 {[]*x509.Certificate{own.pck.cert}, false},
			"its own root":             {own.roots, true},
			"both roots":               {append(IntelRoots(), own.roots...), true},
		} {
			v, err := bothWays(t, raw, c, Options{Roots: x.roots, At: forgedAt})
			if (err == nil) != x.accept || (v != nil) != x.accept || !x.accept && !slices.Equal(stages(err), []stage.Error{stage.Chain}) {
				t.Errorf("v%d under %s: %v", version, name, err)
			}
		}
	}
}

// Genuine parts and forged ones do not mix, even where both roots are pinned.
func TestTwoRootsDoNotMix(t *testing.T) {
	real := open(t, "tdx", "dcapqvl-tdx/2025-06-23")
	f := forge(t)
	f.at, f.roots = real.At, append(IntelRoots(), f.roots...)
	f.info["issueDate"], f.info["nextUpdate"] = "2025-06-01T00:00:00Z", "2025-07-01T00:00:00Z"
	forged := f.collateral()
	c := *real.collateral
	c.TCBInfo, c.TCBInfoSignature, c.TCBInfoIssuerChain = forged.TCBInfo, forged.TCBInfoSignature, forged.TCBInfoIssuerChain
	if _, err := bothWays(t, real.raw, &c, Options{Roots: f.roots, At: real.At}); !slices.Equal(stages(err), []stage.Error{stage.TCBInfoChain}) {
		t.Error(err)
	}
	real.collateral.RootCACRL = f.crl(f.root, nil)
	if _, err := bothWays(t, real.raw, real.collateral, Options{Roots: f.roots, At: real.At}); !slices.Equal(stages(err), []stage.Error{stage.Chain, stage.NoCRL}) {
		t.Error(err)
	}
}

// Refusals of the same evidence name all that is wrong.
func TestAllReasons(t *testing.T) {
	f := forge(t)
	f.body[120], f.tail = 1, []byte("x")
	f.machine(func(m *machine) { m.cpu[0] = 4 })
	f.change = func(c *Collateral) { c.PCKCRL = nil }
	f.info["nextUpdate"] = day(2)
	_, _, err := f.judge()
	want := []stage.Error{stage.Debug, stage.NoCRL, stage.Parse, stage.StaleCollateral, stage.TCBStatus}
	if !slices.Equal(stages(err), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v, want %v", err, want)
	}
}

func TestFieldsOfTDX15(t *testing.T) {
	f := forge(t)
	f.as(5, bodyTD15)
	f.body[584], f.body[600], f.body[647] = 0xaa, 0xbb, 0xcc
	v, _, err := f.judge()
	if err != nil {
		t.Fatal(err)
	}
	got := v.Fields()
	service := "bb" + strings.Repeat("00", 46) + "cc"
	if got["td_report"] != "1.5" || got["tee_tcb_svn_2"] != "aa"+strings.Repeat("00", 15) || got["mr_service_td"] != service || v.Kind != KindTDX {
		t.Errorf("%v", got)
	}
	if got["cpu_svn"] != hex.EncodeToString([]byte(strings.Repeat("\x05", 16))) {
		t.Errorf("%v", got["cpu_svn"])
	}
}
