package machinetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/kinds"
	"github.com/cordon-exchange/cordon/statement"
)

// Kinds are those that there are machines of.
func Kinds() []string {
	return []string{evidence.SGX, evidence.TDX, evidence.SNP, evidence.Nitro, evidence.AzureSNP, evidence.AzureTDX, evidence.TPMSoftware}
}

// Machines are roots, and what hangs from them.
type Machines struct {
	at    time.Time
	intel *intel
	amd   *amd
	aws   *aws
	tpm   *ecdsa.PrivateKey
	azure func() (*rsa.PrivateKey, error) // the virtual TPM's, made when it is first asked for
}

// New makes machines whose certificates hold at a time and for some days around it.
func New(t testing.TB, at time.Time) *Machines {
	t.Helper()
	m := &Machines{at: at.UTC().Truncate(time.Second), tpm: newKey(t, elliptic.P256())}
	m.azure = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	m.intel, m.amd, m.aws = m.newIntel(t), m.newAMD(t), m.newAWS(t)
	return m
}

// Anchors are the roots, for who believes these machines.
func (m *Machines) Anchors() kinds.Anchors {
	return kinds.Anchors{Intel: []*x509.Certificate{m.intel.root.cert}, AMD: &m.amd.anchors, AWS: m.aws.root.cert}
}

// Enclave is what a machine attests to. The zero value is a good one: an honest program on a machine that is up to date.
type Enclave struct {
	Program    string // what is measured
	Debug      bool   // the host can look into it
	Outdated   bool   // an older TCB: of Intel OutOfDate with an advisory, of AMD old microcode
	Evaluation int    // of Intel's collateral; default 20
	Ended      bool   // collateral that ended an hour before the time
	Bare       bool   // without endorsements
	Revoked    bool   // by the vendor's lists
	Moves      bool   // the guest may be moved to another machine
	Version2   bool   // SNP: a report that does not say of which line its processor is
	VLEK       bool   // SNP: signed by a provider's key, not the chip's
}

// The TCB of these machines where they are not outdated.
const (
	Evaluation = 20
	Status     = "UpToDate"
	Advisory   = "INTEL-SA-00002" // of those that are outdated
)

// TCBDate is the date of Intel's newest level here.
func TCBDate() time.Time { return time.Date(2025, 11, 12, 0, 0, 0, 0, time.UTC) }

// Version is AMD's TCB here.
func Version() map[string]uint8 {
	return map[string]uint8{"bootloader": 4, "tee": 0, "snp": 24, "microcode": 219}
}

// Line of AMD's machine.
const Line = "Milan"

// Quote is what the attester in an enclave would obtain, with what its vendor says of the machine.
func (m *Machines) Quote(t testing.TB, kind string, e Enclave, data evidence.ReportData) hosted.Quoted {
	t.Helper()
	switch kind {
	case evidence.SGX, evidence.TDX:
		return m.intelQuote(t, kind, e, data)
	case evidence.SNP:
		return m.snpReport(t, e, data)
	case evidence.Nitro:
		return m.nitroDocument(t, e, data)
	case evidence.AzureSNP, evidence.AzureTDX:
		return m.azureQuote(t, kind, e, data)
	case evidence.TPMSoftware:
		return m.tpmQuote(t, e, data)
	}
	t.Fatalf("no machine of kind %s", kind)
	return hosted.Quoted{}
}

// Endorsements are what the vendor says of the machine of an enclave, alone: what a party holds itself.
func (m *Machines) Endorsements(t testing.TB, kind string, e Enclave) [][]byte {
	t.Helper()
	return m.Quote(t, kind, e, evidence.ReportData{1}).Endorsements
}

// measured is a measurement of the program, of so many bytes; label tells the parts of one kind apart.
func measured(e Enclave, label string, size int) []byte {
	sum := sha512.Sum512([]byte(label + "/" + e.Program))
	return sum[:size]
}

// Build is the digest that a policy lists for the program.
func Build(kind string, e Enclave) (out string) {
	switch kind {
	case evidence.SGX:
		return string(hosted.Build(kind, measured(e, "mrenclave", 32)))
	case evidence.TDX:
		parts := [][]byte{measured(e, "mrtd", 48)}
		for _, r := range []string{"rtmr0", "rtmr1", "rtmr2", "rtmr3"} {
			parts = append(parts, measured(e, r, 48))
		}
		return string(hosted.Build(kind, append(parts, measured(e, "mrconfigid", 48))...))
	case evidence.SNP:
		return string(hosted.Build(kind, measured(e, "measurement", 48), measured(e, "hostdata", 32)))
	case evidence.Nitro:
		pcrs := nitroPCRs(e)
		return string(hosted.Build(kind, pcrs[0], pcrs[1], pcrs[2]))
	case evidence.AzureSNP:
		return string(hosted.AzureBuild(kind, statement.Digest(Build(evidence.SNP, e)), registers(e)))
	case evidence.AzureTDX:
		return string(hosted.AzureBuild(kind, statement.Digest(Build(evidence.TDX, e)), registers(e)))
	case evidence.TPMSoftware:
		return string(hosted.TPMBuild(registers(e)))
	}
	return ""
}

// identity is a certificate with its key.
type identity struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate, by itself if by is nil.
func (m *Machines) issue(t testing.TB, by *identity, curve elliptic.Curve, name string, ca bool, ext ...pkix.Extension) *identity {
	t.Helper()
	key := newKey(t, curve)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: m.at.AddDate(0, -1, 0), NotAfter: m.at.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true, IsCA: ca, ExtraExtensions: ext,
	}
	if ca {
		c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &identity{c, key}
}

// lists is when collateral begins and ends.
func (m *Machines) window(e Enclave) (from, until time.Time) {
	if e.Ended {
		return m.at.AddDate(0, 0, -20), m.at.Add(-time.Hour)
	}
	return m.at.AddDate(0, 0, -10), m.at.AddDate(0, 0, 20)
}
